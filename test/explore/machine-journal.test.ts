// The exploring variant is the same machine: it answers as the one that replays, and what was done since a mark can be undone.

import fc from "fast-check";
import { expect, test } from "vitest";
import { instantiateVariant, type ExploreExports } from "../../src/explore/variant.js";
import { resolveConfig, type MachineConfig } from "../../src/machine/config.js";
import { Machine } from "../../src/machine/machine.js";
import { contentsOf, stateOf } from "../systems/pkvm/machine-state.js";
import { choices, SmallHost, type Choice } from "../systems/pkvm/random-operations.js";
import { result } from "../systems/pkvm/scenario.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);
const ENTRIES = 2 ** 18;

interface Explorer {
  readonly host: SmallHost;
  readonly exports: ExploreExports;
}

async function anExplorer(pageShift: 12 | 14 = 12, entries = ENTRIES): Promise<Explorer> {
  const core = await instantiateVariant();
  expect(core.exports.journalReserve(entries)).toBe(1);
  const make = (config: MachineConfig) => Promise.resolve(Machine.createOn(core, resolveConfig(config)));
  return { host: await SmallHost.create(pageShift, make), exports: core.exports };
}

/** Does what the choices mean; the results, one line each. */
function run(host: SmallHost, made: readonly Choice[]): string[] {
  return made.map((choice) => {
    const operation = host.choose(choice);
    return `${operation.op} -> ${result(host.machine.apply(operation))}`;
  });
}

const wholeState = ({ machine, pages }: SmallHost): string => `${stateOf(machine)}\n${contentsOf(machine, pages)}`;

function expectSameBytes({ machine }: SmallHost, before: Uint8Array, what: string): void {
  const now = machine.snapshot().bytes;
  if (now.length !== before.length) throw new Error(`${what}: ${now.length} bytes, ${before.length} before`);
  const at = now.findIndex((byte, index) => byte !== before[index]);
  if (at >= 0) throw new Error(`${what}: byte ${at} is ${now[at]}, ${before[at]} before`);
}

test.each([
  [12, 40],
  [14, 15],
] as const)("undo brings back every byte and the same future, pages of 2^%i bytes", async (pageShift, numRuns) => {
  const { host, exports } = await anExplorer(pageShift);
  let undone = 0;
  const property = fc.property(choices(15), choices(25), choices(25), (past, one, other) => {
    const start = exports.mark();
    const initial = host.machine.snapshot().bytes;
    run(host, past);
    const before = host.machine.snapshot().bytes;
    const point = exports.mark();
    const first = run(host, one);
    exports.mark();
    run(host, other);
    undone += exports.journalLength() - point;

    expect(exports.undoTo(point)).toBe(0);

    expectSameBytes(host, before, "after the inner undo");
    expect(run(host, one)).toEqual(first);
    expect(exports.undoTo(start)).toBe(0);
    expectSameBytes(host, initial, "after the outer undo");
  });
  fc.assert(property, { numRuns, seed: SEED });
  expect(undone).toBeGreaterThan(100 * numRuns);
});

test("the variant answers and ends as the core that replays", async () => {
  const plain = await SmallHost.create();
  const { host } = await anExplorer();
  const initial = [plain.machine.snapshot(), host.machine.snapshot()] as const;
  const property = fc.property(choices(60), (made) => {
    plain.machine.restore(initial[0]);
    host.machine.restore(initial[1]);
    expect(run(host, made)).toEqual(run(plain, made));
    expect(wholeState(host)).toBe(wholeState(plain));
  });
  fc.assert(property, { numRuns: 40, seed: SEED });
});

test("a panic is undone too", async () => {
  const { host, exports } = await anExplorer();
  const point = exports.mark();
  host.machine.apply({ op: "hyp_donate_host", pfn: 0n, nr: 1 });
  expect(host.machine.panicked).toMatchObject({ kind: "el2-fault" });
  expect(exports.undoTo(point)).toBe(0);
  expect(host.machine.panicked).toBeNull();
});

test("a journal that is too short says so, and a snapshot leads back", async () => {
  const { host, exports } = await anExplorer(12, 4);
  const before = host.machine.snapshot();
  const point = exports.mark();
  expect(host.machine.apply({ op: "host_donate_hyp", pfn: host.pages[0] ?? 0n, nr: 1 }).ret).toBe(0);
  expect(exports.journalOverflowed()).toBe(1);
  expect(exports.undoTo(point)).toBe(-1);

  exports.journalForget();
  host.machine.restore(before);

  expectSameBytes(host, before.bytes, "after the restore");
  expect(exports.journalOverflowed()).toBe(0);
});

test("there is nothing to undo to before a mark", async () => {
  const { exports } = await anExplorer();
  expect(exports.undoTo(0)).toBe(-1);
  expect(exports.undoTo(-1)).toBe(-1);
});
