// The invariants of reference ffa section 17 that speak of a state, checked on what the managers hold: F<n> is the one of that
// number there. Those that speak of a step (F9, F10, F14, F16): ffa-step-invariants.ts. Each manager is checked by itself: to
// the SPMC the normal world is one endpoint, whatever the hypervisor makes of its VMs.

import * as abi from "../../assembly/abi/ffa.js";
import type { FfaEndpointConfig, FfaManagersConfig } from "./ffa-config.js";
import { stateName, type FfaManager } from "./ffa-effects.js";
import { FfaState, MANAGERS, type FfaReceiver, type FfaRecord } from "./ffa-state.js";
import type { Violation } from "./invariants.js";
import type { Machine } from "./machine.js";

/** What each of them says. */
export const FFA_INVARIANTS: Readonly<Record<string, string>> = {
  F1: "a page has at most one owner",
  F2: "what one endpoint has exclusively nobody else can access",
  F3: "a page without access for its owner is lent by exactly one transaction",
  F4: "a page that its owner shares is in exactly one share",
  F5: "what an endpoint has borrowed it has retrieved from a transaction that names it",
  F6: "no page is both lent and shared",
  F7: "a page that is donated and not retrieved belongs to nobody",
  F8: "no page is in two transactions",
  F11: "what a borrower may do was sent, and what was sent the owner could do",
  F12: "what several may have or is shared nobody executes",
  F13: "device memory is lent to one borrower and nothing else",
  F15: "the pages of a protected transaction are secure",
};

/**
 * Checks the state.
 *
 * @param names which, for example `["F1"]`; all if left out
 * @returns the first violation, or null
 * @throws RangeError on an unknown name
 */
export function checkFfaInvariants(
  machine: Machine,
  config: FfaManagersConfig,
  names: readonly string[] = Object.keys(FFA_INVARIANTS),
): Violation | null {
  const unknown = names.find((name) => !Object.hasOwn(FFA_INVARIANTS, name));
  if (unknown !== undefined) throw new RangeError(`unknown invariant ${JSON.stringify(unknown)}`);
  const state = new FfaState(machine);
  for (const manager of MANAGERS) {
    for (const violation of violationsOf(managedBy(state, config, manager))) {
      if (names.includes(violation.invariant)) return violation;
    }
  }
  return null;
}

/** What one manager knows. */
interface Managed {
  readonly state: FfaState;
  readonly endpoints: readonly FfaEndpointConfig[];
  /** Fully sent transactions; a donate whose retrieve has begun is none any more. */
  readonly transactions: readonly FfaRecord[];
  /** Those that hold a page, by address. */
  readonly byPage: ReadonlyMap<bigint, readonly FfaRecord[]>;
  readonly pages: readonly bigint[];
}

function managedBy(state: FfaState, config: FfaManagersConfig, manager: FfaManager): Managed {
  const isLive = (record: FfaRecord) => record.complete && (record.verb !== "donate" || !isHeld(record));
  const transactions = state.records().filter((record) => record.manager === manager && isLive(record));
  const byPage = new Map<bigint, FfaRecord[]>();
  for (const record of transactions) {
    for (const pa of pagesOf(state, record)) byPage.set(pa, [...(byPage.get(pa) ?? []), record]);
  }
  return {
    state,
    endpoints: config.endpoints.filter((endpoint) => endpoint.manager === manager),
    ...{ transactions, byPage },
    pages: Array.from({ length: config.pages }, (_, page) => config.base + (BigInt(page) << 12n)),
  };
}

/** Whether any receiver has retrieved pages, or begun to. */
export function isHeld({ receivers }: FfaRecord): boolean {
  return receivers.some(({ retrieved }) => retrieved > 0);
}

/** The addresses of a transaction's pages. */
export function pagesOf(state: FfaState, record: FfaRecord): bigint[] {
  return state
    .constituents(record)
    .flatMap(({ address, pages }) => Array.from({ length: pages }, (_, page) => address + (BigInt(page) << 12n)));
}

/** The endpoint whose table holds the sender's pages: at the SPMC the normal world's for all VMs. */
export function tableOwner({ manager, sender }: FfaRecord): number {
  return manager === "spmc" && sender < 0x8000 ? 0 : sender;
}

