// Gunyah as a system of scenarios: the parcel verbs through the common ones, what HLOS and guests meet at memory that is not
// theirs, and the end of a VM. Every test names the row of the reference that it checks (gunyah, unless it says otherwise).

import { expect, test } from "vitest";
import type { StepResult } from "../../../src/consequences/result.js";
import type { Action, PageDeclaration, Rights } from "../../../src/scenario/scenario.js";
import { gunyah } from "../../../src/scenario/systems/gunyah/index.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const DATA = 0xd0n;
const WRITTEN = 0xe0n;

type Verb = "donate" | "lend" | "share";
interface Given {
  readonly from?: string;
  readonly rights?: Rights;
  readonly sanitize?: boolean;
}

/** HLOS with two VMs and a page of the VMM's that no VM has yet, and the parcel verbs in short. */
class Parcels {
  readonly scene: Scene;

  private constructor(scene: Scene) {
    this.scene = scene;
  }

  static async of(more: readonly PageDeclaration[] = []): Promise<Parcels> {
    const buffer = pages("buffer", 1, { of: "vmm", content: DATA });
    const disk = { role: "device", name: "disk", iommu: "none" } as const;
    return new Parcels(await Scene.of([vmm(), guest(), guest({}, "other"), disk], [buffer, ...more], gunyah));
  }

  give(verb: Verb, to: string | readonly string[], page = "buffer", given: Given = {}): string {
    const { from = "kernel", rights = "RWX", sanitize = false } = given;
    const receivers = [to].flat();
    const refs = [ref(page)];
    if (verb === "donate") return this.#do({ verb, pages: refs, from, to: receivers[0] ?? "" });
    return this.#do({ verb, pages: refs, from, to: receivers, rights, sanitize });
  }

  accept(by = "guest", page = "buffer", sanitize = false): string {
    return this.#do({ verb: "accept", pages: [ref(page)], by, sanitize });
  }

  relinquish(by = "guest", page = "buffer", sanitize = false): string {
    return this.#do({ verb: "relinquish", pages: [ref(page)], by, sanitize });
  }

  reclaim(by = "kernel", page = "buffer", more: { sanitize?: boolean; force?: boolean } = {}): string {
    return this.#do({ verb: "reclaim", pages: [ref(page)], by, force: false, sanitize: false, ...more });
  }

  #do(action: Action): string {
    return this.scene.do(action).result;
  }

  /** What a load finds: `0xd0`, or the result that is no `ok`. */
  reads(by: string, page = "buffer"): string {
    return found(this.scene.load(by, page));
  }

  writes(by: string, value = WRITTEN): string {
    return this.scene.store(by, "buffer", value).result;
  }

  /** VMM, guest and other VM at the buffer. */
  seen(): string {
    return ["vmm", "guest", "other"].map((by) => this.reads(by)).join(", ");
  }
}

function found({ result, value }: StepResult): string {
  return result === "ok" && value !== null ? `0x${value.toString(16)}` : result;
}

const OBJ = "SIGBUS/BUS_OBJERR";
const SEA = "guest SEA";

