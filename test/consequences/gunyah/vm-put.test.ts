// The end of a VM: host-and-vmm 6.6, 7.11.

import { expect, test } from "vitest";
import { CAP_HLOS_ADDRSPACE, VMID_RM } from "../../../assembly/abi/gunyah.js";
import { DriverScene, IPA, MEMFD, PAGE, PINNED, SHARE } from "./linux-driver.js";

test.each([
  ["pinned", PINNED],
  ["memory file", MEMFD],
  ["shared", SHARE],
])("6.6 stop, bindings, all pages, tickets, reset, VMID, in this order (%s)", async (_model, model) => {
  const scene = await DriverScene.of(model);
  for (const ipa of [IPA, IPA + PAGE]) {
    scene.bound(ipa);
    scene.store(1n, ipa);
  }
  const frames = scene.vm.pages.map(({ frame }) => frame.pa);
  scene.happened();
  scene.driver.exit(scene.vmm);
  const happened = scene.happened().filter((what) => !what.startsWith("put.content"));
  const page = ["reclaim.done", "addrspace_unmap", "memextent_donate"];
  const drops = new Array<string>(7).fill("cspace_delete_cap_from");
  expect(happened).toEqual([
    ...["put.stop", "put.bindings", "put.reclaim-range"],
    ...[...page, ...page, "put.reset", ...drops, "rcu_sync"],
  ]);
  expect(frames.map((pa) => scene.isHlosOwned(pa))).toEqual([true, true]);
  expect(scene.host.deaths).toEqual(["guest"]);
  expect(scene.vmm.lockedPages).toBe(0);
});

test("6.6 the VMID is free again", async () => {
  const scene = await DriverScene.of(PINNED);
  const { vmid } = scene.vm;
  scene.driver.close(scene.vm);
  expect(scene.newVm("next").vmid).toBe(vmid);
});

test("6.6 a VM that ended is not put again, and runs no more", async () => {
  const scene = await DriverScene.of(PINNED);
  scene.bound();
  scene.driver.close(scene.vm);
  scene.happened();
  scene.driver.exit(scene.vmm);
  expect(scene.happened()).toEqual([]);
  expect(scene.store(1n)).toBe("not run");
});

test("6.6 a page that cannot be reclaimed: WARN, stays pinned, is lost to the host", async () => {
  const scene = await DriverScene.of(PINNED);
  const page = scene.bound();
  scene.store(0xa004n);
  const frame = page.frame;
  if (frame === null) throw new Error("no frame");
  const readOnly = { op: "addrspace_set_read_only", vm: VMID_RM, as: CAP_HLOS_ADDRSPACE } as const;
  scene.gunyah.apply({ ...readOnly, read_only: true });
  scene.log.take();
  scene.driver.close(scene.vm);
  scene.gunyah.apply({ ...readOnly, read_only: false });
  const saw = scene.log.take().filter((entry) => entry.kind === "saw" && entry.party === "kernel");
  expect(saw).toMatchObject([{ text: "WARN: a page cannot be reclaimed" }]);
  expect(frame.pins).toBeGreaterThan(0);
  expect(scene.isHlosOwned(frame.pa)).toBe(false);
  expect(scene.host.access(scene.vmm, page, { how: "user", kind: "load" }).result).toBe("SIGBUS/BUS_OBJERR");
});
