// Pages on demand: what the driver answers, the steps of providing a page and their way back (reference gunyah 7,
// host-and-vmm 6.4, 6.5, 7.6). Tables and owners are the hypervisor's own.

import { expect, test } from "vitest";
import { VMID_DYNAMIC_FIRST } from "../../../assembly/abi/gunyah-rm.js";
import { DriverScene, IPA, MEMFD, PAGE, PINNED, SHARE } from "./linux-driver.js";

test.each([
  ["lends pinned pages", PINNED, false],
  ["lends pages of its file", MEMFD, false],
  ["shares pages of its file", SHARE, true],
])("7 the driver %s: owner and tables afterwards", async (_what, model, hlosKeeps) => {
  const scene = await DriverScene.of(model);
  scene.bound();
  expect(scene.store(0xa004n)).toBe("ok");
  const pa = scene.vm.provided.get(IPA)?.frame.pa ?? 0n;
  expect(scene.isHlosOwned(pa)).toBe(false);
  expect(scene.isMapped(VMID_DYNAMIC_FIRST, IPA)).toBe(true);
  expect(scene.isMappedForHlos(pa)).toBe(hlosKeeps);
});

test("7 provide: tree entry, donation, mapping, in this order", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  scene.happened();
  scene.store(1n);
  expect(scene.happened()).toEqual([
    ...["run.page-fault", "demand.bound", "pin.done", "provide.lend"],
    ...["memextent_donate", "addrspace_map", "run.provided"],
  ]);
});

// prettier-ignore
test.each<[string, typeof PINNED, (scene: DriverScene) => unknown, string]>([
  // row                                               driver   before                                                                      the guest's store
  ["7 ENOENT: no binding",                             PINNED,  () => undefined,                                                            "VCPU_RUN PAGE_FAULT ENOENT"],
  ["7 ENOENT: no binding, memory file",                MEMFD,   () => undefined,                                                            "VCPU_RUN PAGE_FAULT ENOENT"],
  ["7 VMMIO: no binding, shared memory",               SHARE,   () => undefined,                                                            "VCPU_RUN MMIO"],
  ["7 EPERM: write without ALLOW_WRITE",               PINNED,  (s) => s.driver.bind(s.vm, IPA, [s.page("ram")], { write: false }),         "VCPU_RUN PAGE_FAULT EPERM"],
  ["7 EPERM: lend while host user mappings exist",     MEMFD,   (s) => s.host.access(s.vmm, s.bound(), { how: "user", kind: "load" }),      "VCPU_RUN PAGE_FAULT EPERM"],
  ["6.5 shared memory may be mapped by the host",      SHARE,   (s) => s.host.access(s.vmm, s.bound(), { how: "user", kind: "load" }),      "ok"],
  ["7 EIO: page not swap-backed",                      PINNED,  (s) => s.bound(IPA, "guest_memfd-shared"),                                  "VCPU_RUN PAGE_FAULT EIO"],
  ["2.5 EFAULT: the VMM has nothing mapped there",     PINNED,  (s) => s.driver.bind(s.vm, IPA, [{ va: 0x1000n, file: null }]),             "VCPU_RUN PAGE_FAULT EFAULT"],
])("%s", async (_row, model, before, result) => {
  const scene = await DriverScene.of(model);
  before(scene);
  expect(scene.store(1n)).toBe(result);
  expect(scene.vmm.alive).toBe(true);
});

test("7 gup: one page of locked memory for each page that the guest touched; beyond the limit ENOMEM", async () => {
  const scene = await DriverScene.of(PINNED, { memlock: 4096 });
  scene.bound();
  scene.bound(IPA + PAGE);
  expect(scene.store(1n)).toBe("ok");
  expect(scene.vmm.lockedPages).toBe(1);
  expect(scene.store(1n, IPA + PAGE)).toBe("VCPU_RUN PAGE_FAULT ENOMEM");
  expect(scene.vmm.lockedPages).toBe(1);
});

test("7 step 1: a second arrival at the same address is EAGAIN, and gives back what it took", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  expect(scene.driver.provide(scene.vm, IPA)).toBeNull();
  expect(scene.driver.provide(scene.vm, IPA)).toBe("EAGAIN");
  expect(scene.vmm.lockedPages).toBe(1);
  expect(scene.load()).toMatchObject({ result: "ok" });
});

test("7 step 4: a donation that fails leaves no tree entry, no pin, and the page with HLOS", async () => {
  const scene = await DriverScene.of(PINNED);
  const page = scene.bound();
  scene.limitTables(0n); // A block of HLOS's must be split for a single page.
  expect(scene.store(1n)).toBe("VCPU_RUN PAGE_FAULT ENOMEM");
  expect(scene.vm.provided.size).toBe(0);
  expect(scene.vmm.lockedPages).toBe(0);
  expect(scene.isHlosOwned(page.frame?.pa ?? 0n)).toBe(true);
  scene.limitTables();
  expect(scene.store(1n)).toBe("ok");
});

