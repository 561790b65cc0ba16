// Linux's Gunyah drivers as systems of scenarios: the host's fault path over the hypervisor's tables, what guests get on
// demand, what becomes of a VM and its pages. Every test names the row of host-and-vmm that it checks.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import type { StepResult } from "../../../src/consequences/result.js";
import type { PageDeclaration, Rights, Verb } from "../../../src/scenario/scenario.js";
import type { System } from "../../../src/scenario/system.js";
import {
  gunyahLinuxMemfd,
  gunyahLinuxPinned,
  gunyahLinuxShare,
} from "../../../src/scenario/systems/gunyah-linux/index.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const SYSTEMS = { pinned: gunyahLinuxPinned, memfd: gunyahLinuxMemfd, share: gunyahLinuxShare } as const;
type Name = keyof typeof SYSTEMS;
const NAMES = Object.keys(SYSTEMS) as Name[];

const SECRET = 0xa004n;

const scene = (system: System, more: readonly PageDeclaration[] = [pages("ram")]): Promise<Scene> =>
  Scene.of([vmm(), guest()], more, system);

/** One page with the guest's data. */
async function secretPage(name: Name, more: readonly PageDeclaration[] = []): Promise<Scene> {
  const made = await scene(SYSTEMS[name], [pages("ram"), ...more]);
  expect(made.store("guest", "ram", SECRET).result).toBe("ok");
  return made;
}

/** A result: the result, or with `=value` what was read. */
const words = ({ result, value }: StepResult): string =>
  value === null ? result : `${result}=0x${value.toString(16)}`;

const give = (s: Scene, verb: "lend" | "share", rights: Rights, page = "ram"): StepResult =>
  s.do({ verb, pages: [ref(page)], from: "kernel", to: ["guest"], rights, sanitize: false });
const donate = (s: Scene, to: string, page = "ram"): StepResult =>
  s.do({ verb: "donate", pages: [ref(page)], from: "kernel", to });
const relinquish = (s: Scene, sanitize = false): StepResult =>
  s.do({ verb: "relinquish", pages: [ref("ram")], by: "guest", sanitize });
const reclaim = (s: Scene): StepResult =>
  s.do({ verb: "reclaim", pages: [ref("ram")], by: "kernel", force: true, sanitize: false });
const kill = (s: Scene): StepResult => s.do({ verb: "kill", who: "vmm" });
const teardown = (s: Scene): StepResult => s.do({ verb: "teardown", who: "guest" });

const OBJ = "SIGBUS/BUS_OBJERR";
const ADR = "SIGBUS/BUS_ADRERR";

// prettier-ignore
test.each<[string, (s: Scene) => StepResult, string, string, string]>([
  // access                                    the access                                                      pinned   memfd       share
  ["6.2 EL0 load (7.2)",                       (s) => s.load("vmm", "ram"),                                    OBJ,     ADR,        "ok=0xa004"],
  ["6.2 EL0 store (7.2)",                      (s) => s.store("vmm", "ram", 1n),                               OBJ,     ADR,        "ok"],
  ["6.2 EL0 fetch",                            (s) => s.fetch("vmm", "ram"),                                   OBJ,     ADR,        "ok"],
  ["6.2 EL1 uaccess load (7.3)",               (s) => s.load("vmm", "ram", { how: "uaccess" }),                "oops",  "EFAULT",   "ok=0xa004"],
  ["6.2 EL1 uaccess store (7.3)",              (s) => s.store("vmm", "ram", 1n, { how: "uaccess" }),           "oops",  "EFAULT",   "ok"],
  ["6.2 EL1 zeropad (7.4)",                    (s) => s.load("kernel", "ram", { how: "zeropad" }),             "oops",  "ok=0x0",   "ok=0xa004"],
  ["6.2 EL1 nofault",                          (s) => s.load("kernel", "ram", { how: "nofault" }),             "oops",  "EFAULT=0x0", "ok=0xa004"],
  ["6.2 EL1 direct-map load (7.4)",            (s) => s.load("kernel", "ram", { how: "direct-map" }),          "oops",  "oops",     "ok=0xa004"],
  ["6.2 EL1 direct-map store (7.4)",           (s) => s.store("kernel", "ram", 1n, { how: "direct-map" }),     "oops",  "oops",     "ok"],
  ["7.3 write(2) of the page",                 (s) => s.call("write", "ram"),                                  "oops",  "EFAULT",   "ok=0xa004"],
  ["7.5 O_DIRECT write of the page",           (s) => s.call("o_direct_write", "ram"),                         "I/O error", "EFAULT", "ok=0xa004"],
])("%s", async (_row, touch, ...expected) => {
  for (const [index, name] of NAMES.entries()) {
    const made = await secretPage(name);
    expect([name, words(touch(made))]).toEqual([name, expected[index]]);
  }
});