// prettier-ignore
test.each<[row: string, given: (p: Parcels) => void, verb: (p: Parcels) => string, seen: string]>([
  ["LEND",                p => void p,                                           p => p.give("lend", "guest"),   `${OBJ}, ${SEA}, ${SEA}`],
  ["SHARE",               p => void p,                                           p => p.give("share", "guest"),  `0xd0, ${SEA}, ${SEA}`],
  ["DONATE",              p => void p,                                           p => p.give("donate", "guest"), `${OBJ}, ${SEA}, ${SEA}`],
  ["LEND, SANITIZE",      p => void p,                                           p => p.give("lend", "guest", "buffer", { sanitize: true }), `${OBJ}, ${SEA}, ${SEA}`],
  ["SHARE, SANITIZE",     p => void p,                                           p => p.give("share", "guest", "buffer", { sanitize: true }), `0x0, ${SEA}, ${SEA}`],
  ["ACCEPT DONE, LEND",   p => p.give("lend", "guest"),                          p => p.accept(),                `${OBJ}, 0xd0, ${SEA}`],
  ["ACCEPT DONE, SHARE",  p => p.give("share", "guest"),                         p => p.accept(),                `0xd0, 0xd0, ${SEA}`],
  ["ACCEPT DONE, DONATE", p => p.give("donate", "guest"),                        p => p.accept(),                `${OBJ}, 0xd0, ${SEA}`],
  ["ACCEPT by two",       p => [p.give("lend", ["guest", "other"]), p.accept()], p => p.accept("other"),         `${OBJ}, 0xd0, 0xd0`],
  ["RELEASE, LEND",       p => [p.give("lend", "guest"), p.accept()],            p => p.relinquish(),            `${OBJ}, ${SEA}, ${SEA}`],
  ["RELEASE, SHARE",      p => [p.give("share", "guest"), p.accept()],           p => p.relinquish(),            `0xd0, ${SEA}, ${SEA}`],
  ["RECLAIM at once",     p => p.give("lend", "guest"),                          p => p.reclaim(),               `0xd0, ${SEA}, ${SEA}`],
  ["RECLAIM of a share",  p => [p.give("share", "guest"), p.accept(), p.relinquish()], p => p.reclaim(),         `0xd0, ${SEA}, ${SEA}`],
])("8.1 %s: who reaches the page afterwards", async (_row, given, verb, seen) => {
  const parcels = await Parcels.of();
  given(parcels);
  expect(verb(parcels)).toBe("ok");
  expect(parcels.seen()).toBe(seen);
});

test.each<[string, { accept?: boolean; release?: boolean; reclaim?: boolean }, string]>([
  ["RECLAIM: the owner reads what the borrower left", {}, "0xe0"],
  ["RECLAIM, SANITIZE on accept", { accept: true }, "0x0"],
  ["RECLAIM, SANITIZE on release", { release: true }, "0x0"],
  ["RECLAIM, SANITIZE on reclaim", { reclaim: true }, "0x0"],
])("8.1 %s", async (_row, { accept = false, release = false, reclaim = false }, left) => {
  const parcels = await Parcels.of();
  parcels.give("lend", "guest");
  parcels.accept("guest", "buffer", accept);
  expect(parcels.reads("guest"), "nothing is wiped before the owner sees it").toBe("0xd0");
  parcels.writes("guest");
  parcels.relinquish("guest", "buffer", release);
  expect(parcels.reclaim("kernel", "buffer", { sanitize: reclaim })).toBe("ok");
  expect(parcels.reads("vmm")).toBe(left);
});

test("8.1 SHARE: both see each other's writes", async () => {
  const parcels = await Parcels.of();
  parcels.give("share", "guest");
  parcels.accept();
  parcels.writes("guest");
  expect(parcels.reads("vmm")).toBe("0xe0");
  parcels.writes("vmm", 0xf0n);
  expect(parcels.reads("guest")).toBe("0xf0");
});

test("8.1 VM_RESET: parcels that the VM accepted are released, nothing is wiped", async () => {
  const parcels = await Parcels.of();
  parcels.give("lend", "guest");
  parcels.accept();
  parcels.writes("guest");
  expect(parcels.reclaim()).toBe("MEM_INUSE");
  expect(parcels.scene.do({ verb: "teardown", who: "guest" })).toMatchObject({ result: "ok", died: ["guest"] });
  expect(parcels.reclaim()).toBe("ok");
  expect(parcels.reads("vmm")).toBe("0xe0");
});

test("8.1 VM_RESET: memory donated to the VM goes to parent_ddr and never comes back to HLOS", async () => {
  const parcels = await Parcels.of();
  parcels.give("donate", "guest");
  parcels.accept();
  parcels.scene.do({ verb: "teardown", who: "guest" });
  expect(parcels.reclaim()).toBe("HANDLE_INVALID");
  expect(parcels.reads("vmm")).toBe(OBJ);
  expect(parcels.give("lend", "other")).toBe("MEM_INVALID");
});

