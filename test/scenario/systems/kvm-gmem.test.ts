// Plain KVM with guest_memfd as a system of scenarios. Every test names the row of reference host-and-vmm that it checks.

import { describe, expect, test } from "vitest";
import { weakest, type Mark } from "../../../src/consequences/evidence.js";
import type { StepResult } from "../../../src/consequences/result.js";
import type { Action, Backing, PageDeclaration, Verb } from "../../../src/scenario/scenario.js";
import type { System } from "../../../src/scenario/system.js";
import { kvmGmem, kvmGmemShared } from "../../../src/scenario/systems/kvm-gmem/index.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const SECRET = 0xa004n;

/** One page of the guest's with its data in it. */
async function secretPage(system: System = kvmGmem, declared: Partial<PageDeclaration> = {}): Promise<Scene> {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, declared)], system);
  scene.store("guest", "ram", SECRET);
  scene.log.take();
  return scene;
}

/** What a row of a table says of one kind of file. */
type Cell = Partial<StepResult>;

const ok: Cell = { result: "ok" };
const reads = (value: bigint): Cell => ({ result: "ok", value });
const error = (result: string): Cell => ({ result, value: null });

/** What the guest finds at its page afterwards. */
const finds = (scene: Scene): StepResult => scene.load("guest", "ram");

// prettier-ignore
describe.each<[row: string, touch: (scene: Scene) => StepResult, onPrivate: Cell, onShared: Cell]>([
  // action                                                                                    MMAP only (private)            MMAP + INIT_SHARED
  ["host load",                     (s) => s.load("vmm", "ram"),                               error("SIGBUS/BUS_ADRERR"),    reads(SECRET)],
  ["host store",                    (s) => s.store("vmm", "ram", 1n),                          error("SIGBUS/BUS_ADRERR"),    ok],
  ["write(pipe, addr)",             (s) => s.call("write", "ram"),                             error("EFAULT"),               ok],
  ["/proc/self/mem",                (s) => s.call("pread_self_mem", "ram"),                    error("EIO"),                  reads(SECRET)],
  ["guest access",                  finds,                                                     reads(SECRET),                 reads(SECRET)],
  ["fallocate mode 0",              (s) => s.call("fallocate", "ram"),                         error("EOPNOTSUPP"),           error("EOPNOTSUPP")],
  ["ftruncate",                     (s) => s.call("ftruncate", "ram"),                         error("EINVAL"),               error("EINVAL")],
  ["read on the fd",                (s) => s.call("pread_memfd", "ram"),                       error("EINVAL"),               error("EINVAL")],
  ["write on the fd",               (s) => s.call("pwrite_memfd", "ram"),                      error("EINVAL"),               error("EINVAL")],
  ["mmap MAP_PRIVATE",              (s) => s.call("mmap_private", "ram"),                      error("EINVAL"),               error("EINVAL")],
  ["bind a second slot",            (s) => s.call("memslot_bind_again", "ram"),                error("EEXIST"),               error("EEXIST")],
  ["munmap, guest access",          (s) => (s.call("munmap", "ram"), finds(s)),                reads(SECRET),                 reads(SECRET)],
  ["punch hole, guest access",      (s) => (s.call("punch_hole", "ram"), finds(s)),            reads(0n),                     reads(0n)],
  ["close(fd), guest access",       (s) => (s.call("close_memfd", "ram"), finds(s)),           error("KVM_RUN EFAULT MEMORY_FAULT"), error("KVM_RUN EFAULT MEMORY_FAULT")],
])("4.2 %s", (_row, touch, onPrivate, onShared) => {
  test.each([
    [kvmGmem, onPrivate],
    [kvmGmemShared, onShared],
  ])("$name", async (system, cell) => {
    const scene = await secretPage(system);
    const before = scene.log.marks().length;
    expect(touch(scene)).toMatchObject(cell);
    expect(weakest(scene.log.marks().slice(before)), "the table is measured").toBe("M");
  });
});

