// Where worlds with a Linux host put things: guest addresses, frames of memory.

import { describe, expect, test } from "vitest";
import { MachineLimit } from "../../../../src/consequences/machine-limit.js";
import type { PageDeclaration } from "../../../../src/scenario/scenario.js";
import { PageAllocator } from "../../../../src/scenario/systems/linux/page-allocator.js";
import { GuestAddresses } from "../../../../src/scenario/systems/linux/placed-page.js";
import { bootedMachine, MEMORY } from "../../../../src/scenario/systems/pkvm/machine.js";

const PAGE = 0x1000n;

function declaration(name: string, more: Partial<PageDeclaration> = {}): PageDeclaration {
  return { name, count: 1, of: "guest", backing: null, ipa: null, slot: true, content: 0n, ...more };
}

describe("guest addresses", () => {
  test("one after the other, around those that the scenario fixes; holes elsewhere; guests apart", () => {
    const fixed = declaration("fixed", { ipa: 0x8000_1000n, count: 2 });
    const ram = declaration("ram", { count: 2 });
    const addresses = new GuestAddresses(Number(PAGE), [fixed, ram]);
    expect([0, 1].map((index) => addresses.place(fixed, index))).toEqual([0x8000_1000n, 0x8000_2000n]);
    expect([0, 1].map((index) => addresses.place(ram, index))).toEqual([0x8000_0000n, 0x8000_3000n]);
    expect(addresses.place(declaration("hole", { slot: false }), 0)).toBeLessThan(0x8000_0000n);
    expect(addresses.place(declaration("other", { of: "other" }), 0)).toBe(0x8000_0000n);
    expect(addresses.next("guest")).toBe(0x8000_4000n);
  });
});

describe("page allocator", () => {
  async function allocatorOf(pages: bigint) {
    const { machine } = (await bootedMachine()).hold();
    return { machine, allocator: new PageAllocator(machine, MEMORY.start, MEMORY.start + pages * PAGE) };
  }

  test("from the bottom up, freed pages first, aligned where asked; then memory is out", async () => {
    const { allocator } = await allocatorOf(4n);
    expect(allocator.allocate()).toBe(MEMORY.start);
    expect(allocator.take(2, 2)).toBe(MEMORY.start + 2n * PAGE);
    allocator.free(MEMORY.start);
    expect([allocator.allocate(), allocator.allocate()]).toEqual([MEMORY.start, null]);
    expect(() => allocator.take(1)).toThrow(MachineLimit);
  });

  test("clears and copies whole pages", async () => {
    const { machine, allocator } = await allocatorOf(2n);
    const [from, to] = [MEMORY.start, MEMORY.start + PAGE];
    machine.writePage(from, Uint8Array.of(1, 2, 3), 4000);
    allocator.copy(from, to);
    expect(machine.readPage(to)[4002]).toBe(3);
    allocator.clear(to);
    expect(machine.readPage(to).every((byte) => byte === 0)).toBe(true);
  });
});
