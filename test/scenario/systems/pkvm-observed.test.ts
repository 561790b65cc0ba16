// What a real Linux 7.3.4 host did (recordings, sections 2 to 5), done again on the machine and the host's model.

import { expect, test } from "vitest";
import type { StepResult } from "../../../src/consequences/result.js";
import { guest, pages, privatePages, Scene, valueOf, vmm } from "./pkvm-scene.js";

type Guest = "unharmed" | "VCPU dead" | "gone";
type Act = (scene: Scene) => StepResult;

const call =
  (name: string, ...on: readonly string[]): Act =>
  (scene) =>
    scene.call(name, ...(on.length === 0 ? ["ram[4]"] : on));
const all = Array.from({ length: 20 }, (_, i) => `ram[${i}]`);

/** What the guest finds when it goes on. */
function guestGoesOn(scene: Scene): Guest {
  if (scene.world.deaths().includes("guest")) return "gone";
  for (let i = 0; i < 16; i++) {
    const { result, value } = scene.load("guest", `ram[${i}]`);
    if (result === "KVM_RUN EFAULT") {
      expect(scene.load("guest", `ram[${i}]`).result, "EFAULT again on each further run").toBe("KVM_RUN EFAULT");
      return "VCPU dead";
    }
    expect([result, value]).toEqual(["ok", valueOf(i)]);
  }
  expect(scene.load("guest", "later[0]").result).toBe("ok");
  return "unharmed";
}