test("4.2 host load and store: ordinary translation faults, no S1PTW", async () => {
  const scene = await secretPage();
  scene.load("vmm", "ram");
  scene.store("vmm", "ram", 1n);
  const syndromes = scene.log.take().flatMap((entry) => (entry.kind === "syndrome" ? [entry.value] : []));
  expect(syndromes).toEqual(["0x92000007", "0x92000047"]);
});

test("4.2 guest access: the same page on both sides of a shared file, each sees the other's writes", async () => {
  const scene = await secretPage(kvmGmemShared);
  expect(scene.load("vmm", "ram").value).toBe(SECRET);
  scene.store("vmm", "ram", 7n);
  expect(finds(scene).value).toBe(7n);
  expect(scene.world.guestView(ref("ram"))?.frame).toBe(scene.world.hostView(ref("ram"))?.frame);
});

test("4.2 the VMM of a shared file touches first: the guest finds what it wrote", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram")], kvmGmemShared);
  scene.store("vmm", "ram", 7n);
  expect(finds(scene)).toMatchObject(reads(7n));
});

test("4.2 punch hole: the host mapping of a shared file goes as well", async () => {
  const scene = await secretPage(kvmGmemShared);
  scene.load("vmm", "ram");
  expect(scene.call("punch_hole", "ram").result).toBe("ok");
  expect([scene.world.guestView(ref("ram")), scene.world.hostView(ref("ram"))]).toEqual([
    { mapped: false, frame: null, value: null },
    { mapped: false, frame: null, value: null },
  ]);
  expect(scene.load("vmm", "ram")).toMatchObject(reads(0n));
});

test("4.2 close(fd): all pages of the file go, and KVM_RUN names the address", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 2), pages("other")], kvmGmem);
  for (const page of ["ram[0]", "ram[1]", "other"]) scene.store("guest", page, SECRET);
  scene.call("close_memfd", "ram[0]");
  expect(scene.load("guest", "ram[1]").result).toBe("KVM_RUN EFAULT MEMORY_FAULT");
  expect(scene.load("guest", "other")).toMatchObject(reads(SECRET));
});

test("4.2 VMM dies: the folio goes back to the allocator as it is; whoever takes it next zeroes it", async () => {
  const setup = [vmm({}, "first"), { ...guest({}, "one"), vmm: "first" }, vmm(), guest({}, "two")];
  const scene = await Scene.of(setup, [pages("a", 1, { of: "one" }), pages("b", 1, { of: "two" })], kvmGmem);
  scene.store("one", "a", SECRET);
  const frame = scene.world.guestView(ref("a"))?.frame;
  expect(scene.do({ verb: "kill", who: "first" })).toMatchObject({ result: "ok", died: ["first", "one"] });
  expect(scene.load("kernel", "a", { how: "direct-map" })).toMatchObject(reads(SECRET));
  expect(scene.load("two", "b")).toMatchObject(reads(0n));
  expect(scene.world.guestView(ref("b"))?.frame).toBe(frame);
});

test("4.1 hardware poison: the folio is kept, a later guest access is EHWPOISON with exit 39", async () => {
  const scene = await secretPage(kvmGmemShared);
  expect(scene.call("madvise_hwpoison", "ram").result).toBe("SIGBUS/BUS_MCEERR_AR");
  expect(finds(scene).result).toBe("KVM_RUN EHWPOISON MEMORY_FAULT");
});

test("4.1 migration of a folio is refused", async () => {
  const scene = await secretPage(kvmGmemShared);
  scene.load("vmm", "ram");
  const frame = scene.world.guestView(ref("ram"))?.frame;
  scene.call("compact_memory");
  expect(scene.call("madvise_soft_offline", "ram").result).toBe("EBUSY");
  expect(scene.world.guestView(ref("ram"))?.frame).toBe(frame);
});

