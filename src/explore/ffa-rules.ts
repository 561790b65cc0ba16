// What a search over FF-A partition managers looks after: the invariants of reference ffa section 17, those about states
// (src/machine/ffa-invariants.ts) and, as far as one step tells, those about steps; who reads, writes and wipes contents; and
// what a manager must do and must not take.

import * as abi from "../../assembly/abi/ffa.js";
import { FFA_INVARIANTS, isHeld, pagesOf, tableOwner } from "../machine/ffa-invariants.js";
import { FFA_STEP_INVARIANTS } from "../machine/ffa-step-invariants.js";
import { stateName, type FfaManager } from "../machine/ffa-effects.js";
import { FfaState, type FfaRecord } from "../machine/ffa-state.js";
import { INVARIANTS } from "../machine/invariants.js";
import type { Machine } from "../machine/machine.js";
import { givenAway, isSecret, writerOf } from "./contents.js";
import type { FfaAbout, FfaStep } from "./ffa-calls.js";
import {
  firstAsked,
  watched,
  type Asked,
  type Broken,
  type Marks,
  type StepAnswer,
  type Watch,
} from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/** The rules by name; F<n> are the reference's. */
export const FFA_RULES: Readonly<Record<string, string>> = {
  ...FFA_INVARIANTS,
  ...FFA_STEP_INVARIANTS,
  secrecy: "what an endpoint wrote to a page of its own, and did not send, nobody else can read",
  integrity: "contents change by who may write them, or by a wipe that was asked for by one who may",
  wiped: "what is given back with the clear flag is zero, if nobody else holds it and it could be written",
  returns: "an owner gets back what nobody holds",
  message: "a message that contradicts itself or ends too early is refused as such",
  execute: "a secure partition executes no memory of the normal world",
  blocks: "memory that was taken to keep a message comes back with it",
  buffers: "an endpoint's buffers are unmapped by itself alone",
  mailbox: "behind a message in RX nothing is left of an older one",
  estate: "of a dead endpoint's nothing is left: what it borrowed is given back, what it sent once nobody holds it",
  halves: "of a transaction between the worlds both managers have their half, or neither",
};

const MAILBOX_BYTES = 4096;
const READ_ONLY = 1;
/** At the SPMC: all VMs. */
const NORMAL_WORLD = 0;
/** Partitions' ids are above. */
const SECURE_WORLD = 0x8000;
/** Reasons of EL2's proxy begin here (assembly/abi/ffa-proxy.ts). */
const PROXY_REASONS = 576;

/** What the rules need to know of a domain. */
export interface FfaSubject {
  /** Pages that change hands. */
  readonly pages: readonly bigint[];
  /** Byte offset in each of the word that tells whose contents it holds. */
  readonly tracer: number;
  /** Whether firmware can move pages to the secure physical address space. */
  readonly protect: boolean;
  /** What RX holds is part of the state, and looked at. */
  readonly mailboxes?: boolean;
  /** Messages pass EL2's proxy, which must find out itself what is wrong with them. */
  readonly proxy?: boolean;
  /** Where it is noted who has died: a word for each endpoint that can. */
  readonly graves?: ReadonlyMap<number, bigint>;
}

type Returning = Extract<FfaAbout, { readonly kind: "relinquish" | "reclaim" }>;
type Sending = Extract<FfaAbout, { readonly kind: "send" | "fragment" }>;

/** A transaction, and its pages. */
interface Known {
  readonly record: FfaRecord;
  readonly pages: readonly bigint[];
}

/** What the state was whose steps are being tried. */
interface Before {
  readonly records: readonly Known[];
  /** Who wrote what is in each page. */
  readonly writers: readonly number[];
  /** By endpoint, table and page. */
  readonly modes: string;
  /** Pages of each endpoint's buffers. */
  readonly buffers: readonly number[];
}

const DEAD = 1n;

export class FfaWatch implements Watch<FfaStep> {
  readonly #machine: Machine;
  readonly #marks: Marks;
  readonly #state: FfaState;
  readonly #subject: FfaSubject;
  readonly #asked: Asked;
  /** Those of them that the machine checks itself. */
  readonly #invariants: readonly string[];
  /** Fragments that there is memory for. */
  readonly #fragments: number;
  #before: Before = { records: [], writers: [], modes: "", buffers: [] };