// prettier-ignore
test.each<[string, Act, Partial<StepResult>, Guest]>([
  // action                                 what                              host                                                          guest
  ["0 load, handler installed",             (s) => s.load("vmm", "ram[4]"),          { result: "SIGSEGV/SEGV_ACCERR", forceReclaims: 0 },          "unharmed"],
  ["1 store",                               (s) => s.store("vmm", "ram[4]", 1n),     { result: "SIGSEGV/SEGV_ACCERR", forceReclaims: 0 },          "unharmed"],
  ["3 write(pipe) from it",                 call("write"),                           { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["4 read(pipe) into it",                  call("read"),                            { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["5 process_vm_readv",                    call("process_vm_readv"),                { result: "ok", bytes: 64, value: 0n, forceReclaims: 1 },     "VCPU dead"],
  ["6 process_vm_writev",                   call("process_vm_writev"),               { result: "ok", bytes: 64, forceReclaims: 1 },                "VCPU dead"],
  ["7 pread of /proc/self/mem",             call("pread_self_mem"),                  { result: "ok", bytes: 64, value: 0n, forceReclaims: 1 },     "VCPU dead"],
  ["8 vmsplice alone",                      call("vmsplice"),                        { result: "ok", bytes: 64, forceReclaims: 0 },                "unharmed"],
  ["8 vmsplice, then read of the pipe",     (s) => (s.call("vmsplice", "ram[4]"), s.call("read_pipe", "ram[4]")), { result: "ok", bytes: 64, value: 0n, forceReclaims: 1 }, "VCPU dead"],
  ["9 O_DIRECT write: the guest's data",    call("o_direct_write"),                  { result: "ok", bytes: 4096, value: valueOf(4), forceReclaims: 0 }, "unharmed"],
  ["11 fork: all pinned pages are copied",  call("fork", ...all),                    { result: "ok", forceReclaims: 20 },                          "VCPU dead"],
  ["12 MADV_DONTNEED",                      call("madvise_dontneed"),                { result: "ok", forceReclaims: 0 },                           "unharmed"],
  ["13 munmap of the page",                 call("munmap"),                          { result: "ok", forceReclaims: 0 },                           "unharmed"],
  ["14 MADV_HWPOISON",                      call("madvise_hwpoison"),                { result: "SIGBUS/BUS_MCEERR_AR", forceReclaims: 0 },         "unharmed"],
  ["15 mprotect PROT_NONE",                 call("mprotect_none", ...all),           { result: "ok", forceReclaims: 0 },                           "unharmed"],
  ["16 futex(FUTEX_WAIT) on it",            call("futex_wait"),                      { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["17 memslot: delete",                    call("memslot_delete"),                  { result: "EPERM" },                                          "unharmed"],
  ["17 memslot: dirty logging",             call("memslot_dirty_logging"),           { result: "EPERM" },                                          "unharmed"],
  ["17 memslot: read-only",                 call("memslot_read_only"),               { result: "EINVAL" },                                         "unharmed"],
  ["17 memslot: move",                      call("memslot_move"),                    { result: "EPERM" },                                          "unharmed"],
  ["17 memslot: add another",               call("memslot_add", "later[1]"),         { result: "ok" },                                             "unharmed"],
  ["18 MADV_PAGEOUT",                       call("madvise_pageout"),                 { result: "ok", forceReclaims: 0 },                           "unharmed"],
  ["18 then compact_memory, a load",        (s) => (s.call("compact_memory"), s.load("vmm", "ram[4]")), { result: "SIGSEGV/SEGV_ACCERR", forceReclaims: 0 }, "unharmed"],
  ["19 MADV_SOFT_OFFLINE",                  call("madvise_soft_offline"),            { result: "EBUSY", forceReclaims: 0 },                        "unharmed"],
  ["21 process_vm_readv, twice",            (s) => (s.call("process_vm_readv", "ram[4]"), s.call("process_vm_readv", "ram[4]")), { result: "ok", value: 0n, forceReclaims: 0 }, "VCPU dead"],
  ["21 then a load: the host's again",      (s) => (s.call("process_vm_readv", "ram[4]"), s.load("vmm", "ram[4]")), { result: "ok", value: 0n, forceReclaims: 0 }, "VCPU dead"],
  ["22 read(/dev/zero) into it",            call("read_zero"),                       { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["23 write(memfd) from it",               call("write_memfd"),                     { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["24 rt_sigprocmask",                     call("rt_sigprocmask"),                  { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["24 clock_gettime into it",              call("clock_gettime"),                   { result: "EFAULT", forceReclaims: 0 },                       "unharmed"],
  ["25 vfork, mremap, load",                (s) => (s.call("vfork"), s.call("mremap", "ram[4]"), s.load("vmm", "ram[4]")), { result: "SIGSEGV/SEGV_ACCERR", forceReclaims: 0 }, "unharmed"],
  ["27 no-fault kernel read",               call("kprobe_fetch"),                    { value: 0n, forceReclaims: 0 },                              "unharmed"],
])("observed 2, action %s", async (_action, act, host, expected) => {
  const scene = await privatePages();
  expect(act(scene)).toMatchObject(host);
  expect(guestGoesOn(scene)).toBe(expected);
});

test("observed 2, action 2: a load without handler kills the VMM, and the VM's 20 pages are reclaimed", async () => {
  const scene = await privatePages({ handlers: [] });
  scene.log.take();
  const { result, died } = scene.load("vmm", "ram[4]");
  expect([result, died]).toEqual(["SIGSEGV/SEGV_ACCERR", ["vmm", "guest"]]);
  const reclaims = scene.log.take().filter((e) => e.kind === "operation" && e.text.startsWith("reclaim_dying"));
  expect(reclaims.length).toBe(20);
});

test("observed 2, action 10: an O_DIRECT read lands in the guest's page without any event", async () => {
  const scene = await privatePages();
  expect(scene.call("o_direct_read", "ram[4]")).toMatchObject({ result: "ok", bytes: 4096, forceReclaims: 0 });
  const { result, value } = scene.load("guest", "ram[4]");
  expect(result).toBe("ok");
  expect(value).not.toBe(valueOf(4));
});

test("observed 2, action 12: after MADV_DONTNEED the host reads 0 from a fresh page", async () => {
  const scene = await privatePages();
  scene.call("madvise_dontneed", "ram[4]");
  expect(scene.load("vmm", "ram[4]")).toMatchObject({ result: "ok", value: 0n });
});

test("observed 2, action 15: the first touch of a new page behind PROT_NONE", async () => {
  const scene = await privatePages();
  scene.call("mprotect_none", "later[0]");
  expect(scene.load("guest", "later[0]").result).toBe("KVM_RUN EFAULT");
});

test("observed 2, action 23: writev stops before the bad page", async () => {
  const scene = await privatePages({}, [pages("good", 1, { of: "vmm" })]);
  expect(scene.call("writev_memfd", "good", "ram[4]")).toMatchObject({ result: "ok", bytes: 4096 });
});

// prettier-ignore
test.each<[string, Act | null, string, string, string]>([
  // page                              how it got there                   store             MEM_SHARE            MEM_UNSHARE
  ["refused access (0)",               (s) => s.load("vmm", "ram[4]"),    "ok",             "ok",                "INVALID_PARAMETER"],
  ["refused access (3)",               call("write"),                     "ok",             "ok",                "INVALID_PARAMETER"],
  ["dropped by the VMM (12)",          call("madvise_dontneed"),          "ok",             "ok",                "INVALID_PARAMETER"],
  ["unmapped by the VMM (13)",         call("munmap"),                    "ok",             "ok",                "INVALID_PARAMETER"],
  ["force-reclaimed (5)",              call("process_vm_readv"),          "KVM_RUN EFAULT", "INVALID_PARAMETER", "INVALID_PARAMETER"],
  ["force-reclaimed (6)",              call("process_vm_writev"),         "KVM_RUN EFAULT", "INVALID_PARAMETER", "INVALID_PARAMETER"],
])("observed 2, what the guest does next, page %s", async (_page, act, store, share, unshare) => {
  for (const [what, expected] of [["store", store], ["share", share], ["unshare", unshare]] as const) {
    const scene = await privatePages();
    act?.(scene);
    const next = what === "store" ? scene.store("guest", "ram[4]", 1n) : scene[what]("ram[4]");
    expect([what, next.result]).toEqual([what, expected]);
    if (what === "share" && expected === "ok") expect(scene.load("guest", "ram[4]").value).toBe(valueOf(4));
    if (what === "share" && expected !== "ok") expect(scene.load("guest", "ram[4]").result).toBe("KVM_RUN EFAULT");
    if (what === "unshare" && act !== null) expect(scene.load("guest", "ram[5]").value).toBe(valueOf(5));
  }
});

test("observed 2, what EL2 sees of `VCPU dead`: poison is asked for, and the answer is 1", async () => {
  const scene = await privatePages();
  scene.call("process_vm_readv", "ram[4]");
  scene.log.take();
  scene.load("guest", "ram[4]");
  const asked = scene.log.take().find((e) => e.kind === "operation" && e.text.startsWith("hcall_vcpu_in_poison_fault"));
  expect(asked).toMatchObject({ result: expect.stringContaining("answered 1") as string });
});

test("observed 3: after MEM_SHARE host and guest see each other's stores; after MEM_UNSHARE the host is refused", async () => {
  const scene = await privatePages();
  expect(scene.share("ram[4]").result).toBe("ok");
  expect(scene.load("vmm", "ram[4]")).toMatchObject({ result: "ok", value: valueOf(4) });
  expect(scene.call("write", "ram[4]").result).toBe("ok");
  expect(scene.call("process_vm_readv", "ram[4]")).toMatchObject({ value: valueOf(4), forceReclaims: 0 });
  scene.store("vmm", "ram[4]", 0xb004n);
  expect(scene.load("guest", "ram[4]").value).toBe(0xb004n);
  expect(scene.unshare("ram[4]").result).toBe("ok");
  expect(scene.load("guest", "ram[4]").value, "content stays, 2.7").toBe(0xb004n);
  expect(scene.load("vmm", "ram[4]").result).toBe("SIGSEGV/SEGV_ACCERR");
  expect(scene.call("process_vm_readv", "ram[4]")).toMatchObject({ value: 0n, forceReclaims: 1 });
  expect(scene.load("guest", "ram[4]").result).toBe("KVM_RUN EFAULT");
});

test("observed 3: MADV_DONTNEED on a shared page: the two no longer see each other's writes", async () => {
  const scene = await privatePages();
  scene.share("ram[4]");
  expect(scene.call("madvise_dontneed", "ram[4]").result).toBe("ok");
  expect(scene.load("vmm", "ram[4]")).toMatchObject({ result: "ok", value: 0n });
  scene.store("vmm", "ram[4]", 0x2222n);
  expect(scene.load("guest", "ram[4]")).toMatchObject({ result: "ok", value: valueOf(4) });
});

// prettier-ignore
test.each<[string, (scene: Scene) => StepResult, string]>([
  ["MEM_SHARE of a shared page",        (s) => (s.share("ram[4]"), s.share("ram[4]")), "INVALID_PARAMETER"],
  ["MEM_UNSHARE of a page not shared",  (s) => s.unshare("ram[4]"),                    "INVALID_PARAMETER"],
  ["MEM_UNSHARE of an unmapped page",   (s) => s.unshare("later[0]"),                  "INVALID_PARAMETER"],
  ["MEM_SHARE, unaligned address",      (s) => s.operation("guest_hvc", { vm: "guest", vcpu: 0, fn: 0xc600_0003n, a1: 0x8000_0008n }),        "INVALID_PARAMETER"],
  ["MEM_SHARE, reserved argument",      (s) => s.operation("guest_hvc", { vm: "guest", vcpu: 0, fn: 0xc600_0003n, a1: "ram[4]", a2: 1 }),     "INVALID_PARAMETER"],
])("observed 3: %s: -3", async (_row, run, expected) => {
  expect(run(await privatePages()).result).toBe(expected);
});

test("observed 3: HYP_MEMINFO is 4096, the features are 0x1d", async () => {
  const scene = await privatePages();
  expect(scene.operation("guest_hvc", { vm: "guest", vcpu: 0, fn: 0xc600_0002n }).value).toBe(4096n);
  expect(scene.operation("guest_hvc", { vm: "guest", vcpu: 0, fn: 0x8600_0000n }).value).toBe(0x1dn);
});

test("observed 3: MEM_SHARE of a page that was never touched: made-up fault, donation, the call again", async () => {
  const scene = await privatePages();
  scene.log.take();
  expect(scene.share("later[0]").result).toBe("ok");
  const operations = scene.log.take().flatMap((e) => (e.kind === "operation" ? [e.text.split(" ")[0]] : []));
  const made = operations.filter((name) => name === "guest_hvc" || name === "hcall_donate_guest");
  expect(made).toEqual(["guest_hvc", "hcall_donate_guest", "guest_hvc"]);
});

test("observed 3: in a non-protected VM the same HVC is not supported", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.load("guest", "ram");
  expect(scene.share("ram").result).toBe("NOT_SUPPORTED");
});

// prettier-ignore
test.each([
  ["anonymous memory",                            "anonymous",          true,  "ok"],
  ["shared anonymous memory",                     "shared-anonymous",   true,  "ok"],
  ["memfd",                                       "memfd",              true,  "ok"],
  ["private mapping of a file",                   "private-file",       true,  "ok"],
  ["huge pages",                                  "huge",               true,  "ok"],
  ["shared mapping of a file",                    "shared-file",        true,  "KVM_RUN EFAULT"],
  ["read-only mapping",                           "read-only",          true,  "KVM_RUN EFAULT"],
  ["guest_memfd, MMAP and INIT_SHARED",           "guest_memfd-shared", true,  "KVM_RUN EIO"],
  ["guest_memfd, MMAP only",                      "guest_memfd",        true,  "KVM_RUN EFAULT"],
  ["guest_memfd shared, non-protected VM",        "guest_memfd-shared", false, "ok"],
] as const)("observed 4: %s", async (_row, backing, isProtected, expected) => {
  const scene = await Scene.of([vmm(), guest({ protected: isProtected })], [pages("ram", 1, { backing })]);
  expect(scene.store("guest", "ram", 1n).result).toBe(expected);
});

test("observed 4: host load of guest_memfd with MMAP only: SIGBUS/2", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "guest_memfd" })]);
  expect(scene.load("vmm", "ram").result).toBe("SIGBUS/BUS_ADRERR");
});

test("observed 4: pread of the memfd behind a private page: zeros, one force reclaim", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "memfd" })]);
  scene.store("guest", "ram", 1n);
  expect(scene.call("pread_memfd", "ram")).toMatchObject({ result: "ok", bytes: 64, value: 0n, forceReclaims: 1 });
});

test("observed 4: unprivileged VMM, RLIMIT_MEMLOCK 64 KiB", async () => {
  const scene = await Scene.of([vmm({ memlock: 0x10000 }), guest()], [pages("ram", 17)]);
  for (let i = 0; i < 16; i++) expect(scene.load("guest", `ram[${i}]`).result).toBe("ok");
  expect(scene.load("guest", "ram[16]").result).toBe("KVM_RUN ENOMEM");
});

test("observed 5: close of the last descriptor: private pages read zero, shared ones keep their content", async () => {
  const scene = await privatePages();
  scene.share("ram[5]");
  scene.log.take();
  expect(scene.do({ verb: "teardown", who: "guest" })).toMatchObject({ result: "ok", died: ["guest"] });
  const operations = scene.log.take().flatMap((e) => (e.kind === "operation" ? [e.text] : []));
  const names = operations.map((text) => text.split(" ")[0]);
  expect(names[0]).toBe("start_teardown_vm");
  expect(names.slice(1, 21).every((name) => name === "reclaim_dying_guest_page")).toBe(true);
  const gfns = operations.slice(1, 21).map((text) => Number(/gfn=(\w+)/.exec(text)?.[1]));
  expect(gfns).toEqual(gfns.toSorted((a, b) => a - b));
  expect(names[21]).toBe("finalize_teardown_vm");
  expect(names.slice(22).every((name) => name === "host_unshare_hyp")).toBe(true);
  expect(scene.load("vmm", "ram[4]")).toMatchObject({ result: "ok", value: 0n, forceReclaims: 0 });
  expect(scene.load("vmm", "ram[5]")).toMatchObject({ result: "ok", value: valueOf(5) });
});

test("observed 5: what the VMM put into memory before the first run is what the guest sees", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("image", 1, { content: 0x1400_0000n })]);
  expect(scene.load("guest", "image")).toMatchObject({ result: "ok", value: 0x1400_0000n });
});

