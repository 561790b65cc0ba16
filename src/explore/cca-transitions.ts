// How entries of realm translation tables may change in one call: the tables of reference cca section 6 and the invariants of section
// 13 that speak of steps, written down a second time, without tables, locks or walks.

import * as abi from "../../assembly/abi/cca.js";
import type { Operation } from "../machine/operations.js";
import { watched, type Broken } from "./system-domain.js";
import type { ExploreExports } from "./variant.js";

/** What the core says where there is no realm. */
export const NO_REALM = -1;

/** What a realm's tables say of one address. */
export interface Entry {
  readonly ipa: bigint;
  readonly level: number;
  readonly hipas: number;
  readonly ripas: number;
  /** Where the address leads, and with which attributes; 0 where it leads nowhere. */
  readonly pa: bigint;
  readonly attributes: bigint;
}

/** A realm, before a call or after it. */
export interface RealmNote {
  readonly rd: bigint;
  /** REALM_*, or NO_REALM. */
  readonly state: number;
  /** What its REC asks for: RIPAS, 4 if DESTROYED may change; -1 if nothing. */
  readonly request: number;
  readonly entries: readonly Entry[];
}

const PAGE = 0x1000n;
const ADDRESS = 0x0000_ffff_ffff_f000n;
const TYPE = 3n;
const NS = 1n << 55n;
const UNPROTECTED = 0x8000_0000n;
const RIPAS = 3;
const CHANGES_DESTROYED = 4;

const sizeOf = (level: number): bigint => 1n << BigInt(12 + 9 * (3 - level));

export function entryOf(exports: ExploreExports, rd: bigint, ipa: bigint): Entry {
  const raw = BigInt.asUintN(64, exports.realmEntry(rd, ipa));
  const level = exports.realmEntryLevel();
  const isValid = (raw & 1n) === 1n;
  const hipas = isValid ? abi.HIPAS_ASSIGNED : Number((raw >> 2n) & 7n);
  const isHosts = (raw & NS) !== 0n;
  const ripas = isValid ? abi.RIPAS_RAM : Number((raw >> 5n) & 3n);
  const isAssigned = hipas === abi.HIPAS_ASSIGNED;
  const pa = isAssigned ? (raw & ADDRESS) + (ipa & (sizeOf(level) - 1n)) : 0n;
  return { ipa, level, hipas, ripas: isHosts ? abi.RIPAS_EMPTY : ripas, pa, attributes: raw & ~ADDRESS & ~TYPE };
}

/**
 * All that a call that succeeded breaks in one realm.
 *
 * @param reached x1: of calls about ranges, the first address that was not done
 */
export function* stepBreaches(
  step: Operation,
  before: RealmNote,
  after: RealmNote,
  reached: bigint,
): Generator<Broken> {
  if (before.state === NO_REALM || after.state === NO_REALM) return;
  const isOwn = "rd" in step && step.rd === before.rd;
  if (isOwn && before.state !== abi.REALM_NEW && isOnlyForNew(step)) yield broken("R12", before.rd);
  const isBeyond = isOwn && "top" in step && "base" in step && (reached <= step.base || reached > step.top);
  if (isBeyond) yield broken("R15", reached);
  for (const [index, entry] of before.entries.entries()) {
    const now = after.entries[index] ?? entry;
    if (isNewRam(entry, now) && !mayBecomeRam(step, isOwn, before, entry)) yield broken("R10", entry.ipa);
    if (isOwn && isReshaping(step) && !leadsWhereItDid(entry, now)) yield watched("fold", entry.ipa);
    const isExpected = matches(now, isOwn ? expected(step, entry, before) : entry);
    if (!isExpected) yield { kind: "refinement", rule: "transition", subject: entry.ipa };
  }
}

const broken = (rule: string, subject: bigint): Broken => ({ kind: "invariant", rule, subject });

const isOnlyForNew = ({ op }: Operation): boolean => op === "rmi_data_create" || op === "rmi_rtt_init_ripas";
const isReshaping = ({ op }: Operation): boolean => op === "rmi_rtt_fold" || op === "rmi_rtt_create";

// R10: the realm asks, or it is not active yet.

const isNewRam = (before: Entry, after: Entry): boolean =>
  before.ripas !== abi.RIPAS_RAM && after.ripas === abi.RIPAS_RAM;

