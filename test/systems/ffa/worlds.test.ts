// Two worlds: who may send to whom, firmware's protection, calls that the hypervisor forwards, the hypervisor's own retrieve,
// and device memory (reference ffa, sections 4, 7.1, 11 and 12).

import { describe, expect, test } from "vitest";
import { FfaEndpoint, WRITE_BACK, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine } from "../../../src/machine/machine.js";
import {
  aMachine,
  at,
  BOTH,
  DEVICE,
  endpoints,
  NORMAL_WORLD,
  outcomeOf,
  pageOf,
  resultOf,
  run,
  SP1,
  SPMC,
  VERSION,
} from "./ffa-machines.js";
import { aLend, make } from "./messages.js";

// Section 4, ffa_memory_is_send_valid, at the SPMC.
// prettier-ignore
test.each<[sender: number, verb: "donate" | "lend" | "share", to: number | number[], result: string]>([
  [0x8001, "donate", 1,           "DENIED"],
  [0x8001, "lend",   1,           "DENIED"],
  [0x8001, "share",  1,           "DENIED"],
  [0x8001, "donate", 0x8002,      "OK"],
  [0x8001, "lend",   0x8002,      "OK"],
  [0x8001, "share",  0x8002,      "OK"],
  [0,      "donate", 0x8001,      "OK"],
  [0,      "lend",   0x8001,      "OK"],
  [0,      "share",  0x8001,      "OK"],
  [0,      "donate", 2,           "DENIED"],
  [0,      "lend",   2,           "DENIED"],
  [0,      "lend",   [2, 0x8001], "DENIED"],
  [0,      "share",  [2, 0x8001], "OK"],
])("SPMC: 0x%x may %s to %s: %s", async (id, verb, to, result) => {
  const [sender] = endpoints(await aMachine(SPMC), id) as [FfaEndpoint];

  expect(resultOf(sender[verb]({ to, constituents: [run(id === 0 ? 0 : SP1)] }))).toBe(result);
});

test("5.3 4: a normal-world caller that names a secure sender", async () => {
  const message = aLend();
  message.caller = 0;
  message.descriptor.sender = 0x8002;
  message.descriptor.receivers = [{ id: 0x8001, permissions: 2 }];

  expect(outcomeOf(make(await aMachine(SPMC), message))).toBe("DENIED");
});

