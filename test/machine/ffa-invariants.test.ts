// The invariants of reference ffa section 17 find what they speak of: states that no call leaves are written by hand.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FfaEndpoint, type FfaRegion, type SendOptions } from "../../src/machine/ffa-endpoint.js";
import { FFA_INVARIANTS } from "../../src/machine/ffa-invariants.js";
import { FfaWatcher } from "../../src/machine/ffa-step-invariants.js";
import type { Machine, Snapshot } from "../../src/machine/machine.js";
import { aMachine, at, endpoints, run, SPMC, VM1 } from "../systems/ffa/ffa-machines.js";

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

/** Gives one page of an endpoint a mode, as no call would. */
function force(vm: number, page: number, mode: number): void {
  machine.apply({ op: "ffa_set_mode", vm, table: 0, address: at(page), pages: 1, mode: BigInt(mode) });
}

function retrieved(verb: "lend" | "share", data: "RO" | "RW" = "RW"): void {
  vm2.retrieve(vm1[verb]({ to: { id: 2, data }, constituents: [run(VM1)] }).region as FfaRegion);
}

// prettier-ignore
test.each<[string, string, () => void]>([
  ["F1",  "two owners",                          () => force(2, VM1, 0x7)],
  ["F2",  "a borrower of what is exclusive",     () => force(2, VM1, 0x27)],
  ["F3",  "no access, and no lend",              () => force(1, VM1, 0x17)],
  ["F4",  "shared, and no share",                () => force(1, VM1, 0x47)],
  ["F5",  "borrowed from nobody",                () => force(2, 44, 0x27)],
  ["F5",  "borrowed before the retrieve",        () => { vm1.lend({ to: 2, constituents: [run(VM1)] }); force(2, VM1, 0x23); }],
  ["F6",  "lent and shared",                     () => { retrieved("share"); force(2, VM1, 0x23); }],
  ["F7",  "donated, and still the donor's",      () => { vm1.donate({ to: 2, constituents: [run(VM1)] }); force(1, VM1, 0x7); }],
  ["F8",  "in two transactions",                 () => { vm1.lend({ to: 2, constituents: [run(VM1)] }); force(1, VM1, 0x7); vm1.lend({ to: 3, constituents: [run(VM1)] }); }],
  ["F11", "more than was sent",                  () => { retrieved("lend", "RO"); force(2, VM1, 0x23); }],
  ["F12", "executable although shared",          () => { retrieved("share"); force(2, VM1, 0x67); }],
])("%s: %s", (name, _what, violate) => {
  expect(machine.checkInvariants([name])).toBeNull();
  violate();

  expect(machine.checkInvariants([name])).toMatchObject({ invariant: name, statement: FFA_INVARIANTS[name] });
  expect(machine.checkInvariants()).not.toBeNull();
});

test("a state that calls have made violates none", () => {
  retrieved("lend");
  vm1.share({ to: 3, constituents: [run(VM1 + 1)] });
  vm1.donate({ to: 3, constituents: [run(VM1 + 2)] });

  expect(machine.checkInvariants()).toBeNull();
});

test("an unknown name", () => {
  expect(() => machine.checkInvariants(["I1"])).toThrow('unknown invariant "I1"');
});

describe("steps, as a watcher would see them if something went wrong", () => {
  const RECLAIM = { op: "ffa_mem_reclaim", vm: 1, x64: 0, tx_fault: 0, wipe_fail: 0, handle: 0n, flags: 0n } as const;
  const LEND = { op: "ffa_mem_lend", vm: 1, x64: 0, tx_fault: 0, wipe_fail: 0, total: 0, fragment: 0, address: 0n, page_count: 0 } as const; // prettier-ignore
  let watcher: FfaWatcher;
  beforeEach(() => {
    watcher = new FfaWatcher(machine);
  });

  /** A lend that the watcher has seen. */
  function seenLend(options: Partial<SendOptions> = {}): FfaRegion {
    const answer = vm1.lend({ to: 2, constituents: [run(VM1)], ...options });
    expect(watcher.check(LEND, answer.outcome)).toBeNull();
    return answer.region as FfaRegion;
  }

  test("F9: reclaimed while a borrower held it", () => {
    const region = seenLend();
    const held = vm2.retrieve(region);
    watcher.check({ ...LEND, op: "ffa_mem_retrieve_req", vm: 2 }, held.outcome);
    vm2.relinquish(region); // behind the watcher's back

    expect(watcher.check(RECLAIM, vm1.reclaim(region).outcome)).toMatchObject({ invariant: "F9" });
  });

  test("what was not sent whole may promise any number of pages", () => {
    const { outcome } = vm1.lend({ to: 2, constituents: [run(VM1, 0xffff_ffff), run(VM1)], firstFragment: 1 });

    expect(watcher.check(LEND, outcome)).toBeNull();
  });

  test("F10: what comes back from a reclaim is not what was sent", () => {
    const { outcome } = vm1.reclaim(seenLend());
    force(1, VM1, 0x3);

    expect(watcher.check(RECLAIM, outcome)).toMatchObject({ invariant: "F10", expected: 7n, found: 3n });
  });

  test("F14: content where a send was to clear it", () => {
    const { outcome } = vm1.lend({ to: 2, constituents: [run(VM1)], clear: true });
    machine.writePage(at(VM1), Uint8Array.of(1));

    expect(watcher.check(LEND, outcome)).toMatchObject({ invariant: "F14", subject: at(VM1) });
  });

  test("F15: a page that stays secure", async () => {
    const spmc = await aMachine(SPMC);
    const normalWorld = new FfaEndpoint(spmc, 0, { speaksFor: 1 });
    const ofSpmc = new FfaWatcher(spmc);
    const sent = normalWorld.lend({ to: 0x8001, constituents: [run(0)] });
    expect(ofSpmc.check(LEND, sent.outcome)).toBeNull();
    const { outcome } = normalWorld.reclaim(sent.region as FfaRegion);
    spmc.apply({ op: "ffa_set_secure", address: at(0), pages: 1 });

    expect(ofSpmc.check(RECLAIM, outcome)).toMatchObject({ invariant: "F15" });
  });

  test("F16: a table that changes before everything is sent", () => {
    const { outcome } = vm1.lend({ to: 2, constituents: [run(VM1)] });
    const reply = { fn: "FRAG_RX", handle: 0n, offset: 96 } as const;

    expect(watcher.check(LEND, { ...outcome, details: { reply } })).toMatchObject({ invariant: "F16" });
  });
});
