// FFA_MEM_RELINQUISH, FFA_MEM_RECLAIM, the death of an endpoint, and when content is wiped (reference ffa, sections 8 to 10, 14).

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FfaEndpoint, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine, Snapshot } from "../../../src/machine/machine.js";
import { aMachine, at, endpoints, pageOf, RX, run, SPMC, VM1 } from "./ffa-machines.js";

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
beforeEach(() => {
  machine.restore(initial);
  machine.writePage(at(VM1), Uint8Array.of(0x5a));
});

const isWiped = () => machine.readPage(at(VM1)).every((byte) => byte === 0);

/** Sent by VM 1 and retrieved by those it is for. */
function held(
  verb: "lend" | "share" | "donate",
  to: readonly FfaEndpoint[] = [vm2],
  data: "RO" | "RW" = "RW",
): FfaRegion {
  const receivers = to.map(({ id }) => ({ id, ...(verb === "donate" ? {} : { data }) }));
  const region = vm1[verb]({ to: receivers, constituents: [run(VM1)] }).region as FfaRegion;
  for (const receiver of to) expect(receiver.retrieveAll(region).error).toBeNull();
  return region;
}

// prettier-ignore
test.each<[string, () => ReturnType<FfaEndpoint["relinquish"]>, string, string]>([
  ["8 1: no TX buffer",            () => new FfaEndpoint(machine, 5).relinquish(held("lend")),            "INVALID_PARAMETERS", "no_tx"],
  ["8 2: TX faults",               () => vm2.relinquish(held("lend"), { txFault: true }),                 "ABORTED",            "tx_fault"],
  ["8 3: no endpoint",             () => vm2.relinquish(held("lend"), { endpoints: [], count: 0 }),       "INVALID_PARAMETERS", "endpoint_list"],
  ["8 3: two endpoints",           () => vm2.relinquish(held("lend"), { endpoints: [2, 2] }),             "INVALID_PARAMETERS", "endpoint_list"],
  ["8 4: for somebody else",       () => vm1.relinquish(held("lend"), { endpoints: [2] }),                "INVALID_PARAMETERS", "endpoint_list"],
  ["8 5: an unknown handle",       () => vm2.relinquish({ handle: 3n }),                                  "INVALID_PARAMETERS", "handle"],
  ["8 5: no borrower",             () => vm3.relinquish(held("lend")),                                    "INVALID_PARAMETERS", "not_receiver"],
  ["8 5: the owner",               () => vm1.relinquish(held("lend")),                                    "INVALID_PARAMETERS", "not_receiver"],
  ["8 5: nothing was retrieved",   () => vm2.relinquish(vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion), "INVALID_PARAMETERS", "not_retrieved"],
  ["8 7: clear on a share",        () => vm2.relinquish(held("share"), { clear: true }),                  "INVALID_PARAMETERS", "flags"],
  ["8 8: clear, sent read-only",   () => vm2.relinquish(held("lend", [vm2], "RO"), { clear: true }),      "DENIED",             "not_writable"],
  ["8 11: the wipe fails",         () => vm2.relinquish(held("lend"), { clear: true, wipeFail: true }),   "NO_MEMORY",          "wipe"],
  ["8 2 before 3",                 () => vm2.relinquish(held("lend"), { endpoints: [2, 3], txFault: true }), "ABORTED",         "tx_fault"],
  ["8 3 before 4",                 () => vm2.relinquish(held("lend"), { endpoints: [3, 2] }),             "INVALID_PARAMETERS", "endpoint_list"],
  ["8 4 before 5",                 () => vm2.relinquish({ handle: 3n }, { endpoints: [3] }),              "INVALID_PARAMETERS", "endpoint_list"],
  ["8 7 before 8",                 () => vm2.relinquish(held("share", [vm2], "RO"), { clear: true }),     "INVALID_PARAMETERS", "flags"],
  ["8 8 before 11",                () => vm2.relinquish(held("lend", [vm2], "RO"), { clear: true, wipeFail: true }), "DENIED",  "not_writable"],
])("relinquish, row %s", (_name, call, error, reason) => {
  const answer = call();

  expect([answer.error, answer.outcome.reason]).toEqual([error, `ffa_${reason}`]);
});

