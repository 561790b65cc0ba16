// What a search over a Gunyah machine looks after: the invariants of reference gunyah section 9, who reads and writes contents
// (section 9, "Confidentiality property"), and that what was promised to be zeroed is zeroed.

import { ACCESS_R, HEAP_HYPERVISOR, HEAP_PARTITION } from "../../assembly/abi/gunyah.js";
import { HEAP_RM } from "../../assembly/abi/gunyah-rm.js";
import { ownerName } from "../machine/gunyah-names.js";
import { ownerOf, parcels, rmVm, type Parcel } from "../machine/gunyah-parcels.js";
import { GUNYAH_INVARIANTS } from "../machine/invariants.js";
import type { Machine } from "../machine/machine.js";
import { givenAway, isSecret, writerOf } from "./contents.js";
import { Books, BOOK_INVARIANTS, pagesOf } from "./gunyah-books.js";
import type { GunyahAbout, GunyahStep } from "./gunyah-steps.js";
import { Refinement } from "./gunyah-refinement.js";
import { RULES, type RuleName } from "./rules.js";
import type { Asked, Broken, Marks, StepAnswer, Watch } from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/** The rules by name; I<n> are the reference's. */
export const GUNYAH_RULES: Readonly<Record<string, string>> = {
  ...GUNYAH_INVARIANTS,
  ...BOOK_INVARIANTS,
  I17: "what is to be zeroed when it is reclaimed is zero when its owner has it again",
  I18: "what is to be zeroed when it is created is zero before a member sees it",
  promise: "who asks for zeroing when a parcel is reclaimed gets it, whatever happens until then",
  panic: RULES.panic,
  refusal: RULES.refusal,
  secrecy: "what a VM wrote to memory of its own, or that is lent to it alone, nobody else can read",
  integrity: "what a VM wrote to memory of its own, or that is lent to it alone, nobody else changes",
  refinement: "every call is answered, and does, as the specification of hypervisor and resource manager says",
  lookup: "a look-up answers what is mapped, as far as memory and access continue",
  leak: "once no VM and no parcel is left that was not there before, heaps are charged with what they were",
  translation: RULES.translation,
};

const PAGE = 0x1000n;
/** The address in a leaf; an extent's window begins at 0. */
const OUTPUT = 0xffff_ffff_f000n;
const HEAPS = [HEAP_PARTITION, HEAP_HYPERVISOR, HEAP_RM] as const;

/** What the rules need to know of a domain. */
export interface GunyahSubject {
  /** Pages that change hands, by physical address; the first word of each tells whose contents it holds. */
  readonly pages: readonly bigint[];
  /** All VMs that there may be. */
  readonly vmids: readonly number[];
}

/** What the state was whose steps are being tried. */
interface Before {
  readonly words: readonly bigint[];
  readonly parcels: readonly Parcel[];
}

export class GunyahWatch implements Watch<GunyahStep> {
  readonly #machine: Machine;
  readonly #marks: Marks;
  readonly #subject: GunyahSubject;
  readonly #isAsked: Asked;
  readonly #books: Books;
  /** Null if nobody asks for it. */
  readonly #refinement: Refinement | null;
  #before: Before = { words: [], parcels: [] };
  /** What there is in the first state, and what the heaps are charged with then. */
  #first: { readonly world: string; readonly used: string } | null = null;

  constructor(machine: Machine, marks: Marks, subject: GunyahSubject, isAsked: Asked) {
    this.#machine = machine;
    this.#marks = marks;
    this.#subject = subject;
    this.#isAsked = isAsked;
    const { exports } = machine.core as ExploreCore;
    this.#books = new Books(machine, (vmid, pa, index) => exports.reachOf(vmid, pa, index), subject.vmids);
    this.#refinement = isAsked("refinement") ? new Refinement(machine, subject.vmids) : null;
  }

  enter(): void {
    this.#before = { words: this.#words(), parcels: parcels(this.#machine) };
    this.#refinement?.enter();
  }

  isPossible(): boolean {
    return true;
  }