test.each(["pinned", "memfd"] as const)(
  "7.2 to 7.4 the guest notices nothing and keeps its data (%s)",
  async (name) => {
    const made = await secretPage(name);
    made.store("vmm", "ram", 0xbadn);
    expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
    made.store("kernel", "ram", 0xbadn, { how: "direct-map" });
    expect(made.world.guestView(ref("ram"))).toMatchObject({ mapped: true, value: SECRET });
  },
);

/** What syndromes the kernel met, and what it said. */
function kernelSide(made: Scene) {
  const entries = made.log.take();
  return {
    syndromes: entries.flatMap((entry) =>
      entry.kind === "syndrome" && entry.register === "ESR_EL1" ? [entry.value] : [],
    ),
    saw: entries.flatMap((entry) => (entry.kind === "saw" && entry.party === "kernel" ? [entry.text] : [])),
    injections: entries.filter((entry) => entry.kind === "operation" && entry.text.startsWith("gunyah_abort")).length,
  };
}

// prettier-ignore
test.each<[string, Name, (s: Scene) => StepResult, string, number, string]>([
  // row                                                        system    the access                                               ESR_EL1        aborts  the kernel
  ["8.2 Gunyah SEA, EL0 load",                                  "pinned", (s) => s.load("vmm", "ram"),                             "0x92000010",  1,      "unhandled exception: synchronous external abort"],
  ["8.2 Gunyah SEA, EL0 store: WnR is lost",                    "pinned", (s) => s.store("vmm", "ram", 1n),                        "0x92000010",  1,      "unhandled exception: synchronous external abort"],
  ["8.2 Gunyah SEA, EL0 fetch",                                 "pinned", (s) => s.fetch("vmm", "ram"),                            "0x82000010",  1,      "unhandled exception: synchronous external abort"],
  ["8.2 Gunyah SEA, EL1 load",                                  "pinned", (s) => s.load("kernel", "ram", { how: "direct-map" }),   "0x96000010",  1,      "Oops: synchronous external abort"],
  ["6.5 memory file: no stage-2 event, no PTE",                 "memfd",  (s) => s.store("vmm", "ram", 1n),                        "0x92000047",  0,      ""],
  ["6.5 memory file: the kernel's alias is absent",             "memfd",  (s) => s.load("kernel", "ram", { how: "direct-map" }),   "0x96000007",  0,      "Oops: paging request"],
])("%s", async (_row, name, touch, esr, aborts, said) => {
  const made = await secretPage(name);
  made.log.take();
  touch(made);
  const { syndromes, saw, injections } = kernelSide(made);
  expect(syndromes.at(-1)).toBe(esr);
  expect(injections).toBe(aborts);
  if (said !== "") expect(saw).toContain(said);
});

test("6.2 an EL0 abort taints the kernel M", async () => {
  const made = await secretPage("pinned");
  made.log.take();
  made.load("vmm", "ram");
  expect(kernelSide(made).saw).toContain("tainted: M (machine check)");
});

test("7.2 without a handler the process dies, and its VM with it", async () => {
  for (const name of ["pinned", "memfd"] as const) {
    const made = await Scene.of([vmm({ handlers: [] }), guest()], [pages("ram")], SYSTEMS[name]);
    made.store("guest", "ram", SECRET);
    expect(made.load("vmm", "ram")).toMatchObject({ died: ["vmm", "guest"] });
  }
});

test("7.5 a device, with or without an IOMMU: the platform hook (unverified); shared memory is reached", async () => {
  const device = { role: "device", name: "disk", iommu: "none" } as const;
  for (const [name, result] of [
    ["pinned", "I/O error"],
    ["memfd", "I/O error"],
    ["share", "ok=0xa004"],
  ] as const) {
    const log = new EvidenceLog();
    const participants = [vmm(), guest(), device, { ...device, name: "nic", iommu: "stage2" } as const];
    const world = await SYSTEMS[name].create({ participants, pages: [pages("ram")] }, log);
    const access = { verb: "access", page: ref("ram"), how: "user", vcpu: 0, offset: 0 } as const;
    world.perform({ ...access, by: "guest", kind: "store", value: SECRET });
    for (const by of ["disk", "nic"]) {
      expect(words(world.perform({ ...access, by, kind: "load", value: null }))).toBe(result);
    }
    expect(log.marks().includes("U")).toBe(name !== "share");
  }
});

