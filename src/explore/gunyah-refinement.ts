// The rule `refinement` on a Gunyah machine: every call that the specifications describe (gunyah-hypervisor-specification.ts,
// gunyah-manager-specification.ts) is answered as they say, and what is different then is what they say. A refusal changes
// nothing: that is the rule `refusal`. What memory a heap has left is not in a specification: any call may be refused for want of it.

import { NOMEM } from "../../assembly/abi/gunyah.js";
import { PARCEL_BY_RANK } from "../../assembly/abi/explore.js";
import { RM_NOMEM } from "../../assembly/abi/gunyah-rm.js";
import type { Machine } from "../machine/machine.js";
import { specifyHypercall, type Outcome } from "./gunyah-hypervisor-specification.js";
import {
  expectedOf,
  specifyMessage,
  type Changes,
  type Expected,
  type ExpectedMember,
  type Reply,
} from "./gunyah-manager-specification.js";
import { messageOf, type Message } from "./gunyah-message-reader.js";
import {
  given,
  joinedRecords,
  joinedRuns,
  PAGE,
  readState,
  type GunyahState,
  type PlainParcel,
  type Run,
} from "./gunyah-plain-state.js";
import type { GunyahStep } from "./gunyah-steps.js";

/** Compares one machine with its specification, call by call. */
export class Refinement {
  readonly #machine: Machine;
  readonly #vmids: readonly number[];
  #before: GunyahState | null = null;

  /** @param vmids all VMs that there may be */
  constructor(machine: Machine, vmids: readonly number[]) {
    this.#machine = machine;
    this.#vmids = vmids;
  }

  /** The machine is in a state in which calls are about to be made. */
  enter(): void {
    this.#before = readState(this.#machine, this.#vmids);
  }

  /** Whether a call that was made in that state was answered `answer`, 0 or an error, as specified, and did what it should. */
  holds({ calls }: GunyahStep, answer: number): boolean {
    const before = this.#before;
    const call = calls.at(-1);
    if (before === null || call === undefined) return true;
    const message = messageOf(calls);
    if (message !== null) return this.#isReply(specifyMessage(withHandleOf(message, before), before), answer, before);
    if (calls.length > 1 || call.op === "access" || !("vm" in call)) return true;
    return this.#isOutcome(specifyHypercall(call as Parameters<typeof specifyHypercall>[0], before), answer);
  }

  #isOutcome(outcome: Outcome | null, answer: number): boolean {
    if (outcome === null || answer === NOMEM) return true;
    if (outcome.answer !== answer || outcome.after === null) return outcome.answer === answer;
    return hypervisorText(readState(this.#machine, [])) === hypervisorText(outcome.after);
  }

  #isReply(reply: Reply | null, answer: number, before: GunyahState): boolean {
    if (reply === null || answer === RM_NOMEM) return true;
    if (reply.answer !== answer || reply.changes === null) return reply.answer === answer;
    return isChanged(before, readState(this.#machine, this.#vmids), reply.changes);
  }
}

const LOW_ENTRY = PARCEL_BY_RANK >>> 0;

/** A step names a parcel by its rank: the message has its handle. */
function withHandleOf(message: Message, { parcels }: GunyahState): Message {
  if (message.bytes.byteLength < 4) return message;
  const rank = message.bytes.getUint32(0, true) - LOW_ENTRY;
  const handle = rank < 0 ? undefined : parcels[rank]?.handle;
  if (handle === undefined) return message;
  const bytes = new DataView(message.bytes.buffer.slice(0));
  bytes.setUint32(0, handle, true);
  return { ...message, bytes };
}

/** Owners, records and objects, the same text for the same. */
function hypervisorText({ runs, records, objects }: GunyahState): string {
  const list = joinedRecords(records).map(({ extent, slot, vm, pa, size, ipa, attributes }) =>
    [extent, slot, vm, pa, size, ipa, attributes].join(" "),
  );
  const owners = joinedRuns(runs).map(({ pa, size, owner }) => [pa, size, owner].join(" "));
  const known = [...objects].sort(([a], [b]) => a - b);
  return [...owners, "", ...list, "", written(known)].join("\n");
}

const written = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? part.toString(16) : part));

// Parcels, and whose memory.

function isChanged(before: GunyahState, after: GunyahState, changes: Changes): boolean {
  const { rank, parcel } = changes;
  const wanted: (Expected | null)[] = before.parcels.map(expectedOf);
  if (rank >= 0) wanted[rank] = parcel;
  const there = wanted.filter((each) => each !== null);
  const are = there.length === after.parcels.length && there.every((each, at) => isParcel(each, after.parcels[at]));
  if (!are) return false;
  const runs = joinedRuns(runsAfter(before, after, changes));
  return written(runs) === written(joinedRuns(after.runs));
}

function isParcel(wanted: Expected, parcel: PlainParcel | undefined): boolean {
  if (parcel === undefined) return false;
  const found = expectedOf(parcel);
  const areThere = wanted.members.every(({ ipas }, index) => areAddresses(ipas, found.members[index]?.ipas ?? []));
  return areThere && parcelText(wanted) === parcelText(found);
}

/** All but the addresses of members. */
function parcelText(parcel: Expected): string {
  const { owner, transfer, label, state, sanitizeCreate, sanitizeReclaim, shareCount, members, pages } = parcel;
  const flags = [owner, transfer, label, state, sanitizeCreate, sanitizeReclaim, shareCount];
  const has = members.map(({ vmid, rights, attribute, shared, mapped }) => [vmid, rights, attribute, shared, mapped]);
  return written([flags, has, pages.map(({ pa, ipa }) => [pa, ipa])]);
}

/** Where the resource manager chose, any address will do: that no two are one is invariant I21. */
function areAddresses(wanted: ExpectedMember["ipas"], found: ExpectedMember["ipas"]): boolean {
  return wanted.length === found.length && wanted.every((ipa, index) => ipa === null || ipa === found[index]);
}

/** Memory as it should be then: a parcel's memory is its extent's, and once it is gone its new owner's. */
function runsAfter(before: GunyahState, after: GunyahState, { rank, parcel, owner }: Changes): readonly Run[] {
  const gone = before.parcels[rank];
  const extent = parcel === null ? ownedExtent(after, owner) : after.parcels[rank]?.extent;
  const pages = parcel === null ? (gone === undefined ? [] : expectedOf(gone).pages) : parcel.pages;
  return pages.reduce<readonly Run[]>((runs, { pa }) => given(runs, extent ?? 0, pa, PAGE), before.runs);
}

/** The extent of what a VM owns. */
function ownedExtent({ roles }: GunyahState, vmid: number | undefined): number | undefined {
  return [...roles].find(([, { role, label }]) => role === "owned" && label === vmid)?.[0];
}
