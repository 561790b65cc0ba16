// pKVM as a system of scenarios: the host's fault path over real tables, what KVM_RUN answers, sharing, the end of a VM, and
// what pKVM has no word for. Every test names the row of the reference that it checks.

import { expect, test } from "vitest";
import type { StepResult } from "../../../src/consequences/result.js";
import type { Action, PageDeclaration, Verb } from "../../../src/scenario/scenario.js";
import { pkvm } from "../../../src/scenario/systems/pkvm/index.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const SECRET = 0xa004n;

/** One private page with the guest's data. */
async function secretPage(more: readonly PageDeclaration[] = []): Promise<Scene> {
  const scene = await Scene.of([vmm(), guest()], [pages("ram"), ...more]);
  scene.store("guest", "ram", SECRET);
  return scene;
}

test("the whole way: refused, seized, run fails, VMM exits as kvmtool does, VM torn down (7.2, 7.4, 7.6, 3)", async () => {
  const scene = await Scene.of([vmm({ onRunFailure: "exit" }), guest()], [pages("ram")]);
  expect(scene.store("guest", "ram", SECRET)).toMatchObject({ result: "ok" });
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "SIGSEGV/SEGV_ACCERR", forceReclaims: 0, died: [] });
  expect(scene.load("kernel", "ram", { how: "direct-map" })).toMatchObject({
    result: "ok",
    value: 0n,
    forceReclaims: 1,
  });
  expect(scene.load("guest", "ram")).toMatchObject({ result: "KVM_RUN EFAULT", died: ["vmm", "guest"] });
  expect(scene.world.deaths()).toEqual(["vmm", "guest"]);
});

type Fate = "intact" | "destroyed";

// prettier-ignore
test.each<[string, (scene: Scene) => StepResult, Partial<StepResult>, Fate]>([
  // who, how                              access                                                     visible result                                      guest page
  ["EL0 load",                             (s) => s.load("vmm", "ram"),                               { result: "SIGSEGV/SEGV_ACCERR" },                  "intact"],
  ["EL0 store",                            (s) => s.store("vmm", "ram", 1n),                          { result: "SIGSEGV/SEGV_ACCERR" },                  "intact"],
  ["EL0 fetch",                            (s) => s.fetch("vmm", "ram"),                              { result: "SIGSEGV/SEGV_ACCERR" },                  "intact"],
  ["EL1 uaccess load",                     (s) => s.load("vmm", "ram", { how: "uaccess" }),           { result: "EFAULT" },                               "intact"],
  ["EL1 uaccess store",                    (s) => s.store("vmm", "ram", 1n, { how: "uaccess" }),      { result: "EFAULT" },                               "intact"],
  ["EL1 nofault kernel load",              (s) => s.load("kernel", "ram", { how: "nofault" }),        { value: 0n, forceReclaims: 0 },                    "intact"],
  ["EL1 BPF probe read",                   (s) => s.load("kernel", "ram", { how: "bpf" }),            { value: 0n, forceReclaims: 0 },                    "intact"],
  ["EL1 zeropad load crossing into it",    (s) => s.load("kernel", "ram", { how: "zeropad" }),        { value: 0n, forceReclaims: 0 },                    "intact"],
  ["EL1 direct-map load, no entry",        (s) => s.load("kernel", "ram", { how: "direct-map" }),     { result: "ok", value: 0n, forceReclaims: 1 },      "destroyed"],
  ["EL1 direct-map store, no entry",       (s) => s.store("kernel", "ram", 1n, { how: "direct-map" }), { result: "ok", forceReclaims: 1 },                "destroyed"],
  ["EL1 fetch from the page",              (s) => s.fetch("kernel", "ram", "direct-map"),             { result: "oops", forceReclaims: 0 },               "intact"],
])("1.7 %s", async (_row, touch, visible, fate) => {
  const scene = await secretPage();
  expect(touch(scene)).toMatchObject(visible);
  const view = scene.world.guestView(ref("ram"));
  expect(view).toMatchObject(fate === "intact" ? { mapped: true, value: SECRET } : { mapped: false, value: null });
});

test("1.7 EL1 access, page is hypervisor-owned: oops", async () => {
  const scene = await secretPage([pages("hyp", 1, { of: "hypervisor" })]);
  expect(scene.load("kernel", "hyp", { how: "direct-map" })).toMatchObject({ result: "oops", forceReclaims: 0 });
});

test("1.7 page poisoned in the guest, host again owner: no abort at all, value 0, stays poisoned", async () => {
  const scene = await secretPage();
  scene.load("kernel", "ram", { how: "direct-map" });
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: 0n, forceReclaims: 0 });
  expect(scene.load("guest", "ram").result).toBe("KVM_RUN EFAULT");
});

