// The fast lane does what the calls' own files do: one sequence of operations, run with effects recorded (then the lane is off)
// and as one batch without, has the same results and ends in the same tables, records and RX bytes.

import fc from "fast-check";
import { expect, test } from "vitest";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine, Outcome, Snapshot } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import type { Constituent } from "../../../src/machine/ffa-descriptor.js";
import type { FfaConfig } from "../../../src/machine/ffa-config.js";
import type { NamedReceiver } from "../../../src/machine/ffa-endpoint.js";
import {
  aMachine,
  at,
  BOTH,
  DEVICE,
  endpoints,
  HYPERVISOR,
  NOBODYS,
  RO,
  run,
  SPMC,
  VM1,
  VM2,
  VM3,
} from "./ffa-machines.js";
import { RandomCalls, type Choice } from "./random-calls.js";

const PAGE = 4096;

/** Makes the calls of `script` and hands back the operations that they were. */
function operationsOf(machine: Machine, script: () => void): Operation[] {
  const operations: Operation[] = [];
  const applyBatch = machine.applyBatch.bind(machine);
  machine.applyBatch = (batch, options) => {
    operations.push(...batch);
    return applyBatch(batch, options);
  };
  script();
  machine.applyBatch = applyBatch;
  return operations;
}

function stateOf(machine: Machine) {
  const state = new FfaState(machine);
  const records = state.records();
  return {
    records,
    constituents: records.map((record) => state.constituents(record)),
    tables: state.config.endpoints.map(({ id }) => ({ leaves: machine.leaves(id), tables: machine.tables(id) })),
    contents: Array.from({ length: state.config.pages }, (_, page) => machine.readPage(at(page))[0]),
    rx: state.config.endpoints.map(({ id, buffer_pages }) => {
      return [state.isRxFull(id), Buffer.from(state.readRx(id, buffer_pages * PAGE)).toString("hex")];
    }),
  };
}

const verdictOf = ({ ret, status, reasonCode, subject, expected, found }: Outcome) => {
  return ret === 0 ? { ret, status } : { ret, status, reasonCode, subject, expected, found };
};

function bothWays(machine: Machine, initial: Snapshot, operations: readonly Operation[]) {
  const [slow, fast] = [true, false].map((effects) => {
    machine.restore(initial);
    const verdicts = machine.applyBatch(operations, { effects }).map(verdictOf);
    return { verdicts, ...stateOf(machine) };
  });
  expect(fast).toEqual(slow);
  return fast!.verdicts;
}

/** A machine whose pages have contents, so that wiped ones can be told. */
async function start(config: FfaConfig): Promise<[Machine, Snapshot]> {
  const machine = await aMachine(config);
  new RandomCalls(machine).markPages();
  return [machine, machine.snapshot()];
}

const choice: fc.Arbitrary<Choice> = fc.record({
  kind: fc.nat(11),
  who: fc.nat(11),
  page: fc.nat(45),
  pages: fc.nat(5),
  data: fc.nat(3),
  odd: fc.nat(5),
});

test.each([
  ["a hypervisor alone", HYPERVISOR],
  ["an SPMC alone", SPMC],
  ["a hypervisor before an SPMC", BOTH],
] as const)("%s: random calls", async (_name, config) => {
  const [machine, initial] = await start(config);
  const property = fc.property(fc.array(choice, { minLength: 5, maxLength: 60 }), (choices) => {
    machine.restore(initial);
    const operations = operationsOf(machine, () => {
      const calls = new RandomCalls(machine);
      for (const each of choices) calls.make(each);
    });
    bothWays(machine, initial, operations);
  });
  fc.assert(property, { numRuns: 60 });
});

/** One share from its beginning to its end. */
function share(
  machine: Machine,
  from: number,
  to: NamedReceiver,
  constituents: readonly Constituent[],
  tag = 0n,
): void {
  const [lender, borrower] = endpoints(machine, from, to.id);
  const { region } = lender!.share({ to, constituents, tag });
  if (region === null) return;
  borrower!.retrieve(region);
  borrower!.releaseRx();
  borrower!.relinquish(region);
  lender!.reclaim(region);
}

const WORDS: NamedReceiver = { id: 2, impdef: [5n, 6n] };