function mayBecomeRam(step: Operation, isOwn: boolean, { state, request }: RealmNote, { ripas }: Entry): boolean {
  if (!isOwn) return false;
  if (isOnlyForNew(step)) return state === abi.REALM_NEW;
  if (step.op !== "rmi_rtt_set_ripas" || request < 0) return false;
  const isAsked = (request & RIPAS) === abi.RIPAS_RAM;
  return isAsked && (ripas !== abi.RIPAS_DESTROYED || (request & CHANGES_DESTROYED) !== 0);
}

function leadsWhereItDid(before: Entry, after: Entry): boolean {
  return before.hipas === after.hipas && before.pa === after.pa && before.attributes === after.attributes;
}

// Transitions.

/** HIPAS and RIPAS that an entry has afterwards; null: the call must not have succeeded. */
type Pair = Pick<Entry, "hipas" | "ripas"> | null;

const matches = (now: Entry, wanted: Pair): boolean =>
  wanted !== null && now.hipas === wanted.hipas && now.ripas === wanted.ripas;

function expected(step: Operation, entry: Entry, realm: RealmNote): Pair {
  switch (step.op) {
    case "rmi_data_create":
      return step.ipa === entry.ipa ? created(entry, abi.RIPAS_RAM) : entry;
    case "rmi_data_create_unknown":
      return step.ipa === entry.ipa ? created(entry, entry.ripas) : entry;
    case "rmi_data_destroy":
      return step.ipa === entry.ipa ? destroyed(entry) : entry;
    case "rmi_rtt_init_ripas":
      return inRange(step, entry) ? initialised(entry, step.base) : entry;
    case "rmi_rtt_set_ripas":
      return inRange(step, entry) ? asAsked(entry, realm.request, step.base) : entry;
    case "rmi_rtt_destroy":
      return covers({ ...step, level: Number(step.level) - 1 }, entry) ? dropped(entry) : entry;
    case "rmi_rtt_map_unprotected":
      return covers(step, entry) ? { hipas: abi.HIPAS_ASSIGNED, ripas: abi.RIPAS_EMPTY } : entry;
    case "rmi_rtt_unmap_unprotected":
      return covers(step, entry) ? { hipas: abi.HIPAS_UNASSIGNED, ripas: abi.RIPAS_EMPTY } : entry;
    default:
      return entry;
  }
}

function created({ hipas }: Entry, ripas: number): Pair {
  return hipas === abi.HIPAS_UNASSIGNED ? { hipas: abi.HIPAS_ASSIGNED, ripas } : null;
}

function destroyed({ hipas, ripas }: Entry): Pair {
  if (hipas !== abi.HIPAS_ASSIGNED) return null;
  const isEmpty = ripas === abi.RIPAS_EMPTY;
  return { hipas: abi.HIPAS_UNASSIGNED, ripas: isEmpty ? abi.RIPAS_EMPTY : abi.RIPAS_DESTROYED };
}

// Behind the first address an entry may have stopped the call.

function initialised(entry: Entry, base: bigint): Pair {
  const { hipas, ripas } = entry;
  const isFit = hipas === abi.HIPAS_UNASSIGNED && ripas !== abi.RIPAS_DESTROYED;
  if (!isFit) return entry.ipa === base ? null : entry;
  return { hipas, ripas: abi.RIPAS_RAM };
}

function asAsked(entry: Entry, request: number, base: bigint): Pair {
  const { hipas, ripas } = entry;
  const isStopped = ripas === abi.RIPAS_DESTROYED && (request & CHANGES_DESTROYED) === 0;
  if (isStopped) return entry.ipa === base ? null : entry;
  return { hipas, ripas: request & RIPAS };
}

// Whole pages that the range covers.
function inRange({ base, top }: { readonly base: bigint; readonly top: bigint }, { ipa }: Entry): boolean {
  return ipa >= base && ipa + PAGE <= top;
}

// What an entry of that level spans.
function covers({ ipa, level }: { readonly ipa: bigint; readonly level: number | bigint }, entry: Entry): boolean {
  return entry.ipa >= ipa && entry.ipa < ipa + sizeOf(Number(level));
}

// What is unprotected has no RIPAS.
function dropped({ ipa }: Entry): Pair {
  return { hipas: abi.HIPAS_UNASSIGNED, ripas: ipa < UNPROTECTED ? abi.RIPAS_DESTROYED : abi.RIPAS_EMPTY };
}
