// The searches over Gunyah: that they visit what can be told apart from outside, and nothing is left out for what is left out of a
// state; and that they ask.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Step } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { GUNYAH_PRESETS, gunyahDomain } from "../../src/explore/gunyah-domain.js";
import { GUNYAH_PARCEL_PRESETS, gunyahParcelDomain } from "../../src/explore/gunyah-parcel-domain.js";
import { withHandle } from "../../src/explore/gunyah-steps.js";
import type { SystemDomain, SystemStep } from "../../src/explore/system-domain.js";
import { listOwners, listRecords } from "../../src/machine/dumps.js";
import { ownerName } from "../../src/machine/gunyah-names.js";
import { parcels, rmVm } from "../../src/machine/gunyah-parcels.js";
import { instantiateCore } from "../../src/machine/module.js";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";

const VMIDS = [0x80, 0x81];

/** All that reference gunyah section 9 speaks of: owners, records, leaves, contents, books. Handles and turns only tell parcels apart. */
function observed(machine: Machine): string {
  return createHash("sha256").update(observedText(machine)).digest("hex");
}

function observedText(machine: Machine): string {
  const all = parcels(machine);
  const nameOf = (owner: Parameters<typeof ownerName>[0]) =>
    owner.role === "parcel" ? `parcel ${all.findIndex(({ handle }) => handle === owner.label)}` : ownerName(owner);
  const vms = VMIDS.map((vmid) => ({ vm: rmVm(machine, vmid), leaves: machine.leaves(vmid) }));
  const books = all.map(({ members, ...parcel }) => ({
    ...{ ...parcel, handle: null, extent: null },
    members: members.map((member) => ({ ...member, turn: null })),
  }));
  return JSON.stringify(
    [
      listOwners(machine.core).map((run) => ({ ...run, owner: nameOf(run.owner) })),
      // Extents are listed in the order of their numbers, which are given out again.
      listRecords(machine.core)
        .map((record) =>
          [nameOf(record.extent), record.slot, record.pa, record.size, record.vm, record.ipa, record.attributes].join(
            " ",
          ),
        )
        .sort(),
      [...vms, machine.leaves("host").filter(({ ipa }) => ipa < 0x8000_3000n)],
      [machine.readPage(0x8000_0000n).slice(0, 8), machine.readPage(0x8000_1000n).slice(0, 8), books],
    ],
    (_, value: unknown) => (typeof value === "bigint" ? value.toString(16) : value),
  );
}

/** Everything that is seen in the states that a search visits. */
async function seenBy<S extends SystemStep>(domain: SystemDomain<S>): Promise<Set<string>> {
  const seen = new Set<string>();
  const watching: SystemDomain<S> = {
    ...domain,
    watch: (machine, marks, asked) => {
      const watch = domain.watch(machine, marks, asked);
      return {
        enter: () => watch.enter(),
        isPossible: (step) => watch.isPossible(step),
        settle: (step) => watch.settle(step),
        stepBreaks: () => null,
        mayKeep: () => true,
        stateBreaks: () => {
          seen.add(observed(machine));
          return null;
        },
      };
    },
  };
  expect(await explore(watching as SystemDomain, { maxStates: 20_000 })).toMatchObject({ end: "exhausted" });
  return seen;
}

test("what no call reads again makes no difference: the same is seen with it and without", async () => {
  const domain = gunyahDomain(GUNYAH_PRESETS.tiny);
  const [told, kept] = [await seenBy(domain), await seenBy({ ...domain, keepDead: true })];
  expect(told).toEqual(kept);
});

/** A machine that replays, in the domain's first state. */
async function firstMachine({ config, setUp }: SystemDomain): Promise<Machine> {
  const machine = Machine.createOn(await instantiateCore(), config);
  for (const operation of setUp) machine.apply(operation);
  return machine;
}

const take = (machine: Machine, calls: readonly Step[]): void => {
  for (const call of calls) machine.apply(withHandle(call, machine) as Operation);
};

// Drawn by a generator of its own (Numerical Recipes' LCG), on the core that replays: no journal, no state told.
test("parcels: whatever calls in whatever order, nothing is seen that the search has not", async () => {
  const domain = gunyahParcelDomain({ pages: 2, vms: 1, transfers: ["DONATE", "LEND", "SHARE"], passOn: true });
  const seen = await seenBy(domain);
  const machine = await firstMachine(domain);
  const first = machine.snapshot();
  let seed = 1;
  const met = new Set<string>();
  for (let way = 0; way < 30; way++) {
    machine.restore(first);
    for (let step = 0; step < 40; step++) {
      seed = (seed * 1664525 + 1013904223) >>> 0;
      take(machine, domain.steps[(seed >>> 16) % domain.steps.length]?.calls ?? []);
      met.add(observed(machine));
    }
  }
  expect(met.size).toBeGreaterThan(50);
  expect([...met].filter((state) => !seen.has(state))).toEqual([]);
});

// By hand, reference gunyah 8.1. The page is HLOS's, in a block of 2 MiB at first and in a table after; lent, donated or shared, and
// not accepted; lent or shared, and accepted; or the VM's for good.
test("one page, one VM: eight states", async () => {
  const domain = gunyahParcelDomain({ pages: 1, vms: 1, transfers: ["DONATE", "LEND", "SHARE"] });
  const { end, counts, findings } = await explore(domain);
  expect([end, counts.states, findings]).toEqual(["exhausted", 8, []]);
});

test.each([
  ["tiny", gunyahDomain(GUNYAH_PRESETS.tiny)],
  ["contents", gunyahParcelDomain(GUNYAH_PARCEL_PRESETS.contents)],
])("%s: every state is visited, and no rule is broken", async (_name, domain) => {
  const { end, findings } = await explore(domain);
  expect([end, findings]).toEqual(["exhausted", []]);
});

// What no call of the resource manager's does: the ownership database alone is told of another owner, and HLOS's table stays.
test("a page that is given away under its mapping is found", async () => {
  const domain = gunyahDomain(GUNYAH_PRESETS.tiny);
  const page = { start: 0x8000_0000n, end: 0x8000_0fffn };
  const owners = { prev_type: 3, prev_object: 4n, type: 1, object: 2n }; // HLOS's extent, the root partition
  const calls: Operation[] = [{ op: "memdb_update", ...page, ...owners }];
  const steps = [...domain.steps, { calls, about: { kind: "hypercall" } as const }];
  const { end, findings } = await explore({ ...domain, steps });
  expect(end).toBe("found");
  expect(findings[0]).toMatchObject({ kind: "invariant", rule: "I2", steps: calls });
});
