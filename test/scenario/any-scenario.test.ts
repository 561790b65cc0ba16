// Whatever a scenario asks of a system: an answer, never an exception, and never without end.

import fc from "fast-check";
import { expect, test } from "vitest";
import { HOST_CALL_NAMES } from "../../src/consequences/host-calls.js";
import { OPERATIONS } from "../../src/machine/operations.js";
import { defineScenario } from "../../src/scenario/read-scenario.js";
import { runScenario } from "../../src/scenario/run-scenario.js";
import { BACKINGS, INSTRUCTIONS, RIGHTS, type Scenario } from "../../src/scenario/scenario.js";
import { ScenarioError } from "../../src/scenario/scenario-error.js";
import { loadSystem, SYSTEMS } from "../../src/scenario/systems/index.js";

const PARTICIPANTS = {
  vmm: { role: "vmm", handlers: ["SIGSEGV", "SIGBUS"], onRunFailure: "stay" },
  frail: { role: "vmm", memlock: 8192 },
  guest: { role: "guest", vmm: "vmm", vcpus: 2 },
  normal: { role: "guest", vmm: "frail", protected: false },
  late: { role: "guest", vmm: "frail" },
  other: { role: "process", handlers: ["SIGSEGV"] },
  disk: { role: "device" },
  nic: { role: "device", iommu: "stage2" },
} as const;

const WORD = fc.constantFrom(0n, 1n, 0x1000n, 0x4000_0000n, 0x8000_0000n, 1n << 39n, 1n << 40n, (1n << 64n) - 4096n);
const party = fc.constantFrom(...Object.keys(PARTICIPANTS), "kernel", "hypervisor");
const host = fc.constantFrom("vmm", "frail", "other", "kernel");
const page = fc.constantFrom("a", "b[0]", "b[1]", "b[2]", "c", "d", "e", "f");
const pages = fc.oneof(page, fc.array(page, { minLength: 1, maxLength: 3 }), fc.constantFrom("b", "b[1..2]"));
const owned = (of: string, at: bigint, count: number) => {
  const ofGuest = PARTICIPANTS[of as keyof typeof PARTICIPANTS]?.role === "guest";
  const ofHost = of === "kernel" || of === "hypervisor";
  const optional = {
    ...(ofHost ? {} : { backing: fc.constantFrom(...BACKINGS) }),
    ...(ofGuest ? { ipa: WORD.map((word) => (word & ~0xfffn) ^ at), slot: fc.boolean() } : {}),
    content: WORD,
  };
  return fc.record({ of: fc.constant(of), count: fc.constant(count), ...optional }, { requiredKeys: ["of", "count"] });
};
const owner = fc.constantFrom("guest", "guest", "normal", "late", "vmm", "frail", "other", "kernel", "hypervisor");
/** At most three pages, at addresses of their own. */
const declaration = (at: bigint, count = 1) => owner.chain((of) => owned(of, at << 14n, count));

const rights = fc.constantFrom(...RIGHTS);
const sanitize = fc.boolean();
const argument = fc.oneof(
  WORD,
  fc.bigInt({ min: 0n, max: 64n }),
  page,
  fc.constantFrom("guest", "normal"),
  fc.boolean(),
);
const operation = fc.constantFrom(...Object.entries(OPERATIONS)).chain(([name, { args }]) =>
  fc.record({
    operation: fc.constant(name),
    with: fc.record(Object.fromEntries(Object.keys(args).map((key) => [key, argument])), { requiredKeys: [] }),
  }),
);
const step = fc.oneof(
  fc.record({ donate: pages, from: party, to: party }),
  fc.record({ lend: pages, from: party, to: party, rights, sanitize }),
  fc.record({
    share: pages,
    from: party,
    to: fc.oneof(party, fc.array(party, { minLength: 1, maxLength: 3 })),
    rights,
    sanitize,
  }),
  fc.record({ accept: pages, by: party, sanitize }),
  fc.record({ relinquish: pages, by: party, sanitize }),
  fc.record({ reclaim: pages, by: party, force: fc.boolean(), sanitize }),
  fc.record(
    {
      access: page,
      by: party,
      kind: fc.constantFrom("load", "fetch"),
      how: fc.constantFrom(...INSTRUCTIONS),
      offset: fc.constantFrom(0, 4088),
      vcpu: fc.nat(1),
    },
    { requiredKeys: ["access", "by"] },
  ),
  fc.record(
    { access: page, by: party, kind: fc.constant("store"), value: WORD, how: fc.constantFrom(...INSTRUCTIONS) },
    { requiredKeys: ["access", "by", "kind", "value"] },
  ),
  fc.record({ call: fc.constantFrom(...HOST_CALL_NAMES), by: host, pages }, { requiredKeys: ["call", "by"] }),
  fc.record({ kill: fc.constantFrom("vmm", "frail", "guest", "other") }),
  fc.record({ teardown: fc.constantFrom("guest", "normal", "late") }),
  fc.record({ walk: fc.constantFrom("guest", "normal", "kernel", "hypervisor"), ipa: WORD }),
  fc.record({ walk: fc.constantFrom("guest", "normal", "kernel", "hypervisor"), page }),
  operation,
);

const scenario = fc.record({
  scenario: fc.constant("any"),
  participants: fc.constant(PARTICIPANTS),
  pages: fc.record({
    a: declaration(0n),
    b: declaration(1n, 3),
    c: declaration(2n),
    d: declaration(3n),
    e: declaration(4n),
    f: declaration(5n),
  }),
  steps: fc.array(step, { minLength: 12, maxLength: 12 }),
});

type File = Parameters<typeof defineScenario>[0];

/** The scenario; null for one that says nothing sensible, such as a page of a device. */
function defined(file: object): Scenario | null {
  try {
    return defineScenario(file as File);
  } catch (error) {
    if (error instanceof ScenarioError) return null;
    throw error;
  }
}

/** The steps that make sense on their own. */
function sensible(file: { readonly steps: readonly object[] }): Scenario | null {
  return defined({ ...file, steps: file.steps.filter((each) => defined({ ...file, steps: [each] }) !== null) });
}

const RUNS = 40;

test.each(SYSTEMS.map(({ name }) => name))("%s answers every step of any scenario", async (name) => {
  const system = await loadSystem(name);
  if (system === null) throw new Error(`no system ${name}`);
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async (file) => {
      const read = sensible(file);
      if (read === null) return;
      ran++;
      const { steps } = await runScenario(read, system);
      expect(steps.map(({ result }) => result.result)).not.toContain("");
    }),
    { numRuns: RUNS },
  );
  expect(ran).toBeGreaterThan(RUNS / 4);
});
