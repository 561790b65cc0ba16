// What a search over FF-A partition managers looks after: the invariants of reference ffa section 17, those about states
// (src/machine/ffa-invariants.ts) and, as far as one step tells, those about steps; who reads, writes and wipes contents; and
// what a manager must do and must not take.

import * as abi from "../../assembly/abi/ffa.js";
import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";
import { FFA_INVARIANTS, isHeld, pagesOf, tableOwner } from "../machine/ffa-invariants.js";
import { FFA_STEP_INVARIANTS } from "../machine/ffa-step-invariants.js";
import { stateName } from "../machine/ffa-effects.js";
import { FfaState, type FfaRecord } from "../machine/ffa-state.js";
import type { Machine } from "../machine/machine.js";
import type { FfaAbout, FfaStep } from "./ffa-calls.js";
import type { ExploreCore } from "./variant.js";
import type { Broken, Marks, StepAnswer, Watch } from "./system-domain.js";

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
  mailbox: "behind a message in RX nothing is left of an older one",
};

/** Who wrote it: the low half of what is written. */
const WRITER = 0xffffn;
const MAILBOX_BYTES = 4096;
const READ_ONLY = 1;
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
}

type Returning = Extract<FfaAbout, { readonly kind: "relinquish" | "reclaim" }>;
type Sending = Extract<FfaAbout, { readonly kind: "send" | "fragment" }>;

/** What the state was whose steps are being tried. */
interface Before {
  readonly records: readonly { readonly record: FfaRecord; readonly pages: readonly bigint[] }[];
  /** Who wrote what is in each page. */
  readonly writers: readonly bigint[];
  /** By endpoint, table and page. */
  readonly modes: string;
}

export class FfaWatch implements Watch<FfaStep> {
  readonly #machine: Machine;
  readonly #marks: Marks;
  readonly #state: FfaState;
  readonly #subject: FfaSubject;
  /** Fragments that there is memory for. */
  readonly #fragments: number;
  #before: Before = { records: [], writers: [], modes: "" };

  constructor(machine: Machine, marks: Marks, subject: FfaSubject) {
    this.#machine = machine;
    this.#marks = marks;
    this.#state = new FfaState(machine);
    this.#subject = subject;
    this.#fragments = this.#keptFragments();
  }

  enter(): void {
    const records = this.#state.records().map((record) => ({ record, pages: pagesOf(this.#state, record) }));
    this.#before = { records, writers: this.#writers(), modes: this.#modes() };
  }

  isPossible(): boolean {
    return true;
  }

  /** What an endpoint sends, or has only borrowed, it means for others. */
  settle(): void {
    for (const page of this.#subject.pages) {
      const word = this.#read(page);
      if ((word & ~WRITER) !== BigInt(SECRET) || this.#isOwnAlone(Number(word & WRITER), page)) continue;
      this.#marks.write(page + BigInt(this.#subject.tracer), BigInt(GIVEN_AWAY) | (word & WRITER));
    }
  }

  stepBreaks({ about }: FfaStep, answer: StepAnswer): Broken | null {
    // No state: where messages are kept is nothing that a call can tell, until there is no memory for another one.
    if (this.#keptFragments() < this.#fragments) return { kind: "leak", rule: "blocks", subject: 0n };
    return this.#contentsBreak(about) ?? this.#callBreaks(about, answer);
  }

  /** With the last fragment a send that is refused is over: its record goes (reference ffa, section 16). */
  mayKeep({ about }: FfaStep): boolean {
    return about.kind === "fragment";
  }

  stateBreaks(): Broken | null {
    const violation = this.#machine.checkInvariants();
    if (violation !== null) {
      const { invariant, subject } = violation;
      return { kind: invariant.startsWith("F") ? "watched" : "invariant", rule: invariant, subject };
    }
    return this.#secrecyBreaks() ?? this.#executionBreaks();
  }

  /** Those of records, and those that could be had. */
  #keptFragments(): number {
    const free = (this.#machine.core as ExploreCore).exports.freeFragments();
    return this.#state.records().reduce((sum, { fragments }) => sum + fragments, free);
  }

  #read(page: bigint): bigint {
    return this.#marks.read(page + BigInt(this.#subject.tracer));
  }

  #writers(): bigint[] {
    return this.#subject.pages.map((page) => this.#read(page) & WRITER);
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

  // Contents change by a write, which the stage 2 has let pass, or become zero by a wipe.
  #contentsBreak(about: FfaAbout): Broken | null {
    if (about.kind === "write") return null;
    const now = this.#writers();
    const at = now.findIndex((writer, index) => writer !== this.#before.writers[index]);
    const page = this.#subject.pages[at];
    if (page === undefined || (now[at] === 0n && this.#mayWipe(about, page))) return null;
    return { kind: "integrity", rule: "integrity", subject: page };
  }

  #mayWipe(about: FfaAbout, page: bigint): boolean {
    if (!("clear" in about) || !about.clear) return false;
    if (about.kind === "send") return about.pages.includes(page);
    const known = this.#known(about.handle);
    if (known === undefined || !known.pages.includes(page)) return false;
    return about.kind === "reclaim" ? isWritable(known.record) : wipesFor(known.record, about.caller);
  }

  #known(handle: bigint): Before["records"][number] | undefined {
    return this.#before.records.find(({ record }) => record.handle === handle);
  }

  #callBreaks(about: FfaAbout, { ret, reason }: StepAnswer): Broken | null {
    if ("malformed" in about && about.malformed) {
      const isInTime = this.#subject.proxy !== true || reason >= PROXY_REASONS;
      const isRight = !("error" in about) || about.error === undefined || ret === -about.error;
      return ret < 0 && isRight && isInTime ? null : watched("message", 0n);
    }
    if (about.kind === "reclaim") return this.#reclaimBreaks(about, ret);
    if (ret !== 0) return null;
    if (about.kind === "send" || about.kind === "fragment") return this.#sendBreaks(about);
    if (about.kind === "relinquish") return this.#relinquishBreaks(about);
    return about.kind === "retrieve" && this.#subject.mailboxes === true ? this.#mailboxBreaks(about.caller) : null;
  }

