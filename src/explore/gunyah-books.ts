// The invariants of reference gunyah section 9 that speak of the resource manager's books: I8 to I16, I19 and I21, over parcels,
// owners of memory and the leaves of all VMs.

import * as rm from "../../assembly/abi/gunyah-rm.js";
import { ownerName } from "../machine/gunyah-names.js";
import { ownerOf, rmVm, type Parcel, type ParcelMember } from "../machine/gunyah-parcels.js";
import type { Machine } from "../machine/machine.js";
import type { Broken } from "./system-domain.js";

/** What each demands; the hypervisor's own are GUNYAH_INVARIANTS of src/machine/invariants.ts. */
export const BOOK_INVARIANTS: Readonly<Record<string, string>> = {
  I8: "what is lent or donated is mapped nowhere in its owner's address space",
  I9: "what is shared stays mapped where its owner had it, with the rights of the owner's entry",
  I10: "a member that has accepted maps all of the parcel with the rights of its entry, and nobody else does",
  I11: "who maps a parcel has accepted it, and has an address for all of it",
  I12: "a parcel counts the members that have accepted it, and is SHARED exactly if there are any",
  I13: "a VM's count of parcels is right, and 64 at most",
  I14: "a parcel's size is that of its regions",
  I15: "a parcel's memory belongs to its extent",
  I16: "no memory is in two parcels",
  I19: "what is lent to one VM alone, and accepted, is mapped once",
  I21: "no address of a VM stands for two regions",
};

const PAGE = 0x1000n;
const RIGHTS = 7n;
const IPA = ~0xfffn;

/** A leaf that leads to a page. */
interface Mapping {
  readonly vmid: number;
  readonly ipa: bigint;
  readonly rights: number;
}

/** A page of a parcel, where its owner had it and where a member has it. */
interface ParcelPage {
  readonly pa: bigint;
  readonly ownerIpa: bigint;
  readonly ipaOf: (member: ParcelMember) => bigint | undefined;
}

/** What a VM's tables say of a page: exports.reachOf of the exploring variant. */
export type Reach = (vmid: number, pa: bigint, index: number) => bigint;

/** Looks after the books of one machine. */
export class Books {
  readonly #machine: Machine;
  readonly #reach: Reach;
  readonly #vmids: readonly number[];

  /** @param vmids all VMs that there may be */
  constructor(machine: Machine, reach: Reach, vmids: readonly number[]) {
    this.#machine = machine;
    this.#reach = reach;
    this.#vmids = vmids;
  }