describe("relinquish", () => {
  test("8 11: the wipe fails: the borrower keeps its access", () => {
    const region = held("lend");
    vm2.relinquish(region, { clear: true, wipeFail: true });

    expect(pageOf(machine, 2, VM1)).toBe("RW- !O-EA");
    expect(vm2.relinquish(region).error).toBeNull();
  });

  test("8 6: clear is dropped while another borrower holds the pages, even for a share", () => {
    const region = held("share", [vm2, vm3]);

    expect(vm2.relinquish(region, { clear: true }).error).toBeNull();
    expect(isWiped()).toBe(false);
    expect(vm3.relinquish(region, { clear: true }).error).toBe("INVALID_PARAMETERS");
    expect(pageOf(machine, 3, VM1)).toBe("RW- !O-SA");
  });

  test("8 6: the last borrower of a lend clears", () => {
    const region = held("lend", [vm2, vm3]);
    vm2.relinquish(region, { clear: true });
    expect(isWiped()).toBe(false);
    vm3.relinquish(region, { clear: true });

    expect(isWiped()).toBe(true);
  });

  test("8 12: a second time it is INV; after it the borrower may retrieve again", () => {
    const region = held("lend");
    expect(vm2.relinquish(region).error).toBeNull();
    expect(vm2.relinquish(region).error).toBe("INVALID_PARAMETERS");
    expect(vm2.retrieve(region).error).toBeNull();
    expect(pageOf(machine, 2, VM1)).toBe("RW- !O-EA");
  });

  test("what one borrower gives back the other keeps", () => {
    const region = held("lend", [vm2, vm3]);
    vm2.relinquish(region);

    expect(pageOf(machine, 2, VM1)).toBe("absent");
    expect(pageOf(machine, 3, VM1)).toBe("RW- !O-EA");
  });
});

// prettier-ignore
test.each<[string, () => ReturnType<FfaEndpoint["reclaim"]>, string, string]>([
  ["9 1: an unknown handle",        () => vm1.reclaim({ handle: 1n << 63n }),                                        "INVALID_PARAMETERS", "handle"],
  ["9 1: not fully sent",           () => vm1.reclaim(vm1.lend({ to: 2, constituents: [run(VM1), run(VM1 + 1)], firstFragment: 1 }).region as FfaRegion), "INVALID_PARAMETERS", "not_complete"],
  ["9 2: the caller did not send",  () => vm3.reclaim(vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion), "INVALID_PARAMETERS", "owner"],
  ["9 2 before 3: the borrower",    () => vm2.reclaim(held("lend")),                                                 "INVALID_PARAMETERS", "owner"],
  ["9 3: a borrower holds it",      () => vm1.reclaim(held("lend")),                                                 "DENIED",             "still_retrieved"],
  ["9 4: clear without write access", () => vm1.reclaim(vm1.lend({ to: { id: 2, data: "RO" }, constituents: [run(VM1 + RX)] }).region as FfaRegion, { clear: true }), "DENIED", "not_writable"],
  ["9 7: the wipe fails",           () => vm1.reclaim(vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion, { clear: true, wipeFail: true }), "NO_MEMORY", "wipe"],
  ["9 3 before 7",                  () => vm1.reclaim(held("lend"), { clear: true, wipeFail: true }),                "DENIED",             "still_retrieved"],
])("reclaim, row %s", (_name, call, error, reason) => {
  const answer = call();

  expect([answer.error, answer.outcome.reason]).toEqual([error, `ffa_${reason}`]);
});

