// Configurations of partition managers: what is filled in, what is refused, and what is there at the start and after a reset.

import { expect, test } from "vitest";
import { ConfigError } from "../../src/machine/config.js";
import { resolveFfaConfig, type FfaConfig } from "../../src/machine/ffa-config.js";
import { FfaEndpoint } from "../../src/machine/ffa-endpoint.js";
import { Machine } from "../../src/machine/machine.js";
import { aMachine, at, BOTH, pageStates, run, SPMC } from "../systems/ffa/ffa-machines.js";

const SMALL: FfaConfig = { flavour: "hypervisor", base: "0x10000000", pages: 16, endpoints: [{ id: 1 }] };

test("what is left out: Hafnium's limits, the newest version, one page of buffer, tables by manager", () => {
  const config = resolveFfaConfig({
    ...SPMC,
    limits: {},
    endpoints: [{ id: 0 }, { id: "0x8001" }, { id: 0x8002, el0: 1 }],
  });

  expect(config).toMatchObject({
    limits: { transactions: 100, fragments: 20, recipients: 2, buffer_pages: 1 },
    endpoints: [
      { id: 0, manager: "spmc", version: 0x10003, buffer_pages: 1, tables: ["s", "ns"], modes: [] },
      { id: 0x8001, manager: "spmc", tables: ["s", "ns"] },
      { id: 0x8002, manager: "spmc", tables: ["main"] },
    ],
  });
});

// prettier-ignore
test.each<[string, object, RegExp]>([
  ["no flavour",                  { flavour: undefined },                          /^flavour: /],
  ["no endpoint",                 { endpoints: [] },                               /^endpoints: /],
  ["an unknown field",            { regions: [] },                                 /regions/],
  ["no pages",                    { pages: 0 },                                    /^pages: /],
  ["beyond the address space",    { base: "0xfffffff000" , pages: 16 },            /^pages: end beyond 40 address bits$/],
  ["an unaligned base",           { base: "0x10000001" },                          /^base: 0x10000001 is not page aligned$/],
  ["too many transactions",       { limits: { transactions: 5000 } },              /^limits\.transactions: /],
  ["a page beyond the end",       { endpoints: [{ id: 1, modes: [{ table: "main", page: 15, n: 2, mode: 7 }] }] }, /^endpoints\.0\.modes\.0: page 16 where there are 16$/],
  ["a forwarder without a normal world", { flavour: "both", endpoints: [{ id: 1 }] }, /^endpoints: a hypervisor that forwards needs endpoint 0x0/],
])("refused: %s", (_what, change, message) => {
  const resolve = () => resolveFfaConfig({ ...SMALL, ...change });

  expect(resolve).toThrow(ConfigError);
  expect(resolve).toThrow(message);
});

test("the largest machine: all endpoints with four-page buffers and full tables", async () => {
  const pages = 0x1000;
  const endpoints = Array.from({ length: 32 }, (_, index) => ({
    ...{ id: index + 1, buffer_pages: 4 },
    modes: [{ table: "main" as const, page: 0, n: pages, mode: index === 0 ? 7 : 0x70 }],
  }));
  const machine = await Machine.createFfa({ ...SMALL, limits: { buffer_pages: 4 }, pages, endpoints });
  const sent = new FfaEndpoint(machine, 1).lend({ to: 32, constituents: [run(0, pages)] });

  expect(sent.error).toBeNull();
  expect(new FfaEndpoint(machine, 32).retrieveAll(sent.region as NonNullable<typeof sent.region>).error).toBeNull();
});

test("a reset is back at the configuration, not at an empty machine", async () => {
  const machine = await aMachine(BOTH);
  const initial = pageStates(machine);
  new FfaEndpoint(machine, 1).lend({ to: 0x8001, constituents: [run(0)] });
  expect(pageStates(machine)).not.toEqual(initial);
  machine.reset();

  expect(pageStates(machine)).toEqual(initial);
  expect(machine.core.exports.ffaIsSecure(at(20))).toBe(1);
});

test("other machines have no endpoints", async () => {
  const machine = await Machine.create({ regions: [{ base: "0x40000000", size: "0x10000000" }] });
  expect(() => new FfaEndpoint(machine, 1)).toThrow(RangeError);
});