test("observed 5: SIGKILL of the VMM: the same sequence, and no page is left behind", async () => {
  const scene = await privatePages();
  expect(scene.do({ verb: "kill", who: "vmm" })).toMatchObject({ died: ["vmm", "guest"] });
  expect(scene.load("kernel", "ram[4]", { how: "direct-map" })).toMatchObject({
    result: "ok",
    value: 0n,
    forceReclaims: 0,
  });
});

test("observed 5: a seized page at teardown is -EHWPOISON inside, 0 to the host", async () => {
  const scene = await privatePages();
  scene.call("process_vm_writev", "ram[4]");
  const { value } = scene.load("vmm", "ram[4]");
  scene.log.take();
  scene.do({ verb: "teardown", who: "guest" });
  const refused = scene.log.take().filter((e) => e.kind === "rule" && e.rule.id === "kvm.teardown.reclaim-failed");
  expect(refused).toEqual([]);
  expect(scene.load("vmm", "ram[4]")).toMatchObject({ result: "ok", value });
});

test("observed 6: a normal VM's page stays the host's, and follows the VMM's address space", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.store("guest", "ram", 0x1111n);
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: 0x1111n, forceReclaims: 0 });
  scene.log.take();
  scene.call("madvise_dontneed", "ram");
  const unshared = scene.log.take().some((e) => e.kind === "operation" && e.text.startsWith("hcall_unshare_guest"));
  expect(unshared).toBe(true);
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: 0n });
});