// prettier-ignore
test.each<[row: string, (p: Parcels) => string, answer: string]>([
  ["6.4 4 DONATE to one receiver only: LEND to two is fine",  p => p.give("lend", ["guest", "other"]),                             "ok"],
  ["6.4 9 a VM twice in the ACL",                              p => p.give("lend", ["guest", "guest"]),                             "ARGUMENT_INVALID"],
  ["6.4 10 the owner in the ACL of a LEND",                    p => p.give("lend", "vmm"),                                          "ARGUMENT_INVALID"],
  ["6.4 13 memory that is in a parcel",                        p => (p.give("lend", "guest"), p.give("share", "other")),            "MEM_INVALID"],
  ["6.4 13 memory that was borrowed",                          p => (p.give("lend", "guest"), p.accept(), p.give("share", "other", "buffer", { from: "guest" })), "MEM_INVALID"],
  ["6.4 13 a guest's own RAM: it is lent to it",               p => p.give("share", "kernel", "ram", { from: "guest" }),            "MEM_INVALID"],
  ["6.4 13 the hypervisor's memory",                           p => p.give("donate", "guest", "hyp"),                               "MEM_INVALID"],
  ["6.6 2 no parcel yet",                                      p => p.accept(),                                                     "HANDLE_INVALID"],
  ["6.6 2 the parcel is gone",                                 p => (p.give("lend", "guest"), p.reclaim(), p.accept()),             "HANDLE_INVALID"],
  ["6.6 8 not in the ACL",                                     p => (p.give("lend", "guest"), p.accept("other")),                   "VMID_INVALID"],
  ["6.6 9 accepted already",                                   p => (p.give("lend", "guest"), p.accept(), p.accept()),              "DENIED"],
  ["6.6 11 SANITIZE without W",                                p => (p.give("lend", "guest", "buffer", { rights: "RX" }), p.accept("guest", "buffer", true)), "ARGUMENT_INVALID"],
  ["6.7 not in the ACL",                                       p => (p.give("lend", "guest"), p.relinquish("other")),               "HANDLE_INVALID"],
  ["6.7 not accepted",                                         p => (p.give("lend", "guest"), p.relinquish()),                      "MEM_RELEASED"],
  ["6.7 the owner",                                            p => (p.give("share", "guest"), p.relinquish("kernel")),             "DENIED"],
  ["6.8 not the owner",                                        p => (p.give("lend", "guest"), p.reclaim("guest")),                  "DENIED"],
  ["6.8 accepted",                                             p => (p.give("lend", "guest"), p.accept(), p.reclaim()),             "MEM_INUSE"],
  ["6.8 there is no way to force",                             p => (p.give("lend", "guest"), p.accept(), p.reclaim("kernel", "buffer", { force: true })), "MEM_INUSE"],
  ["6.8 a guest's RAM while it runs (host-and-vmm 7.6)",       p => p.reclaim("kernel", "ram"),                                     "MEM_INUSE"],
])("%s", async (_row, run, answer) => {
  const parcels = await Parcels.of([pages("ram"), pages("hyp", 1, { of: "hypervisor" })]);
  expect(run(parcels)).toBe(answer);
});

test.each<[Rights, load: string, store: string, fetch: string]>([
  ["R", "0xd0", SEA, SEA],
  ["RX", "0xd0", SEA, "ok"],
  ["RW", "0xd0", "ok", SEA],
  ["RWX", "0xd0", "ok", "ok"],
])("6.1 rights %s of a borrower", async (rights, load, store, fetch) => {
  const parcels = await Parcels.of();
  parcels.give("lend", "guest", "buffer", { rights });
  parcels.accept();
  expect(parcels.reads("guest")).toBe(load);
  expect(parcels.writes("guest")).toBe(store);
  expect(parcels.scene.fetch("guest", "buffer").result).toBe(fetch);
});

test("6.4 5: an owner has 64 parcels, then DENIED", async () => {
  const parcels = await Parcels.of([pages("many", 65, { of: "vmm" })]);
  const answers = Array.from({ length: 65 }, (_, index) => parcels.give("lend", "guest", `many[${index}]`));
  expect(answers.slice(0, 64).every((answer) => answer === "ok")).toBe(true);
  expect(answers[64]).toBe("DENIED");
});