test.each(["donate", "lend", "share"] as const)("9: a %s is reclaimed before anybody retrieved it", (verb) => {
  const region = vm1[verb]({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;

  expect(vm1.reclaim(region).error).toBeNull();
  expect(pageOf(machine, 1, VM1)).toBe("RWX O-EA");
  expect(new FfaState(machine).records()).toEqual([]);
});

test("9: flags but for bit 0 are ignored", () => {
  const { handle } = vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;
  const call = {
    op: "ffa_mem_reclaim",
    vm: 1,
    x64: 0,
    tx_fault: 0,
    wipe_fail: 0,
    handle,
    flags: 0xffff_fffen,
  } as const;

  expect(machine.apply(call).ret).toBe(0);
  expect(isWiped()).toBe(false);
});

// Section 3.1: what each verb does to a page in the caller's and in the receiver's table.
// prettier-ignore
test.each([
  // verb      sender afterwards  retrieved      relinquished  reclaimed
  ["share",    "RWX O-SA",        "RW- !O-SA",   "absent",     "RWX O-EA"],
  ["lend",     "RWX O-NA",        "RW- !O-EA",   "absent",     "RWX O-EA"],
] as const)("3.1, %s: sender %s, borrower %s, %s after it, then %s", (verb, sent, retrieved, relinquished, reclaimed) => {
  const region = vm1[verb]({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;
  expect(pageOf(machine, 1, VM1)).toBe(sent);
  expect(pageOf(machine, 2, VM1)).toBe("absent");
  vm2.retrieve(region);
  expect([pageOf(machine, 1, VM1), pageOf(machine, 2, VM1)]).toEqual([sent, retrieved]);
  vm2.relinquish(region);
  expect([pageOf(machine, 1, VM1), pageOf(machine, 2, VM1)]).toEqual([sent, relinquished]);
  vm1.reclaim(region);
  expect(pageOf(machine, 1, VM1)).toBe(reclaimed);
});

test("3.1, donate: no trace at the donor, then the receiver owns the page alone", () => {
  const region = vm1.donate({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;
  expect(pageOf(machine, 1, VM1)).toBe("absent");
  expect(pageOf(machine, 2, VM1)).toBe("absent");
  vm2.retrieve(region, { instruction: "X" });

  expect([pageOf(machine, 1, VM1), pageOf(machine, 2, VM1)]).toEqual(["absent", "RWX O-EA"]);
});

// A CPU's view of the same tables: an access goes where the mode says.
test("accesses follow the tables", () => {
  const access = (vm: number, kind: "read" | "write" | "fetch") => machine.access(vm, at(VM1), kind).status;
  expect([access(1, "write"), access(2, "read")]).toEqual(["done", "fault"]);
  const lent = held("lend");
  expect([access(1, "read"), access(2, "write"), access(2, "fetch")]).toEqual(["fault", "done", "fault"]);
  vm2.relinquish(lent);
  vm1.reclaim(lent);
  held("share", [vm2], "RO");
  expect([access(1, "write"), access(2, "read"), access(2, "write")]).toEqual(["done", "done", "fault"]);
});

describe("14: when content is zeroed", () => {
  test.each(["lend", "donate"] as const)("%s with clear: before the handle is returned", (verb) => {
    vm1[verb]({ to: 2, constituents: [run(VM1)], clear: true });
    expect(isWiped()).toBe(true);
  });

  test("a retrieve never zeroes, whatever it announces", () => {
    const region = vm1.lend({ to: 2, constituents: [run(VM1)] }).region as FfaRegion;
    expect(vm2.retrieve(region, { flags: 4 }).error).toBeNull();
    expect(vm2.relinquish(region).error).toBeNull();
    expect(isWiped()).toBe(false);
  });

  test("relinquish with clear; reclaim with clear", () => {
    const region = held("lend");
    vm2.relinquish(region, { clear: true });
    expect(isWiped()).toBe(true);
    machine.writePage(at(VM1), Uint8Array.of(1));
    vm1.reclaim(region, { clear: true });
    expect(isWiped()).toBe(true);
  });

  test("never when an endpoint dies", () => {
    held("lend");
    vm2.abort();
    vm1.abort();
    expect(isWiped()).toBe(false);
  });
});

describe("10: when an endpoint dies", () => {
  test("a borrower: what it holds goes back unwiped, the owner reclaims", () => {
    const region = held("lend");
    vm2.abort();

    expect(pageOf(machine, 2, VM1)).toBe("absent");
    expect(vm1.reclaim(region).error).toBeNull();
  });

  test("an owner of what nobody holds: it is reclaimed for it", () => {
    vm1.lend({ to: 2, constituents: [run(VM1)] });
    vm1.abort();

    expect(pageOf(machine, 1, VM1)).toBe("RWX O-EA");
    expect(new FfaState(machine).records()).toEqual([]);
  });

  test("an owner of what is held: reclaim waits for the last borrower", () => {
    const region = held("lend", [vm2, vm3]);
    vm1.abort();
    expect(new FfaState(machine).records()).toMatchObject([{ pending: true }]);
    vm2.relinquish(region);
    expect(pageOf(machine, 1, VM1)).toBe("RWX O-NA");
    vm3.relinquish(region);

    expect(pageOf(machine, 1, VM1)).toBe("RWX O-EA");
    expect(new FfaState(machine).records()).toEqual([]);
  });
});

test("8 6: at the SPMC a normal-world borrower's clear is always dropped", async () => {
  const spmc = await aMachine(SPMC);
  const [vm, sp] = endpoints(spmc, 0, 0x8001) as [FfaEndpoint, FfaEndpoint];
  const region = vm.share({ to: [2, 0x8001], constituents: [run(0)] }).region as FfaRegion;
  const vm2OfNormalWorld = new FfaEndpoint(spmc, 0, { speaksFor: 2 });
  expect(vm2OfNormalWorld.retrieve(region).error).toBeNull();
  expect(sp.relinquish(region).error).toBe("INVALID_PARAMETERS");

  expect(vm2OfNormalWorld.relinquish(region, { clear: true }).error).toBeNull();
});
