// The partition managers that the tests of this folder ask: three flavours with a few endpoints, each with pages of every
// kind; and calls that are good until a test breaks them.

import { expect } from "vitest";
import { MODE_ABSENT } from "../../../assembly/abi/ffa.js";
import type { FfaConfig } from "../../../src/machine/ffa-config.js";
import { FfaEndpoint, type FfaAnswer } from "../../../src/machine/ffa-endpoint.js";
import { modeWords } from "../../../src/machine/ffa-effects.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";

export const BASE = 0x1000_0000n;
export const PAGE = 4096;

/** The address of a page of the machine. */
export const at = (page: number): bigint => BASE + BigInt(page * PAGE);

/** One constituent. */
export const run = (page: number, pages = 1) => ({ address: at(page), pages });

/** Every endpoint's own pages, from `first` on. */
export const RWX = 0; // six of them
export const RO = 6;
export const RW = 7;
export const RX = 8;
export const DEVICE = 9;
const OWN_PAGES = 10;

const KINDS = [
  [RWX, 6, 0x7],
  [RO, 1, 0x1],
  [RW, 1, 0x3],
  [RX, 1, 0x5],
  [DEVICE, 1, 0xb],
] as const;

const own = (table: "main" | "s" | "ns", first: number, more = 0) =>
  KINDS.map(([page, n, mode]) => ({ table, page: first + page, n, mode: mode | more }));

export const VERSION = { "1.0": 0x10000, "1.1": 0x10001, "1.2": 0x10002, "1.3": 0x10003 } as const;

const LIMITS = { transactions: 4, fragments: 4, recipients: 2, buffer_pages: 1 };

/** The first own page of each endpoint. */
export const VM1 = 0;
export const VM2 = 10;
export const VM3 = 20;
export const VM4 = 30;
/** Pages that nobody has. */
export const NOBODYS = 44;

/** A hypervisor with VMs of all versions, and one (0x5) without buffers. */
export const HYPERVISOR: FfaConfig = {
  ...{ flavour: "hypervisor", limits: LIMITS, base: BASE, pages: 48 },
  endpoints: [
    { id: 1, version: VERSION["1.3"], modes: own("main", VM1) },
    { id: 2, version: VERSION["1.2"], modes: own("main", VM2) },
    { id: 3, version: VERSION["1.1"], modes: own("main", VM3) },
    { id: 4, version: VERSION["1.0"], modes: own("main", VM4) },
    { id: 5, buffer_pages: 0, modes: [{ table: "main", page: 40, n: 4, mode: 7 }] },
    { id: 0x8000 },
  ],
};

export const NORMAL_WORLD = 0;
export const SP1 = 10;
export const SP2 = 20;
export const EL0 = 30;
const NON_SECURE = 0x80;
/** What the tables of an S-EL0 partition have besides: user, not global. */
export const USER = 0x300;

/** An SPMC: the normal world's pages, two partitions with two tables each, an S-EL0 partition that initialises. */
export const SPMC: FfaConfig = {
  ...{ flavour: "spmc", limits: LIMITS, base: BASE, pages: 48, protect: true },
  pas_secure: [{ page: SP1, n: 3 * OWN_PAGES }],
  endpoints: [
    { id: NORMAL_WORLD, modes: own("ns", 0, NON_SECURE) },
    { id: 0x8001, modes: [...own("s", SP1), { table: "ns", page: 40, n: 2, mode: 0x87 }] },
    { id: 0x8002, version: VERSION["1.1"], modes: own("s", SP2) },
    { id: 0x8003, el0: true, init: true, modes: own("main", EL0, USER) },
  ],
};

/** A hypervisor with two VMs, before an SPMC with two partitions: the SPMC has the VMs' pages as the normal world's. */
export const BOTH: FfaConfig = {
  ...{ flavour: "both", limits: LIMITS, base: BASE, pages: 48, protect: true },
  pas_secure: [{ page: 20, n: 2 * OWN_PAGES }],
  endpoints: [
    { id: 1, modes: own("main", 0) },
    { id: 2, version: VERSION["1.2"], modes: own("main", 10) },
    { id: 0x8000 },
    { id: NORMAL_WORLD, modes: [...own("ns", 0, NON_SECURE), ...own("ns", 10, NON_SECURE)] },
    { id: 0x8001, modes: own("s", 20) },
    { id: 0x8002, version: VERSION["1.1"], modes: own("s", 30) },
  ],
};

export const aMachine = (config: FfaConfig = HYPERVISOR): Promise<Machine> => Machine.createFfa(config);

/** The endpoints of a machine that a test talks as. The normal world speaks for VM 1. */
export function endpoints<I extends number>(machine: Machine, ...ids: readonly I[]): FfaEndpoint[] {
  return ids.map((id) => new FfaEndpoint(machine, id, id === NORMAL_WORLD ? { speaksFor: 1 } : {}));
}

/** `OK` or the name of the error. */
export const resultOf = ({ error }: Pick<FfaAnswer, "error">): string => error ?? "OK";

/** The same of an outcome. */
export const outcomeOf = ({ ret, errno }: Outcome): string => (ret === 0 ? "OK" : (errno ?? String(ret)));

/** Every page that anybody has, in words, and those that are secure. */
export function pageStates(machine: Machine): string[] {
  const state = new FfaState(machine);
  const { endpoints: all, pages } = state.config;
  const numbers = Array.from({ length: pages }, (_, page) => page);
  const modes = all.flatMap(({ id, tables }) =>
    tables.flatMap((table, which) =>
      numbers.map((page) => [id, table, page, state.mode(id, which, at(page))] as const),
    ),
  );
  const secure = numbers.filter((page) => state.isSecure(at(page))).map((page) => `secure ${page}`);
  const present = modes.filter(([, , , mode]) => mode !== MODE_ABSENT);
  return [...present.map(([id, table, page, mode]) => `${id} ${table} ${page} ${modeWords(mode)}`), ...secure];
}

/** What one endpoint has of a page: `RWX O-EA`. */
export function pageOf(machine: Machine, id: number, page: number): string {
  return modeWords(new FfaState(machine).lookUp(id, at(page)));
}

/** Something that breaks a good call, and what the call then comes to. */
export interface Break<C> {
  /** The row of the reference. */
  readonly row: string;
  readonly what: string;
  /** What it changes of the call: two that change the same are never tried together. */
  readonly touches: readonly string[];
  readonly apply: (call: C, machine: Machine) => void;
  readonly error: string;
  /** The check that refuses, without `ffa_`. */
  readonly reason: string;
}

/** Two conditions that a call breaks at once, the earlier one first. */
export function pairsOf<C>(breaks: readonly Break<C>[]): [string, Break<C>, Break<C>][] {
  return breaks.flatMap((first, index) =>
    breaks
      .slice(index + 1)
      .filter(({ row, touches }) => row !== first.row && !touches.some((name) => first.touches.includes(name)))
      .map((second): [string, Break<C>, Break<C>] => {
        return [`${first.row} ${first.what} before ${second.row} ${second.what}`, first, second];
      }),
  );
}

/** Expects the answer of a check. */
export function expectRefusal({ errno, reason }: Outcome, { error, reason: check }: Break<never>): void {
  expect([errno, reason]).toEqual([error, `ffa_${check}`]);
}