test("4.1 private means not mappable by user space only: the direct map reads and writes it (7.4)", async () => {
  const scene = await secretPage();
  expect(scene.load("kernel", "ram", { how: "direct-map" })).toMatchObject({ ...reads(SECRET), forceReclaims: 0 });
  scene.store("kernel", "ram", 7n, { how: "direct-map" });
  expect(finds(scene)).toMatchObject(reads(7n));
  expect(weakest(scene.log.marks())).toBe("S");
});

// prettier-ignore
test.each<[string, System, string, bigint | null, Mark]>([
  ["private: O_DIRECT -EFAULT, itself not run", kvmGmem,       "EFAULT", null,   "U"],
  ["shared works",                              kvmGmemShared, "ok",     SECRET, "S"],
])("7.5 %s", async (_row, system, result, value, mark) => {
  const scene = await secretPage(system);
  expect(scene.call("o_direct_write", "ram")).toMatchObject({ result, value });
  expect(weakest(scene.log.marks())).toBe(mark);
});

// prettier-ignore
test.each<[string, Partial<PageDeclaration>, "load" | "store" | "fetch", string, Mark]>([
  ["in slot: folio allocated and zeroed",          {},                                                  "load",  "ok",                        "M"],
  ["no slot: KVM_EXIT_MMIO",                       { slot: false, backing: "none" },                    "load",  "KVM_RUN MMIO",              "M"],
  ["no slot, store: KVM_EXIT_MMIO",                { slot: false, backing: "none" },                    "store", "KVM_RUN MMIO",              "M"],
  ["no slot, fetch (2.5): SEA into the guest",     { slot: false, backing: "none" },                    "fetch", "guest SEA",                 "M"],
  ["beyond the VM's IPA space (2.5 step 2)",       { slot: false, backing: "none", ipa: 1n << 40n },    "load",  "guest SEA",                 "U"],
  ["beyond the machine's (2.5 step 2)",            { slot: false, backing: "none", ipa: 1n << 44n },    "load",  "guest address size fault",  "U"],
])("7.7 %s", async (_row, declared, kind, expected, mark) => {
  const scene = await Scene.of([vmm(), guest()], [pages("page", 1, declared)], kvmGmem);
  const before = scene.log.marks().length;
  const access = { verb: "access", page: ref("page"), by: "guest", how: "user", vcpu: 0, offset: 0 } as const;
  const found = scene.do({ ...access, kind, value: kind === "store" ? 1n : null });
  expect(found.result).toBe(expected);
  if (expected === "ok") expect(found.value).toBe(0n);
  expect(weakest(scene.log.marks().slice(before))).toBe(mark);
});

test.each([kvmGmem, kvmGmemShared])("7.8 no per-page state, $name: isShared is the file's", async (system) => {
  const scene = await secretPage(system);
  expect(scene.world.isShared(ref("ram"))).toBe(system === kvmGmemShared);
});

test("7.10 MAP_FIXED: the file is the truth, and what the VMM has at the address is another page", async () => {
  const scene = await secretPage();
  scene.call("map_fixed", "ram");
  scene.store("vmm", "ram", 7n);
  expect(finds(scene)).toMatchObject(reads(SECRET));
  expect(scene.world.hostView(ref("ram"))).toBeNull();
});

// prettier-ignore
test.each<[string, System, Cell]>([
  ["private", kvmGmem,       error("SIGBUS/BUS_ADRERR")],
  ["shared",  kvmGmemShared, reads(SECRET)],
])("7.12 the guest dies: pages live until the file dies, content remains in the file, %s", async (_row, system, cell) => {
  const scene = await secretPage(system);
  expect(scene.do({ verb: "teardown", who: "guest" })).toMatchObject({ result: "ok", died: ["guest"] });
  expect(scene.load("vmm", "ram")).toMatchObject(cell);
  expect(scene.load("kernel", "ram", { how: "direct-map" })).toMatchObject(reads(SECRET));
  expect(scene.load("guest", "ram").result).toBe("not run");
  expect(scene.do({ verb: "kill", who: "vmm" })).toMatchObject({ result: "ok", died: ["vmm"] });
});

