// Messages in fragments: FFA_MEM_FRAG_TX and FFA_MEM_FRAG_RX (reference ffa, sections 6 and 7.5).

import { beforeAll, beforeEach, expect, test } from "vitest";
import { FfaEndpoint, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine, Snapshot } from "../../../src/machine/machine.js";
import { aMachine, at, endpoints, HYPERVISOR, pageOf, pageStates, run, SPMC, VM1, VM2 } from "./ffa-machines.js";

let machine: Machine;
let initial: Snapshot;
let vm1: FfaEndpoint;
let vm2: FfaEndpoint;
beforeAll(async () => {
  machine = await aMachine();
  initial = machine.snapshot();
  [vm1, vm2] = endpoints(machine, 1, 2) as [FfaEndpoint, FfaEndpoint];
});
beforeEach(() => machine.restore(initial));

/** VM 1 lends three pages one by one and sends the first. */
function begun(): FfaRegion {
  const constituents = [run(VM1), run(VM1 + 2), run(VM1 + 4)];
  return vm1.lend({ to: 2, constituents, firstFragment: 1 }).region as FfaRegion;
}

test("the offset reached is asked for, and the last fragment is answered with the handle", () => {
  const constituents = [run(VM1), run(VM1 + 2), run(VM1 + 4)];
  const first = vm1.lend({ to: 2, constituents, firstFragment: 1 });
  const region = first.region as FfaRegion;
  const { handle } = region;

  expect(first.reply).toEqual({ fn: "FRAG_RX", handle, offset: 112 });
  expect(vm1.fragTx(region, [run(VM1 + 2)]).reply).toEqual({ fn: "FRAG_RX", handle, offset: 128 });
  expect(vm1.fragTx(region, [run(VM1 + 4)]).reply).toEqual({ fn: "SUCCESS", handle });
  expect([0, 2, 4].map((page) => pageOf(machine, 1, VM1 + page))).toEqual(["RWX O-NA", "RWX O-NA", "RWX O-NA"]);
});

test("until the last fragment no table changes, and the handle is good for nothing else", () => {
  const before = pageStates(machine);
  const region = begun();

  expect(vm2.retrieve(region).error).toBe("INVALID_PARAMETERS");
  expect(vm2.relinquish(region).error).toBe("INVALID_PARAMETERS");
  expect(vm1.reclaim(region).error).toBe("INVALID_PARAMETERS");
  expect(pageStates(machine)).toEqual(before);
});

// prettier-ignore
test.each<[string, (region: FfaRegion) => ReturnType<FfaEndpoint["fragTx"]>, string, string]>([
  ["1: a sender at a virtual instance",  (r) => vm1.fragTx(r, [run(VM1 + 2)], { sender: 1 }),    "INVALID_PARAMETERS", "sender_register"],
  ["3: longer than TX",                  (r) => vm1.fragTx(r, [run(VM1 + 2)], { fragment: 4112 }), "INVALID_PARAMETERS", "tx_length"],
  ["4: shorter than 16",                 (r) => vm1.fragTx(r, [run(VM1 + 2)], { fragment: 0 }),  "INVALID_PARAMETERS", "fragment_length"],
  ["4: no multiple of 16",               (r) => vm1.fragTx(r, [run(VM1 + 2)], { fragment: 24 }), "INVALID_PARAMETERS", "fragment_length"],
  ["5: TX faults",                       (r) => vm1.fragTx(r, [run(VM1 + 2)], { txFault: true }), "ABORTED",           "tx_fault"],
  ["6: an unknown handle",               (r) => vm1.fragTx({ ...r, handle: 5n }, [run(VM1 + 2)]), "INVALID_PARAMETERS", "handle"],
  ["6: another sender",                  (r) => vm2.fragTx(r, [run(VM2)]),                       "INVALID_PARAMETERS", "owner"],
  ["1 before 3",                         (r) => vm1.fragTx(r, [], { sender: 1, fragment: 4112 }), "INVALID_PARAMETERS", "sender_register"],
  ["3 before 4",                         (r) => vm1.fragTx(r, [], { fragment: 4104 }),           "INVALID_PARAMETERS", "tx_length"],
  ["4 before 5",                         (r) => vm1.fragTx(r, [], { fragment: 8, txFault: true }), "INVALID_PARAMETERS", "fragment_length"],
  ["5 before 6",                         (r) => vm1.fragTx({ ...r, handle: 5n }, [run(0)], { txFault: true }), "ABORTED", "tx_fault"],
])("FRAG_TX row %s; the send goes on afterwards", (_name, call, error, reason) => {
  const region = begun();
  const answer = call(region);

  expect([answer.error, answer.outcome.reason]).toEqual([error, `ffa_${reason}`]);
  expect(vm1.fragTx(region, [run(VM1 + 2), run(VM1 + 4)]).reply?.fn).toBe("SUCCESS");
});

