// Android's pKVM as a system of scenarios: in what it differs from Linux 7.3. Every test names the row of reference
// host-and-vmm (section 5, or the A cells of section 7) or pkvm-el2 13.2 that it checks.

import { expect, test } from "vitest";
import { El2 } from "../../../src/consequences/kvm/el2.js";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { weakest, type Mark } from "../../../src/consequences/evidence.js";
import type { StepResult } from "../../../src/consequences/result.js";
import { Machine } from "../../../src/machine/machine.js";
import type { Action, PageDeclaration, Participant, Verb } from "../../../src/scenario/scenario.js";
import { pkvmAndroid } from "../../../src/scenario/systems/pkvm-android/index.js";
import { PkvmHardware } from "../../../src/scenario/systems/pkvm/hardware.js";
import { guest, pages, ref, Scene, vmm } from "./pkvm-scene.js";

const SECRET = 0xa004n;

/** A host under Android's pKVM, with one private page that has the guest's data. */
async function secretPage(
  more: readonly PageDeclaration[] = [],
  participants: readonly Participant[] = [vmm(), guest()],
): Promise<Scene> {
  const scene = await Scene.of(participants, [pages("ram"), ...more], pkvmAndroid);
  scene.store("guest", "ram", SECRET);
  return scene;
}

/** The weakest mark of what `touch` stands on. */
function markOf(scene: Scene, touch: () => unknown): Mark {
  const before = scene.log.marks().length;
  touch();
  return weakest(scene.log.marks().slice(before));
}

// prettier-ignore
test.each<[string, (scene: Scene) => StepResult, Partial<StepResult>]>([
  ["user load: SIGSEGV",                    (s) => s.load("vmm", "ram"),                            { result: "SIGSEGV/SEGV_ACCERR" }],
  ["user store: SIGSEGV",                   (s) => s.store("vmm", "ram", 1n),                       { result: "SIGSEGV/SEGV_ACCERR" }],
  ["uaccess load: -EFAULT",                 (s) => s.load("vmm", "ram", { how: "uaccess" }),        { result: "EFAULT" }],
  ["uaccess store: -EFAULT",                (s) => s.store("vmm", "ram", 1n, { how: "uaccess" }),   { result: "EFAULT" }],
  ["kernel access without entry: oops",     (s) => s.load("kernel", "ram", { how: "direct-map" }),  { result: "oops", died: ["kernel"] }],
  ["kernel store without entry: oops",      (s) => s.store("kernel", "ram", 1n, { how: "direct-map" }), { result: "oops", died: ["kernel"] }],
  ["the same for a process: oops ends it",  (s) => s.call("process_vm_readv", "ram"),               { result: "oops", died: ["vmm", "guest"] }],
])("5, 7.2 to 7.4 %s; nothing is seized, the page is as it was; posted", async (_row, touch, visible) => {
  const scene = await secretPage();
  const frame = scene.world.guestView(ref("ram"))?.frame;
  const mark = markOf(scene, () => {
    expect(touch(scene)).toMatchObject({ ...visible, forceReclaims: 0 });
  });
  expect(mark).toBe("P");
  if (scene.world.deaths().includes("guest")) return;
  expect(scene.world.guestView(ref("ram"))).toEqual({ mapped: true, frame, value: SECRET });
});

test("5 an oops leaves its message: access to hypervisor-protected memory", async () => {
  const scene = await secretPage();
  scene.load("kernel", "ram", { how: "direct-map" });
  const words = scene.log.take().flatMap((entry) => (entry.kind === "saw" ? [entry.text] : []));
  expect(words).toContain("Oops: access to hypervisor-protected memory");
});

