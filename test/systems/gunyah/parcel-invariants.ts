// Invariants I8 to I21 of reference gunyah section 9, over what a machine shows: parcels, owners of memory, leaves of all VMs.

import { parcels, rmVm, type Parcel, type ParcelMember } from "../../../src/machine/gunyah-parcels.js";
import { rightsName } from "../../../src/machine/gunyah-rm-reasons.js";
import { PAGE, RAM, type Board } from "./parcels.js";

/** One page of one VM: where, and with which rights. */
interface PageMapping {
  readonly vmid: number;
  readonly ipa: bigint;
  readonly rights: string;
}

/** The pages that a parcel is made of, with where its owner had them and where a member has them. */
interface ParcelPage {
  readonly pa: bigint;
  readonly ownerIpa: bigint;
  readonly ipaOf: (member: ParcelMember) => bigint;
}

/** Verbs of the tests concern memory below this. */
const END = RAM + 64n * PAGE;

/** Who maps each of the first pages of RAM. */
function mappingsByPage(board: Board, vmids: readonly number[]): Map<bigint, PageMapping[]> {
  const byPage = new Map<bigint, PageMapping[]>();
  for (const vmid of vmids) {
    for (const { ipa, size, pa: start, rights } of board.mappings(vmid)) {
      for (let pa = start; pa < start + size && pa < END; pa += PAGE) {
        const mapping = { vmid, ipa: ipa + (pa - start), rights };
        byPage.set(pa, [...(byPage.get(pa) ?? []), mapping]);
      }
    }
  }
  return byPage;
}

function pagesOf({ regions }: Parcel): ParcelPage[] {
  const pages: ParcelPage[] = [];
  let offset = 0n;
  regions.forEach(({ pa, size, ipa }, index) => {
    for (let at = 0n; at < size; at += PAGE) {
      const [before, within] = [offset, at];
      const ipaOf = ({ contiguous, ipas }: ParcelMember) =>
        contiguous ? ipas[0]! + before + within : ipas[index]! + within;
      pages.push({ pa: pa + at, ownerIpa: ipa + at, ipaOf });
    }
    offset += size;
  });
  return pages;
}

/** What is violated, in words; empty if nothing is. */
export function violations(board: Board, vmids: readonly number[]): string[] {
  const all = parcels(board.machine);
  const byPage = mappingsByPage(board, vmids);
  const found = all.flatMap((parcel) => [...booksOf(parcel), ...memoryOf(board, parcel, byPage)]);
  found.push(...countsOf(board, all, vmids), ...disjointness(all), ...addresses(board, all, vmids));
  return found;
}

function booksOf({ handle, members, shareCount, state, regions, totalSize }: Parcel): string[] {
  const found: string[] = [];
  const accepted = members.filter(({ shared }) => shared);
  if (accepted.length !== shareCount)
    found.push(`I12: parcel ${handle} counts ${shareCount}, ${accepted.length} hold it`);
  if ((state === "SHARED") !== shareCount > 0) found.push(`I12: parcel ${handle} is ${state}, held by ${shareCount}`);
  if (regions.reduce((sum, { size }) => sum + size, 0n) !== totalSize) found.push(`I14: parcel ${handle}`);
  for (const { vmid, mapped, shared, contiguous, ipas } of members) {
    const isComplete = ipas.length === (contiguous ? 1 : regions.length);
    if (mapped && !(shared && isComplete)) found.push(`I11: parcel ${handle}, VM ${vmid}`);
  }
  return found;
}

function memoryOf(board: Board, parcel: Parcel, byPage: ReadonlyMap<bigint, readonly PageMapping[]>): string[] {
  const { handle, owner, transfer, members } = parcel;
  const found: string[] = [];
  const name = `parcel 0x${handle.toString(16)}`;
  const keeper = transfer === "SHARE" ? members.find(({ vmid }) => vmid === owner) : undefined;
  const exclusive = transfer === "LEND" && members.length === 1 && members[0]!.mapped;
  for (const { pa, ownerIpa, ipaOf } of pagesOf(parcel)) {
    const mappings = byPage.get(pa) ?? [];
    const expected = members
      .filter(({ mapped }) => mapped)
      .map((member) => ({ vmid: member.vmid, ipa: ipaOf(member), rights: rightsName(member.rights) }));
    if (keeper !== undefined) expected.push({ vmid: owner, ipa: ownerIpa, rights: rightsName(keeper.rights) });
    const [is, must] = [sorted(mappings), sorted(expected)];
    if (is !== must) found.push(`I8 I9 I10: ${name}, page ${pa.toString(16)} is mapped ${is}, must be ${must}`);
    if (board.owner(pa) !== name) found.push(`I15: page ${pa.toString(16)} of ${name} is ${board.owner(pa)}'s`);
    if (exclusive && mappings.length !== 1) found.push(`I19: page ${pa.toString(16)} of ${name}`);
  }
  return found;
}

function sorted(mappings: readonly PageMapping[]): string {
  return mappings
    .map(({ vmid, ipa, rights }) => `${vmid}:${ipa.toString(16)} ${rights}`)
    .sort()
    .join(", ");
}

function countsOf(board: Board, all: readonly Parcel[], vmids: readonly number[]): string[] {
  return vmids.flatMap((vmid) => {
    const owned = all.filter(({ owner }) => owner === vmid).length;
    const counted = rmVm(board.machine, vmid)?.parcels ?? 0;
    return owned === counted && owned <= 64 ? [] : [`I13: VM ${vmid} owns ${owned} parcels, the books say ${counted}`];
  });
}

function disjointness(all: readonly Parcel[]): string[] {
  const seen = new Map<bigint, number>();
  const found: string[] = [];
  for (const parcel of all) {
    for (const { pa } of pagesOf(parcel)) {
      if (seen.has(pa)) found.push(`I16: page ${pa.toString(16)} is in parcels ${seen.get(pa)} and ${parcel.handle}`);
      seen.set(pa, parcel.handle);
    }
  }
  return found;
}

/** I21: no address of a VM is given to two regions, nor to one and to memory that the VM owns. */
function addresses(board: Board, all: readonly Parcel[], vmids: readonly number[]): string[] {
  const found: string[] = [];
  for (const vmid of vmids.filter((vmid) => !(rmVm(board.machine, vmid)?.direct ?? true))) {
    const taken = new Set<bigint>();
    for (const { members, regions, totalSize } of all) {
      const member = members.find((candidate) => candidate.vmid === vmid);
      if (member === undefined) continue;
      member.ipas.forEach((ipa, index) => {
        const size = member.contiguous ? totalSize : regions[index]!.size;
        for (let at = ipa; at < ipa + size; at += PAGE) {
          if (taken.has(at)) found.push(`I21: VM ${vmid}, IPA ${at.toString(16)}`);
          taken.add(at);
        }
      });
    }
  }
  return found;
}