test("7.6 no seizure: a lent page stays with its guest; a shared one can be taken back", async () => {
  for (const [name, result] of [
    ["pinned", "EBUSY"],
    ["memfd", "EBUSY"],
    ["share", "ok"],
  ] as const) {
    const made = await secretPage(name);
    expect([name, words(reclaim(made))]).toEqual([name, result]);
    expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  }
});

test.each(NAMES)("7.6 after the guest's release the page is demand-paged again (%s)", async (name) => {
  const made = await secretPage(name);
  expect(words(relinquish(made))).toBe("ok");
  expect(made.world.guestView(ref("ram"))).toMatchObject({ mapped: false });
  expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

test("7.6 or, where nothing is bound any more, the run ends with PAGE_FAULT ENOENT; shared memory: MMIO", async () => {
  for (const [name, result] of [
    ["pinned", "VCPU_RUN PAGE_FAULT ENOENT"],
    ["memfd", "VCPU_RUN PAGE_FAULT ENOENT"],
    ["share", "VCPU_RUN MMIO"],
  ] as const) {
    const made = await secretPage(name);
    relinquish(made);
    expect(words(made.call("memslot_delete", "ram"))).toBe("ok");
    expect(words(made.call("memslot_delete", "ram"))).toBe("ENOENT");
    expect([name, words(made.load("guest", "ram"))]).toEqual([name, result]);
    expect(made.world.deaths()).toEqual([]);
  }
});

// prettier-ignore
test.each<[string, boolean, string, string, string]>([
  // row                                                                 sanitise  pinned       memfd        share
  ["6.5 released without sanitise: the host reads old data",             false,    "ok=0xa004", "ok=0xa004", "ok=0xa004"],
  ["6.6 released with sanitise: the host reads zeros",                   true,     "ok=0x0",    "ok=0x0",    "ok=0x0"],
])("%s", async (_row, sanitize, ...expected) => {
  for (const [index, name] of NAMES.entries()) {
    const made = await secretPage(name);
    relinquish(made, sanitize);
    expect([name, words(made.load("vmm", "ram"))]).toEqual([name, expected[index]]);
  }
});

const HOLE = pages("hole", 1, { slot: false, backing: "none" });

// prettier-ignore
test.each<[string, (s: Scene) => StepResult, string, string, string]>([
  // row                                              the guest's access                        pinned                         memfd                          share
  ["7.7 first load: a page of zeros",                 (s) => s.load("guest", "fresh"),          "ok=0x0",                      "ok=0x0",                      "ok=0x0"],
  ["7.7 first store",                                 (s) => s.store("guest", "fresh", 1n),     "ok",                          "ok",                          "ok"],
  ["7.7 no binding",                                  (s) => s.load("guest", "hole"),           "VCPU_RUN PAGE_FAULT ENOENT",  "VCPU_RUN PAGE_FAULT ENOENT",  "VCPU_RUN MMIO"],
  ["7.7 the VMM has nothing mapped behind it",        (s) => s.load("guest", "bare"),           "VCPU_RUN PAGE_FAULT EFAULT",  "VCPU_RUN PAGE_FAULT ENOENT",  "VCPU_RUN MMIO"],
])("%s", async (_row, touch, ...expected) => {
  for (const [index, name] of NAMES.entries()) {
    const made = await scene(SYSTEMS[name], [pages("fresh"), pages("bare", 1, { backing: "none" }), HOLE]);
    expect([name, words(touch(made))]).toEqual([name, expected[index]]);
    expect(made.world.deaths()).toEqual([]);
  }
});

test("7.7 the VMM's content is preserved (pinned pages)", async () => {
  const made = await scene(gunyahLinuxPinned, [pages("ram", 1, { content: 0x1400_0000n })]);
  expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: 0x1400_0000n });
});

test("6.5 a folio that user space has mapped is not lent: PAGE_FAULT EPERM", async () => {
  const made = await scene(gunyahLinuxMemfd, [pages("ram", 1, { content: 1n })]);
  expect(made.load("guest", "ram").result).toBe("VCPU_RUN PAGE_FAULT EPERM");
});