test("3: kvmtool exits when its run fails, and the VM with it", async () => {
  const scene = await Scene.of([vmm({ onRunFailure: "exit" }), guest()], [pages("ram")], kvmGmem);
  scene.call("close_memfd", "ram");
  expect(finds(scene)).toMatchObject({ result: "KVM_RUN EFAULT MEMORY_FAULT", died: ["vmm", "guest"] });
});

test("7.13 memory behind the guest taken offline: what comes of it is not known", async () => {
  const scene = await secretPage();
  expect(scene.do({ verb: "call", call: "offline_memory", by: "kernel", pages: [ref("ram")] }).result).toBe("EPERM");
  expect(weakest(scene.log.marks())).toBe("U");
});

// Memory of the VMM behind a slot: an ordinary VM, which follows the VMM's address space.

const anonymous: { backing: Backing } = { backing: "anonymous" };

test("7.10 a normal, HVA-backed slot: the guest follows the new page", async () => {
  const scene = await secretPage(kvmGmem, anonymous);
  expect(scene.load("vmm", "ram"), "shared from the beginning").toMatchObject(reads(SECRET));
  scene.call("map_fixed", "ram");
  scene.store("vmm", "ram", 0x2222n);
  expect(finds(scene)).toMatchObject(reads(0x2222n));
  expect(scene.world.isShared(ref("ram"))).toBe(true);
});

test("2.6 MADV_DONTNEED: the guest finds a fresh page", async () => {
  const scene = await secretPage(kvmGmem, anonymous);
  scene.call("madvise_dontneed", "ram");
  expect(finds(scene)).toMatchObject(reads(0n));
});

test("2.6 a page that is moved to another frame: the guest finds its data there", async () => {
  const scene = await secretPage(kvmGmem, anonymous);
  const frame = scene.world.guestView(ref("ram"))?.frame;
  expect(scene.call("madvise_soft_offline", "ram").result).toBe("ok");
  expect(finds(scene)).toMatchObject(reads(SECRET));
  expect(scene.world.guestView(ref("ram"))?.frame).not.toBe(frame);
});

test.each<[string, Partial<PageDeclaration>, string[]]>([
  ["nothing mapped", { backing: "none" }, []],
  ["mapped read-only, a store", { backing: "read-only" }, []],
  ["unmapped after it was used", anonymous, ["munmap"]],
])("2.5 the VMM has %s behind the slot: KVM_RUN EFAULT, exit_reason 0", async (_row, declared, calls) => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, declared)], kvmGmem);
  for (const call of calls) scene.call(call, "ram");
  expect(scene.store("guest", "ram", 1n).result).toBe("KVM_RUN EFAULT");
});

test("2.5 a bad page behind the slot: SIGBUS ends a VMM that does not handle it, and its VM", async () => {
  const scene = await Scene.of([vmm({ handlers: [] }), guest()], [pages("ram", 1, anonymous)], kvmGmem);
  scene.load("vmm", "ram");
  expect(scene.do({ verb: "call", call: "madvise_hwpoison", by: "kernel", pages: [ref("ram")] }).result).toMatch(
    /^SIGBUS/,
  );
  expect(finds(scene)).toMatchObject({ result: "KVM_RUN EINTR", died: ["vmm", "guest"] });
});

test("7.14 plain HVA slots may alias freely", async () => {
  expect((await secretPage(kvmGmem, anonymous)).call("memslot_bind_again", "ram").result).toBe("ok");
});