test("FRAG_TX row 2: no TX buffer", () => {
  const answer = new FfaEndpoint(machine, 5).fragTx(begun(), [run(VM1 + 2)]);

  expect([answer.error, answer.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_no_tx"]);
});

test("FRAG_TX row 6: already complete", () => {
  const { region } = vm1.lend({ to: 2, constituents: [run(VM1)] });
  const answer = vm1.fragTx(region as FfaRegion, [run(VM1 + 2)]);

  expect([answer.error, answer.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_complete"]);
});

test("FRAG_TX row 7: more constituents than promised are asked on until the fragment limit, then the record is gone", () => {
  const region = begun();
  expect(vm1.fragTx(region, [run(VM1 + 2), run(VM1 + 4), run(VM1 + 5)]).reply?.fn).toBe("FRAG_RX");
  expect(vm1.fragTx(region, [run(VM1 + 2)]).reply?.fn).toBe("FRAG_RX");
  expect(vm1.fragTx(region, [run(VM1 + 2)]).reply?.fn).toBe("FRAG_RX");
  const last = vm1.fragTx(region, [run(VM1 + 2)]);

  expect([last.error, last.outcome.reason]).toEqual(["NO_MEMORY", "ffa_fragment_limit"]);
  expect(new FfaState(machine).records()).toEqual([]);
});

test("FRAG_TX row 8: at the SPMC a mixed list's second fragment is always refused and the record stays half-sent", async () => {
  const spmc = await aMachine(SPMC);
  const [vm] = endpoints(spmc, 0) as [FfaEndpoint];
  const { region } = vm.share({ to: [2, 0x8001], constituents: [run(0), run(2)], firstFragment: 1 });
  const answer = vm.fragTx(region as FfaRegion, [run(2)]);

  expect([answer.error, answer.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_other_world"]);
  expect(new FfaState(spmc).records()).toMatchObject([{ complete: false, fragments: 1 }]);
});

test("FRAG_TX row 7 before 8: at the fragment limit that record is gone", async () => {
  const spmc = await aMachine({ ...SPMC, limits: { ...SPMC.limits, fragments: 1 } });
  const [vm] = endpoints(spmc, 0) as [FfaEndpoint];
  const { region } = vm.share({ to: [2, 0x8001], constituents: [run(0), run(2)], firstFragment: 1 });
  const answer = vm.fragTx(region as FfaRegion, [run(2)]);

  expect([answer.error, answer.outcome.reason]).toEqual(["NO_MEMORY", "ffa_fragment_limit"]);
  expect(new FfaState(spmc).records()).toEqual([]);
});

test("the normal world, which speaks for all its VMs, is told whose fragment is wanted", async () => {
  const [vm] = endpoints(await aMachine(SPMC), 0) as [FfaEndpoint];
  const { reply } = vm.share({ to: 0x8001, constituents: [run(0), run(2)], firstFragment: 1 });

  expect(reply).toMatchObject({ fn: "FRAG_RX", sender: 1 });
});

test("5.4 25: nothing in the first fragment, whatever later ones hold", () => {
  const { region } = vm1.lend({ to: 2, constituents: [run(VM1), run(VM1 + 2)], firstFragment: 0 });
  const answer = vm1.fragTx(region as FfaRegion, [run(VM1), run(VM1 + 2)]);

  expect([answer.error, answer.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_empty_fragment"]);
});

// 5.4 rows 23 and 26: a range without pages ends the search for whatever overlaps the one before it, in later fragments as well.
test.each([
  ["an overlap in a later fragment", [], "ffa_overlap"],
  ["behind a range without pages", [run(VM1 + 5, 0)], "ffa_range"],
])("%s", (_what, between, reason) => {
  const constituents = [run(VM1 + 2, 2), ...between, run(VM1 + 1, 2)];
  const region = vm1.lend({ to: 2, constituents, firstFragment: constituents.length - 1 }).region as FfaRegion;

  expect(vm1.fragTx(region, [run(VM1 + 1, 2)]).outcome.reason).toBe(reason);
});

/** With these two lists a response is longer than one page. */
const manyConstituents = Array.from({ length: 240 }, (_, index) => run(index * 2));
const tenConstituents = Array.from({ length: 10 }, (_, index) => run(702 + index * 2));

async function aWideMachine(): Promise<[Machine, FfaEndpoint, FfaEndpoint]> {
  const wide = await aMachine({
    ...HYPERVISOR,
    pages: 1024,
    endpoints: [
      { id: 1, modes: [{ table: "main", page: 0, n: 1000, mode: 7 }] },
      { id: 2, modes: [] },
    ],
  });
  return [wide, ...(endpoints(wide, 1, 2) as [FfaEndpoint, FfaEndpoint])];
}

test("a response is packed with as many stored fragments as fit RX; FRAG_RX fetches the rest in order", async () => {
  const [wide, sender, receiver] = await aWideMachine();
  const constituents = [...manyConstituents, run(700), ...tenConstituents];
  const sent = sender.lend({ to: 2, constituents, firstFragment: 240 });
  const region = sent.region as FfaRegion;
  sender.fragTx(region, [run(700)]);
  sender.fragTx(region, tenConstituents);
  const first = receiver.retrieve(region);
  const bytes = 96 + 241 * 16;

  // 240 and 1 constituents fit 4096 bytes behind 96; ten more do not.
  expect(first.reply).toEqual({ fn: "RETRIEVE_RESP", total: 96 + 251 * 16, fragment: bytes });
  expect(receiver.fragRx(region, bytes).error).toBe("BUSY");
  receiver.releaseRx();
  expect(receiver.fragRx(region, bytes, 1).outcome.reason).toBe("ffa_sender_register");
  expect(receiver.fragRx(region, bytes - 16).outcome.reason).toBe("ffa_offset");
  expect(receiver.relinquish(region).outcome.reason).toBe("ffa_not_retrieved");
  expect(sender.reclaim(region).outcome.reason).toBe("ffa_still_retrieved");
  const next = receiver.fragRx(region, bytes);
  expect(next.reply).toEqual({ fn: "FRAG_TX", handle: region.handle, fragment: 160 });
  expect(next.constituents).toEqual(tenConstituents);
  receiver.releaseRx();
  expect(receiver.fragRx(region, bytes + 160).outcome.reason).toBe("ffa_not_retrieved");
  expect(receiver.relinquish(region).error).toBeNull();
  expect(wide.checkInvariants()).toBeNull();
});

test("FRAG_RX before any retrieve, of an unknown handle, by a stranger", () => {
  const region = vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;

  expect(vm2.fragRx(region, 112).outcome.reason).toBe("ffa_not_retrieved");
  expect(vm2.fragRx({ handle: 5n }, 112).outcome.reason).toBe("ffa_handle");
  expect(new FfaEndpoint(machine, 3).fragRx(region, 112).outcome.reason).toBe("ffa_not_receiver");
});

test("a donate in several fragments is over when the last one is delivered", async () => {
  const [wide, sender, receiver] = await aWideMachine();
  const constituents = [...manyConstituents, run(700), ...tenConstituents];
  const region = sender.donate({ to: 2, constituents, firstFragment: 240 }).region as FfaRegion;
  sender.fragTx(region, [run(700), ...tenConstituents]);
  receiver.retrieve(region);
  expect(new FfaState(wide).records()).toHaveLength(1);
  receiver.releaseRx();

  expect(receiver.fragRx(region, 96 + 240 * 16).error).toBeNull();
  expect(new FfaState(wide).records()).toEqual([]);
});

test("a response as long as RX ends there; behind a shorter one RX is zero", async () => {
  const [wide, sender, receiver] = await aWideMachine();
  const region = sender.share({ to: 2, constituents: manyConstituents }).region as FfaRegion;
  receiver.retrieve(region);
  receiver.releaseRx();
  const short = sender.share({ to: 2, constituents: [run(701)] }).region as FfaRegion;
  const { reply } = receiver.retrieve(short);

  expect(reply).toEqual({ fn: "RETRIEVE_RESP", total: 112, fragment: 112 });
  expect(
    new FfaState(wide)
      .readRx(2, 4096)
      .subarray(112)
      .every((byte) => byte === 0),
  ).toBe(true);
});

test("a fragment that is longer than the receiver's RX is never cut: the retrieve is refused and nothing is mapped", async () => {
  const wide = await aMachine({
    ...HYPERVISOR,
    ...{ pages: 1024, limits: { ...HYPERVISOR.limits, buffer_pages: 4 } },
    endpoints: [
      { id: 1, buffer_pages: 4, modes: [{ table: "main", page: 0, n: 1000, mode: 7 }] },
      { id: 2, modes: [] },
    ],
  });
  const [sender, receiver] = endpoints(wide, 1, 2) as [FfaEndpoint, FfaEndpoint];
  const constituents = Array.from({ length: 300 }, (_, index) => run(index * 2));
  const region = sender.lend({ to: 2, constituents }).region as FfaRegion;
  const answer = receiver.retrieve(region);

  expect([answer.error, answer.outcome.reason]).toEqual(["NO_MEMORY", "ffa_rx_length"]);
  expect(new FfaState(wide).lookUp(2, at(0))).toBe(0x70);
  expect(sender.reclaim(region).error).toBeNull();
});
