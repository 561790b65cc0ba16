// A pKVM host that lends to a secure partition, on both kinds of hardware. Every test names the row FF of reference host-and-vmm
// that it checks.

import { describe, expect, test } from "vitest";
import { weakest, type Mark } from "../../../src/consequences/evidence.js";
import type { StepResult } from "../../../src/consequences/result.js";
import type { Action, PageDeclaration } from "../../../src/scenario/scenario.js";
import type { System } from "../../../src/scenario/system.js";
import { pkvmFfa, pkvmFfaPas } from "../../../src/scenario/systems/pkvm-ffa/index.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const SECRET = 0xa004n;
const BOTH = [pkvmFfa, pkvmFfaPas];

/** One page that is lent to the partition `guest`, which has put its data there; another partition has nothing. */
async function lentPage(system: System, more: readonly PageDeclaration[] = []): Promise<Scene> {
  const scene = await Scene.of([vmm(), guest(), guest({}, "other")], [pages("ram"), ...more], system);
  scene.store("guest", "ram", SECRET);
  scene.log.take();
  return scene;
}

const lend = (page: string, to = "other", more: Partial<Extract<Action, { verb: "lend" }>> = {}): Action => ({
  ...{ verb: "lend", pages: [ref(page)], from: "kernel", to: [to], rights: "RW", sanitize: false },
  ...more,
});
const reclaim = (page = "ram", sanitize = false): Action => ({
  ...{ verb: "reclaim", pages: [ref(page)], by: "kernel", force: false, sanitize },
});
const relinquish = (page = "ram", sanitize = false): Action => ({
  ...{ verb: "relinquish", pages: [ref(page)], by: "guest", sanitize },
});

type Touch = (scene: Scene) => StepResult;
type Cell = Partial<StepResult>;
const ok: Cell = { result: "ok" };
const reads: Cell = { result: "ok", value: SECRET };
const killed: Cell = { result: "SIGKILL/SI_KERNEL", died: ["vmm"] };
const oops = (who: string): Cell => ({ result: "oops", died: [who] });

// prettier-ignore
describe.each<[row: string, touch: Touch, open: Cell, pas: Cell, esr: string]>([
  // who, how                            access                                                       open   PAS             ESR_EL1 (8.2)
  ["7.2 EL0 load",                       (s) => s.load("vmm", "ram"),                                 reads, killed,         "0x92000028"],
  ["7.2 EL0 store",                      (s) => s.store("vmm", "ram", 1n),                            ok,    killed,         "0x92000068"],
  ["7.2 EL0 fetch",                      (s) => s.fetch("vmm", "ram"),                                ok,    killed,         "0x82000028"],
  ["7.3 uaccess load",                   (s) => s.load("vmm", "ram", { how: "uaccess" }),             reads, oops("vmm"),    "0x96000028"],
  ["7.3 uaccess store",                  (s) => s.store("vmm", "ram", 1n, { how: "uaccess" }),        ok,    oops("vmm"),    "0x96000068"],
  ["7.3 load with a no-fault fixup",     (s) => s.load("kernel", "ram", { how: "nofault" }),          reads, oops("kernel"), "0x96000028"],
  ["7.4 direct-map load",                (s) => s.load("kernel", "ram", { how: "direct-map" }),       reads, oops("kernel"), "0x96000028"],
  ["7.4 direct-map store",               (s) => s.store("kernel", "ram", 1n, { how: "direct-map" }),  ok,    oops("kernel"), "0x96000068"],
])("%s", (_row, touch, open, pas, esr) => {
  test("open: goes through", async () => {
    const scene = await lentPage(pkvmFfa);
    expect(touch(scene)).toMatchObject({ ...open, died: [], forceReclaims: 0 });
    expect(weakest(scene.log.marks())).toBe("S");
  });

  test("PAS: the CPU stops it, the kernel has no handler, the partition keeps its page", async () => {
    const scene = await lentPage(pkvmFfaPas);
    expect(touch(scene)).toMatchObject({ ...pas, forceReclaims: 0 });
    const evidence = scene.log.take();
    const syndromes = evidence.flatMap((entry) => (entry.kind === "syndrome" && entry.register === "ESR_EL1" ? [entry.value] : []));
    expect(syndromes).toEqual([esr]);
    expect(evidence.some((entry) => entry.kind === "operation" && entry.text.startsWith("host_abort"))).toBe(false);
    expect(weakest(scene.log.marks())).toBe("S");
    expect(scene.world.guestView(ref("ram"))).toMatchObject({ mapped: true, value: SECRET });
  });
});