describe("protection", () => {
  // A borrower maps through its secure table what is protected, through the other what is not.
  test.each([
    ["lend", true, "RW- !O-EA"],
    ["lend", false, "RW- !O-EA, non-secure"],
    ["share", true, "RW- !O-SA, non-secure"],
  ] as const)("%s, firmware protects: %s: the borrower has %s", async (verb, protect, mode) => {
    const machine = await aMachine({ ...SPMC, protect });
    const [vm, sp] = endpoints(machine, 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
    sp.retrieve(vm[verb]({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion);

    expect(pageOf(machine, 0x8001, 0)).toBe(mode);
    expect(new FfaState(machine).isSecure(at(0))).toBe(mode === "RW- !O-EA");
  });

  test("an SP's lend is not protected: its pages are secure already", async () => {
    const machine = await aMachine(SPMC);
    const [sp] = endpoints(machine, 0x8001) as [FfaEndpoint];
    sp.lend({ to: 0x8002, constituents: [run(SP1)] });

    expect(new FfaState(machine).records()).toMatchObject([{ protected: false }]);
  });
});

describe("12: device memory", () => {
  test("is lent to one borrower, retrieved as device, never protected", async () => {
    const machine = await aMachine(SPMC);
    const [vm, sp] = endpoints(machine, 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
    const region = vm.lend({ to: 0x8001, constituents: [run(DEVICE)] }).region as FfaRegion;

    expect(resultOf(sp.retrieve(region, { attributes: WRITE_BACK }))).toBe("DENIED");
    expect(resultOf(sp.retrieve(region, { attributes: 0x13 }))).toBe("OK");
    expect(pageOf(machine, 0x8001, DEVICE)).toBe("RW- !O-EA, device, non-secure");
    expect(new FfaState(machine).isSecure(at(DEVICE))).toBe(false);
  });

  test("normal memory may be retrieved as device", async () => {
    const [vm, sp] = endpoints(await aMachine(SPMC), 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
    const region = vm.lend({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;

    expect(resultOf(sp.retrieve(region, { attributes: 0x13 }))).toBe("OK");
  });
});

describe("the hypervisor's retrieve (7.1 row 4)", () => {
  const retrieveWhole = (machine: Machine, handle: bigint, sender = 0) => {
    const message = aLend();
    message.op = "ffa_mem_retrieve_req";
    message.caller = 0;
    message.descriptor = { layout: "1.1", sender, attributes: 0, flags: 0, handle, tag: 0n, accessSize: 0, receiversOffset: 0, receivers: [] }; // prettier-ignore
    message.total = 48;
    return make(machine, message);
  };

  test("lists all receivers as they were sent, changes no table, and may be repeated", async () => {
    const machine = await aMachine(SPMC);
    const [vm] = endpoints(machine, 0) as [FfaEndpoint];
    const to = [{ id: 0x8001, data: "RW" }, { id: 0x8002, data: "RO" }] as const; // prettier-ignore
    const { handle } = vm.share({ to, constituents: [run(0)] }).region as FfaRegion;
    const total = 48 + 2 * 32 + 16 + 16;

    expect(retrieveWhole(machine, handle).details.reply).toEqual({ fn: "RETRIEVE_RESP", total, fragment: total });
    expect(outcomeOf(retrieveWhole(machine, handle))).toBe("BUSY");
    vm.releaseRx();
    expect(outcomeOf(retrieveWhole(machine, handle))).toBe("OK");
    expect(pageOf(machine, 0, 0)).toBe("RWX O-SA, non-secure");
  });

  test("every other field must be 0, and the handle an SPMC's", async () => {
    const machine = await aMachine(SPMC);
    const [vm] = endpoints(machine, 0) as [FfaEndpoint];
    const { handle } = vm.share({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;

    expect(retrieveWhole(machine, handle, 1).reason).toBe("ffa_reserved");
    expect(retrieveWhole(machine, handle | (1n << 63n)).reason).toBe("ffa_handle");
    expect(retrieveWhole(machine, 3n).reason).toBe("ffa_handle");
  });

  test("a second one while fragments are outstanding is DENIED; FRAG_RX names the sender", async () => {
    const machine = await aMachine(SPMC);
    const [vm] = endpoints(machine, 0) as [FfaEndpoint];
    const region = vm.share({ to: 0x8001, constituents: [run(0), run(2)], firstFragment: 1 }).region as FfaRegion;
    vm.fragTx(region, [run(2)]);
    expect(retrieveWhole(machine, region.handle).details.reply).toMatchObject({ total: 128, fragment: 112 });
    vm.releaseRx();

    expect(outcomeOf(retrieveWhole(machine, region.handle))).toBe("DENIED");
    expect(vm.fragRx(region, 112, 2).outcome.reason).toBe("ffa_sender_register");
    expect(vm.fragRx(region, 112, 1).constituents).toEqual([run(2)]);
    vm.releaseRx();
    expect(outcomeOf(retrieveWhole(machine, region.handle))).toBe("OK");
  });

  // Sent from a larger buffer, or with 16-byte entries where the normal world has 32-byte ones.
  test.each([
    ["a partition's 300 constituents", 0x8001, 0x8002, 300, {}],
    ["a page of the normal world's own", 0, 0x8001, 251, { descriptor: { accessSize: 16 } }],
  ])("%s do not fit RX: refused, and nothing is written behind it", async (_of, from, to, count, more) => {
    const machine = await aMachine({
      ...SPMC,
      ...{ pages: 1024, limits: { ...SPMC.limits, buffer_pages: 4 }, pas_secure: [] },
      endpoints: [
        { id: NORMAL_WORLD, version: VERSION["1.2"], modes: [{ table: "ns", page: 0, n: 510, mode: 0x87 }] },
        { id: 0x8001, buffer_pages: 4, modes: [{ table: "s", page: 512, n: 510, mode: 0x7 }] },
        { id: 0x8002, buffer_pages: 4 },
      ],
    });
    const [sender, normalWorld] = endpoints(machine, from, NORMAL_WORLD) as [FfaEndpoint, FfaEndpoint];
    const first = from === NORMAL_WORLD ? 0 : 512;
    const constituents = Array.from({ length: count }, (_, index) => run(first + index));
    const { region } = sender.lend({ to, constituents, ...more });
    const before = machine.snapshot();
    const refused = retrieveWhole(machine, (region as FfaRegion).handle);

    expect([outcomeOf(refused), refused.reason]).toEqual(["NO_MEMORY", "ffa_rx_length"]);
    expect(new FfaState(machine).isRxFull(NORMAL_WORLD)).toBe(false);
    expect(pageOf(machine, NORMAL_WORLD, 509)).toBe("RWX O-EA, non-secure");
    machine.restore(before);
    expect(normalWorld.lend({ to: 0x8002, constituents: [run(509)] }).error).toBeNull();
  });
});

describe("11: a hypervisor that forwards", () => {
  async function forwarding(): Promise<[Machine, FfaEndpoint, FfaEndpoint]> {
    const machine = await aMachine(BOTH);
    return [machine, ...(endpoints(machine, 1, 0x8001) as [FfaEndpoint, FfaEndpoint])];
  }

  test("a lend to an SP changes both managers, reclaim restores both", async () => {
    const [machine, vm, sp] = await forwarding();
    const region = vm.lend({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;
    expect(region.handle >> 63n).toBe(0n);
    expect([pageOf(machine, 1, 0), pageOf(machine, 0, 0)]).toEqual(["RWX O-NA", "RWX O-NA, non-secure"]);
    expect(new FfaState(machine).records().map(({ manager, sender }) => [manager, sender])).toEqual([
      ["hyp", 1],
      ["spmc", 1],
    ]);
    expect(resultOf(sp.retrieve(region))).toBe("OK");
    expect(resultOf(vm.reclaim(region))).toBe("DENIED");
    sp.relinquish(region);

    expect(resultOf(vm.reclaim(region))).toBe("OK");
    expect([pageOf(machine, 1, 0), pageOf(machine, 0, 0)]).toEqual(["RWX O-EA", "RWX O-EA, non-secure"]);
    expect(new FfaState(machine).records()).toEqual([]);
  });

  test("a send between VMs stays with the hypervisor, which allocates the handle", async () => {
    const [, vm] = await forwarding();
    expect((vm.lend({ to: 2, constituents: [run(0)] }).region as FfaRegion).handle >> 63n).toBe(1n);
  });

  test("the SPMC's RX is busy: BUSY for a first fragment, the same offset again for a later one", async () => {
    const [machine, vm] = await forwarding();
    const channel = new FfaEndpoint(machine, 0x8000);
    channel.fillRx();
    expect(resultOf(vm.lend({ to: 0x8001, constituents: [run(0)] }))).toBe("BUSY");
    channel.releaseRx();
    const first = vm.lend({ to: 0x8001, constituents: [run(0), run(2)], firstFragment: 1 });
    channel.fillRx();
    const again = vm.fragTx(first.region as FfaRegion, [run(2)]);
    expect(again.reply).toEqual(first.reply);
    channel.releaseRx();

    expect(vm.fragTx(first.region as FfaRegion, [run(2)]).reply?.fn).toBe("SUCCESS");
    expect([0, 2].map((page) => pageOf(machine, 1, page))).toEqual(["RWX O-NA", "RWX O-NA"]);
  });

  test("a fragment beyond the limit ends the transaction, whether the SPMC's RX is busy or not", async () => {
    const machine = await aMachine({ ...BOTH, limits: { ...BOTH.limits, fragments: 1 } });
    const [vm, channel] = endpoints(machine, 1, 0x8000) as [FfaEndpoint, FfaEndpoint];
    const { region } = vm.lend({ to: 0x8001, constituents: [run(0), run(2)], firstFragment: 1 });
    channel.fillRx();

    expect(resultOf(vm.fragTx(region as FfaRegion, [run(2)]))).toBe("NO_MEMORY");
    expect(new FfaState(machine).records().map(({ manager }) => manager)).toEqual(["spmc"]);
  });

  test("the local change fails after the SPMC accepted: the SPMC's side is reclaimed", async () => {
    const [machine, vm] = await forwarding();
    // VM 1 has page 0 lent to VM 2, which the SPMC does not know.
    vm.lend({ to: 2, constituents: [run(0)] });
    const answer = vm.lend({ to: 0x8001, constituents: [run(0)] });

    expect(resultOf(answer)).toBe("DENIED");
    expect(pageOf(machine, 0, 0)).toBe("RWX O-EA, non-secure");
    expect(new FfaState(machine).isSecure(at(0))).toBe(false);
    expect(new FfaState(machine).records()).toHaveLength(1);
  });

  test("what was donated and retrieved cannot be reclaimed: the SPMC's answer is passed on", async () => {
    const [machine, vm, sp] = await forwarding();
    const region = vm.donate({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;
    sp.retrieve(region);

    expect(resultOf(vm.reclaim(region))).toBe("INVALID_PARAMETERS");
    expect(new FfaState(machine).records()).toMatchObject([{ manager: "hyp" }]);
  });

  test("reclaim of an SPMC handle: unknown, not the sender, not complete", async () => {
    const [machine, vm] = await forwarding();
    const [other] = endpoints(machine, 2) as [FfaEndpoint];
    const region = vm.share({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;
    const half = vm.share({ to: 0x8001, constituents: [run(1), run(2)], firstFragment: 1 }).region as FfaRegion;

    expect(vm.reclaim({ handle: 3n }).outcome.reason).toBe("ffa_handle");
    expect(other.reclaim(region).outcome.reason).toBe("ffa_owner");
    expect(vm.reclaim(half).outcome.reason).toBe("ffa_not_complete");
  });

  test("towards the SPMC a fragment is at most one page", async () => {
    const machine = await aMachine({
      ...BOTH,
      limits: { ...BOTH.limits, buffer_pages: 4 },
      endpoints: BOTH.endpoints.map((endpoint) => (endpoint.id === 1 ? { ...endpoint, buffer_pages: 4 } : endpoint)),
    });
    const [vm] = endpoints(machine, 1) as [FfaEndpoint];
    const constituents = Array.from({ length: 300 }, () => run(0));
    const answer = vm.lend({ to: 0x8001, constituents, firstFragment: 300 });

    expect([answer.error, answer.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_tx_length"]);
  });

  test("SPs deal with each other without the hypervisor", async () => {
    const [machine, , sp1] = await forwarding();
    const [sp2] = endpoints(machine, 0x8002) as [FfaEndpoint];
    const region = sp1.share({ to: 0x8002, constituents: [run(20)] }).region as FfaRegion;

    expect(resultOf(sp2.retrieve(region))).toBe("OK");
    expect(new FfaState(machine).records()).toMatchObject([{ manager: "spmc" }]);
  });
});