function* violationsOf(managed: Managed): Generator<Violation> {
  for (const pa of managed.pages) yield* pageViolations(managed, pa);
  for (const record of managed.transactions) yield* recordViolations(managed, record);
}

const violation = (name: string, subject: bigint, expected: bigint | number, found: bigint | number): Violation => ({
  invariant: name,
  statement: FFA_INVARIANTS[name] ?? name,
  ...{ subject, expected: BigInt(expected), found: BigInt(found) },
});

/** An endpoint's view of one page. */
interface View {
  readonly id: number;
  readonly mode: number;
  readonly state: string;
}

const isOwner = ({ state }: View) => state.startsWith("O-");
const hasAccess = ({ state }: View) => !state.endsWith("NA");

function* pageViolations(managed: Managed, pa: bigint): Generator<Violation> {
  const views = managed.endpoints
    .map(({ id }) => ({ id, mode: managed.state.lookUp(id, pa) }))
    .filter(({ mode }) => mode !== abi.MODE_ABSENT)
    .map(({ id, mode }) => ({ id, mode, state: stateName(mode) }));
  const records = managed.byPage.get(pa) ?? [];
  const owners = views.filter(isOwner);
  if (owners.length > 1) yield violation("F1", pa, owners[0]?.id ?? 0, owners[1]?.id ?? 0);
  for (const view of views) {
    if (view.state === "O-EA") {
      const other = views.find((each) => each.id !== view.id && hasAccess(each));
      if (other !== undefined) yield violation("F2", pa, view.id, other.id);
    }
    if (view.state === "O-NA") yield* onlyRecord("F3", "lend", pa, view, records);
    if (view.state === "O-SA") yield* onlyRecord("F4", "share", pa, view, records);
    if (!isOwner(view)) yield* borrowerViolations(pa, view, records);
  }
  const lent = views.find(({ state }) => state === "!O-EA");
  const shared = views.find(({ state }) => state === "O-SA");
  if (lent !== undefined && shared !== undefined) yield violation("F6", pa, lent.id, shared.id);
  if (records.some(({ verb }) => verb === "donate")) {
    for (const { id } of views) yield violation("F7", pa, 0, id);
  }
  if (records.length > 1) yield violation("F8", pa, records[0]?.handle ?? 0, records[1]?.handle ?? 0);
}

function* onlyRecord(
  name: string,
  verb: string,
  pa: bigint,
  { id }: View,
  records: readonly FfaRecord[],
): Generator<Violation> {
  const own = records.filter((record) => record.verb === verb && tableOwner(record) === id);
  if (own.length !== 1) yield violation(name, pa, 1, own.length);
}

function* borrowerViolations(pa: bigint, view: View, records: readonly FfaRecord[]): Generator<Violation> {
  const isOwn = ({ id, retrieved }: FfaReceiver) => id === view.id && retrieved > 0;
  const record = records.find(({ receivers }) => receivers.some(isOwn));
  const receiver = record?.receivers.find(isOwn);
  if (record === undefined || receiver === undefined) {
    yield violation("F5", pa, 1, 0);
    return;
  }
  const sent = abi.MODE_R | ((receiver.permissions & 3) === READ_ONLY ? 0 : abi.MODE_W);
  const owners = record.originalMode ?? 0;
  const data = view.mode & (abi.MODE_R | abi.MODE_W);
  if ((data & ~sent) !== 0) yield violation("F11", pa, sent, data);
  if ((sent & ~owners) !== 0) yield violation("F11", pa, owners, sent);
  const isPlain = record.verb === "lend" && record.receivers.length === 1;
  if (!isPlain && (view.mode & abi.MODE_X) !== 0) yield violation("F12", pa, 0, view.mode);
}
const READ_ONLY = 1;

function* recordViolations({ state }: Managed, record: FfaRecord): Generator<Violation> {
  const [first = 0n] = pagesOf(state, record);
  const isDevice = ((record.originalMode ?? 0) & abi.MODE_D) !== 0;
  const isLendToOne = record.verb === "lend" && record.receivers.length === 1;
  if (isDevice && !isLendToOne) yield violation("F13", first, 1, record.receivers.length);
  if (!record.protected) return;
  const bare = pagesOf(state, record).find((pa) => !state.isSecure(pa));
  if (bare !== undefined) yield violation("F15", bare, 1, 0);
}
