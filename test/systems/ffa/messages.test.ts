// One byte of a good message is another: it is refused with a code, or means what the byte says now; and nothing outside the
// message is read, nothing outside RX is written.

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import {
  decodeDescriptor,
  encodeDescriptor,
  transmit,
  type DescriptorLayout,
  type TransactionDescriptor,
} from "../../../src/machine/ffa-descriptor.js";
import type { FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine, Outcome, Snapshot } from "../../../src/machine/machine.js";
import { aMachine, at, endpoints, run, VM1, VM2, VM3, VM4 } from "./ffa-machines.js";

const FILL = 0xa5;

/** A good call and its bytes. */
interface Good {
  readonly name: string;
  readonly vm: number;
  readonly op: "ffa_mem_donate" | "ffa_mem_lend" | "ffa_mem_share" | "ffa_mem_retrieve_req" | "ffa_mem_relinquish";
  readonly layout: DescriptorLayout;
  readonly bytes: Uint8Array;
}

const send = (sender: number, page: number, more: Partial<TransactionDescriptor>): TransactionDescriptor => ({
  ...{ layout: "1.1", sender, attributes: 0, flags: 0, tag: 3n, receivers: [{ id: 3, permissions: 2 }] },
  composite: { pageCount: 3, constituentCount: 2 },
  constituents: [run(page, 2), run(page + 4)],
  ...more,
});

let machine: Machine;
let state: FfaState;
/** VM 2's page is lent to VM 1, VM 4's to VM 1 and retrieved. */
let initial: Snapshot;
let messages: Good[];

beforeAll(async () => {
  machine = await aMachine();
  state = new FfaState(machine);
  for (let page = 0; page < 48; page++) machine.writePage(at(page), new Uint8Array(4096).fill(FILL));
  const [vm1, vm2, vm4] = endpoints(machine, 1, 2, 4);
  const lent = vm2?.lend({ to: 1, constituents: [run(VM2, 2)], tag: 3n }).region as FfaRegion;
  const held = vm4?.lend({ to: 1, constituents: [run(VM4)] }).region as FfaRegion;
  vm1?.retrieve(held);
  vm1?.releaseRx();
  initial = machine.snapshot();
  const request: TransactionDescriptor = {
    ...{ layout: "1.1", sender: 2, attributes: 0, flags: 0, handle: lent.handle, tag: 3n },
    receivers: [{ id: 1, permissions: 6 }],
  };
  const relinquish = new Uint8Array(18);
  const view = new DataView(relinquish.buffer);
  view.setBigUint64(0, held.handle, true);
  view.setUint32(12, 1, true);
  view.setUint16(16, 1, true);
  const two = [{ id: 2, permissions: 2 }, { id: 3, permissions: 1 }]; // prettier-ignore
  const old = { layout: "1.0", accessSize: 16 } as const;
  // prettier-ignore
  messages = [
    { name: "lend",           vm: 1, op: "ffa_mem_lend",         layout: "1.1", bytes: encodeDescriptor(send(1, VM1, {}), 128) },
    { name: "donate",         vm: 1, op: "ffa_mem_donate",       layout: "1.1", bytes: encodeDescriptor(send(1, VM1, { receivers: [{ id: 3, permissions: 0 }] }), 128) },
    { name: "share with two", vm: 1, op: "ffa_mem_share",        layout: "1.1", bytes: encodeDescriptor(send(1, VM1, { attributes: 0x2f, receivers: two }), 160) },
    { name: "lend from 1.1",  vm: 3, op: "ffa_mem_lend",         layout: "1.1", bytes: encodeDescriptor(send(3, VM3, { accessSize: 16, receivers: [{ id: 1, permissions: 2 }] }), 112) },
    { name: "lend from 1.0",  vm: 4, op: "ffa_mem_lend",         layout: "1.0", bytes: encodeDescriptor(send(4, VM4 + 1, old), 96) },
    { name: "retrieve",       vm: 1, op: "ffa_mem_retrieve_req", layout: "1.1", bytes: encodeDescriptor(request, 80) },
    { name: "relinquish",     vm: 1, op: "ffa_mem_relinquish",   layout: "1.1", bytes: relinquish },
  ];
});

/** Makes the call with `bytes` in TX, and `behind` behind them. */
function make({ vm, op }: Good, bytes: Uint8Array, behind: Uint8Array = new Uint8Array(0)): Outcome {
  machine.restore(initial);
  machine.applyBatch(transmit(vm, Buffer.concat([bytes, behind])), { effects: false });
  const call = { vm, x64: 0, tx_fault: 0, wipe_fail: 0 } as const;
  const registers = { total: bytes.length, fragment: bytes.length, address: 0n, page_count: 0 };
  return machine.apply(op === "ffa_mem_relinquish" ? { op, ...call } : { op, ...call, ...registers });
}