test("6.5 APPEND: more than 512 pages in one parcel", async () => {
  const { scene } = await Parcels.of([pages("large", 600, { of: "vmm", content: DATA })]);
  const large = Array.from({ length: 600 }, (_, index) => ref(`large[${index}]`));
  const lend = { verb: "lend", pages: large, from: "kernel", to: ["guest"], rights: "RWX", sanitize: false } as const;
  expect(scene.do(lend).result).toBe("ok");
  expect(scene.do({ verb: "accept", pages: large, by: "guest", sanitize: false }).result).toBe("ok");
  expect(found(scene.load("guest", "large[599]"))).toBe("0xd0");
  expect(scene.load("vmm", "large[599]").result).toBe(OBJ);
});

test("6.3 a guest gives away what it owns: donated to it, then lent to another VM", async () => {
  const parcels = await Parcels.of();
  parcels.give("donate", "guest");
  parcels.accept();
  expect(parcels.give("lend", "other", "buffer", { from: "guest" })).toBe("ok");
  expect(parcels.accept("other")).toBe("ok");
  expect(parcels.seen()).toBe(`${OBJ}, ${SEA}, 0xd0`);
  expect(parcels.relinquish("other")).toBe("ok");
  expect(parcels.reclaim("guest")).toBe("ok");
  expect(parcels.reads("guest")).toBe("0xd0");
});

test("6.3 a guest shares what it owns with HLOS, which has it where it lies", async () => {
  const parcels = await Parcels.of();
  parcels.give("donate", "guest");
  parcels.accept();
  expect(parcels.give("share", "kernel", "buffer", { from: "guest" })).toBe("ok");
  expect(parcels.reads("vmm")).toBe(OBJ);
  expect(parcels.accept("kernel")).toBe("ok");
  expect(parcels.seen()).toBe(`0xd0, 0xd0, ${SEA}`);
});

// host-and-vmm 6.2, 7.2 to 7.4, column GL with pinned pages: what Linux makes of the abort.
test.each<[string, (scene: Scene) => StepResult, Partial<StepResult>]>([
  ["7.2 EL0 load", (s) => s.load("vmm", "ram"), { result: OBJ, died: [] }],
  ["7.2 EL0 store", (s) => s.store("vmm", "ram", 1n), { result: OBJ, died: [] }],
  ["7.2 EL0 fetch", (s) => s.fetch("vmm", "ram"), { result: OBJ, died: [] }],
  ["7.3 uaccess load", (s) => s.load("vmm", "ram", { how: "uaccess" }), { result: "oops" }],
  ["7.3 uaccess store", (s) => s.store("vmm", "ram", 1n, { how: "uaccess" }), { result: "oops" }],
  ["7.4 direct map", (s) => s.load("kernel", "ram", { how: "direct-map" }), { result: "oops", died: ["kernel"] }],
  ["6.2 zeropad", (s) => s.load("kernel", "ram", { how: "zeropad" }), { result: "oops", died: ["kernel"] }],
  ["the hypervisor's memory", (s) => s.load("kernel", "hyp", { how: "direct-map" }), { result: "oops" }],
])("host-and-vmm %s", async (_row, touch, visible) => {
  const { scene } = await Parcels.of([pages("ram"), pages("hyp", 1, { of: "hypervisor" })]);
  scene.store("guest", "ram", WRITTEN);
  expect(touch(scene)).toMatchObject({ forceReclaims: 0, ...visible });
});

test("host-and-vmm 6.1: the abort that Linux sees has EC 0x24, status 0x10 and no other flag", async () => {
  const { scene } = await Parcels.of([pages("ram")]);
  scene.log.take();
  scene.store("vmm", "ram", 1n);
  const syndromes = scene.log.take().filter(({ kind }) => kind === "syndrome");
  expect(syndromes).toMatchObject([
    { register: "ESR_EL2", value: "0x92000047" },
    { register: "ESR_EL1", value: "0x92000010" },
  ]);
});

