// GUNYAH_VM_MAP_MEM: reference gunyah 7, host-and-vmm 6.5.

import { expect, test } from "vitest";
import type { BindOptions } from "../../../src/consequences/gunyah/driver.js";
import { DriverScene, IPA, MEMFD, PAGE, PINNED, SHARE } from "./linux-driver.js";

// prettier-ignore
test.each<[string, typeof PINNED, bigint, BindOptions, string | null]>([
  // row                                                   driver   address     flags                                  errno
  ["7 unaligned",                                          PINNED,  IPA + 8n,   {},                                    "EINVAL"],
  ["7 unknown flags",                                      MEMFD,   IPA,        { knownFlags: false },                 "EINVAL"],
  ["6.5 lend, the linear map is not mapped by pages",      MEMFD,   IPA,        { linearMapByPages: false },           "EINVAL"],
  ["6.5 share, the linear map is not mapped by pages",     SHARE,   IPA,        { linearMapByPages: false },           null],
  ["6.5 pinned pages stay in the linear map",              PINNED,  IPA,        { linearMapByPages: false },           null],
  ["7 FORCE_SHARE",                                        MEMFD,   IPA,        { lends: false },                      null],
  ["7 FORCE_LEND",                                         SHARE,   IPA,        { lends: true },                       null],
])("%s", async (_row, model, ipa, options, errno) => {
  const scene = await DriverScene.of(model);
  expect(scene.driver.bind(scene.vm, ipa, [scene.page("ram")], options)).toBe(errno);
});

test.each([
  ["pinned pages", PINNED],
  ["the driver's file", MEMFD],
])("6.5 overlapping binding of %s: EEXIST, by guest addresses or by the memory behind them", async (_what, model) => {
  const scene = await DriverScene.of(model);
  const [first, second, third] = [scene.page("a"), scene.page("b"), scene.page("c")];
  expect(scene.driver.bind(scene.vm, IPA, [first, second])).toBeNull();
  expect(scene.driver.bind(scene.vm, IPA + PAGE, [third])).toBe("EEXIST");
  expect(scene.driver.bind(scene.vm, IPA + 0x10n * PAGE, [second])).toBe("EEXIST");
  expect(scene.driver.bind(scene.vm, IPA + 2n * PAGE, [third])).toBeNull();
});

// prettier-ignore
test.each([
  // what is unbound of three pages      page  pages  errno      bound afterwards
  ["all of it",                          0,    3,     null,      [false, false, false]],
  ["its start",                          0,    1,     null,      [false, true, true]],
  ["its end",                            2,    1,     null,      [true, true, false]],
  ["its middle",                         1,    1,     "EINVAL",  [true, true, true]],
  ["what is not bound",                  3,    1,     "ENOENT",  [true, true, true]],
])("7 UNMAP of %s", async (_what, page, pages, errno, bound) => {
  const scene = await DriverScene.of(PINNED);
  const { driver, vm } = scene;
  driver.bind(vm, IPA, [scene.page("a"), scene.page("b"), scene.page("c")]);
  expect(driver.unbind(vm, IPA + BigInt(page) * PAGE, pages)).toBe(errno);
  expect(bound.map((_, index) => vm.bindings.at(IPA + BigInt(index) * PAGE) !== null)).toEqual(bound);
});

test("6.5 memory that is not of the driver's file is not bound by the v17-style driver (unverified)", async () => {
  const scene = await DriverScene.of(MEMFD);
  expect(scene.driver.bind(scene.vm, IPA, [scene.page("ram", "anonymous")])).toBe("EINVAL");
});