const CODES = ["NOT_SUPPORTED", "INVALID_PARAMETERS", "NO_MEMORY", "BUSY", "DENIED", "ABORTED"];

/** All data and all receive buffers: what no call may change besides what it says. */
function memory(): Map<string, Buffer> {
  const pages = Array.from(
    { length: 48 },
    (_, page) => [`page ${page}`, Buffer.from(machine.readPage(at(page)))] as const,
  );
  const buffers = [1, 2, 3, 4, 0x8000].map((id) => [`RX ${id}`, Buffer.from(state.readRx(id, 4096))] as const);
  return new Map([...pages, ...buffers]);
}

function expectOnlyStatedWrites({ vm }: Good, { effects, details }: Outcome, before: Map<string, Buffer>): void {
  const wiped = effects.flatMap((effect) =>
    effect.kind === "wipe" ? [`page ${Number(effect.pa - at(0)) / 4096}`] : [],
  );
  for (const [name, bytes] of memory()) {
    if (wiped.includes(name)) expect(bytes.every((byte) => byte === 0)).toBe(true);
    else if (name !== `RX ${vm}` || details.reply?.fn !== "RETRIEVE_RESP")
      expect([name, bytes.equals(before.get(name) as Buffer)]).toEqual([name, true]); // prettier-ignore
    else expect(bytes.subarray(details.reply.fragment).every((byte) => byte === 0)).toBe(true);
  }
}

/** What the managers keep of a send is what the bytes say. */
function expectRecord({ op, layout }: Good, { details: { reply } }: Outcome, bytes: Uint8Array): void {
  const said = decodeDescriptor(bytes, layout) as TransactionDescriptor;
  const handle = reply?.fn === "SUCCESS" ? reply.handle : undefined;
  const record = state.records().find((each) => each.handle === handle);
  if (record === undefined) throw new Error("no record");
  expect(record).toMatchObject({
    verb: op.slice("ffa_mem_".length),
    sender: said.sender,
    ...{ flags: said.flags, attributes: said.attributes },
    receivers: said.receivers.map(({ id, permissions }) => ({ id, permissions, retrieved: 0 })),
  });
  expect(state.constituents(record)).toEqual(said.constituents);
}

test("the messages are good", () => {
  expect(messages.map((good) => [good.name, make(good, good.bytes).errno])).toEqual(
    messages.map(({ name }) => [name, null]),
  );
});

const change = fc.record({ which: fc.nat(6), place: fc.nat(159), value: fc.nat(255) });

function changed({ bytes }: Good, place: number, value: number): Uint8Array {
  const mutated = bytes.slice();
  mutated[place % bytes.length] = value;
  return mutated;
}

test("a changed byte is refused with a code, or means what it says", () => {
  const property = fc.property(change, ({ which, place, value }) => {
    const good = messages[which] as Good;
    const bytes = changed(good, place, value);
    machine.restore(initial);
    const before = memory();
    const outcome = make(good, bytes);

    expectOnlyStatedWrites(good, outcome, before);
    expect(machine.checkInvariants()).toBeNull();
    if (outcome.ret !== 0) expect(CODES).toContain(outcome.errno);
    else if (good.op !== "ffa_mem_retrieve_req" && good.op !== "ffa_mem_relinquish") expectRecord(good, outcome, bytes);
  });
  fc.assert(property, { numRuns: 2000 });
});

test("what stands behind a message is not read", () => {
  const property = fc.property(
    change,
    fc.uint8Array({ minLength: 64, maxLength: 512 }),
    ({ which, place, value }, behind) => {
      const good = messages[which] as Good;
      const bytes = changed(good, place, value);
      const alone = make(good, bytes);
      const records = state.records();
      const followed = make(good, bytes, behind);

      expect(followed).toEqual(alone);
      expect(state.records()).toEqual(records);
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test("any bytes at all: a code, no writes, no trap", () => {
  const lengths = fc.constantFrom(0, 16, 31, 32, 47, 48, 64, 80, 96, 112, 128, 4096);
  const property = fc.property(fc.nat(6), lengths, fc.infiniteStream(fc.nat(255)), (which, length, stream) => {
    const good = messages[which] as Good;
    const bytes = Uint8Array.from({ length }, () => stream.next().value as number);
    machine.restore(initial);
    const before = memory();

    expectOnlyStatedWrites(good, make(good, bytes), before);
    expect(machine.checkInvariants()).toBeNull();
  });
  fc.assert(property, { numRuns: 300 });
});
