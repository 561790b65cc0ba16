// Configurations of a Gunyah machine: what is filled in, and what is refused by the name of the field.

import { expect, test } from "vitest";
import { ConfigError } from "../../src/machine/config.js";
import { resolveGunyahConfig, type GunyahMachineConfig } from "../../src/machine/gunyah-config.js";
import { Machine } from "../../src/machine/machine.js";

const regions = [{ base: "0x80000000", size: "0x4000000" }];

test("the hypervisor's own memory lies at the top of the largest region", async () => {
  const machine = await Machine.createGunyah({ regions: [...regions, { base: "0x90000000", size: "0x800000" }] });
  const { hyp_carveout: carveout } = resolveGunyahConfig({ regions });
  expect(carveout.base + carveout.size).toBe(0x8400_0000n);
  expect(machine.owners().map(({ pa }) => pa)).toEqual([0x8000_0000n, carveout.base, 0x9000_0000n]);
});

test("memory that is marked nomap stays the partition's and is not mapped", async () => {
  const machine = await Machine.createGunyah({
    regions: [...regions, { base: "0x90000000", size: "0x800000", nomap: true }],
  });
  expect(machine.owners().at(-1)).toMatchObject({ pa: 0x9000_0000n, owner: { type: "partition" } });
  expect(machine.access("host", 0x9000_0000n, "read").status).toBe("fault");
});

// prettier-ignore
test.each<[string, object, string]>([
  ["no region",                      { regions: [] },                                                      "regions"],
  ["an unknown field",               { regions, host_s2_pool_pages: 4 },                                   "host_s2_pool_pages"],
  ["a region that is not aligned",   { regions: [{ base: 1, size: 4096 }] },                               "regions.0.base: 0x1 is not page aligned"],
  ["a region beyond 36 bits",        { regions: [{ base: 1n << 36n, size: 4096 }] },                       "beyond 36 address bits"],
  ["a carve-out outside",            { regions, hyp_carveout: { base: 0, size: 4096 }, table_pages: 4 },    "hyp_carveout: 0x0..0x1000 is not inside one usable region"],
  ["a carve-out that is too small",  { regions, hyp_carveout: { base: "0x80000000", size: 4096 } },        "hyp_carveout.size"],
  ["no room for tables",             { regions: [{ base: 0, size: 4096 }] },                               "regions: none has room"],
])("%s", (_what, config, message) => {
  const resolve = () => resolveGunyahConfig(config as GunyahMachineConfig);
  expect(resolve).toThrow(ConfigError);
  expect(resolve).toThrow(message);
});

// prettier-ignore
test.each<[string, Partial<GunyahMachineConfig>]>([
  ["objects",       { heap_bytes: 4096 }],
  ["database",      { memdb_bytes: 512 }],
  ["tables",        { table_pages: 4, regions: [{ base: "0x80001000", size: "0x4000000" }] }],
])("too little memory to start HLOS: %s", async (_what, config) => {
  await expect(Machine.createGunyah({ regions, ...config })).rejects.toThrow(/table_pages, heap_bytes or memdb_bytes/);
});