test("6.10 a guest has its RAM from the start, where it is declared, and its content", async () => {
  const { scene } = await Parcels.of([pages("ram", 2, { content: DATA, ipa: 0x9000_0000n })]);
  expect(found(scene.load("guest", "ram[1]"))).toBe("0xd0");
  expect(scene.do({ verb: "walk", of: "guest", ipa: 0x9000_1000n, page: null }).result).toBe("ok");
  expect(scene.do({ verb: "walk", of: "guest", ipa: 0x9000_2000n, page: null }).result).toBe("translation fault");
  expect(scene.do({ verb: "walk", of: "vmm", ipa: null, page: ref("ram[1]") }).result).toBe("translation fault");
});

test("5 a guest where nothing is mapped: synchronous External abort, nobody pages anything in", async () => {
  const { scene } = await Parcels.of([pages("hole", 1, { slot: false, backing: "none" })]);
  expect(scene.load("guest", "hole")).toMatchObject({ result: SEA, died: [] });
  expect(scene.load("guest", "hole").result).toBe(SEA);
});

test("6.10 the memory of a VM that is not protected is shared with HLOS", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")], gunyah);
  scene.store("guest", "ram", WRITTEN);
  expect(found(scene.load("vmm", "ram"))).toBe("0xe0");
  expect(scene.world.isShared(ref("ram"))).toBe(true);
});

test("6.10 RAM goes back page by page while it is little, as one parcel where it is much", async () => {
  const little = await Scene.of([vmm(), guest()], [pages("ram", 4)], gunyah);
  const much = await Scene.of([vmm(), guest()], [pages("ram", 64)], gunyah);
  const one: Action = { verb: "relinquish", pages: [ref("ram[3]")], by: "guest", sanitize: false };
  expect(little.do(one).result).toBe("ok");
  expect(little.load("guest", "ram[3]").result).toBe(SEA);
  expect(little.load("guest", "ram[2]").result).toBe("ok");
  expect(much.do(one)).toMatchObject({ result: "no such verb", why: expect.stringContaining("as a whole") as string });
  const all = Array.from({ length: 64 }, (_, index) => ref(`ram[${index}]`));
  expect(much.do({ ...one, pages: all }).result).toBe("ok");
});

test("host-and-vmm 7.11: the VMM is killed, its VM is reset, HLOS has the memory back as it was left", async () => {
  const parcels = await Parcels.of([pages("ram")]);
  const { scene } = parcels;
  scene.store("guest", "ram", WRITTEN);
  parcels.give("lend", "guest");
  parcels.accept();
  expect(scene.do({ verb: "kill", who: "vmm" })).toMatchObject({ died: ["vmm", "guest", "other"] });
  expect(found(scene.load("kernel", "ram", { how: "direct-map" }))).toBe("0xe0");
  expect(found(scene.load("kernel", "buffer", { how: "direct-map" }))).toBe("0xd0");
  expect(parcels.reclaim()).toBe("HANDLE_INVALID");
});

test("host-and-vmm 7.11: what another VMM's VM still holds is lost to the one that is killed", async () => {
  const third = { ...guest({}, "third"), vmm: "second" } as ReturnType<typeof guest>;
  const buffer = pages("buffer", 1, { of: "vmm", content: DATA });
  const scene = await Scene.of([vmm(), vmm({}, "second"), third], [buffer], gunyah);
  scene.do({ verb: "lend", pages: [ref("buffer")], from: "vmm", to: ["third"], rights: "RWX", sanitize: false });
  scene.do({ verb: "accept", pages: [ref("buffer")], by: "third", sanitize: false });
  expect(scene.do({ verb: "kill", who: "vmm" })).toMatchObject({ died: ["vmm"] });
  expect(found(scene.load("third", "buffer"))).toBe("0xd0");
  const reclaim = { verb: "reclaim", pages: [ref("buffer")], by: "kernel", force: false, sanitize: false } as const;
  expect(scene.do(reclaim).result).toBe("MEM_INUSE");
});