test("5 no seizure exists: neither verb nor hypercall (7.6)", async () => {
  const scene = await secretPage();
  const reclaim = { verb: "reclaim", pages: [ref("ram")], by: "kernel", force: true, sanitize: false } as const;
  expect(scene.do(reclaim)).toMatchObject({ result: "no such verb", why: expect.any(String) as string });
  expect(scene.operation("host_force_reclaim_page_guest", { phys: "ram" }).result).toBe("no such verb");
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

test("5 FAR_EL1 is always written, after a permission fault too; EL2 of 7.3 writes it after translation faults only", async () => {
  const base = 0x4000_0000n;
  const machine = await Machine.create({ regions: [{ base, size: 0x400_0000n }], variant: "android" });
  machine.apply({ op: "module_change_host_page_prot", pfn: base >> 12n, nr: 1n, prot: 8n });
  const log = new EvidenceLog();
  const access = { pa: base, va: 0xffff_8000_0000n, el: 0, kind: "store", bytes: 8, value: 1n } as const;
  const hardware = new PkvmHardware(new El2(machine, log), log);
  expect(hardware.access(access)).toMatchObject({ kind: "abort", far: access.va });
});

// Relinquish.

const relinquish = (page: string, by = "guest"): Action => ({
  ...{ verb: "relinquish", pages: [ref(page)], by, sanitize: false },
});

test("5 relinquish: the host owns the page, cleared; a later guest access gets a zero page (7.6)", async () => {
  const scene = await secretPage();
  const mark = markOf(scene, () => {
    expect(scene.do(relinquish("ram")).result).toBe("ok");
  });
  expect(scene.world.guestView(ref("ram"))?.mapped).toBe(false);
  expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: 0n });
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: 0n });
  expect(scene.world.guestView(ref("ram"))?.mapped).toBe(true);
  expect(mark).toBe("S");
});

test("5 relinquish: the host learns of it and unpins: a VMM that may lock one page can give another", async () => {
  const participants = [vmm({ memlock: 0x1000 }), guest()];
  const scene = await secretPage([pages("next")], participants);
  expect(scene.load("guest", "next").result).toBe("KVM_RUN ENOMEM");
  scene.do(relinquish("ram"));
  expect(scene.load("guest", "next").result).toBe("ok");
});

// prettier-ignore
test.each<[string, (scene: Scene) => unknown, string]>([
  ["not mapped: success, nothing is done",   (s) => s.do(relinquish("ram")),  "ok"],
  ["not OWNED (shared): refused",            (s) => s.share("ram"),           "INVALID_PARAMETER"],
  ["DMA-referenced: refused",                (s) => (s.share("ram"), s.operation("host_use_dma", { pfn: "ram", nr: 1 }), s.unshare("ram")), "INVALID_PARAMETER"],
])("13.2 MEM_RELINQUISH of a page that is %s", async (_row, before, result) => {
  const scene = await secretPage();
  before(scene);
  expect(scene.do(relinquish("ram")).result).toBe(result);
});

test("5 only guests give pages back, and only protected ones can", async () => {
  const normal = guest({ protected: false }, "normal");
  const scene = await secretPage([pages("np", 1, { of: "normal" })], [vmm(), guest(), normal]);
  expect(scene.do(relinquish("ram", "vmm")).result).toBe("no such verb");
  scene.store("normal", "np", 1n);
  expect(scene.do(relinquish("np", "normal")).result).toBe("NOT_SUPPORTED");
});

// Devices.

const disk = (iommu: "none" | "stage2"): Participant => ({ role: "device", name: "disk", iommu });

