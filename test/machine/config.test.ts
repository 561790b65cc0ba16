// Configurations: what is filled in (reference pkvm-el2 sections 1.7, 2.1 and 2.12), and what is refused by name.

import { expect, test } from "vitest";
import { ConfigError, resolveConfig, resolvePageTableConfig, type MachineConfig } from "../../src/machine/config.js";
import { tableGeometry } from "../../src/machine/geometry.js";
import { Machine } from "../../src/machine/machine.js";

const MIB = 0x100000;
const REGION = { base: "0x40000000", size: 256 * MIB };

// Reference pkvm-el2 section 2.1, second table.
// prettier-ignore
test.each<[iaBits: number, pageShift: number, levels: number, startLevel: number, pgdPages: number]>([
  [32, 12, 2, 2,  4], [32, 14, 2, 2,  1], [32, 16, 2, 2, 1],
  [36, 12, 3, 1,  1], [36, 14, 2, 2,  1], [36, 16, 2, 2, 1],
  [40, 12, 3, 1,  2], [40, 14, 2, 2, 16], [40, 16, 2, 2, 1],
  [42, 12, 3, 1,  8], [42, 14, 3, 1,  1], [42, 16, 2, 2, 1],
  [44, 12, 4, 0,  1], [44, 14, 3, 1,  1], [44, 16, 2, 2, 4],
  [48, 12, 4, 0,  1], [48, 14, 3, 1,  2], [48, 16, 3, 1, 1],
])("%i bits, page shift %i: %i levels from %i, %i root pages", (iaBits, pageShift, levels, startLevel, pgdPages) => {
  expect(tableGeometry(pageShift, iaBits)).toMatchObject({ startLevel, pgdPages, memcacheMinPages: levels - 1 });
});

test("regions alone make a machine", async () => {
  const machine = await Machine.create({ regions: [REGION] });

  expect(machine.config.geometry).toMatchObject({ pageShift: 12, iaBits: 40 });
  expect(machine.pageState(0x40000n)).toMatchObject({ host: 0, hyp: 3 });
});

// The figures of the recorded vectors' headers.
// prettier-ignore
test.each<[string, number, number, MachineConfig["regions"]]>([
  ["a",   12, 568, [{ base: "0x40000000", size: "0x4000000" }]],
  ["k64", 16,  33, [{ base: "0x40000000", size: "0x40000000" }, { base: "0xa0010000", size: "0x1fff0000" }]],
])("host pool of %s", (_name, shift, pages, regions) => {
  const config = resolveConfig({ page_shift: shift as 12 | 16, regions, hyp_carveout: { base: "0x40000000", size: "0x4000000" } });

  expect(config.host_s2_pool_pages).toBe(pages);
});

test("the carve-out lies block aligned at the top of the largest region that is not reserved", () => {
  const { hyp_carveout: carveout } = resolveConfig({
    regions: [REGION, { base: "0x80000000", size: 512 * MIB, nomap: true }],
  });

  expect(carveout.base + carveout.size).toBe(0x50000000n);
  expect(carveout.base % BigInt(2 * MIB)).toBe(0n);
});

test("more address bits where the regions need them", () => {
  const config = resolveConfig({ regions: [REGION, { base: 1n << 41n, size: MIB }] });

  expect(config.geometry.iaBits).toBe(42);
});

const many = (count: number) => Array.from({ length: count }, (_, i) => ({ base: i * 2 * MIB, size: MIB }));

// prettier-ignore
test.each<[string, unknown, RegExp]>([
  ["nothing",              {},                                                          /^regions: /],
  ["no region",            { regions: [] },                                             /^regions: /],
  ["129 regions",          { regions: many(129) },                                      /^regions: 129 regions, pKVM takes at most 128/],
  ["an unaligned base",    { regions: [{ base: 0x800, size: MIB }] },                   /^regions\.0\.base: 0x800 is not page aligned/],
  ["an unaligned size",    { regions: [{ base: 0, size: 0x1800 }] },                    /^regions\.0\.size: 0x1800 is not a multiple/],
  ["an empty region",      { regions: [REGION, { base: "0x80000000", size: 0 }] },      /^regions\.1\.size: the region is empty/],
  ["overlapping regions",  { regions: [REGION, { base: "0x48000000", size: MIB }] },    /^regions\.1\.base: 0x48000000 is below .* 0x50000000/],
  ["regions out of order", { regions: [{ base: "0x80000000", size: MIB }, REGION] },    /^regions\.1\.base: /],
  ["too few bits",         { ia_bits: 32, regions: [{ base: 1n << 32n, size: MIB }] },  /^regions\.0: ends at 0x100100000, beyond 32/],
  ["odd bits",             { ia_bits: 41, regions: [REGION] },                          /^ia_bits: /],
  ["an odd page size",     { page_shift: 13, regions: [REGION] },                       /^page_shift: /],
  ["an unknown field",     { regions: [REGION], dram: 1 },                              /dram/],
  ["an unknown feature",   { regions: [REGION], features: { sve: 1 } },                 /^features: .*sve/],
  ["text for an address",  { regions: [{ base: "here", size: MIB }] },                  /^regions\.0\.base: is neither a bigint/],
  ["a negative address",   { regions: [{ base: -1n, size: MIB }] },                     /^regions\.0\.base: does not fit 64 bits/],
  ["a carve-out outside",  { regions: [REGION], hyp_carveout: { base: 0, size: MIB } }, /^hyp_carveout: 0x0\.\.0x100000 is not inside/],
  ["text outside",         { regions: [REGION], hyp_text: { base: 0, size: 4096 } },    /^hyp_text: 0x0\.\.0x1000 is not inside/],
  ["no room for EL2",      { regions: [{ base: 0, size: MIB }] },                       /^regions: none has room/],
  ["too many handles",     { regions: [REGION], handle_base: 0xffff },                  /^max_vms: 255 handles/],
  ["a pool below the root", { regions: [REGION], host_s2_pool_pages: 1 },               /^host_s2_pool_pages: 1 is less than the 2 root pages/],
  ["2 TiB",                { ia_bits: 48, regions: [{ base: 0, size: 1n << 41n }] },    /2048\.0 GiB of DRAM need 10\.5 GiB .* limit is 4 GiB/],
])("refused: %s", (_what, config, message) => {
  const resolve = () => resolveConfig(config as MachineConfig);

  expect(resolve).toThrow(ConfigError);
  expect(resolve).toThrow(message);
});

test("a pool that cannot describe EL2's own memory is refused by the core", async () => {
  await expect(Machine.create({ regions: [REGION], host_s2_pool_pages: 2 })).rejects.toThrow(/^host_s2_pool_pages: /);
});

test("64 GiB of DRAM is no limit", async () => {
  const machine = await Machine.create({ regions: [{ base: 0, size: 64 * 1024 * MIB }] });

  expect(machine.pageState(0xfn)).toMatchObject({ host: 0, hyp: 3 });
});

test("a lone table needs at least its root", () => {
  expect(() => resolvePageTableConfig({ pool_pages: 1 })).toThrow("pool_pages: 1 is less than the 2 root pages");
});