test("1.1 si_addr is the faulting byte's address, the signal is forced", async () => {
  const scene = await secretPage();
  const { signal } = scene.load("vmm", "ram");
  expect(signal).toMatchObject({ name: "SIGSEGV", code: "SEGV_ACCERR" });
  expect(signal?.address).not.toBeNull();
});

/** One run of `guest` that fails: how it came to that. */
async function failingRun(cause: string): Promise<StepResult> {
  const anotherVm = guest({}, "other");
  const normalVm = guest({ protected: false }, "normal");
  switch (cause) {
    case "page was force-reclaimed": {
      const scene = await secretPage();
      scene.load("kernel", "ram", { how: "direct-map" });
      expect(scene.load("guest", "ram").result, "repeats on re-run").toBe("KVM_RUN EFAULT");
      return scene.load("guest", "ram");
    }
    case "HVA not mapped": {
      const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "none" })]);
      return scene.load("guest", "ram");
    }
    case "HVA not writable": {
      const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "read-only" })]);
      return scene.load("guest", "ram");
    }
    case "belongs to another pVM": {
      const scene = await Scene.of([vmm(), guest(), anotherVm], [pages("ram", 1, { of: "other" })]);
      scene.store("other", "ram", SECRET);
      return scene.do({ verb: "donate", pages: [ref("ram")], from: "kernel", to: "guest" });
    }
    case "aliased slot": {
      const scene = await secretPage();
      expect(scene.call("memslot_bind_again", "ram").result).toBe("ok");
      return scene.do({ verb: "donate", pages: [ref("ram")], from: "vmm", to: "guest" });
    }
    case "shared with an np-VM": {
      const scene = await Scene.of([vmm(), guest(), normalVm], [pages("ram", 1, { of: "normal" })]);
      scene.store("normal", "ram", 1n);
      return scene.do({ verb: "donate", pages: [ref("ram")], from: "kernel", to: "guest" });
    }
    case "given to the hypervisor": {
      const scene = await Scene.of([vmm(), guest()], [pages("ram"), pages("hyp", 1, { of: "hypervisor" })]);
      return scene.do({ verb: "donate", pages: [ref("hyp")], from: "kernel", to: "guest" });
    }
    case "given to FF-A": {
      const scene = await Scene.of([vmm(), guest()], [pages("ram"), pages("secure", 1, { of: "kernel" })]);
      scene.operation("host_share_ffa", { pfn: "secure", nr: 1 });
      return scene.do({ verb: "donate", pages: [ref("secure")], from: "kernel", to: "guest" });
    }
    case "np-VM faults on a page private to a pVM": {
      const scene = await Scene.of([vmm(), guest(), normalVm], [pages("ram")]);
      scene.store("guest", "ram", SECRET);
      const share = { verb: "share", pages: [ref("ram")], from: "kernel", to: ["normal"] } as const;
      return scene.do({ ...share, rights: "RW", sanitize: false });
    }
    case "RLIMIT_MEMLOCK, before the HVA is looked at": {
      const scene = await Scene.of([vmm({ memlock: 0 }), guest()], [pages("ram", 1, { backing: "none" })]);
      return scene.load("guest", "ram");
    }
    case "RLIMIT_MEMLOCK": {
      const scene = await Scene.of([vmm({ memlock: 0 }), guest()], [pages("ram")]);
      return scene.load("guest", "ram");
    }
    case "page cache, not swap-backed": {
      const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "guest_memfd-shared" })]);
      return scene.load("guest", "ram");
    }
    default:
      throw new Error(cause);
  }
}

test.each([
  ["EFAULT", "page was force-reclaimed"],
  ["EFAULT", "HVA not mapped"],
  ["EFAULT", "HVA not writable"],
  ["EPERM", "belongs to another pVM"],
  ["EPERM", "shared with an np-VM"],
  ["EPERM", "given to FF-A"],
  ["EPERM", "given to the hypervisor"],
  ["EPERM", "np-VM faults on a page private to a pVM"],
  ["EPERM", "aliased slot"],
  ["ENOMEM", "RLIMIT_MEMLOCK"],
  ["ENOMEM", "RLIMIT_MEMLOCK, before the HVA is looked at"],
  ["EIO", "page cache, not swap-backed"],
])("2.5 KVM_RUN: %s, %s", async (errno, cause) => {
  expect((await failingRun(cause)).result).toBe(`KVM_RUN ${errno}`);
});

test("2.5 only the touching vCPU fails; other vCPUs and pages of the VM keep working", async () => {
  const scene = await Scene.of([vmm(), guest({ vcpus: 2 })], [pages("ram", 2)]);
  scene.store("guest", "ram[0]", 1n);
  scene.store("guest", "ram[1]", 2n);
  scene.load("kernel", "ram[0]", { how: "direct-map" });
  expect(scene.load("guest", "ram[0]").result).toBe("KVM_RUN EFAULT");
  expect(scene.load("guest", "ram[1]", { vcpu: 1 })).toMatchObject({ result: "ok", value: 2n });
});

