// What EL2's FF-A proxy promises, whatever the host sends: only the host's own pages reach the secure world, and they are
// SHARED_OWNED as long as a transaction names them (reference pkvm-el2 sections 8 and 11). Messages are broken at any byte.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  descriptorBytes,
  encodeConstituents,
  encodeDescriptor,
  transmit,
  type TransactionDescriptor,
} from "../../../src/machine/ffa-descriptor.js";
import { FfaEndpoint } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine } from "../../../src/machine/machine.js";
import { makeVm, donateGuest, must, pageStates } from "./scenario.js";
import { HOST, pfn, reclaim, run, secureHost, SP } from "./secure-world.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);
/** The pages that change hands; guests own the last two. */
const PAGES = 12;

const range = fc.record({ at: fc.nat(PAGES - 1), pages: fc.integer({ min: 0, max: 3 }) });
const ranges = fc.array(range, { minLength: 1, maxLength: 4 });
const change = fc.record({ offset: fc.nat(160), byte: fc.oneof(fc.constantFrom(0, 1, 0x80, 0xff), fc.nat(0xff)) });
const handle = fc.bigInt({ min: 0n, max: 3n });

const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom("lend" as const, "share" as const),
    ranges,
    changes: fc.array(change, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("first fragment" as const), ranges }),
  fc.record({ kind: fc.constant("fragment" as const), ranges, handle, length: fc.constantFrom(0, 0, 0, 8, 5000) }),
  fc.record({ kind: fc.constantFrom("reclaim" as const, "retrieve" as const, "relinquish" as const), handle }),
  fc.record({ kind: fc.constantFrom("share with EL2" as const, "unshare from EL2" as const), at: fc.nat(PAGES - 1) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const constituentsOf = (list: readonly { at: number; pages: number }[]) =>
  list.map(({ at, pages }) => run(BigInt(at), pages));

function send(
  machine: Machine,
  verb: "lend" | "share",
  list: Parameters<typeof constituentsOf>[0],
  changes: readonly { offset: number; byte: number }[],
  extra = 0,
) {
  const constituents = constituentsOf(list);
  const descriptor: TransactionDescriptor = {
    layout: "1.1",
    ...{ accessSize: 32, sender: 0, flags: 0, tag: 0n, attributes: verb === "share" ? 0x2f : 0 },
    receivers: [{ id: SP, permissions: 2 }],
    composite: {
      pageCount: list.reduce((sum, { pages }) => sum + pages, 0) + extra,
      constituentCount: list.length + extra,
    },
    constituents,
  };
  const fragment = descriptorBytes(descriptor, list.length);
  const bytes = encodeDescriptor(descriptor, fragment);
  for (const { offset, byte } of changes) if (offset < bytes.length) bytes[offset] = byte;
  machine.applyBatch(transmit(0, bytes), { effects: false });
  const lengths = { total: fragment + 16 * extra, fragment, address: 0n, page_count: 0 };
  return machine.apply({ op: verb === "lend" ? "ffa_mem_lend" : "ffa_mem_share", ...HOST, ...lengths });
}

function perform(machine: Machine, partition: FfaEndpoint, given: Step): void {
  switch (given.kind) {
    case "lend":
    case "share": {
      const before = machine.pages();
      const { ret, details } = send(machine, given.kind, given.ranges, given.changes);
      // What is refused, or what is asked for in vain, changes no page.
      if (ret !== 0 || details.reply === undefined) expect(machine.pages()).toEqual(before);
      return;
    }
    case "first fragment":
      send(machine, "lend", given.ranges, [], 1);
      return;
    case "fragment": {
      const bytes = encodeConstituents(constituentsOf(given.ranges));
      machine.applyBatch(transmit(0, bytes), { effects: false });
      const fragment = bytes.length + given.length;
      machine.apply({ op: "ffa_mem_frag_tx", ...HOST, handle: given.handle, fragment, sender: 0n });
      return;
    }
    case "reclaim":
      machine.apply(reclaim(given.handle));
      return;
    case "retrieve": {
      const found = new FfaState(machine).records().find((record) => record.handle === given.handle);
      const receivers = [{ id: SP, data: "RW" as const }];
      partition.retrieve({ handle: given.handle, verb: found?.verb ?? "lend", sender: 0, tag: 0n, receivers });
      partition.releaseRx();
      return;
    }
    case "relinquish":
      partition.relinquish({ handle: given.handle });
      return;
    case "share with EL2":
      machine.apply({ op: "host_share_hyp", pfn: pfn(BigInt(given.at)) });
      return;
    case "unshare from EL2":
      machine.apply({ op: "host_unshare_hyp", pfn: pfn(BigInt(given.at)) });
  }
}

/** Every page that a transaction of the host's names is SHARED_OWNED, and no page of a guest's is among them. */
function checkPromise(machine: Machine): void {
  const state = new FfaState(machine);
  for (const record of state.records()) {
    for (const { address, pages } of state.constituents(record)) {
      for (let page = 0n; page < BigInt(pages); page++) {
        expect(pageStates(machine, (address >> 12n) + page).host).toBe("SHARED_OWNED");
      }
    }
  }
}

test.each([false, true])("whatever the host sends, protected %s", async (protect) => {
  const machine = await secureHost({ protect });
  const vm = makeVm(machine, { protected: true, area: 0x40100n, memcache: 16 });
  for (const at of [10n, 11n]) must(machine, donateGuest(vm, pfn(at), 0x80000n + at));
  const initial = machine.snapshot();
  const partition = new FfaEndpoint(machine, SP);

  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
    machine.restore(initial);
    for (const given of steps) {
      perform(machine, partition, given);
      expect(machine.panicked).toBeNull();
      checkPromise(machine);
    }
    expect(machine.checkInvariants()).toBeNull();
  });
  fc.assert(property, { seed: SEED, numRuns: 60 });
});