  constructor(machine: Machine, marks: Marks, subject: FfaSubject, asked: Asked) {
    this.#machine = machine;
    this.#marks = marks;
    this.#state = new FfaState(machine);
    this.#subject = subject;
    this.#asked = asked;
    const known = { ...FFA_INVARIANTS, ...(subject.proxy === true ? INVARIANTS : {}) };
    this.#invariants = Object.keys(known).filter(asked);
    this.#fragments = this.#keptFragments();
  }

  enter(): void {
    const [records, writers, modes, buffers] = [this.#records(), this.#writers(), this.#modes(), this.#buffers()];
    this.#before = { records, writers, modes, buffers };
  }

  /** The dead make no calls. */
  isPossible({ about }: FfaStep): boolean {
    return !this.#isDead(about.caller);
  }

  /** What an endpoint sends, or has only borrowed, it means for others. */
  settle(step?: FfaStep): void {
    const grave = step?.about.kind === "death" ? this.#subject.graves?.get(step.about.caller) : undefined;
    if (grave !== undefined) this.#marks.write(grave, DEAD);
    for (const page of this.#subject.pages) {
      const word = this.#read(page);
      if (!isSecret(word) || this.#isOwnAlone(writerOf(word), page)) continue;
      this.#marks.write(page + BigInt(this.#subject.tracer), givenAway(word));
    }
  }

  stepBreaks({ about }: FfaStep, answer: StepAnswer): Broken | null {
    return firstAsked(this.#stepBreaches(about, answer), this.#asked);
  }

  /** With the last fragment a send that is refused is over: its record goes (reference ffa, section 16). */
  mayKeep({ about }: FfaStep): boolean {
    return about.kind === "fragment";
  }

  stateBreaks(): Broken | null {
    return firstAsked(this.#stateBreaches(), this.#asked);
  }

  #isDead(id: number): boolean {
    const grave = this.#subject.graves?.get(id);
    return grave !== undefined && this.#marks.read(grave) === DEAD;
  }

  #records(): Known[] {
    return this.#state.records().map((record) => ({ record, pages: pagesOf(this.#state, record) }));
  }

  /** Those of records, and those that could be had. */
  #keptFragments(): number {
    const free = (this.#machine.core as ExploreCore).exports.freeFragments();
    return this.#state.records().reduce((sum, { fragments }) => sum + fragments, free);
  }

  #read(page: bigint): bigint {
    return this.#marks.read(page + BigInt(this.#subject.tracer));
  }

  #writers(): number[] {
    return this.#subject.pages.map((page) => writerOf(this.#read(page)));
  }

  #isOwnAlone(id: number, page: bigint): boolean {
    return stateName(this.#state.lookUp(id, page)) === "O-EA";
  }