test("7.4 PAS: the oops says unknown 40", async () => {
  const scene = await lentPage(pkvmFfaPas);
  scene.load("kernel", "ram", { how: "direct-map" });
  const seen = scene.log.take().flatMap((entry) => (entry.kind === "saw" ? [entry.text] : []));
  expect(seen.join("\n")).toContain("unknown 40");
});

describe("7.5 DMA: unverified", () => {
  // prettier-ignore
  test.each<[System, Cell]>([
    [pkvmFfa,    reads],
    [pkvmFfaPas, { result: "I/O error", value: null }],
  ])("$name", async (system, cell) => {
    const disk = { role: "device", name: "disk", iommu: "none" } as const;
    const scene = await Scene.of([vmm(), guest(), disk], [pages("ram")], system);
    scene.store("guest", "ram", SECRET);
    expect(scene.load("disk", "ram")).toMatchObject(cell);
    expect(scene.call("o_direct_write", "ram")).toMatchObject(cell);
    expect(weakest(scene.log.marks())).toBe("U");
  });
});

describe.each(BOTH)("$name", (system) => {
  test("7.6 RECLAIM while retrieved: DENIED, the host cannot seize", async () => {
    const scene = await lentPage(system);
    expect(scene.do({ ...(reclaim() as Extract<Action, { verb: "reclaim" }>), force: true })).toMatchObject({
      result: "DENIED",
      died: [],
    });
    expect(scene.load("guest", "ram")).toMatchObject(reads);
    expect(weakest(scene.log.marks())).toBe("S");
  });

  test("7.6, 7.7 after relinquish and reclaim the partition faults (unverified)", async () => {
    const scene = await lentPage(system);
    expect(scene.do(relinquish()).result).toBe("ok");
    expect(scene.do(reclaim()).result).toBe("ok");
    expect(scene.load("guest", "ram")).toMatchObject({ result: "guest abort", died: ["guest"] });
    expect(weakest(scene.log.marks())).toBe("U");
  });

  test("7.7 a partition touches memory that another has retrieved: aborted (unverified)", async () => {
    const scene = await lentPage(system);
    expect(scene.load("other", "ram")).toMatchObject({ result: "guest abort", died: ["other"] });
    expect(scene.load("guest", "ram")).toMatchObject(reads);
  });

  test("7.8 the borrower cannot share back", async () => {
    const scene = await lentPage(system);
    const share = {
      verb: "share",
      pages: [ref("ram")],
      from: "guest",
      to: ["kernel"],
      rights: "RW",
      sanitize: false,
    } as const;
    expect(scene.do(share).result).toBe("DENIED");
  });

  test("7.9 relinquish first: then the host has its page back with what the partition left", async () => {
    const scene = await lentPage(system);
    expect(scene.do(reclaim()).result).toBe("DENIED");
    expect(scene.do(relinquish()).result).toBe("ok");
    expect(scene.do(reclaim()).result).toBe("ok");
    expect(scene.load("vmm", "ram")).toMatchObject(reads);
  });

  test("7.10 munmap: no effect until the driver reclaims (unverified)", async () => {
    const scene = await lentPage(system);
    const before = scene.world.guestView(ref("ram"))?.frame;
    expect(scene.call("munmap", "ram").result).toBe("ok");
    expect(scene.world.guestView(ref("ram"))).toMatchObject({ mapped: true, frame: before, value: SECRET });
    expect(weakest(scene.log.marks())).toBe("U");
  });

  test("7.11 VMM killed: what is retrieved stays lent, and the partition goes on", async () => {
    const scene = await lentPage(system);
    expect(scene.do({ verb: "kill", who: "vmm" })).toMatchObject({ result: "ok", died: ["vmm"] });
    expect(scene.load("guest", "ram")).toMatchObject(reads);
  });

  test("7.11 VMM killed: what was relinquished goes back to the host (unverified)", async () => {
    const scene = await lentPage(system);
    scene.do(relinquish());
    scene.do({ verb: "kill", who: "vmm" });
    expect(scene.load("kernel", "ram", { how: "direct-map" })).toMatchObject({ result: "ok", died: [] });
    expect(weakest(scene.log.marks())).toBe("U");
  });

  // The flag of the reclaim decides.
  test.each([
    [false, SECRET],
    [true, 0n],
  ])("7.12 reclaim with clear %s: the host reads %s", async (clear, value) => {
    const scene = await lentPage(system);
    scene.do(relinquish());
    expect(scene.do(reclaim("ram", clear)).result).toBe("ok");
    expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value });
    expect(weakest(scene.log.marks())).toBe("S");
  });

  test("7.12 the partition ends: its pages can be reclaimed (unverified)", async () => {
    const scene = await lentPage(system);
    expect(scene.do({ verb: "teardown", who: "guest" })).toMatchObject({ result: "ok", died: ["guest"] });
    expect(scene.load("vmm", "ram")).toMatchObject(reads);
    expect(weakest(scene.log.marks())).toBe("U");
  });

  test("7.13 memory with lent pages cannot be taken offline (unverified)", async () => {
    const scene = await lentPage(system);
    expect(scene.do({ verb: "call", call: "offline_memory", by: "kernel", pages: [ref("ram")] }).result).toBe("EPERM");
    expect(weakest(scene.log.marks())).toBe("U");
  });

  test.each<[string, readonly PageDeclaration[], Action, string]>([
    ["a page that is lent already", [], lend("ram"), "DENIED"],
    ["a page of EL2's", [pages("hyp", 1, { of: "hypervisor" })], lend("hyp"), "DENIED"],
    ["a page of the kernel's own", [pages("own", 1, { of: "kernel", content: 7n })], lend("own"), "ok"],
    [
      "a donation",
      [pages("own", 1, { of: "kernel" })],
      { verb: "donate", pages: [ref("own")], from: "kernel", to: "other" },
      "NOT_SUPPORTED",
    ],
    [
      "two borrowers at once",
      [pages("own", 1, { of: "kernel" })],
      { ...(lend("own") as Extract<Action, { verb: "lend" }>), to: ["guest", "other"] },
      "INVALID_PARAMETERS",
    ],
  ])("7.14 %s: %s", async (_row, more, action, result) => {
    const scene = await lentPage(system, more);
    expect(scene.do(action).result).toBe(result);
    expect(scene.load("guest", "ram")).toMatchObject(reads);
  });

  test("7.14 pages of a failed request are rolled back, and Linux returns -EACCES", async () => {
    const scene = await lentPage(system, [pages("spare", 1, { of: "vmm", content: 7n })]);
    const both = { ...(lend("spare") as Extract<Action, { verb: "lend" }>), pages: [ref("spare"), ref("ram")] };
    expect(scene.do(both).result).toBe("DENIED");
    const seen = scene.log.take().flatMap((entry) => (entry.kind === "saw" ? [entry.text] : []));
    expect(seen).toContain("FF-A: DENIED, -EACCES");
    expect(scene.do(lend("spare")).result).toBe("ok");
    expect(scene.do({ verb: "accept", pages: [ref("spare")], by: "other", sanitize: false }).result).toBe("ok");
    expect(scene.load("other", "spare")).toMatchObject({ result: "ok", value: 7n });
  });

  test("a partition that was killed does nothing more", async () => {
    const scene = await lentPage(system);
    scene.do({ verb: "teardown", who: "guest" });
    expect(scene.load("guest", "ram").result).toBe("not run");
    expect(scene.do(relinquish()).result).toBe("not run");
  });
});

test("shared memory is open on both kinds of hardware (6A, ffa 11)", async () => {
  const marks: Mark[] = [];
  for (const system of BOTH) {
    const scene = await lentPage(system, [pages("own", 1, { of: "vmm", content: 7n })]);
    const share = {
      verb: "share",
      pages: [ref("own")],
      from: "vmm",
      to: ["other"],
      rights: "RW",
      sanitize: false,
    } as const;
    expect(scene.do(share).result).toBe("ok");
    expect(scene.do({ verb: "accept", pages: [ref("own")], by: "other", sanitize: false }).result).toBe("ok");
    scene.store("other", "own", 8n);
    expect(scene.load("vmm", "own")).toMatchObject({ result: "ok", value: 8n });
    marks.push(weakest(scene.log.marks()));
  }
  expect(marks).toEqual(["S", "S"]);
});