test("2.5 a failing donation gives back its own pin and charge only", async () => {
  const scene = await Scene.of([vmm({ memlock: 0x1000 }), guest()], [pages("ram", 2)]);
  expect(scene.store("guest", "ram[0]", 1n).result).toBe("ok");
  scene.load("kernel", "ram[0]", { how: "direct-map" });
  expect(scene.load("guest", "ram[0]").result, "the seized page stays charged, 1.6").toBe("KVM_RUN ENOMEM");
  expect(scene.load("guest", "ram[1]").result).toBe("KVM_RUN ENOMEM");
});

// prettier-ignore
test.each<[string, Partial<PageDeclaration>, "load" | "fetch", string]>([
  ["in a memslot: donated, content preserved",  { content: 7n },                     "load",  "ok"],
  ["no memslot: KVM_EXIT_MMIO",                 { slot: false, backing: "none" },    "load",  "KVM_RUN MMIO"],
  ["no memslot, on fetch: SEA into guest",      { slot: false, backing: "none" },    "fetch", "guest SEA"],
  ["IPA too large: address-size fault",         { slot: false, backing: "none", ipa: 1n << 40n }, "load", "guest address size fault"],
  ["HVA unmapped",                              { backing: "none" },                 "load",  "KVM_RUN EFAULT"],
])("7.7 %s", async (_row, declared, kind, expected) => {
  const scene = await Scene.of([vmm(), guest()], [pages("page", 1, declared)]);
  const found = kind === "load" ? scene.load("guest", "page") : scene.fetch("guest", "page");
  expect(found.result).toBe(expected);
  if (expected === "ok") expect(found.value).toBe(declared.content);
});

test("2.7 unshare looks at no pins: a page in a pipe is read as zeros, and gone for the guest (7.9)", async () => {
  const scene = await secretPage();
  scene.share("ram");
  scene.call("vmsplice", "ram");
  expect(scene.unshare("ram").result).toBe("ok");
  expect(scene.call("read_pipe", "ram")).toMatchObject({ result: "ok", value: 0n, forceReclaims: 1 });
  expect(scene.load("guest", "ram").result).toBe("KVM_RUN EFAULT");
});

test("2.7 share of a page that the host cannot donate: KVM_RUN fails as in 2.5", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "none" })]);
  expect(scene.share("ram").result).toBe("KVM_RUN EFAULT");
});

test("7.8, isShared: while it is shared, host and guest see one page; before and after they do not", async () => {
  const scene = await secretPage();
  const views = () => [scene.world.isShared(ref("ram")), scene.world.hostView(ref("ram"))?.value ?? null];
  expect(views()).toEqual([false, null]);
  scene.share("ram");
  expect(views()).toEqual([true, SECRET]);
  scene.unshare("ram");
  expect(views()).toEqual([false, null]);
});

test("7.10 MAP_FIXED after the donation: guest and VMM go on with different frames", async () => {
  const scene = await secretPage();
  expect(scene.call("map_fixed", "ram").result).toBe("ok");
  expect(scene.store("vmm", "ram", 0x2222n).result).toBe("ok");
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  expect(scene.world.guestView(ref("ram"))?.frame).not.toBe(scene.world.hostView(ref("ram"))?.frame);
});

test("7.14 same gfn again: resolved as a race, the guest is resumed", async () => {
  const scene = await secretPage();
  expect(scene.do({ verb: "donate", pages: [ref("ram")], from: "vmm", to: "guest" }).result).toBe("ok");
  const rules = scene.log.take().flatMap((entry) => (entry.kind === "rule" ? [entry.rule.id] : []));
  expect(rules).toContain("kvm.map.raced");
  expect(scene.load("guest", "ram").value).toBe(SECRET);
});

test("3.7 a page of the kernel's own, donated: the guest finds its content, the kernel's next load seizes it", async () => {
  const scene = await secretPage([pages("own", 1, { of: "kernel", content: 7n })]);
  expect(scene.do({ verb: "donate", pages: [ref("own")], from: "kernel", to: "guest" }).result).toBe("ok");
  expect(scene.load("guest", "own")).toMatchObject({ result: "ok", value: 7n });
  expect(scene.load("kernel", "own", { how: "direct-map" })).toMatchObject({
    result: "ok",
    value: 0n,
    forceReclaims: 1,
  });
  expect(scene.do({ verb: "teardown", who: "guest" }).result).toBe("ok");
});

test("7.14 FF-A on a private page is refused by its state", async () => {
  const scene = await secretPage();
  expect(scene.operation("host_share_ffa", { pfn: "ram", nr: 1 }).result).toBe("EPERM");
});