test.each([
  ["pinned", PINNED],
  ["file", MEMFD],
])("7 step 4: a mapping that fails reverses the donation (%s)", async (_memory, model) => {
  const scene = await DriverScene.of(model);
  scene.bound();
  scene.store(1n); // Splits the block of HLOS's in which the next page is, too.
  const far = IPA + 0x8_0000_0000n;
  const page = scene.bound(far);
  scene.limitTables(0n);
  scene.happened();
  expect(scene.store(1n, far)).toBe("VCPU_RUN PAGE_FAULT ENOMEM");
  const happened = scene.happened();
  expect(happened.filter((what) => what.includes("_"))).toEqual([
    ...["memextent_donate", "addrspace_map", "memextent_donate"],
  ]);
  const frame = page.frame ?? page.file?.frame;
  expect(scene.isHlosOwned(frame?.pa ?? 0n)).toBe(true);
  expect(scene.isMappedForHlos(frame?.pa ?? 0n)).toBe(true);
  expect(frame?.inDirectMap).toBe(true);
  scene.limitTables();
  expect(scene.store(1n, far)).toBe("ok");
});

test("7.14 what another VM has: MEMDB_NOT_OWNER is EINVAL, and nothing changes", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  scene.store(0xa004n);
  const other = scene.newVm("other");
  const pa = scene.vm.provided.get(IPA)?.frame.pa ?? 0n;
  const owner = scene.owner(pa);
  expect(scene.driver.give(other, IPA, pa, true)).toBe("EINVAL");
  expect(scene.owner(pa)).toBe(owner);
  expect(other.provided.size).toBe(0);
  expect(scene.load()).toMatchObject({ result: "ok", value: 0xa004n });
});

test("7 rights: lent memory can be executed, shared memory cannot", async () => {
  const lent = await DriverScene.of(MEMFD);
  lent.bound();
  expect(lent.driver.touch(lent.vm, { ipa: IPA, kind: "fetch" }).result).toBe("ok");
  const shared = await DriverScene.of(SHARE);
  shared.bound();
  expect(shared.driver.touch(shared.vm, { ipa: IPA, kind: "fetch" }).result).toBe("guest SEA");
});

test("7 DEFAULT is lend for protected use alone: an unprotected VM's memory is shared", async () => {
  const scene = await DriverScene.of(PINNED, { protected: false });
  const page = scene.bound();
  expect(scene.store(0xa004n)).toBe("ok");
  expect(scene.host.access(scene.vmm, page, { how: "user", kind: "load" })).toMatchObject({
    result: "ok",
    value: 0xa004n,
  });
});

// prettier-ignore
test.each<[string, typeof PINNED, boolean, string | null]>([
  // row                                                  driver   released  reclaim
  ["7.6 lent and held: no seizure",                       PINNED,  false,    "EBUSY"],
  ["7.6 lent and held: no seizure, memory file",          MEMFD,   false,    "EBUSY"],
  ["7.6 lent and released",                               PINNED,  true,     null],
  ["7 shared: the host takes it back when it likes",      SHARE,   false,    null],
])("reclaim, %s", async (_row, model, released, errno) => {
  const scene = await DriverScene.of(model);
  scene.bound();
  scene.store(0xa004n);
  const page = scene.vm.provided.get(IPA);
  if (page === undefined) throw new Error("nothing provided");
  page.released = released;
  expect(scene.driver.reclaim(scene.vm, IPA)).toBe(errno);
  expect(scene.isHlosOwned(page.frame.pa)).toBe(errno === null);
  expect(scene.isMapped(scene.vm.vmid, IPA)).toBe(errno !== null);
  expect(page.frame.pins).toBe(errno === null ? 0 : 1);
  expect(page.frame.inDirectMap).toBe(errno === null || model !== MEMFD);
});

test("7 reclaim: unmapped, then donated back", async () => {
  const scene = await DriverScene.of(SHARE);
  scene.bound();
  scene.store(1n);
  scene.happened();
  scene.driver.reclaim(scene.vm, IPA);
  expect(scene.happened()).toEqual(["reclaim.done", "addrspace_unmap", "memextent_donate"]);
});

test("reclaim of what the guest was not given: ENOENT", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  expect(scene.driver.reclaim(scene.vm, IPA)).toBe("ENOENT");
});

// prettier-ignore
test.each([
  // row                                                    sanitise  the host reads
  ["6.5 released without sanitise: old data visible",       false,    0xa004n],
  ["6.6 sanitize_page: released with sanitise: zeros",      true,     0n],
])("%s", async (_row, sanitize, value) => {
  const scene = await DriverScene.of(MEMFD);
  const page = scene.bound();
  scene.store(0xa004n);
  expect(scene.driver.release(scene.vm, IPA, sanitize)).toBeNull();
  expect(scene.host.access(scene.vmm, page, { how: "user", kind: "load" })).toMatchObject({ result: "ok", value });
});

test("gunyah 6.7: release of what is not held is MEM_RELEASED", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  expect(scene.driver.release(scene.vm, IPA, false)).toBe("MEM_RELEASED");
});