test("6.10 a VM that ends twice, verbs of a dead one", async () => {
  const parcels = await Parcels.of();
  parcels.give("lend", "guest");
  expect(parcels.scene.do({ verb: "teardown", who: "guest" }).result).toBe("ok");
  expect(parcels.scene.do({ verb: "teardown", who: "guest" }).result).toBe("not run");
  expect(parcels.accept()).toBe("not run");
  expect(parcels.scene.do({ verb: "walk", of: "guest", ipa: 0n, page: null }).result).toBe("not run");
});

test.each<[string, "none" | "stage2", (scene: Scene) => StepResult, string]>([
  ["7.5 without an IOMMU a device reads", "none", (s) => s.load("disk", "ram"), "0xe0"],
  ["7.5 without an IOMMU a device writes", "none", (s) => s.store("disk", "ram", 1n), "ok"],
  ["7.5 an IOMMU with the stage 2 of HLOS stops it", "stage2", (s) => s.load("disk", "ram"), "I/O error"],
])("host-and-vmm %s, unverified", async (_row, iommu, transfer, result) => {
  const disk = { role: "device", name: "disk", iommu } as const;
  const scene = await Scene.of([vmm(), guest(), disk], [pages("ram")], gunyah);
  scene.store("guest", "ram", WRITTEN);
  scene.log.take();
  expect(found(transfer(scene))).toBe(result);
  expect(scene.log.marks().at(-1)).toBe("U");
});

test("host-and-vmm 7.10: memory in a parcel is pinned; what the VMM unmaps the guest keeps, unverified", async () => {
  const { scene } = await Parcels.of([pages("ram")]);
  scene.store("guest", "ram", WRITTEN);
  scene.log.take();
  expect(scene.call("munmap", "ram").result).toBe("ok");
  expect(scene.log.marks()).toContain("U");
  expect(found(scene.load("guest", "ram"))).toBe("0xe0");
});

test("6 nothing of Gunyah was run on hardware: no rule counts as measured (host-and-vmm 6)", async () => {
  const parcels = await Parcels.of([pages("ram")]);
  parcels.give("lend", "guest");
  parcels.reads("vmm");
  parcels.scene.load("vmm", "ram", { how: "uaccess" });
  expect(parcels.scene.log.marks()).not.toContain("M");
});

test.each<[string, (p: Parcels) => StepResult, RegExp]>([
  ["memslots", (p) => p.scene.call("memslot_delete", "buffer"), /no memslots/],
  [
    "a parcel to a device",
    ({ scene }) => scene.do({ verb: "donate", pages: [ref("buffer")], from: "kernel", to: "disk" }),
    /from VM to VM/,
  ],
  [
    "a parcel of the hypervisor's",
    ({ scene }) => scene.do({ verb: "donate", pages: [ref("buffer")], from: "hypervisor", to: "guest" }),
    /from VM to VM/,
  ],
  ["an unknown operation", ({ scene }) => scene.operation("rm_vm_dance", {}), /no operation rm_vm_dance/],
  ["an unknown argument", ({ scene }) => scene.operation("memdb_lookup", { page: 1 }), /no argument page/],
])("no such verb: %s", async (_what, run, why) => {
  const parcels = await Parcels.of();
  expect(run(parcels)).toMatchObject({ result: "no such verb", why: expect.stringMatching(why) as string });
});

test("operations by their own names: pages and guests for numbers, answers as values, errors by name", async () => {
  const { scene } = await Parcels.of([pages("ram")]);
  const lookup = { vm: 0xff, as: 5, me: 4, size: 0x1000 };
  expect(scene.operation("addrspace_lookup", { ...lookup, vbase: 0x4200_0000 })).toMatchObject({
    result: "ok",
    value: 0x4200_0000n,
  });
  expect(scene.operation("addrspace_lookup", { ...lookup, vbase: 0x1000 })).toMatchObject({
    result: "ADDR_INVALID",
    value: null,
  });
  expect(scene.operation("rm_vm_exit", { vm: "guest" }).result).toBe("ok");
  expect(scene.operation("rm_vm_exit", { vm: "guest" }).result).toBe("VM_STATE");
  expect(scene.operation("memdb_lookup", { addr: "ram" }).result).toBe("ok");
});
