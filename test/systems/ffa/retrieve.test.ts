// FFA_MEM_RETRIEVE_REQ: every check alone, any two at once, what is granted, and the response (reference ffa, sections 4 and 7).

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FfaEndpoint, WRITE_BACK, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import type { Machine, Snapshot } from "../../../src/machine/machine.js";
import {
  aMachine,
  DEVICE,
  endpoints,
  expectRefusal,
  outcomeOf,
  pageOf,
  pairsOf,
  RO,
  run,
  SPMC,
  VM1,
  type Break,
} from "./ffa-machines.js";
import { make, type Message } from "./messages.js";

let machine: Machine;
let initial: Snapshot;
let vm1: FfaEndpoint;
let vm2: FfaEndpoint;
let vm3: FfaEndpoint;
beforeAll(async () => {
  machine = await aMachine();
  initial = machine.snapshot();
  [vm1, vm2, vm3] = endpoints(machine, 1, 2, 3) as [FfaEndpoint, FfaEndpoint, FfaEndpoint];
});
beforeEach(() => machine.restore(initial));

/** VM 1 lends 2 + 1 pages to VM 2. */
function lent(): FfaRegion {
  return vm1.lend({ to: 2, constituents: [run(VM1, 2), run(VM1 + 4)], tag: 7n }).region as FfaRegion;
}

/** VM 2 retrieves them, read-write and not executable. */
function aRequest({ handle }: FfaRegion): Message {
  return {
    op: "ffa_mem_retrieve_req",
    caller: 2,
    descriptor: {
      ...{ layout: "1.1", sender: 1, attributes: 0, flags: 0, handle, tag: 7n, accessSize: 32 },
      receivers: [{ id: 2, permissions: 6 }],
    },
    constituents: [],
    address: 0n,
    txFault: false,
    wipeFail: false,
  };
}

const first = (message: Message) => message.descriptor.receivers[0] ?? { id: 0, permissions: 0 };