// prettier-ignore
test.each<[string, Partial<PageDeclaration>, string, string, string]>([
  // change             behind the slot        answer     the guest's next load
  ["delete",            anonymous,             "memslot_delete",        "ok",     "KVM_RUN MMIO"],
  ["move",              anonymous,             "memslot_move",          "ok",     "KVM_RUN MMIO"],
  ["dirty logging",     anonymous,             "memslot_dirty_logging", "ok",     "ok"],
  ["read-only",         anonymous,             "memslot_read_only",     "EINVAL", "ok"],
  ["another slot",      anonymous,             "memslot_add",           "ok",     "ok"],
  ["delete",            {},                    "memslot_delete",        "ok",     "KVM_RUN MMIO"],
  ["move",              {},                    "memslot_move",          "EINVAL", "ok"],
])("2.3 memslot, %s: %o", async (_row, declared, call, answer, next) => {
  const scene = await secretPage(kvmGmem, declared);
  expect(scene.call(call, "ram").result).toBe(answer);
  expect(finds(scene).result).toBe(next);
});

// Verbs.

// prettier-ignore
test.each<[Verb, Action]>([
  ["donate",     { verb: "donate", pages: [ref("ram")], from: "vmm", to: "guest" }],
  ["lend",       { verb: "lend", pages: [ref("ram")], from: "vmm", to: ["guest"], rights: "RW", sanitize: false }],
  ["share",      { verb: "share", pages: [ref("ram")], from: "guest", to: ["vmm"], rights: "RW", sanitize: false }],
  ["accept",     { verb: "accept", pages: [ref("ram")], by: "guest", sanitize: false }],
  ["relinquish", { verb: "relinquish", pages: [ref("ram")], by: "guest", sanitize: false }],
])("4.1 no %s, with a reason and a source", async (verb, action) => {
  const lack = kvmGmem.lacks.get(verb);
  expect([lack?.reason, lack?.citation.page]).toEqual([expect.stringMatching(/\w/), "host-and-vmm"]);
  const { result, why } = (await secretPage()).do(action);
  expect([result, why]).toEqual(["no such verb", lack?.reason]);
});

// prettier-ignore
test.each<[string, string, boolean, string, bigint]>([
  ["the VMM takes pages back by a hole (7.6)",    "vmm",    false, "ok",           0n],
  ["the kernel seizes nothing",                   "kernel", true,  "no such verb", SECRET],
  ["a guest has nothing to unshare (7.9)",        "guest",  false, "no such verb", SECRET],
])("reclaim: %s", async (_row, by, force, result, left) => {
  const scene = await secretPage();
  expect(scene.do({ verb: "reclaim", pages: [ref("ram")], by, force, sanitize: false }).result).toBe(result);
  expect(finds(scene)).toMatchObject(reads(left));
});

test("operation: guests, pages and files stand for handles, addresses and descriptors", async () => {
  const scene = await secretPage();
  expect(scene.operation("gmem_fallocate", { fd: "ram", mode: 3, offset: 0, size: 4096 }).result).toBe("ok");
  expect(scene.operation("kvm_age_gfn", { vm: "guest", gfn: "ram", nr: 1 })).toMatchObject(reads(0n));
  expect(scene.operation("host_donate_guest", { vm: "guest", pfn: "ram", gfn: 1 })).toMatchObject({
    result: "no such verb",
    why: expect.any(String) as string,
  });
});

test("walk: the guest's address leads to its frame; the host has no stage 2", async () => {
  const scene = await secretPage();
  const frame = scene.world.guestView(ref("ram"))?.frame;
  const walk = { verb: "walk", ipa: null, page: ref("ram") } as const;
  expect(scene.do({ ...walk, of: "guest" })).toMatchObject({ result: "ok", value: frame });
  expect(scene.do({ ...walk, of: "kernel" }).result).toBe("no such verb");
});

test("two worlds at a time, private and shared, keep to themselves", async () => {
  const [one, two] = [await secretPage(), await secretPage(kvmGmemShared)];
  two.store("guest", "ram", 5n);
  expect([finds(one).value, finds(two).value, one.load("vmm", "ram").result]).toEqual([
    SECRET,
    5n,
    "SIGBUS/BUS_ADRERR",
  ]);
});

test("a private file's declared content is there before the first step", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { content: 7n })], kvmGmem);
  expect(finds(scene)).toMatchObject(reads(7n));
});