// prettier-ignore
test.each<[string, string, string]>([
  // the VMM's change              call                  the guest's next load
  ["MADV_DONTNEED",                "madvise_dontneed",   "ok"],
  ["mprotect(PROT_NONE)",          "mprotect_none",      "KVM_RUN EFAULT"],
  ["munmap",                       "munmap",             "KVM_RUN EFAULT"],
  ["fork (copy on write)",         "fork",               "ok"],
  ["MADV_PAGEOUT with swap on",    "madvise_pageout",    "ok"],
  ["MAP_FIXED (2.6)",              "map_fixed",          "ok"],
])("observed 6: a normal VM's page is unshared at %s", async (_row, change, next) => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.store("guest", "ram", 0x1111n);
  scene.log.take();
  scene.call(change, "ram");
  expect(scene.log.take().some((e) => e.kind === "operation" && e.text.startsWith("hcall_unshare_guest"))).toBe(true);
  expect(scene.load("guest", "ram").result).toBe(next);
});

test("observed 6: a normal VM's pages are unshared by KSM, and shared anew with their content", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.store("guest", "ram", 0x1111n);
  scene.call("madvise_mergeable", "ram");
  scene.log.take();
  expect(scene.call("ksm_scan", "ram").result).toBe("ok");
  expect(scene.log.take().some((e) => e.kind === "operation" && e.text.startsWith("hcall_unshare_guest"))).toBe(true);
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: 0x1111n });
  expect(scene.store("guest", "ram", 0x2222n).result).toBe("ok");
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: 0x2222n });
});