// prettier-ignore
const BREAKS: readonly Break<Message>[] = [
  { row: "7.1 1",  what: "w3 is not 0",                 touches: ["address"],     apply: (m) => { m.address = 1n; },                               error: "INVALID_PARAMETERS", reason: "mbz_register" },
  { row: "7.1 1",  what: "fragment and total differ",   touches: ["lengths"],     apply: (m) => { m.total = 96; m.fragment = 80; },                error: "INVALID_PARAMETERS", reason: "lengths" },
  { row: "7.1 1",  what: "longer than TX",              touches: ["lengths"],     apply: (m) => { m.total = 4112; },                               error: "INVALID_PARAMETERS", reason: "tx_length" },
  { row: "7.1 1",  what: "no TX buffer",                touches: ["caller"],      apply: (m) => { m.caller = 5; },                                 error: "INVALID_PARAMETERS", reason: "no_tx" },
  { row: "7.1 2",  what: "TX faults",                   touches: ["tx"],          apply: (m) => { m.txFault = true; },                             error: "ABORTED",            reason: "tx_fault" },
  { row: "7.1 3",  what: "RX is not free",              touches: ["rx", "caller"], apply: () => { vm2.fillRx(); },                                 error: "BUSY",               reason: "rx_busy" },
  { row: "7.1 5",  what: "reserved header word",        touches: ["reserved"],    apply: (m) => { m.descriptor.reserved = 1; },                    error: "INVALID_PARAMETERS", reason: "reserved" },
  { row: "7.1 5",  what: "odd access size",             touches: ["layout"],      apply: (m) => { m.descriptor.accessSize = 24; },                 error: "INVALID_PARAMETERS", reason: "access_size" },
  { row: "7.1 5",  what: "no receiver",                 touches: ["receivers", "layout"], apply: (m) => { m.descriptor.receiverCount = 0; },       error: "INVALID_PARAMETERS", reason: "receiver_count" },
  { row: "7.1 5",  what: "a composite descriptor",      touches: ["entry"],       apply: (m) => { first(m).offset = 80; },                         error: "INVALID_PARAMETERS", reason: "composite_offset" },
  { row: "7.1 6",  what: "a handle of the SPMC",        touches: ["handle"],      apply: (m) => { m.descriptor.handle = 0n; },                     error: "INVALID_PARAMETERS", reason: "handle" },
  { row: "7.1 7",  what: "an unknown handle",           touches: ["handle"],      apply: (m) => { m.descriptor.handle = (1n << 63n) | 3n; },       error: "INVALID_PARAMETERS", reason: "handle" },
  { row: "7.2 9",  what: "too long",                    touches: ["lengths"],     apply: (m) => { m.total = 96; },                                 error: "INVALID_PARAMETERS", reason: "lengths" },
  { row: "7.2 10", what: "another sender",              touches: ["sender"],      apply: (m) => { m.descriptor.sender = 3; },                      error: "DENIED",             reason: "sender" },
  { row: "7.2 12", what: "another transaction type",    touches: ["flags"],       apply: (m) => { m.descriptor.flags = 0x8; },                     error: "INVALID_PARAMETERS", reason: "type" },
  { row: "7.2 13", what: "another tag",                 touches: ["tag"],         apply: (m) => { m.descriptor.tag = 8n; },                        error: "INVALID_PARAMETERS", reason: "tag" },
  { row: "7.2 14", what: "a stranger",                  touches: ["caller", "layout", "entry", "lengths"], apply: (m) => { m.caller = 3; m.descriptor.accessSize = 16; }, error: "INVALID_PARAMETERS", reason: "not_receiver" },
  { row: "7.2 15", what: "alignment hint",              touches: ["flags"],       apply: (m) => { m.descriptor.flags = 1 << 5; },                  error: "INVALID_PARAMETERS", reason: "flags" },
  { row: "7.2 15", what: "hint valid",                  touches: ["flags"],       apply: (m) => { m.descriptor.flags = 1 << 9; },                  error: "INVALID_PARAMETERS", reason: "flags" },
  { row: "7.2 15", what: "unknown flags",               touches: ["flags"],       apply: (m) => { m.descriptor.flags = 1 << 11; },                 error: "INVALID_PARAMETERS", reason: "flags" },
  { row: "7.2 17", what: "clear where none was sent",   touches: ["flags"],       apply: (m) => { m.descriptor.flags = 1; },                       error: "DENIED",             reason: "flags" },
  { row: "7.2 18", what: "security bit",                touches: ["attributes"],  apply: (m) => { m.descriptor.attributes = 0x40; },               error: "INVALID_PARAMETERS", reason: "attributes" },
  { row: "7.2 19", what: "normal, not write-back",      touches: ["attributes"],  apply: (m) => { m.descriptor.attributes = 0x27; },               error: "DENIED",             reason: "attributes" },
  { row: "7.3 20", what: "another number of receivers", touches: ["receivers", "entry", "layout", "lengths"], apply: (m) => { m.descriptor.receivers.push({ id: 3, permissions: 6 }); }, error: "INVALID_PARAMETERS", reason: "receiver_count" },
  { row: "7.3 21", what: "bypass for one receiver",     touches: ["flags", "receivers"], apply: (m) => { m.descriptor.flags = 1 << 10; },          error: "INVALID_PARAMETERS", reason: "receiver_count" },
  { row: "7.3 23", what: "a receiver that is none",     touches: ["receivers"],   apply: (m) => { first(m).id = 3; },                              error: "DENIED",             reason: "not_receiver" },
  { row: "7.3 24", what: "reserved data value",         touches: ["permissions"], apply: (m) => { first(m).permissions = 7; },                     error: "DENIED",             reason: "access" },
  { row: "7.3 25", what: "instruction access missing",  touches: ["permissions"], apply: (m) => { first(m).permissions = 2; },                     error: "INVALID_PARAMETERS", reason: "permissions" },
  { row: "7.3 25", what: "reserved instruction value",  touches: ["permissions"], apply: (m) => { first(m).permissions = 14; },                    error: "DENIED",             reason: "permissions" },
  { row: "7.3 27", what: "clear later, read-only",      touches: ["permissions", "flags"], apply: (m) => { first(m).permissions = 5; m.descriptor.flags = 4; }, error: "DENIED",   reason: "not_writable" },
  { row: "7.3 28", what: "implementation-defined words", touches: ["impdef", "layout"], apply: (m) => { first(m).impdef = [1n, 0n]; },             error: "INVALID_PARAMETERS", reason: "impdef" },
];

test("the call that is broken below is good", () => {
  expect(outcomeOf(make(machine, aRequest(lent())))).toBe("OK");
});

test.each(BREAKS.map((row) => [`${row.row}: ${row.what}`, row] as const))(
  "%s; the lender still reclaims",
  (_name, row) => {
    const region = lent();
    const message = aRequest(region);
    row.apply(message, machine);

    expectRefusal(make(machine, message), row);
    expect(pageOf(machine, 2, VM1)).toBe("absent");
    expect(vm1.reclaim(region).error).toBeNull();
  },
);

test.each(pairsOf(BREAKS))("%s", (_name, earlier, later) => {
  const message = aRequest(lent());
  later.apply(message, machine);
  earlier.apply(message, machine);

  expectRefusal(make(machine, message), earlier);
});