  #sendBreaks(about: Sending): Broken | null {
    const wasThere = new Set(
      this.#before.records.filter(({ record }) => record.complete).map(({ record }) => keyOf(record)),
    );
    const fresh = this.#state.records().filter((record) => record.complete && !wasThere.has(keyOf(record)));
    if (fresh.length === 0 && this.#modes() !== this.#before.modes) {
      return watched("F16", about.kind === "send" ? 0n : about.handle);
    }
    const cleared = fresh.filter(({ flags }) => (flags & 1) !== 0).flatMap((record) => pagesOf(this.#state, record));
    const unwiped = cleared.find((page) => this.#read(page) !== 0n);
    return unwiped === undefined ? null : watched("F14", unwiped);
  }

  #relinquishBreaks({ caller, handle, clear }: Returning): Broken | null {
    const known = this.#known(handle);
    return known !== undefined && clear && wipesFor(known.record, caller) ? this.#unwiped(known.pages) : null;
  }

  #unwiped(pages: readonly bigint[]): Broken | null {
    const page = pages.find((each) => this.#read(each) !== 0n);
    return page === undefined ? null : watched("wiped", page);
  }

  #reclaimBreaks({ caller, handle, clear }: Returning, ret: number): Broken | null {
    const known = this.#known(handle);
    if (known === undefined || tableOwner(known.record) !== caller) return null;
    const { record, pages } = known;
    if (ret !== 0) return isDue(record, clear) ? watched("returns", handle) : null;
    if (isHeld(record)) return watched("F9", handle);
    if (clear && this.#unwiped(pages) !== null) return this.#unwiped(pages);
    const changed = pages.find((page) => this.#state.lookUp(caller, page) !== record.originalMode);
    if (changed !== undefined) return watched("F10", changed);
    const secure = record.protected ? pages.find((page) => this.#state.isSecure(page)) : undefined;
    return secure === undefined ? null : watched("F15", secure);
  }

  // The response's length is what the header and the lists in it say: one receiver, and the constituents behind.
  #mailboxBreaks(caller: number): Broken | null {
    const rx = this.#state.readRx(caller, MAILBOX_BYTES);
    const view = new DataView(rx.buffer);
    const composite = view.getUint32(view.getUint32(32, true) + 4, true);
    const end = composite + 16 + 16 * view.getUint32(composite + 4, true);
    return rx.subarray(end).some((byte) => byte !== 0) ? watched("mailbox", BigInt(caller)) : null;
  }

  #secrecyBreaks(): Broken | null {
    for (const page of this.#subject.pages) {
      const word = this.#read(page);
      if ((word & ~WRITER) !== BigInt(SECRET)) continue;
      const others = this.#state.config.endpoints.filter(({ id }) => BigInt(id) !== (word & WRITER));
      if (others.some(({ id }) => canRead(this.#state.lookUp(id, page)))) {
        return { kind: "secrecy", rule: "secrecy", subject: page };
      }
    }
    return null;
  }

  // With protection the pages are secure ones by the time they are mapped.
  #executionBreaks(): Broken | null {
    if (this.#subject.protect) return null;
    const partitions = this.#state.config.endpoints.filter(({ id }) => id > 0x8000);
    const isExecutable = (mode: number) => canRead(mode) && (mode & abi.MODE_NS) !== 0 && (mode & abi.MODE_X) !== 0;
    const page = this.#subject.pages.find((each) =>
      partitions.some(({ id }) => isExecutable(this.#state.lookUp(id, each))),
    );
    return page === undefined ? null : watched("execute", page);
  }
}

const watched = (rule: string, subject: bigint): Broken => ({ kind: "watched", rule, subject });
const keyOf = ({ manager, slot }: FfaRecord): string => `${manager} ${slot}`;
const canRead = (mode: number): boolean => (mode & abi.MODE_INVALID) === 0 && (mode & abi.MODE_R) !== 0;
const isWritable = ({ originalMode }: FfaRecord): boolean => ((originalMode ?? 0) & abi.MODE_W) !== 0;

/** Whether a borrower's wish for zeros counts: of a lend that it could write, and nobody else holds. */
function wipesFor({ verb, receivers }: FfaRecord, id: number): boolean {
  const own = receivers.find((receiver) => receiver.id === id);
  const isLast = receivers.every((receiver) => receiver.id === id || receiver.retrieved === 0);
  return verb === "lend" && isLast && own !== undefined && own.retrieved > 0 && (own.permissions & 3) !== READ_ONLY;
}

/** Whether its owner must get it back: its own manager made it, it is complete, and no wipe is asked for that may not be. */
function isDue(record: FfaRecord, clear: boolean): boolean {
  const isOwn = record.handle >> 63n === (record.manager === "hyp" ? 1n : 0n);
  return isOwn && record.complete && !isHeld(record) && (!clear || isWritable(record));
}