test("observed 6: MADV_PAGEOUT takes a page from a normal VM, and the next touch finds its content", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.store("guest", "ram", 0x1111n);
  scene.call("madvise_pageout", "ram");
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: 0x1111n });
});

// prettier-ignore
test.each<[string, (scene: Scene) => StepResult, bigint]>([
  // first touch                        prot of the share: R 8, W 4, both execute rights 3
  ["read of an empty page: R",          (s) => s.load("guest", "ram"),      8n],
  ["write: RW",                         (s) => s.store("guest", "ram", 1n), 0xcn],
  ["code: RX or RWX",                   (s) => s.fetch("guest", "ram"),     0xbn],
])("observed 6: what a normal VM's share asks for, %s", async (_row, touch, prot) => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.log.take();
  expect(touch(scene).result).toBe("ok");
  const shares = scene.log.take().flatMap((e) => (e.kind === "operation" && e.text.startsWith("hcall_share_guest") ? [e.text] : []));
  expect(shares).toEqual([expect.stringMatching(`prot=0x${prot.toString(16)}$`)]);
});

// prettier-ignore
test.each([
  ["copy_from_user", "write",     2],
  ["copy_to_user",   "read",      2],
  ["clear_user",     "read_zero", 1],
])("observed 1: %s: injections per call", async (_routine, name, injections) => {
  const scene = await privatePages();
  scene.log.take();
  scene.call(name, "ram[4]");
  const injected = scene.log.take().filter((e) => e.kind === "syndrome" && e.register === "ESR_EL1");
  expect(injected.length).toBe(injections);
});

test("observed 5: a normal VM's VMM is killed: unshared page by page, nothing is zeroed", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram", 2)]);
  scene.store("guest", "ram[0]", 1n);
  scene.store("guest", "ram[1]", 2n);
  scene.log.take();
  expect(scene.do({ verb: "kill", who: "vmm" }).died).toEqual(["vmm", "guest"]);
  const unshared = scene.log.take().filter((e) => e.kind === "operation" && e.text.startsWith("hcall_unshare_guest"));
  expect(unshared.length).toBe(2);
});

test("observed 6: dirty logging write-protects, and the next write relaxes the page", async () => {
  const scene = await Scene.of([vmm(), guest({ protected: false })], [pages("ram")]);
  scene.store("guest", "ram", 1n);
  expect(scene.call("memslot_dirty_logging", "ram").result).toBe("ok");
  scene.log.take();
  expect(scene.store("guest", "ram", 2n).result).toBe("ok");
  const relaxed = scene.log.take().some((e) => e.kind === "operation" && e.text.startsWith("hcall_relax_perms_guest"));
  expect(relaxed).toBe(true);
});