const both = [
  { id: 2, data: "RW" },
  { id: 3, data: "RW" },
] as const;

/** VM 1 shares a page with VM 2 and VM 3. */
const shared = () => vm1.share({ to: both, constituents: [run(VM1)] }).region as FfaRegion;

describe("rows that need another send", () => {
  // prettier-ignore
  test.each<[string, () => FfaRegion, Parameters<FfaEndpoint["retrieve"]>[1], string, string]>([
    ["7.1 7: not fully sent",                () => vm1.lend({ to: 2, constituents: [run(VM1), run(VM1 + 1)], firstFragment: 1 }).region as FfaRegion, {}, "INVALID_PARAMETERS", "not_complete"],
    ["7.2 16: share with clear",             shared, { flags: 1 },                                "INVALID_PARAMETERS", "flags"],
    ["7.2 16: share, clear when relinquished", shared, { flags: 4 },                              "INVALID_PARAMETERS", "flags"],
    ["7.3 20: fewer receivers than sent",    shared, { receivers: [{ id: 2 }] },                  "INVALID_PARAMETERS", "receiver_count"],
    ["7.3 21: bypass with two entries",      shared, { flags: 1 << 10 },                          "INVALID_PARAMETERS", "receiver_count"],
    ["7.3 25: share, instruction stated",    shared, { instruction: "NX" },                       "INVALID_PARAMETERS", "permissions"],
    ["7.3 25: share, executable",            shared, { instruction: "X" },                        "INVALID_PARAMETERS", "permissions"],
    ["7.3 29: its own entry is absent",      shared, { receivers: [{ id: 3 }, { id: 3 }] },       "INVALID_PARAMETERS", "not_receiver"],
    ["7.4 30: device memory as normal",      () => vm1.lend({ to: 2, constituents: [run(VM1 + DEVICE)] }).region as FfaRegion, { attributes: WRITE_BACK }, "DENIED", "device"],
    ["7.4 30: sent as device, as normal",    () => vm1.share({ to: both, constituents: [run(VM1)], attributes: 0x13 }).region as FfaRegion, { attributes: WRITE_BACK }, "DENIED", "device"],
  ])("%s", (_name, send, options, error, reason) => {
    const answer = vm2.retrieve(send(), options);

    expect([answer.error, answer.outcome.reason]).toEqual([error, `ffa_${reason}`]);
  });

  test("7.1 8: the owner has gone, another borrower still holds the region", () => {
    const region = shared();
    vm3.retrieve(region);
    vm1.abort();
    const answer = vm2.retrieve(region);

    expect([answer.error, answer.outcome.reason]).toEqual(["DENIED", "ffa_pending"]);
  });

  test("7.4 32: retrieved twice", () => {
    const region = lent();
    expect(vm2.retrieve(region).error).toBeNull();
    vm2.releaseRx();
    const answer = vm2.retrieve(region);

    expect([answer.error, answer.outcome.reason]).toEqual(["DENIED", "ffa_state"]);
  });

  test("7.4 32, section 3.1: the primary VM is exempt", () => {
    const region = vm2.lend({ to: 1, constituents: [run(10)] }).region as FfaRegion;
    expect(vm1.retrieve(region).error).toBeNull();
    vm1.releaseRx();
    expect(vm1.retrieve(region).error).toBeNull();
  });

  test("with bypass each borrower lists itself alone", () => {
    const region = shared();
    expect(vm2.retrieve(region, { flags: 1 << 10, receivers: [{ id: 2, data: "RW" }] }).error).toBeNull();
    expect(vm3.retrieve(region, { flags: 1 << 10, receivers: [{ id: 3, data: "RW" }] }).error).toBeNull();
  });
});

// Section 4, the grant rule for data.
test.each([
  ["RW", "RW", "RW"],
  ["RW", "unspecified", "RW"],
  ["RW", "RO", "R-"],
  ["RO", "RO", "R-"],
  ["RO", "unspecified", "R-"],
  ["RO", "RW", "DENIED"],
] as const)("sent %s, asked %s: %s", (sent, asked, granted) => {
  const region = vm1.lend({ to: { id: 2, data: sent }, constituents: [run(VM1)] }).region as FfaRegion;
  const answer = vm2.retrieve(region, { data: asked });

  expect(answer.error ?? pageOf(machine, 2, VM1).slice(0, 2)).toBe(granted);
});

