// The state of a machine as listings: pages with their owners and entries, VMs with their mappings.

import { NOPAGE, OWNED, SHARED_BORROWED } from "../../assembly/abi/codes.js";
import { entrySize, describeEntry, isValid, leafPageState, outputAddress } from "../machine/describe.js";
import type { Leaf, PageRun } from "../machine/dumps.js";
import type { VmState } from "../machine/effects.js";
import type { Machine, Vcpu } from "../machine/machine.js";
import { hex, pageStateName } from "../machine/names.js";
import { inRanges, type PageRange } from "./page-ranges.js";

/** What of a state to show. Without either: all pages that are neither the host's nor EL2's own, and all VMs. */
export interface Selection {
  readonly pages?: readonly PageRange[] | undefined;
  readonly vm?: number | undefined;
}

/** Consecutive pages of which the same is true. */
export interface PageRow {
  readonly pfn: bigint;
  n: number;
  readonly host: string;
  readonly hyp: string;
  /** How often EL2 has pinned the pages, if it borrows them. */
  readonly pins: number;
  readonly shares: number;
  /** The host's entry for the first page; null where it has none. */
  readonly leaf: { readonly level: number; readonly descriptor: bigint; readonly entry: string } | null;
  /** Which guests map the pages; gfn of the first page. */
  readonly guests: readonly { readonly vm: number; readonly gfn: bigint; readonly state: string }[];
}

/** Consecutive entries of a stage-2 table. */
export interface MappingRow {
  /** Handle; 0 for the host, or for a table that stands alone. */
  readonly vm: number;
  readonly ipa: bigint;
  n: number;
  readonly level: number;
  readonly descriptor: bigint;
  readonly entry: string;
}

/** A VM. What a replayed capture does not tell is null. */
export interface VmRow {
  readonly vm: number;
  readonly state: VmState;
  readonly protected: boolean | null;
  /** vCPUs it was made for, and those that exist. */
  readonly vcpus: number | null;
  readonly created: readonly Pick<Vcpu, "vcpu" | "loaded" | "memcache" | "hostMemcache">[];
}

/** How many pages are in a state. */
export interface Total {
  readonly host: string;
  readonly hyp: string;
  readonly pages: number;
}

export interface StateListing {
  /** Over all memory; empty if pages or a VM were asked for. */
  readonly totals: readonly Total[];
  readonly pages: readonly PageRow[];
  readonly vms: readonly VmRow[];
  readonly mappings: readonly MappingRow[];
}

/** Collects what `selection` asks for. */
export function listState(machine: Machine, selection: Selection): StateListing {
  const { pages, vm } = selection;
  const everything = pages === undefined && vm === undefined;
  if (machine.config.kind === "page_table") {
    return { totals: [], pages: [], vms: [], mappings: mappingRows(machine, 0, pages) };
  }
  return {
    totals: everything ? totalsOf(machine) : [],
    pages: everything || pages !== undefined ? pageRows(machine, pages) : [],
    vms: everything || vm !== undefined ? vmRows(machine, vm) : [],
    mappings: vm === undefined ? [] : mappingRows(machine, vm, pages),
  };
}

function totalsOf(machine: Machine): Total[] {
  const totals = new Map<string, { host: string; hyp: string; pages: number }>();
  for (const run of machine.pages()) {
    const [host, hyp] = [pageStateName(run.host), pageStateName(run.hyp)];
    const total = totals.get(`${host} ${hyp}`) ?? { host, hyp, pages: 0 };
    total.pages += Number(run.pages);
    totals.set(`${host} ${hyp}`, total);
  }
  return [...totals.values()].sort((a, b) => b.pages - a.pages);
}

/** The VMs of a capture come into being when a step names them: nothing is known but that they are there. */
function vmRows(machine: Machine, handle: number | undefined): VmRow[] {
  const known = machine.config.kind === "pkvm";
  return machine
    .vms()
    .filter(({ vm }) => handle === undefined || vm === handle)
    .map(({ vm, state, protected: isProtected, vcpus }) => ({
      ...{ vm, state, protected: known ? isProtected : null, vcpus: known ? vcpus : null },
      created: known ? machine.vcpus(vm).map(vcpuRow) : [],
    }));
}

function vcpuRow({ vcpu, loaded, memcache, hostMemcache }: Vcpu): VmRow["created"][number] {
  return { vcpu, loaded, memcache, hostMemcache };
}

/** Something that is true of the frames from `first` up to, but not including, `end`. */
interface Interval {
  readonly first: bigint;
  readonly end: bigint;
  readonly run?: PageRun;
  readonly leaf?: Leaf;
  readonly guest?: { readonly vm: number; readonly leaf: Leaf };
}

/**
 * Lays page states, host entries and guest mappings over each other: between two frames where one of them begins or ends, all
 * of them are constant.
 */
function pageRows(machine: Machine, ranges: readonly PageRange[] | undefined): PageRow[] {
  const intervals = [...runIntervals(machine), ...leafIntervals(machine), ...guestIntervals(machine)];
  intervals.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const cuts = cutsOf(intervals, ranges, machine.pageShift);
  const rows: PageRow[] = [];
  let active: Interval[] = [];
  let next = 0;
  cuts.forEach((pfn, i) => {
    active = active.filter(({ end }) => end > pfn);
    for (; (intervals[next]?.first ?? pfn + 1n) <= pfn; next++) {
      const interval = intervals[next];
      if (interval !== undefined && interval.end > pfn) active.push(interval);
    }
    const run = active.find((interval) => interval.run !== undefined)?.run;
    const end = cuts[i + 1];
    if (run === undefined || end === undefined || !isShown(pfn, run, ranges, machine.pageShift)) return;
    append(rows, pageRow(pfn, Number(end - pfn), run, active, machine));
  });
  return rows;
}