test("6.5 not swap-backed: PAGE_FAULT EIO; locked memory used up: PAGE_FAULT ENOMEM", async () => {
  const declared = [pages("ram"), pages("more"), pages("gmem", 1, { backing: "guest_memfd-shared" })];
  const made = await Scene.of([vmm({ memlock: 8192 }), guest()], declared, gunyahLinuxPinned);
  expect(made.load("guest", "gmem").result).toBe("VCPU_RUN PAGE_FAULT EIO");
  expect(made.load("guest", "ram").result).toBe("ok");
  expect(made.load("guest", "more").result).toBe("ok");
  expect(made.load("guest", "gmem").result).toBe("VCPU_RUN PAGE_FAULT ENOMEM");
});

test("7.8 lent memory: no such verb. Shared memory works at once, both ways", async () => {
  for (const name of ["pinned", "memfd"] as const) expect(SYSTEMS[name].lacks.has("share")).toBe(true);
  const made = await secretPage("share");
  expect(made.load("vmm", "ram")).toMatchObject({ result: "ok", value: SECRET });
  made.store("vmm", "ram", 0xb004n);
  expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: 0xb004n });
  expect(made.world.isShared(ref("ram"))).toBe(true);
});

test("7.9 shared memory released by the guest: the host keeps access throughout", async () => {
  const made = await secretPage("share");
  expect(relinquish(made).result).toBe("ok");
  expect(made.load("vmm", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

// prettier-ignore
test.each<[string, string, Name, boolean]>([
  // row                                                 call         system     another frame for the VMM, known
  ["7.10 MAP_FIXED, pinned: split brain (unverified)",   "map_fixed", "pinned",  true],
  ["7.10 munmap, pinned: the guest keeps the page",      "munmap",    "pinned",  true],
  ["7.10 MAP_FIXED, memory file: no effect",             "map_fixed", "memfd",   false],
  ["7.10 munmap, memory file: no effect",                "munmap",    "memfd",   false],
  ["7.10 munmap, shared: no effect",                     "munmap",    "share",   false],
])("%s", async (_row, call, name, unverified) => {
  const made = await secretPage(name);
  expect(made.call(call, "ram").result).toBe("ok");
  if (call === "map_fixed") expect(made.store("vmm", "ram", 0x2222n).result).toBe("ok");
  expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  expect(made.log.marks().includes("U")).toBe(unverified);
});

test.each(NAMES)("7.11 the VMM is killed: the guest dies, the kernel has the frame again (%s)", async (name) => {
  const made = await secretPage(name);
  expect(kill(made)).toMatchObject({ result: "ok", died: ["vmm", "guest"] });
  expect(made.load("kernel", "ram", { how: "direct-map" })).toMatchObject({ result: "ok", value: SECRET });
  // Whether a protected VM's pages are zeroed is unverified.
  expect(made.log.marks().includes("U")).toBe(name !== "share");
});

test.each(NAMES)("7.12 the guest ends: pages come back with the VM, not cleared (%s)", async (name) => {
  const made = await secretPage(name);
  expect(teardown(made)).toMatchObject({ result: "ok", died: ["guest"] });
  expect(made.load("vmm", "ram")).toMatchObject({ result: "ok", value: SECRET });
  expect(made.log.marks().includes("U")).toBe(name !== "share");
  expect(made.load("guest", "ram").result).toBe("not run");
});

// prettier-ignore
test.each<[string, Name, Partial<PageDeclaration>, boolean, bigint]>([
  // row                                                       system    page                  punched  the guest reads
  ["7.13 lent: the punch is refused",                          "memfd",  {},                   false,   SECRET],
  ["7.13 shared: unmapped from the guest and freed",           "share",  {},                   true,    0n],
  ["7.13 pinned: split like pKVM (unverified)",                "pinned", { backing: "memfd" }, true,    SECRET],
])("%s", async (_row, name, more, punched, value) => {
  const made = await scene(SYSTEMS[name], [pages("ram", 1, more)]);
  made.store("guest", "ram", SECRET);
  expect(made.call("punch_hole", "ram").result === "ok").toBe(punched);
  expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value });
  expect(made.log.marks().includes("U")).toBe(name === "pinned");
});

// prettier-ignore
test.each<[string, (s: Scene) => StepResult, string, string, string]>([
  // row                                          the second time                                   pinned    memfd     share
  ["7.14 duplicate gfn: EAGAIN",                  (s) => donate(s, "guest"),                        "EAGAIN", "EAGAIN", "EAGAIN"],
  ["7.14 another VM's page: EINVAL",              (s) => donate(s, "other"),                        "EINVAL", "EINVAL", "EINVAL"],
  ["7.14 a page of the hypervisor: EINVAL",       (s) => donate(s, "guest", "hyp"),                 "EINVAL", "EINVAL", "EINVAL"],
  ["7.14 overlapping binding: EEXIST",            (s) => s.call("memslot_bind_again", "ram"),       "EEXIST", "EEXIST", "EEXIST"],
])("%s", async (_row, again, ...expected) => {
  for (const [index, name] of NAMES.entries()) {
    const declared = [pages("ram"), pages("hyp", 1, { of: "hypervisor" })];
    const made = await Scene.of([vmm(), guest(), guest({}, "other")], declared, SYSTEMS[name]);
    made.store("guest", "ram", SECRET);
    expect([name, words(again(made))]).toEqual([name, expected[index]]);
    expect(made.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  }
});

test("7 a page of the kernel's is donated, lent or shared like any other, and comes back with the VM", async () => {
  for (const name of NAMES) {
    const made = await scene(SYSTEMS[name], [pages("ram"), pages("own", 1, { of: "kernel", content: 7n })]);
    expect(donate(made, "guest", "own").result).toBe("ok");
    expect(words(made.load("guest", "own"))).toBe("ok=0x7");
    expect(made.load("kernel", "own", { how: "nofault" }).result === "ok").toBe(name === "share");
  }
});

test("7 lend RX, share R: the guest cannot write", async () => {
  for (const [name, verb, rights] of [
    ["pinned", "lend", "RX"],
    ["memfd", "lend", "RX"],
    ["share", "share", "R"],
  ] as const) {
    const made = await scene(SYSTEMS[name]);
    expect(give(made, verb, rights).result).toBe("ok");
    expect(made.load("guest", "ram").result).toBe("ok");
    expect([name, made.store("guest", "ram", 1n).result]).toEqual([name, "guest SEA"]);
  }
});

// prettier-ignore
test.each<[Name, readonly Verb[]]>([
  ["pinned", ["accept", "share"]],
  ["memfd",  ["accept", "share"]],
  ["share",  ["accept", "lend"]],
])("%s has no word for %s, and says where that is written", (name, verbs) => {
  const { lacks } = SYSTEMS[name];
  expect([...lacks.keys()]).toEqual(verbs);
  for (const { reason, citation } of lacks.values()) {
    expect(reason).not.toBe("");
    expect(citation).toMatchObject({ page: expect.stringMatching(/^(gunyah|host-and-vmm)$/) as unknown, mark: "S" });
  }
});

// prettier-ignore
test.each<[string, (s: Scene) => StepResult]>([
  ["a guest donates",              (s) => s.do({ verb: "donate", pages: [ref("ram")], from: "guest", to: "kernel" })],
  ["donated to a process",         (s) => donate(s, "vmm")],
  ["a guest reclaims",             (s) => s.do({ verb: "reclaim", pages: [ref("ram")], by: "guest", force: false, sanitize: false })],
  ["the VMM relinquishes",         (s) => s.do({ verb: "relinquish", pages: [ref("ram")], by: "vmm", sanitize: false })],
  ["reclaim of no guest's page",   (s) => s.do({ verb: "reclaim", pages: [ref("own")], by: "kernel", force: false, sanitize: false })],
  ["an unknown operation",         (s) => s.operation("host_donate_guest_twice", {})],
])("no such verb, with the reason: %s", async (_what, act) => {
  const made = await secretPage("pinned", [pages("own", 1, { of: "kernel" })]);
  const { result, why } = act(made);
  expect(result).toBe("no such verb");
  expect(why).not.toBeNull();
});

test("walk and operation: the guest's address leads to the host's frame", async () => {
  const made = await secretPage("pinned");
  const frame = made.world.guestView(ref("ram"))?.frame ?? null;
  expect(made.do({ verb: "walk", of: "guest", ipa: null, page: ref("ram") })).toMatchObject({
    result: "ok",
    value: frame,
  });
  expect(made.do({ verb: "walk", of: "kernel", ipa: null, page: ref("ram") }).result).toBe("translation fault");
  expect(made.operation("memdb_lookup", { addr: "ram" }).result).toBe("ok");
});

test("worlds take turns on one machine", async () => {
  const [first, second] = [await secretPage("pinned"), await secretPage("memfd")];
  expect(first.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  second.store("guest", "ram", 2n);
  expect(first.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  expect(second.world.guestView(ref("ram"))).toMatchObject({ value: 2n });
});