  /** Every endpoint's mode of every page, in each of its tables. */
  #modes(): string {
    const tables = this.#state.config.endpoints.flatMap(({ id, tables: all }) =>
      all.map((_, table) => [id, table] as const),
    );
    return tables
      .flatMap(([id, table]) => this.#subject.pages.map((page) => this.#state.mode(id, table, page)))
      .join(" ");
  }

  #buffers(): number[] {
    const { exports } = this.#machine.core as ExploreCore;
    return this.#state.config.endpoints.map(({ id }) => exports.ffaBufferPages(id));
  }

  /** Whose buffers another one has changed, if anybody's. */
  #robbed(caller: number): number | undefined {
    const now = this.#buffers();
    const { endpoints } = this.#state.config;
    return endpoints.find(({ id }, index) => id !== caller && now[index] !== this.#before.buffers[index])?.id;
  }

  *#stepBreaches(about: FfaAbout, answer: StepAnswer): Generator<Broken> {
    // No state: where messages are kept is nothing that a call can tell, until there is no memory for another one.
    if (this.#keptFragments() < this.#fragments) yield { kind: "leak", rule: "blocks", subject: 0n };
    const robbed = this.#robbed(about.caller);
    if (robbed !== undefined) yield watched("buffers", BigInt(robbed));
    yield* this.#contentsBreaches(about);
    yield* this.#callBreaches(about, answer);
  }

  // Contents change by a write, which the stage 2 has let pass, or become zero by a wipe.
  *#contentsBreaches(about: FfaAbout): Generator<Broken> {
    if (about.kind === "write") return;
    const now = this.#writers();
    const at = now.findIndex((writer, index) => writer !== this.#before.writers[index]);
    const page = this.#subject.pages[at];
    if (page === undefined || (now[at] === 0 && this.#mayWipe(about, page))) return;
    yield { kind: "integrity", rule: "integrity", subject: page };
  }

  #mayWipe(about: FfaAbout, page: bigint): boolean {
    if (!("clear" in about) || !about.clear) return false;
    if (about.kind === "send") return about.pages.includes(page);
    const known = this.#known(about.handle);
    if (known === undefined || !known.pages.includes(page)) return false;
    return about.kind === "reclaim" ? isWritable(known.record) : wipesFor(known.record, about.caller);
  }

  /** What a handle names: the transaction of the manager that made it. */
  #known(handle: bigint): Known | undefined {
    return this.#before.records.find(({ record }) => record.handle === handle && record.manager === makerOf(handle));
  }

  *#callBreaches(about: FfaAbout, { ret, reason }: StepAnswer): Generator<Broken> {
    if ("malformed" in about && about.malformed) {
      const isInTime = this.#subject.proxy !== true || reason >= PROXY_REASONS;
      const isRight = !("error" in about) || about.error === undefined || ret === -about.error;
      if (ret >= 0 || !isRight || !isInTime) yield watched("message", 0n);
      return;
    }
    if (about.kind === "reclaim") yield* this.#reclaimBreaches(about, ret);
    if (ret !== 0) return;
    if (about.kind === "send" || about.kind === "fragment") yield* this.#sendBreaches(about);
    if (about.kind === "relinquish") yield* this.#relinquishBreaches(about);
    if (about.kind === "retrieve" && this.#subject.mailboxes === true) yield* this.#mailboxBreaches(about.caller);
  }

  *#sendBreaches(about: Sending): Generator<Broken> {
    const wasThere = new Set(
      this.#before.records.filter(({ record }) => record.complete).map(({ record }) => keyOf(record)),
    );
    const fresh = this.#state.records().filter((record) => record.complete && !wasThere.has(keyOf(record)));
    if (fresh.length === 0 && this.#modes() !== this.#before.modes) {
      yield watched("F16", about.kind === "send" ? 0n : about.handle);
    }
    const cleared = fresh.filter(({ flags }) => (flags & 1) !== 0).flatMap((record) => pagesOf(this.#state, record));
    const unwiped = cleared.find((page) => this.#read(page) !== 0n);
    if (unwiped !== undefined) yield watched("F14", unwiped);
  }

  *#relinquishBreaches({ caller, handle, clear }: Returning): Generator<Broken> {
    const known = this.#known(handle);
    if (known !== undefined && clear && wipesFor(known.record, caller)) yield* this.#unwiped(known.pages);
  }

  *#unwiped(pages: readonly bigint[]): Generator<Broken> {
    const page = pages.find((each) => this.#read(each) !== 0n);
    if (page !== undefined) yield watched("wiped", page);
  }

  *#reclaimBreaches({ caller, handle, clear, isMisled = false }: Returning, ret: number): Generator<Broken> {
    const known = this.#known(handle);
    if (known === undefined || !isSender(known.record, caller)) return;
    const { record, pages } = known;
    if (ret !== 0) {
      if (!isMisled && isDue(record, clear)) yield watched("returns", handle);
      return;
    }
    if (isHeld(record)) yield watched("F9", handle);
    if (clear) yield* this.#unwiped(pages);
    const changed = pages.find((page) => this.#state.lookUp(caller, page) !== this.#modeBefore(record, caller, page));
    if (changed !== undefined) yield watched("F10", changed);
    const secure = record.protected ? pages.find((page) => this.#state.isSecure(page)) : undefined;
    if (secure !== undefined) yield watched("F15", secure);
  }

  // A VM's own manager has its half of a transaction that the SPMC made: there the mode is that of the VM's table.
  #modeBefore(record: FfaRecord, caller: number, page: bigint): number | null {
    if (tableOwner(record) === caller) return record.originalMode;
    const halves = this.#before.records.filter(({ record: half }) => half.manager === "hyp" && half.complete);
    const half = halves.find((each) => each.record.handle === record.handle && each.pages.includes(page));
    return half === undefined ? null : half.record.originalMode;
  }

  // The response's length is what the header and the lists in it say: one receiver, and the constituents behind.
  *#mailboxBreaches(caller: number): Generator<Broken> {
    const rx = this.#state.readRx(caller, MAILBOX_BYTES);
    const view = new DataView(rx.buffer);
    const composite = view.getUint32(view.getUint32(32, true) + 4, true);
    const end = composite + 16 + 16 * view.getUint32(composite + 4, true);
    if (rx.subarray(end).some((byte) => byte !== 0)) yield watched("mailbox", BigInt(caller));
  }

  *#stateBreaches(): Generator<Broken> {
    const violation = this.#invariants.length === 0 ? null : this.#machine.checkInvariants(this.#invariants);
    if (violation !== null) {
      const { invariant, subject } = violation;
      yield { kind: invariant.startsWith("F") ? "watched" : "invariant", rule: invariant, subject };
    }
    yield* this.#secrecyBreaches();
    yield* this.#executionBreaches();
    yield* this.#estateBreaches();
    if (this.#state.config.flavour === "both") yield* this.#halvesBreaches();
  }

  // Where VMs stand before the SPMC, the normal world as a whole is nobody who could read.
  *#secrecyBreaches(): Generator<Broken> {
    const { endpoints, flavour } = this.#state.config;
    const readers = endpoints.filter(({ id }) => flavour !== "both" || id !== NORMAL_WORLD);
    for (const page of this.#subject.pages) {
      const word = this.#read(page);
      if (!isSecret(word)) continue;
      const others = readers.filter(({ id }) => id !== writerOf(word));
      if (others.some(({ id }) => canRead(this.#state.lookUp(id, page)))) {
        yield { kind: "secrecy", rule: "secrecy", subject: page };
      }
    }
  }

  // With protection the pages are secure ones by the time they are mapped.
  *#executionBreaches(): Generator<Broken> {
    if (this.#subject.protect) return;
    const partitions = this.#state.config.endpoints.filter(({ id }) => id > SECURE_WORLD);
    const isExecutable = (mode: number) => canRead(mode) && (mode & abi.MODE_NS) !== 0 && (mode & abi.MODE_X) !== 0;
    const page = this.#subject.pages.find((each) =>
      partitions.some(({ id }) => isExecutable(this.#state.lookUp(id, each))),
    );
    if (page !== undefined) yield watched("execute", page);
  }

  *#estateBreaches(): Generator<Broken> {
    if (this.#subject.graves === undefined) return;
    for (const record of this.#state.records()) {
      const isBorrowed = record.receivers.some(({ id, retrieved }) => retrieved > 0 && this.#isDead(id));
      const isOwnerless = this.#isDead(tableOwner(record)) && !isHeld(record);
      if (isBorrowed || isOwnerless) yield { kind: "leak", rule: "estate", subject: record.handle };
    }
  }

  // By their pages: handles come again.
  *#halvesBreaches(): Generator<Broken> {
    const all = this.#records();
    const between = all.filter(({ record }) => record.sender < SECURE_WORLD && makerOf(record.handle) === "spmc");
    const spell = ({ record, pages }: Known) => `${record.handle} ${record.sender} ${pages.join(" ")}`;
    const spelled = (manager: FfaManager) =>
      new Set(between.filter(({ record }) => record.manager === manager).map(spell));
    const [here, there] = [spelled("hyp"), spelled("spmc")];
    const alone = between.find((known) => !here.has(spell(known)) || !there.has(spell(known)));
    if (alone !== undefined) yield { kind: "leak", rule: "halves", subject: alone.record.handle };
  }
}

const keyOf = ({ manager, slot }: FfaRecord): string => `${manager} ${slot}`;
const canRead = (mode: number): boolean => (mode & abi.MODE_INVALID) === 0 && (mode & abi.MODE_R) !== 0;
const makerOf = (handle: bigint): FfaManager => (handle >> 63n === 1n ? "hyp" : "spmc");
const isSender = (record: FfaRecord, id: number): boolean => tableOwner(record) === id || record.sender === id;
const isWritable = ({ originalMode }: FfaRecord): boolean => ((originalMode ?? 0) & abi.MODE_W) !== 0;

/** Whether a borrower's wish for zeros counts: of a lend that it could write, and nobody else holds. */
function wipesFor({ verb, receivers }: FfaRecord, id: number): boolean {
  const own = receivers.find((receiver) => receiver.id === id);
  const isLast = receivers.every((receiver) => receiver.id === id || receiver.retrieved === 0);
  return verb === "lend" && isLast && own !== undefined && own.retrieved > 0 && (own.permissions & 3) !== READ_ONLY;
}

/** Whether its owner must get it back: it is complete, and no wipe is asked for that may not be. */
function isDue(record: FfaRecord, clear: boolean): boolean {
  return record.complete && !isHeld(record) && (!clear || isWritable(record));
}