  /** Secrets that the books say are others' as well from now on are none any more. */
  settle(): void {
    const words = this.#words();
    if (!words.some(isSecret)) return;
    const all = parcels(this.#machine);
    for (const [index, word] of words.entries()) {
      const page = this.#subject.pages[index] ?? 0n;
      if (!isSecret(word) || this.#isKept(writerOf(word), page, all)) continue;
      this.#marks.write(page, givenAway(word));
    }
  }

  // A VM keeps to itself what it owns and what is lent to it alone; what it returned it keeps if it will be zeroed.
  #isKept(writer: number, page: bigint, all: readonly Parcel[]): boolean {
    const parcel = all.find((each) => pagesOf(each).some(({ pa }) => pa === page));
    if (parcel === undefined) {
      const owner = ownerOf(this.#machine, page);
      return owner.role !== "owned" || owner.label === writer;
    }
    const member = parcel.members.find(({ vmid }) => vmid === writer);
    if (member === undefined || parcel.owner === writer) return false;
    if (!member.shared) return parcel.sanitizeReclaim;
    return parcel.transfer === "LEND" && parcel.members.length === 1;
  }

  /** A VM whose memory cannot be accepted is INIT_FAILED, and keeps what was accepted before (reference gunyah 6.10). */
  mayKeep({ calls }: GunyahStep): boolean {
    return calls.at(-1)?.op === "rm_vm_init";
  }

  stepBreaks(step: GunyahStep, { ret }: StepAnswer): Broken | null {
    const { about } = step;
    // A step's answer is below 0 if it is refused, and Gunyah's errors are above.
    if (this.#refinement?.holds(step, -ret) === false) return broken("refinement", 0n);
    if (ret === 0 && this.#isAsked("lookup") && !this.#isFoundRight(step)) return broken("lookup", 0n);
    return this.#contentsBreak(about) ?? (ret < 0 ? null : this.#promiseBreaks(about));
  }

  /** Whether a look-up that succeeds found what is mapped: it is made once more, which changes nothing. */
  #isFoundRight({ looksUp, calls: [call] }: GunyahStep): boolean {
    if (looksUp === undefined || call?.op !== "addrspace_lookup") return true;
    const { found, details } = this.#machine.apply(call);
    const { vmid, ipa, size } = looksUp;
    const mapped = this.#machine.leaves(vmid).filter((leaf) => leaf.ipa >= ipa && leaf.ipa < ipa + size);
    const first = mapped[0]?.descriptor ?? 0n;
    let pages = 0;
    while (mapped[pages]?.ipa === ipa + BigInt(pages) * PAGE && isNext(mapped[pages]?.descriptor, first, pages))
      pages++;
    return found === pages && details.answer === (first & OUTPUT);
  }

  #contentsBreak(about: GunyahAbout): Broken | null {
    const words = this.#words();
    for (const [index, before] of this.#before.words.entries()) {
      const after = words[index] ?? 0n;
      if (!isSecret(before) || writerOf(after) === writerOf(before)) continue;
      const writer = writerOf(before);
      const mayZero = about.kind === "reclaim" || (about.kind === "create" && about.caller === writer);
      const isHis = about.kind === "write" ? about.caller === writer : after === 0n && mayZero;
      if (!isHis && this.#isAsked("integrity")) return broken("integrity", this.#subject.pages[index] ?? 0n);
    }
    return null;
  }

  #promiseBreaks(about: GunyahAbout): Broken | null {
    const now = about.kind === "write" ? this.#before.parcels : parcels(this.#machine);
    for (const parcel of this.#before.parcels) {
      const same = now.find(({ handle }) => handle === parcel.handle);
      if (same === undefined) continue;
      if (parcel.sanitizeReclaim && !same.sanitizeReclaim && this.#isAsked("promise"))
        return aboutParcel("promise", parcel);
    }
    switch (about.kind) {
      case "accept":
      case "release": {
        const parcel = this.#before.parcels[about.rank];
        const same = now.find(({ handle }) => handle === parcel?.handle);
        const isForgotten = about.sanitize && same !== undefined && !same.sanitizeReclaim;
        return isForgotten && this.#isAsked("promise") ? aboutParcel("promise", same) : null;
      }
      case "reclaim": {
        const parcel = this.#before.parcels[about.rank];
        const isZeroed = about.sanitize || parcel?.sanitizeReclaim === true;
        return isZeroed && parcel !== undefined ? this.#leftIn(parcel, "I17") : null;
      }
      case "create": {
        const parcel = now.at(-1);
        return about.sanitize && parcel !== undefined ? this.#leftIn(parcel, "I18") : null;
      }
      default:
        return null;
    }
  }

  /** The first page of the parcel that is not zero. */
  #leftIn(parcel: Parcel, rule: string): Broken | null {
    const page = pagesOf(parcel).find(({ pa }) => this.#subject.pages.includes(pa) && this.#marks.read(pa) !== 0n);
    return page === undefined || !this.#isAsked(rule) ? null : { kind: "watched", rule, subject: page.pa };
  }

  stateBreaks(): Broken | null {
    const violation = this.#machine.checkInvariants();
    if (violation !== null && this.#isAsked(violation.invariant)) {
      return { kind: "invariant", rule: violation.invariant, subject: violation.subject };
    }
    const all = parcels(this.#machine);
    for (const found of this.#books.breaks(all)) if (this.#isAsked(found.rule)) return found;
    return this.#secrecyBreaks() ?? this.#leaks(all);
  }

  #secrecyBreaks(): Broken | null {
    if (!this.#isAsked("secrecy")) return null;
    for (const [index, word] of this.#words().entries()) {
      if (!isSecret(word)) continue;
      const page = this.#subject.pages[index] ?? 0n;
      const writer = writerOf(word);
      const isRead = this.#books.mappings(page).some(({ vmid, rights }) => vmid !== writer && rights & ACCESS_R);
      if (isRead) return broken("secrecy", page);
    }
    return null;
  }

  #leaks(all: readonly Parcel[]): Broken | null {
    if (!this.#isAsked("leak") || this.#subject.vmids.length === 0 || all.length > 0) return null;
    const world = this.#world();
    if (this.#first !== null && this.#first.world !== world) return null;
    const { exports } = this.#machine.core;
    const used = HEAPS.map((heap) => exports.heapUsed(heap)).join(" ");
    this.#first ??= { world, used };
    return this.#first.used === used ? null : broken("leak", 0n);
  }

  /** VMs and whose the pages are. */
  #world(): string {
    const vms = this.#subject.vmids.map((vmid) => rmVm(this.#machine, vmid)?.state);
    const owners = this.#subject.pages.map((page) => ownerName(ownerOf(this.#machine, page)));
    return [...vms, ...owners].join(" ");
  }

  #words(): bigint[] {
    return this.#subject.pages.map((page) => this.#marks.read(page));
  }
}

const isNext = (leaf: bigint | undefined, first: bigint, pages: number): boolean =>
  leaf === first + BigInt(pages) * PAGE;

/** Rules that have the name of a kind of findings are of that kind. */
function broken(rule: Exclude<RuleName, "invariant"> | "lookup" | "promise", subject: bigint): Broken {
  return { kind: rule === "lookup" || rule === "promise" ? "watched" : rule, rule, subject };
}

const aboutParcel = (rule: "promise", { handle }: Parcel): Broken => broken(rule, BigInt(handle));