// prettier-ignore
test.each<[string, (scene: Scene) => StepResult]>([
  ["a device behind the SMMU reads",   (s) => s.load("disk", "ram")],
  ["a device behind the SMMU writes",  (s) => s.store("disk", "ram", 1n)],
  ["O_DIRECT write",                   (s) => s.call("o_direct_write", "ram")],
  ["O_DIRECT read",                    (s) => s.call("o_direct_read", "ram")],
])("7.5 %s: I/O error, the page is as it was; the device's side is not known", async (_row, touch) => {
  const scene = await secretPage([], [vmm(), guest(), disk("stage2")]);
  const mark = markOf(scene, () => {
    expect(touch(scene)).toMatchObject({ result: "I/O error", value: null });
  });
  expect(mark).toBe("U");
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

test("7.5 the mirror follows the owner: a shared page can be read by the device", async () => {
  const scene = await secretPage([], [vmm(), guest(), disk("stage2")]);
  scene.share("ram");
  expect(scene.load("disk", "ram")).toMatchObject({ result: "ok", value: SECRET });
  scene.unshare("ram");
  expect(scene.load("disk", "ram").result).toBe("I/O error");
});

test("7.5 masters without SMMU: unprotected, not known", async () => {
  const scene = await secretPage([], [vmm(), guest(), disk("none")]);
  const mark = markOf(scene, () => {
    expect(scene.load("disk", "ram")).toMatchObject({ result: "ok", value: SECRET });
  });
  expect(mark).toBe("U");
});

test("5, 7.14 a page mapped for device DMA cannot be donated: -EINVAL, until that ends", async () => {
  const scene = await secretPage([pages("buffer")]);
  scene.store("vmm", "buffer", 1n);
  scene.operation("host_use_dma", { pfn: "buffer", nr: 1 });
  const mark = markOf(scene, () => {
    expect(scene.load("guest", "buffer").result).toBe("KVM_RUN EINVAL");
  });
  expect(mark).toBe("S");
  scene.operation("host_unuse_dma", { pfn: "buffer", nr: 1 });
  expect(scene.load("guest", "buffer")).toMatchObject({ result: "ok", value: 1n });
});

// MMIO guard.

const ENROLL = 0xc600_0006;
const MAP = 0xc600_0007;
/** Near the guest's memory: the table for it is there. */
const DEVICE = 0x8010_0000n;

// prettier-ignore
test.each<[string, readonly (readonly [fn: number, ipa: bigint])[], string]>([
  ["a guest that did not enroll: MMIO exit",              [],                                    "KVM_RUN MMIO"],
  ["an enrolled guest, range registered: MMIO exit",      [[ENROLL, 0n], [MAP, DEVICE]],    "KVM_RUN MMIO"],
  ["an enrolled guest, outside: reflected to the guest",  [[ENROLL, 0n], [MAP, DEVICE + 0x1000n]],    "guest SEA"],
])("5, 7.7 MMIO guard, %s", async (_row, calls, expected) => {
  const device = pages("device", 1, { slot: false, backing: "none", ipa: DEVICE });
  const scene = await secretPage([device]);
  for (const [fn, a1] of calls) expect(scene.operation("guest_hvc", { vm: "guest", fn, a1 }).result).toBe("ok");
  const mark = markOf(scene, () => {
    expect(scene.load("guest", "device").result).toBe(expected);
  });
  expect(mark).toBe("U");
});

// The A cells of section 7.

test("7.8 share: the host reads what the guest wrote, and the guest what the host writes; read from source", async () => {
  const scene = await secretPage();
  const mark = markOf(scene, () => {
    expect(scene.share("ram").result).toBe("ok");
    expect(scene.load("vmm", "ram")).toMatchObject({ result: "ok", value: SECRET });
    scene.store("vmm", "ram", 7n);
    expect(scene.load("guest", "ram").value).toBe(7n);
  });
  expect(mark).toBe("S");
});

test("7.9 unshare: as in Linux 7.3, as far as is known", async () => {
  const scene = await secretPage();
  scene.share("ram");
  const mark = markOf(scene, () => {
    expect(scene.unshare("ram").result).toBe("ok");
    expect(scene.load("vmm", "ram").result).toBe("SIGSEGV/SEGV_ACCERR");
  });
  expect(mark).toBe("U");
});

test("7.1, 7.10 MAP_FIXED: pinned, no notifiers; the two go on with different frames; not run", async () => {
  const scene = await secretPage();
  const mark = markOf(scene, () => {
    scene.call("map_fixed", "ram");
    expect(scene.store("vmm", "ram", 0x2222n).result).toBe("ok");
    expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
  });
  expect(mark).toBe("U");
  expect(scene.world.guestView(ref("ram"))?.frame).not.toBe(scene.world.hostView(ref("ram"))?.frame);
});

test.each<[string, Action, string[]]>([
  ["7.11 VMM killed", { verb: "kill", who: "vmm" }, ["vmm", "guest"]],
  ["7.12 guest ends", { verb: "teardown", who: "guest" }, ["guest"]],
])("%s: private pages zeroed, shared ones as they were; read from source", async (_row, end, died) => {
  const scene = await secretPage([pages("shared")]);
  scene.store("guest", "shared", 5n);
  scene.share("shared");
  const look = (page: string) => scene.load("kernel", page, { how: "direct-map" });
  const mark = markOf(scene, () => {
    expect(scene.do(end)).toMatchObject({ result: "ok", died });
    expect([look("ram").value, look("shared").value]).toEqual([0n, 5n]);
  });
  expect(mark).toBe("S");
});

test("7.12 pages that the guest lent through FF-A: -EBUSY, released, tried again", async () => {
  const scene = await secretPage();
  expect(scene.operation("guest_share_ffa", { vm: "guest", vcpu: 0, gfn: "ram" }).result).toBe("ok");
  scene.log.take();
  expect(scene.do({ verb: "teardown", who: "guest" }).result).toBe("ok");
  const log = scene.log.take();
  const operations = log.flatMap((entry) => (entry.kind === "operation" ? [entry.text.split(" ")[0]] : []));
  expect(operations.filter((op) => op === "reclaim_dying_guest_page" || op === "guest_unshare_ffa")).toEqual([
    "reclaim_dying_guest_page",
    "guest_unshare_ffa",
    "reclaim_dying_guest_page",
  ]);
  expect(log.some((entry) => entry.kind === "rule" && entry.rule.id === "kvm.teardown.reclaim-failed")).toBe(false);
  expect(scene.load("kernel", "ram", { how: "direct-map" })).toMatchObject({ result: "ok", value: 0n });
});

test.each(["offline_memory", "punch_hole"])("7.13 %s: same by construction, not known", async (call) => {
  const scene = await Scene.of([vmm(), guest()], [pages("ram", 1, { backing: "memfd" })], pkvmAndroid);
  scene.store("guest", "ram", SECRET);
  const mark = markOf(scene, () => scene.call(call, "ram"));
  expect(mark).toBe("U");
  expect(scene.load("guest", "ram")).toMatchObject({ result: "ok", value: SECRET });
});

test("7.14 second VM: KVM_RUN EPERM; the same gfn again: a race, resumed", async () => {
  const scene = await secretPage([], [vmm(), guest(), guest({}, "other")]);
  const donate = { verb: "donate", pages: [ref("ram")], from: "kernel" } as const;
  expect(scene.do({ ...donate, to: "other" }).result).toBe("KVM_RUN EPERM");
  expect(scene.do({ ...donate, to: "guest" }).result).toBe("ok");
  expect(scene.load("guest", "ram").value).toBe(SECRET);
});

test("10.2 nothing of it was run: no fact of this system counts as measured", async () => {
  const scene = await secretPage([pages("ffa")]);
  scene.share("ram");
  scene.call("write", "ram");
  scene.do(relinquish("ram"));
  scene.do({ verb: "kill", who: "vmm" });
  expect(scene.log.marks().filter((mark) => mark === "M")).toEqual([]);
});

test.each<Verb>(["lend", "accept"])("verbs: no %s, as in Linux 7.3", (verb) => {
  expect(pkvmAndroid.lacks.get(verb)?.citation.page).toBe("verbs");
});