// Section 4, the grant rule for instructions: executable only when that is asked for.
test.each([
  ["lend", "X", "RWX !O-EA"],
  ["lend", "NX", "RW- !O-EA"],
  ["donate", "X", "RWX O-EA"],
  ["donate", "NX", "RW- O-EA"],
  ["share", "unspecified", "RW- !O-SA"],
] as const)("%s, retrieved %s: %s", (verb, instruction, mode) => {
  const region = vm1[verb]({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;

  expect(vm2.retrieve(region, { instruction }).error).toBeNull();
  expect(pageOf(machine, 2, VM1)).toBe(mode);
});

test("section 4: what is granted is bounded by what was sent, not by the owner's own access", () => {
  const donated = vm1.donate({ to: 2, constituents: [run(VM1 + RO)] }).region as FfaRegion;
  expect(vm2.retrieve(donated, { instruction: "X" }).error).toBeNull();
  expect(pageOf(machine, 2, VM1 + RO)).toBe("RWX O-EA");
});

describe("7.3 26: executable non-secure memory", () => {
  test.each([
    [true, "OK"],
    [false, "INVALID_PARAMETERS"],
  ])("protection exists: %s: %s", async (protect, result) => {
    const spmc = await aMachine({ ...SPMC, protect });
    const [vm, sp] = endpoints(spmc, 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
    const region = vm.lend({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;

    expect(sp.retrieve(region, { instruction: "X" }).error ?? "OK").toBe(result);
  });

  test("an SP's own non-secure page is executable where protection exists", async () => {
    const spmc = await aMachine(SPMC);
    const [sp1, sp2] = endpoints(spmc, 0x8001, 0x8002) as [FfaEndpoint, FfaEndpoint];
    const region = sp1.lend({ to: 0x8002, constituents: [run(40)] }).region as FfaRegion;

    expect(sp2.retrieve(region, { instruction: "X" }).error).toBeNull();
    expect(pageOf(spmc, 0x8002, 40)).toBe("RWX !O-EA, non-secure");
  });
});

describe("7.5: the response", () => {
  test("one entry, the caller's; type in the flags; tag 0; attributes and clear bit as sent", () => {
    const to = [{ id: 2, data: "RW", impdef: [5n, 6n] }, { id: 3, data: "RO" }] as const; // prettier-ignore
    const region = vm1.share({ to, constituents: [run(VM1, 2)], tag: 9n }).region as FfaRegion;
    const { descriptor } = vm2.retrieve(region);

    expect(descriptor).toMatchObject({
      ...{ sender: 1, attributes: WRITE_BACK, flags: 0x8, handle: region.handle, tag: 0n },
      receivers: [{ id: 2, permissions: 6, offset: 80, impdef: [5n, 6n] }],
      composite: { pageCount: 2, constituentCount: 1 },
      constituents: [run(VM1, 2)],
    });
  });

  test.each([
    ["lend", 0x11],
    ["donate", 0x19],
  ] as const)("%s with clear: flags 0x%s", (verb, flags) => {
    const region = vm1[verb]({ to: 2, constituents: [run(VM1)], clear: true }).region as FfaRegion;

    expect(vm2.retrieve(region).descriptor?.flags).toBe(flags);
  });

  // The layout is that of the caller's version: header, access descriptor, composite, one constituent.
  test.each([
    [2, "1.1", 48 + 32 + 16 + 16],
    [3, "1.1", 48 + 16 + 16 + 16],
    [4, "1.0", 32 + 16 + 16 + 16],
  ])("to VM %i in layout %s: %i bytes", (id, layout, bytes) => {
    const region = vm1.lend({ to: id, constituents: [run(VM1)] }).region as FfaRegion;
    const answer = new FfaEndpoint(machine, id).retrieve(region);

    expect(answer.reply).toEqual({ fn: "RETRIEVE_RESP", total: bytes, fragment: bytes });
    expect(answer.descriptor).toMatchObject({ layout, constituents: [run(VM1)] });
  });

  test("memory that stays non-secure says so", async () => {
    const spmc = await aMachine(SPMC);
    const [vm, sp] = endpoints(spmc, 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
    const shared = vm.share({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;
    const lent = vm.lend({ to: 0x8001, constituents: [run(1)] }).region as FfaRegion;

    expect(sp.retrieve(shared).descriptor?.attributes).toBe(WRITE_BACK | 0x40);
    sp.releaseRx();
    expect(sp.retrieve(lent).descriptor?.attributes).toBe(0);
  });

  test("a donate that is delivered is over", () => {
    const region = vm1.donate({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;
    vm2.retrieve(region);
    vm2.releaseRx();

    expect(vm2.retrieve(region).error).toBe("INVALID_PARAMETERS");
    expect(vm2.relinquish(region).error).toBe("INVALID_PARAMETERS");
    expect(vm1.reclaim(region).error).toBe("INVALID_PARAMETERS");
  });
});