/** Non-secure pages of a VM of its own. */
const NON_SECURE = { table: "main", page: NOBODYS + 2, n: 2, mode: 0x83 } as const;
const VMS: FfaConfig = {
  ...HYPERVISOR,
  endpoints: [...HYPERVISOR.endpoints, { id: 6, version: 0x10002, modes: [NON_SECURE] }],
};

/** Endpoints 1, 2 and 3 speak 1.3, 1.2 and 1.1: the last has shorter entries. */
const SCRIPTS: readonly (readonly [string, (machine: Machine) => void])[] = [
  ["1.3 to 1.2", (machine) => share(machine, 1, WORDS, [run(VM1, 2), run(VM1 + 3)], 7n)],
  ["1.1 to 1.3, read-only", (machine) => share(machine, 3, { id: 1, data: "RO" }, [run(VM3, 4)])],
  ["of non-secure pages", (machine) => share(machine, 6, WORDS, [run(NON_SECURE.page)])],
  ["1.2 to 1.1", (machine) => share(machine, 2, { id: 3 }, [run(VM2 + 1)])],
];

test.each(SCRIPTS)("%s: an ordinary share", async (_name, script) => {
  const [machine, initial] = await start(VMS);
  const verdicts = bothWays(machine, initial, operationsOf(machine, script.bind(null, machine)));
  expect(verdicts.filter(({ ret }) => ret !== 0)).toEqual([]);
});

test("a shorter response behind a longer one, and pages that may not be shared", async () => {
  const [machine, initial] = await start(VMS);
  const operations = operationsOf(machine, () => {
    share(machine, 1, WORDS, [run(VM1), run(VM1 + 2), run(VM1 + 4)]);
    share(machine, 1, WORDS, [run(VM1)]);
    for (const page of [VM1 + DEVICE, VM1 + RO, VM2, NOBODYS]) share(machine, 1, { id: 2, data: "RW" }, [run(page)]);
    share(machine, 1, { id: 2, data: "RO" }, [run(VM1 + RO)]);
    share(machine, 1, { id: 2 }, [run(VM1, 2), run(VM1 + 1, 2)]);
    share(machine, 1, { id: 2 }, [run(VM1 + 3), run(VM1)]);
  });
  bothWays(machine, initial, operations);
});

/** One bit of a piece of TX becomes another. */
function withBit(operation: Operation, bit: number): Operation {
  const word = (["w0", "w1", "w2", "w3"] as const)[bit >> 6]!;
  return operation.op === "ffa_tx" ? { ...operation, [word]: operation[word] ^ (1n << BigInt(bit & 63)) } : operation;
}

test.each(SCRIPTS)("%s: any bit of a message", async (_name, script) => {
  const [machine, initial] = await start(VMS);
  const operations = operationsOf(machine, script.bind(null, machine));
  operations.forEach(({ op }, piece) => {
    for (let bit = 0; op === "ffa_tx" && bit < 256; bit++) {
      const altered = operations.map((operation, index) => (index === piece ? withBit(operation, bit) : operation));
      bothWays(machine, initial, altered);
    }
  });
});

const REGISTERS = ["total", "fragment", "page_count", "address", "handle", "flags"] as const;
const VALUES = [0n, 1n, 2n, 3n, 16n, 64n, 80n, 96n, 112n, 128n, 4096n, 4112n, 1n << 63n, (1n << 63n) + 1n, 1n << 32n];

test.each(SCRIPTS)("%s: any register of a call", async (_name, script) => {
  const [machine, initial] = await start(VMS);
  const operations = operationsOf(machine, script.bind(null, machine));
  operations.forEach((operation, at) => {
    for (const register of REGISTERS.filter((name) => name in operation)) {
      for (const value of VALUES) {
        const isCount = register !== "address" && register !== "handle" && register !== "flags";
        if (isCount && value >= 1n << 32n) continue;
        const altered = { ...operation, [register]: isCount ? Number(value) : value };
        bothWays(machine, initial, operations.with(at, altered));
      }
    }
  });
});

const FLAGS = ["x64", "tx_fault", "wipe_fail"] as const;

test("calls with faults, and the 64-bit ones", async () => {
  const [machine, initial] = await start(VMS);
  const operations = operationsOf(machine, () => SCRIPTS[0]![1](machine));
  operations.forEach((operation, at) => {
    for (const flag of FLAGS.filter((name) => name in operation)) {
      bothWays(machine, initial, operations.with(at, { ...operation, [flag]: 1 }));
    }
  });
});
