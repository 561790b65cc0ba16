// One access to a page in a state of the map, on every system: what comes out is what reference host-and-vmm 7.1 says of that
// situation (test/scenario/overview.yaml), whichever way the page got there.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { defineScenario } from "../../../src/scenario/read-scenario.js";
import { runScenario } from "../../../src/scenario/run-scenario.js";
import { loadSystem, SYSTEMS } from "../../../src/scenario/systems/index.js";
import {
  type AccessAnswer,
  type AccessKind,
  type Accessor,
  ACCESSOR_WORDS,
  answerOf,
  kindsOf,
  type PageSituation,
  SITUATION_WORDS,
  scenarioOfAccess,
  situationOf,
} from "../../../src/web/compare/page-situations.js";

interface Overview {
  readonly rows: readonly {
    readonly cells: Readonly<
      Record<string, { readonly runs?: Readonly<Record<string, { shows?: string; result?: string }>> }>
    >;
  }[];
}

const OVERVIEW = parse(readFileSync(new URL("../../scenario/overview.yaml", import.meta.url), "utf8")) as Overview;

async function answer(
  system: string,
  situation: PageSituation,
  accessor: Accessor,
  kind: AccessKind,
): Promise<AccessAnswer> {
  const loaded = await loadSystem(system);
  if (loaded === null) throw new Error(`no system ${system}`);
  return answerOf(await runScenario(defineScenario(scenarioOfAccess(situation, accessor, kind)), loaded));
}

/** What the overview says of a run: `situation-01-user-load on pkvm`. */
function overview(scenario: string): { system: string; shows: string | undefined; result: string | undefined }[] {
  return OVERVIEW.rows.flatMap(({ cells }) =>
    Object.values(cells).flatMap(({ runs = {} }) =>
      Object.entries(runs).flatMap(([key, { shows, result }]) => {
        const [name, system = ""] = key.split(" on ");
        return name === scenario && !system.includes(" at ") ? [{ system, shows, result }] : [];
      }),
    ),
  );
}

describe.each<[string, PageSituation, Accessor, AccessKind]>([
  // the overview's run              the page            who           does
  ["situation-01-user-load", "guest", "user", "load"],
  ["situation-01-user-store", "guest", "user", "store"],
  ["situation-02-uaccess-load", "guest", "uaccess", "load"],
  ["situation-02-uaccess-store", "guest", "uaccess", "store"],
  ["situation-03-direct-map-load", "guest", "direct-map", "load"],
  ["situation-03-direct-map-store", "guest", "direct-map", "store"],
  ["situation-04-dma-read", "guest", "dma", "load"],
  ["situation-04-dma-write", "guest", "dma", "store"],
  ["situation-07-guest-shares", "shared-by-guest", "user", "store"],
])("%s: page %s, %s, %s", (scenario, situation, accessor, kind) => {
  const stated = overview(scenario);

  test("the overview says something of it", () => {
    expect(stated.length).toBeGreaterThan(1);
  });

  test.each(stated)("$system: $shows, $result", async ({ system, shows, result }) => {
    const found = await answer(system, situation, accessor, kind);

    expect(found).toMatchObject({ expressible: true, ...(shows && { shows }), ...(result && { result }) });
  });
});

test.each<[string, RegExp]>([
  ["gunyah-linux-pinned", /lent pages are not shared/],
  ["gunyah-linux-memfd", /lent pages are not shared/],
  ["kvm-gmem", /private or shared as a whole/],
  ["gunyah", /share ends with MEM_INVALID/],
  ["pkvm-ffa", /share ends with DENIED/],
  ["pkvm-ffa-pas", /share ends with DENIED/],
])("on %s no guest shares a page of its own (row 7): %s", async (system, reason) => {
  const found = await answer(system, "shared-by-guest", "user", "store");

  expect(found).toMatchObject({ expressible: false, reason: expect.stringMatching(reason) as string });
});

