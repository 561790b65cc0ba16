// The search over Gunyah: what it visits, compared with a search made of snapshots on the core that replays; and that it asks.

import { expect, test } from "vitest";
import { startSearch } from "../../src/explore/explore.js";
import { GUNYAH_PRESETS, gunyahDomain } from "../../src/explore/gunyah-domain.js";
import type { SystemDomain } from "../../src/explore/system-domain.js";
import { instantiateCore } from "../../src/machine/module.js";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";

async function searched(domain: SystemDomain) {
  const search = await startSearch(domain, { maxStates: 20_000 });
  return { search, end: search.run(20_000) };
}

/** Who owns the page, and what each address space maps at the address. */
function textOf(machine: Machine): string {
  const { found, details } = machine.apply({ op: "memdb_lookup", addr: 0x8000_0000n });
  const leaves = [0x80, 0x81].map((vm) => machine.leaf(vm, 0x4000_0000n)?.descriptor ?? 0n);
  return [found, details.answer, ...leaves].join(" ");
}

async function searchBySnapshots(domain: SystemDomain): Promise<Set<string>> {
  const machine = Machine.createOn(await instantiateCore(), domain.config);
  for (const operation of domain.setUp) expect(machine.apply(operation).ret).toBe(0);
  const seen = new Set([textOf(machine)]);
  for (let frontier = [machine.snapshot()]; frontier.length > 0;) {
    const next = [];
    for (const snapshot of frontier) {
      for (const { calls } of domain.steps) {
        machine.restore(snapshot);
        for (const call of calls) machine.apply(call as Operation);
        const text = textOf(machine);
        if (seen.has(text)) continue;
        seen.add(text);
        next.push(machine.snapshot());
      }
    }
    frontier = next;
  }
  return seen;
}

test("tiny: every state is visited, and no rule is broken", async () => {
  const { search, end } = await searched(gunyahDomain(GUNYAH_PRESETS.tiny));
  expect([end, search.findings]).toEqual(["exhausted", []]);
});

// The page is HLOS's and mapped nowhere, or the extent's and in each space not mapped, to be read, or to be written too. States that
// the words of memory tell apart may look alike from outside, never the other way.
test.each([
  [1, 1 + 3],
  [2, 1 + 3 ** 2],
])("%i address spaces: %i states that can be told apart from outside", async (spaces, states) => {
  const domain = gunyahDomain({ pages: 1, spaces });
  expect((await searchBySnapshots(domain)).size).toBe(states);
  expect((await searched(domain)).search.counts.states).toBeGreaterThanOrEqual(states);
});

// What no call of the resource manager's does: the ownership database alone is told of another owner, and HLOS's table stays.
test("a page that is given away under its mapping is found", async () => {
  const domain = gunyahDomain(GUNYAH_PRESETS.tiny);
  const page = { start: 0x8000_0000n, end: 0x8000_0fffn };
  const owners = { prev_type: 3, prev_object: 4n, type: 1, object: 2n }; // HLOS's extent, the root partition
  const calls: Operation[] = [{ op: "memdb_update", ...page, ...owners }];
  const { search, end } = await searched({ ...domain, steps: [...domain.steps, { calls }] });
  expect(end).toBe("found");
  expect(search.findings[0]).toMatchObject({ kind: "invariant", rule: "I2", steps: calls });
});
