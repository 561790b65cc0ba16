// Outcomes that were observed by execution (reference ffa, section 18, rows R1 to R20) and the answers to mistakes (section 15).

import { beforeEach, expect, test } from "vitest";
import { FfaEndpoint, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine } from "../../../src/machine/machine.js";
import { aMachine, at, endpoints, pageOf, resultOf, RO, run, SPMC, VM1 } from "./ffa-machines.js";

let machine: Machine;
let vm1: FfaEndpoint;
let vm2: FfaEndpoint;
let vm3: FfaEndpoint;
beforeEach(async () => {
  machine = await aMachine();
  [vm1, vm2, vm3] = endpoints(machine, 1, 2, 3) as [FfaEndpoint, FfaEndpoint, FfaEndpoint];
  machine.writePage(at(VM1), Uint8Array.of(0x5a));
});

const page = [run(VM1)];
const isWiped = () => machine.readPage(at(VM1)).every((byte) => byte === 0);

/** Retrieves, with RX free before and after. */
function retrieve(endpoint: FfaEndpoint, region: FfaRegion): string {
  const result = resultOf(endpoint.retrieve(region));
  endpoint.releaseRx();
  return result;
}

const sent = (verb: "share" | "lend" | "donate", to: number | readonly number[] = 2): FfaRegion =>
  vm1[verb]({ to, constituents: page }).region as FfaRegion;

test("R1: share, retrieve, retrieve", () => {
  const region = sent("share");
  expect([retrieve(vm2, region), retrieve(vm2, region)]).toEqual(["OK", "DENIED"]);
});

test("R2: the owner reclaims what is retrieved", () => {
  const region = sent("share");
  retrieve(vm2, region);
  const refused = resultOf(vm1.reclaim(region));
  expect([refused, resultOf(vm2.relinquish(region)), resultOf(vm1.reclaim(region))]).toEqual(["DENIED", "OK", "OK"]);
});

test("R3: retrieve, relinquish, retrieve again", () => {
  const region = sent("lend");
  expect([retrieve(vm2, region), resultOf(vm2.relinquish(region)), retrieve(vm2, region)]).toEqual(["OK", "OK", "OK"]);
});

test("R4: reclaim twice", () => {
  const region = sent("lend");
  expect([resultOf(vm1.reclaim(region)), resultOf(vm1.reclaim(region))]).toEqual(["OK", "INVALID_PARAMETERS"]);
});

test("R5: reclaim by the borrower", () => {
  const region = sent("lend");
  retrieve(vm2, region);
  expect(resultOf(vm2.reclaim(region))).toBe("INVALID_PARAMETERS");
});

test("R6: the transaction table is full", () => {
  for (let index = 0; index < 4; index++) vm1.share({ to: 2, constituents: [run(VM1 + index)] });
  expect(resultOf(vm1.share({ to: 2, constituents: [run(VM1 + 4)] }))).toBe("NO_MEMORY");
  expect(pageOf(machine, 1, VM1 + 4)).toBe("RWX O-EA");
});

test("R7: the slot that is free is taken again, with its handle", () => {
  const regions = [0, 1, 2, 3].map(
    (index) => vm1.share({ to: 2, constituents: [run(VM1 + index)] }).region as FfaRegion,
  );
  const freed = regions[1] as FfaRegion;
  vm1.reclaim(freed);
  expect(vm1.share({ to: 2, constituents: [run(VM1 + 1)] }).region?.handle).toBe(freed.handle);
});

test("R8: two borrowers, the first relinquishes with clear", () => {
  const region = sent("lend", [2, 3]);
  retrieve(vm2, region);
  retrieve(vm3, region);
  expect([resultOf(vm2.relinquish(region, { clear: true })), isWiped()]).toEqual(["OK", false]);
});

test("R9: two borrowers of a share, the last one relinquishes with clear", () => {
  const region = sent("share", [2, 3]);
  retrieve(vm2, region);
  retrieve(vm3, region);
  vm2.relinquish(region);
  expect(resultOf(vm3.relinquish(region, { clear: true }))).toBe("INVALID_PARAMETERS");
  expect(pageOf(machine, 3, VM1)).toBe("RW- !O-SA");
});

test("R10: the wipe fails at a lend: the page is back and not protected", async () => {
  const spmc = await aMachine(SPMC);
  const [vm] = endpoints(spmc, 0) as [FfaEndpoint];
  const answer = vm.lend({ to: 0x8001, constituents: [run(0)], clear: true, wipeFail: true });
  expect([resultOf(answer), pageOf(spmc, 0, 0)]).toEqual(["NO_MEMORY", "RWX O-EA, non-secure"]);
  expect(new FfaState(spmc).isSecure(at(0))).toBe(false);
});

test("R11: the wipe fails at a relinquish", () => {
  const region = sent("lend");
  retrieve(vm2, region);
  expect(resultOf(vm2.relinquish(region, { clear: true, wipeFail: true }))).toBe("NO_MEMORY");
  expect(pageOf(machine, 2, VM1)).toBe("RW- !O-EA");
});

test("R12: the wipe fails at a reclaim", () => {
  const region = sent("lend");
  expect(resultOf(vm1.reclaim(region, { clear: true, wipeFail: true }))).toBe("NO_MEMORY");
  expect(pageOf(machine, 1, VM1)).toBe("RWX O-NA");
  expect(resultOf(vm1.reclaim(region))).toBe("OK");
});