test.each<[PageSituation, Accessor, AccessKind, string, Partial<Extract<AccessAnswer, { expressible: true }>>]>([
  // row 1, "Dies": the process, unless it handles SIGSEGV; its VM dies with it
  ["guest", "user", "store", "pkvm", { signal: "SIGSEGV, SEGV_ACCERR", died: ["vmm", "guest"], mayBeHandled: true }],
  ["guest", "user", "store", "pkvm-ffa-pas", { signal: "SIGKILL, SI_KERNEL", mayBeHandled: false }],
  ["guest", "guest", "load", "pkvm", { result: "ok", value: 0xa004n, died: [] }],
  // row 5: after a forced reclaim the guest's run fails, for ever
  ["seized", "guest", "load", "pkvm", { result: "KVM_RUN EFAULT", shows: "run:-EFAULT" }],
  ["seized", "user", "load", "pkvm", { result: "ok", value: 0n }],
  ["hypervisor", "direct-map", "load", "pkvm", { result: "oops", died: ["kernel"] }],
  ["hypervisor", "direct-map", "load", "kvm-gmem", { result: "ok" }],
  ["shared-with-hypervisor", "user", "store", "pkvm", { result: "ok" }],
  ["of-normal-guest", "user", "load", "pkvm", { result: "ok", value: 0xa004n }],
  ["lent", "user", "load", "pkvm-ffa-pas", { signal: "SIGKILL, SI_KERNEL" }],
])("%s, %s, %s on %s: %o", async (situation, accessor, kind, system, expected) => {
  expect(await answer(system, situation, accessor, kind)).toMatchObject({ expressible: true, ...expected });
});

test.each<[PageSituation, Accessor, string, RegExp]>([
  ["lent", "user", "pkvm", /no lend as such/],
  ["lent", "user", "kvm-gmem", /keeps no owners/],
  ["seized", "user", "pkvm-android", /no call by which the host seizes a page/],
  ["seized", "user", "pkvm-ffa", /reclaim ends with DENIED/],
  ["shared-with-hypervisor", "user", "gunyah", /parcels go from VM to VM/],
  ["host", "guest", "pkvm", /no address in guest/],
])("%s, %s: not expressible on %s, %s", async (situation, accessor, system, reason) => {
  const found = await answer(system, situation, accessor, "load");

  expect(found).toMatchObject({ expressible: false, reason: expect.stringMatching(reason) as string });
});

const SITUATIONS = Object.keys(SITUATION_WORDS) as PageSituation[];
const ACCESSORS = Object.keys(ACCESSOR_WORDS) as Accessor[];

describe.each(SITUATIONS)("%s", (situation) => {
  test.each(ACCESSORS)("every system has an answer for %s, or a reason", async (accessor) => {
    for (const { name } of SYSTEMS) {
      for (const kind of kindsOf(accessor)) {
        const found = await answer(name, situation, accessor, kind);
        expect(found.expressible ? found.result : found.reason, `${kind} on ${name}`).not.toBe("");
      }
    }
  });
});

// prettier-ignore
test.each<[string, string, string, PageSituation | null]>([
  // host           hypervisor         VM                 situation
  ["OWNED",         "NOPAGE",          "",                "host"],
  ["NOPAGE",        "OWNED",           "",                "hypervisor"],
  ["NOPAGE",        "NOPAGE",          "OWNED",           "guest"],
  ["SHARED_BORROWED", "NOPAGE",        "SHARED_OWNED",    "shared-by-guest"],
  ["SHARED_OWNED",  "NOPAGE",          "SHARED_BORROWED", "of-normal-guest"],
  ["SHARED_OWNED",  "SHARED_BORROWED", "",                "shared-with-hypervisor"],
  ["SHARED_OWNED",  "NOPAGE",          "",                "lent"],
  ["NOPAGE",        "NOPAGE",          "",                null],
])("the map's host %s, hypervisor %s, VM %s: %s", (host, hypervisor, vm, situation) => {
  const sides = [
    { party: "host", state: host },
    { party: "hypervisor", state: hypervisor },
    ...(vm === "" ? [] : [{ party: "VM 0x1000", state: vm }]),
  ];

  expect(situationOf(sides)).toBe(situation);
  expect(situationOf(sides, true)).toBe("seized");
});