/** The frames at which something changes, in order. */
function cutsOf(intervals: readonly Interval[], ranges: readonly PageRange[] | undefined, pageShift: number): bigint[] {
  const cuts = new Set<bigint>();
  for (const { first, end } of intervals) cuts.add(first).add(end);
  for (const { first, last, bytes } of ranges ?? []) {
    const shift = bytes ? BigInt(pageShift) : 0n;
    cuts.add(first >> shift).add((last >> shift) + 1n);
  }
  return [...cuts].sort((a, b) => (a < b ? -1 : 1));
}

function isShown(pfn: bigint, run: PageRun, ranges: readonly PageRange[] | undefined, pageShift: number): boolean {
  if (ranges !== undefined) return inRanges(pfn, ranges, pageShift);
  const isHosts = run.host === OWNED && run.hyp === NOPAGE;
  const isHyps = run.host === NOPAGE && run.hyp === OWNED;
  return !isHosts && !isHyps;
}

function runIntervals(machine: Machine): Interval[] {
  return machine.pages().map((run) => ({ first: run.pfn, end: run.pfn + run.pages, run }));
}

function leafIntervals(machine: Machine): Interval[] {
  return machine.leaves("host").map((leaf) => ({ ...framesOf(leaf.ipa, leaf.level, machine.pageShift), leaf }));
}

function guestIntervals(machine: Machine): Interval[] {
  return machine.vms().flatMap(({ vm }) =>
    machine
      .leaves(vm)
      .filter((leaf) => isValid(leaf.descriptor))
      .map((leaf) => {
        const pa = outputAddress(leaf.descriptor, machine.pageShift);
        return { ...framesOf(pa, leaf.level, machine.pageShift), guest: { vm, leaf } };
      }),
  );
}

function framesOf(address: bigint, level: number, pageShift: number): { first: bigint; end: bigint } {
  const shift = BigInt(pageShift);
  return { first: address >> shift, end: (address + entrySize(level, pageShift)) >> shift };
}

function pageRow(pfn: bigint, n: number, run: PageRun, active: readonly Interval[], machine: Machine): PageRow {
  const leaf = active.find((interval) => interval.leaf !== undefined)?.leaf;
  const guests = active.flatMap(({ guest, first }) => {
    if (guest === undefined) return [];
    const gfn = (guest.leaf.ipa >> BigInt(machine.pageShift)) + pfn - first;
    return [{ vm: guest.vm, gfn, state: pageStateName(leafPageState(guest.leaf.descriptor)) }];
  });
  return {
    pfn,
    n,
    host: pageStateName(run.host),
    hyp: pageStateName(run.hyp),
    pins: run.hyp === SHARED_BORROWED ? run.refcount : 0,
    shares: run.shares,
    leaf: leaf === undefined ? null : { ...entryOf(leaf, 0, machine), level: leaf.level },
    guests,
  };
}

function entryOf(leaf: Leaf, vm: number, machine: Machine): { descriptor: bigint; entry: string } {
  return { descriptor: leaf.descriptor, entry: describeEntry(leaf.descriptor, leaf.level, vm, machine) };
}

/** Adds a row, or lengthens the last one if the new one continues it. */
function append(rows: PageRow[], row: PageRow): void {
  const last = rows.at(-1);
  if (last !== undefined && last.pfn + BigInt(last.n) === row.pfn && sameFacts(last, row)) last.n += row.n;
  else rows.push(row);
}

function sameFacts(a: PageRow, b: PageRow): boolean {
  const facts = ({ pfn, host, hyp, pins, shares, leaf, guests }: PageRow) =>
    [host, hyp, pins, shares, leaf?.entry, ...guests.flatMap(({ vm, gfn, state }) => [vm, gfn - pfn, state])].join(" ");
  return facts(a) === facts(b);
}

function mappingRows(machine: Machine, vm: number, ranges: readonly PageRange[] | undefined): MappingRow[] {
  const rows: MappingRow[] = [];
  for (const leaf of machine.leaves(vm === 0 ? "host" : vm)) {
    if (ranges !== undefined && !touches(leaf, ranges, machine.pageShift)) continue;
    const last = rows.at(-1);
    if (last !== undefined && continues(last, leaf, machine.pageShift)) last.n += 1;
    else {
      rows.push({ vm, ipa: leaf.ipa, n: 1, level: leaf.level, ...entryOf(leaf, vm, machine) });
    }
  }
  return rows;
}

function continues(row: MappingRow, leaf: Leaf, pageShift: number): boolean {
  const span = BigInt(row.n) * entrySize(row.level, pageShift);
  if (row.level !== leaf.level || row.ipa + span !== leaf.ipa) return false;
  return leaf.descriptor === (isValid(leaf.descriptor) ? row.descriptor + span : row.descriptor);
}

/** Whether a leaf maps any of the pages asked for. */
function touches(leaf: Leaf, ranges: readonly PageRange[], pageShift: number): boolean {
  if (!isValid(leaf.descriptor)) return false;
  const { first, end } = framesOf(outputAddress(leaf.descriptor, pageShift), leaf.level, pageShift);
  return ranges.some((range) => {
    const shift = range.bytes ? BigInt(pageShift) : 0n;
    return range.first >> shift < end && range.last >> shift >= first;
  });
}

/** `0x41000` or `0x41000-0x411ff`. */
export function frameSpan(first: bigint, n: number): string {
  return n === 1 ? hex(first) : `${hex(first)}-${hex(first + BigInt(n) - 1n)}`;
}