test("R13: the last fragment is refused: the handle is dead, the first fragment's pages are back", () => {
  const constituents = [run(VM1), run(VM1 + RO)];
  const region = vm1.lend({ to: 2, constituents, firstFragment: 1 }).region as FfaRegion;
  expect(resultOf(vm1.fragTx(region, [run(VM1 + RO)]))).toBe("DENIED");
  expect(resultOf(vm1.fragTx(region, [run(VM1 + 1)]))).toBe("INVALID_PARAMETERS");
  expect(pageOf(machine, 1, VM1)).toBe("RWX O-EA");
});

test("R14: one constituent that spans two modes", () => {
  expect(resultOf(vm1.lend({ to: 2, constituents: [run(VM1 + RO - 1, 2)] }))).toBe("DENIED");
});

test("R15: a VM lends to an SP with protection: secure while it is lent", async () => {
  const spmc = await aMachine(SPMC);
  const state = new FfaState(spmc);
  const [vm] = endpoints(spmc, 0) as [FfaEndpoint];
  const region = vm.lend({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion;
  expect(state.isSecure(at(0))).toBe(true);
  vm.reclaim(region);
  expect(state.isSecure(at(0))).toBe(false);
});

test.each([1, 2])("R16: protection is refused on constituent %i of three", async (refused) => {
  const spmc = await aMachine({ ...SPMC, pas_secure: [...(SPMC.pas_secure ?? []), { page: refused * 2, n: 1 }] });
  const state = new FfaState(spmc);
  const [vm] = endpoints(spmc, 0) as [FfaEndpoint];
  expect(resultOf(vm.lend({ to: 0x8001, constituents: [run(0), run(2), run(4)] }))).toBe("DENIED");
  expect([0, 2, 4].filter((number) => state.isSecure(at(number)))).toEqual([refused * 2]);
});

test("R17: a VM donates to an SP, then the SP lends onward", async () => {
  const spmc = await aMachine(SPMC);
  const [vm, sp1, sp2] = endpoints(spmc, 0, 0x8001, 0x8002) as [FfaEndpoint, FfaEndpoint, FfaEndpoint];
  retrieve(sp1, vm.donate({ to: 0x8001, constituents: [run(0)] }).region as FfaRegion);
  const onward = sp1.lend({ to: 0x8002, constituents: [run(0)] });
  expect([resultOf(onward), retrieve(sp2, onward.region as FfaRegion)]).toEqual(["OK", "OK"]);
  expect([pageOf(spmc, 0x8001, 0), pageOf(spmc, 0x8002, 0)]).toEqual(["RW- O-NA", "RW- !O-EA"]);
});

test("R18: donate, then reclaim before the retrieve", () => {
  const region = sent("donate");
  expect([resultOf(vm1.reclaim(region)), pageOf(machine, 1, VM1)]).toEqual(["OK", "RWX O-EA"]);
});

test("R19: the owner dies while the page is lent", () => {
  const region = sent("lend", [2, 3]);
  retrieve(vm2, region);
  vm1.abort();
  expect(retrieve(vm3, region)).toBe("DENIED");
  expect(resultOf(vm2.relinquish(region))).toBe("OK");
  expect(resultOf(vm1.reclaim(region))).toBe("INVALID_PARAMETERS");
});

test("R20: the borrower dies", () => {
  const region = sent("lend");
  retrieve(vm2, region);
  vm2.abort();
  expect([isWiped(), resultOf(vm1.reclaim(region))]).toEqual([false, "OK"]);
});

// Section 15.
// prettier-ignore
test.each<[string, string, () => string]>([
  ["retrieve by a stranger",               "INVALID_PARAMETERS", () => resultOf(vm3.retrieve(sent("lend"), { receivers: [{ id: 3 }] }))],
  ["retrieve naming another sender",       "DENIED",             () => resultOf(vm2.retrieve({ ...sent("lend"), sender: 3 }))],
  ["retrieve after a donate was retrieved", "INVALID_PARAMETERS", () => { const region = sent("donate"); retrieve(vm2, region); return retrieve(vm2, region); }],
  ["relinquish without retrieve",          "INVALID_PARAMETERS", () => resultOf(vm2.relinquish(sent("lend")))],
  ["relinquish by the owner",              "INVALID_PARAMETERS", () => resultOf(vm1.relinquish(sent("lend")))],
  ["relinquish after a donate",            "INVALID_PARAMETERS", () => { const region = sent("donate"); retrieve(vm2, region); return resultOf(vm2.relinquish(region)); }],
  ["an unknown handle",                    "INVALID_PARAMETERS", () => resultOf(vm1.reclaim({ handle: 77n }))],
  ["shared pages again",                   "DENIED",             () => { sent("share"); return resultOf(vm1.share({ to: 3, constituents: page })); }],
  ["lent pages again",                     "DENIED",             () => { sent("lend"); return resultOf(vm1.donate({ to: 3, constituents: page })); }],
  ["donated pages again",                  "DENIED",             () => { sent("donate"); return resultOf(vm1.lend({ to: 3, constituents: page })); }],
  ["borrowed pages",                       "DENIED",             () => { retrieve(vm2, sent("share")); return resultOf(vm2.share({ to: 3, constituents: page })); }],
  ["overlapping constituents",             "INVALID_PARAMETERS", () => resultOf(vm1.lend({ to: 2, constituents: [run(VM1, 2), run(VM1 + 1)] }))],
  ["a constituent without pages",          "DENIED",             () => resultOf(vm1.lend({ to: 2, constituents: [run(VM1, 0)] }))],
  ["no pages, and an overlap before it",   "INVALID_PARAMETERS", () => resultOf(vm1.lend({ to: 2, constituents: [run(VM1, 2), run(VM1 + 1), run(VM1 + 3, 0)] }))],
])("15, %s: %s", (_name, result, mistake) => {
  expect(mistake()).toBe(result);
});