  /** Who reaches a page, by all leaves of all VMs. */
  mappings(pa: bigint): Mapping[] {
    return this.#vmids.flatMap((vmid) => {
      const found: Mapping[] = [];
      for (;;) {
        const leaf = BigInt.asUintN(64, this.#reach(vmid, pa, found.length));
        if (leaf === 0n) return found;
        found.push({ vmid, ipa: leaf & IPA, rights: Number(leaf & RIGHTS) });
      }
    });
  }

  /** The invariants that do not hold. */
  *breaks(parcels: readonly Parcel[]): Generator<Broken> {
    for (const parcel of parcels) {
      yield* countsOf(parcel);
      yield* this.#memoryOf(parcel);
    }
    yield* this.#ownersOf(parcels);
    yield* disjoint(parcels);
    yield* this.#addresses(parcels);
  }

  *#memoryOf(parcel: Parcel): Generator<Broken> {
    const { owner, transfer, members, handle } = parcel;
    const keeper = transfer === "SHARE" ? members.find(({ vmid }) => vmid === owner) : undefined;
    const holders = members.filter(({ mapped }) => mapped);
    for (const { pa, ownerIpa, ipaOf } of pagesOf(parcel)) {
      const mappings = this.mappings(pa);
      const [ownLeaves, others] = [mappings.filter(isOf(owner)), mappings.filter((leaf) => !isOf(owner)(leaf))];
      if (keeper === undefined && ownLeaves.length > 0) yield broken("I8", pa);
      const kept = ownLeaves.some(({ ipa, rights }) => ipa === ownerIpa && rights === keeper?.rights);
      if (keeper !== undefined && (ownLeaves.length !== 1 || !kept)) yield broken("I9", pa);
      const isRight = ({ vmid, ipa, rights }: Mapping) =>
        holders.some((member) => member.vmid === vmid && ipaOf(member) === ipa && member.rights === rights);
      if (others.length !== holders.length || !others.every(isRight)) yield broken("I10", pa);
      if (ownerName(ownerOf(this.#machine, pa)) !== `parcel 0x${handle.toString(16)}`) yield broken("I15", pa);
      const isExclusive = transfer === "LEND" && members.length === 1 && holders.length === 1;
      if (isExclusive && mappings.length !== 1) yield broken("I19", pa);
    }
  }

  *#ownersOf(parcels: readonly Parcel[]): Generator<Broken> {
    for (const vmid of this.#vmids) {
      const owned = parcels.filter(({ owner }) => owner === vmid).length;
      const counted = rmVm(this.#machine, vmid)?.parcels ?? 0;
      if (owned !== counted || owned > rm.PARCELS_PER_OWNER) yield broken("I13", BigInt(vmid));
    }
  }

  *#addresses(parcels: readonly Parcel[]): Generator<Broken> {
    for (const vmid of this.#vmids) {
      if (rmVm(this.#machine, vmid)?.direct !== false) continue;
      const taken = new Set<bigint>();
      for (const parcel of parcels) {
        const member = parcel.members.find((each) => each.vmid === vmid);
        for (const { ipaOf } of member === undefined ? [] : pagesOf(parcel)) {
          const ipa = member === undefined ? undefined : ipaOf(member);
          if (ipa === undefined) continue;
          if (taken.has(ipa)) yield broken("I21", ipa);
          taken.add(ipa);
        }
      }
    }
  }
}

const broken = (rule: string, subject: bigint): Broken => ({ kind: "invariant", rule, subject });

const isOf =
  (owner: number) =>
  ({ vmid }: Mapping): boolean =>
    vmid === owner;

function* countsOf({ handle, members, shareCount, state, regions, totalSize }: Parcel): Generator<Broken> {
  const subject = BigInt(handle);
  const accepted = members.filter(({ shared }) => shared).length;
  if (accepted !== shareCount || (state === "SHARED") !== shareCount > 0) yield broken("I12", subject);
  if (regions.reduce((sum, { size }) => sum + size, 0n) !== totalSize) yield broken("I14", subject);
  const isWhole = ({ mapped, shared, contiguous, ipas }: ParcelMember) =>
    !mapped || (shared && ipas.length === (contiguous ? 1 : regions.length));
  if (!members.every(isWhole)) yield broken("I11", subject);
}

function* disjoint(parcels: readonly Parcel[]): Generator<Broken> {
  const seen = new Set<bigint>();
  for (const { pa } of parcels.flatMap(pagesOf)) {
    if (seen.has(pa)) yield broken("I16", pa);
    seen.add(pa);
  }
}

/** The pages of a parcel. */
export function pagesOf({ regions }: Parcel): ParcelPage[] {
  const pages: ParcelPage[] = [];
  let before = 0n;
  for (const [index, { pa, size, ipa }] of regions.entries()) {
    for (let at = 0n; at < size; at += PAGE) {
      const [offset, within] = [before + at, at];
      const ipaOf = ({ contiguous, ipas }: ParcelMember) =>
        plus(contiguous ? ipas[0] : ipas[index], contiguous ? offset : within);
      pages.push({ pa: pa + at, ownerIpa: ipa + at, ipaOf });
    }
    before += size;
  }
  return pages;
}

const plus = (ipa: bigint | undefined, offset: bigint): bigint | undefined =>
  ipa === undefined ? undefined : ipa + offset;