test("2.9 the host shares a private page with the hypervisor: -EPERM", async () => {
  const scene = await secretPage();
  const share = { verb: "share", pages: [ref("ram")], from: "kernel", to: ["hypervisor"] } as const;
  expect(scene.do({ ...share, rights: "RW", sanitize: false }).result).toBe("EPERM");
});

test("2.8 the host cannot reclaim while the VM lives: -EINVAL; by force it can", async () => {
  const scene = await secretPage();
  const reclaim = { verb: "reclaim", pages: [ref("ram")], by: "kernel", sanitize: false } as const;
  expect(scene.do({ ...reclaim, force: false }).result).toBe("EINVAL");
  expect(scene.do({ ...reclaim, force: true })).toMatchObject({ result: "ok", forceReclaims: 1 });
});

test("2.8 teardown of a VM that has never run; who is dead acts no more", async () => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram")]);
  expect(scene.do({ verb: "teardown", who: "guest" })).toMatchObject({ result: "ok", died: ["guest"] });
  expect(scene.load("guest", "ram").result).toBe("not run");
  expect(scene.share("ram").result).toBe("not run");
  expect(scene.do({ verb: "teardown", who: "guest" }).result).toBe("not run");
});

test.each<[Verb, Action]>([
  ["lend", { verb: "lend", pages: [ref("ram")], from: "kernel", to: ["guest"], rights: "RW", sanitize: false }],
  ["accept", { verb: "accept", pages: [ref("ram")], by: "guest", sanitize: false }],
  ["relinquish", { verb: "relinquish", pages: [ref("ram")], by: "guest", sanitize: false }],
])("verbs: pKVM of 7.3 has no %s, and says why", async (verb, action) => {
  const scene = await secretPage();
  expect(pkvm.lacks.get(verb)?.reason).not.toBe("");
  const { result, why } = scene.do(action);
  expect([result, why]).toEqual(["no such verb", pkvm.lacks.get(verb)?.reason]);
});

test.each<[string, Action]>([
  ["a guest donates nothing", { verb: "donate", pages: [ref("ram")], from: "guest", to: "kernel" }],
  ["an operation of another system", { verb: "operation", op: "memextent_donate", args: {}, save: null }],
  ["a lone table's operation", { verb: "operation", op: "pt_get_leaf", args: { addr: 0 }, save: null }],
  ["an argument that is no number", { verb: "operation", op: "host_share_hyp", args: { pfn: 1.5 }, save: null }],
  ["an argument that it has not", { verb: "operation", op: "reserve_vm", args: { pages: 1 }, save: null }],
  ["an argument that fits nothing", { verb: "operation", op: "host_share_hyp", args: { pfn: "nobody" }, save: null }],
])("no such verb: %s", async (_row, action) => {
  expect((await secretPage()).do(action)).toMatchObject({ result: "no such verb", why: expect.any(String) as string });
});

test("operation: pages, guests and saved answers stand for their numbers", async () => {
  const scene = await secretPage();
  const reserve: Action = { verb: "operation", op: "reserve_vm", args: {}, save: "vm" };
  expect(scene.do(reserve)).toMatchObject({ result: "ok", value: 0x1001n });
  expect(scene.operation("unreserve_vm", { vm: "$vm" }).result).toBe("ok");
  expect(scene.operation("guest_share_host", { vm: "guest", vcpu: 0, gfn: "ram" }).result).toBe("ok");
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

test("walk: the guest's address leads to its frame, which the host's table does not give", async () => {
  const scene = await secretPage();
  const frame = scene.world.guestView(ref("ram"))?.frame;
  const walk = { verb: "walk", ipa: null, page: ref("ram") } as const;
  expect(scene.do({ ...walk, of: "guest" })).toMatchObject({ result: "ok", value: frame });
  expect(scene.do({ ...walk, of: "kernel" })).toMatchObject({ result: "translation fault", value: null });
});

test("what stops EL2 stops the machine: nobody acts any more", async () => {
  const scene = await secretPage();
  const abort = { esr: 0x9600_0007n, spsr: 5n, far: 0n, hpfar: 1n << 43n, at_fail: 0 };
  expect(scene.operation("host_abort", abort)).toMatchObject({ result: "machine stopped", died: ["hypervisor"] });
  expect(scene.load("guest", "ram").result).toBe("machine stopped");
  expect(scene.load("vmm", "ram").result).toBe("machine stopped");
});

test("2.5 a bad page behind the slot: SIGBUS to the VMM, whose death ends the VM in the middle of its run", async () => {
  const scene = await Scene.of([vmm({ handlers: [] }), guest()], [pages("ram", 2)]);
  scene.store("guest", "ram[0]", SECRET);
  scene.load("vmm", "ram[1]");
  scene.call("madvise_hwpoison", "ram[1]");
  expect(scene.world.deaths()).toEqual(["vmm", "guest"]);
});
