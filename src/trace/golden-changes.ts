// The net difference an operation made, rebuilt from its packed effects in the form of a recording's `changed`, `tlbi` and `cmo`
// (golden/pkvm/README.md section 7). Works on the packed records: page-table vectors change hundreds of thousands of entries at once.

import * as abi from "../../assembly/abi/records.js";
import { decodeVcpuWord, decodeVmWord, type VmState } from "../machine/effects.js";
import { levelShift } from "../machine/geometry.js";
import { CHANGED, type ChangedList, type Cmo, type Entry, type Tlbi } from "./golden-format.js";

const TWO_32 = 2 ** 32;

type WriteVisitor = (key: number, beforeLow: number, beforeHigh: number, low: number, high: number) => void;

/**
 * First and last value of everything that was written, by a numeric key. Values are 64 bits in two halves.
 * Walks write in ascending order, most of them once or twice in a row: such keys are found without an index.
 */
class NetWrites {
  #size = 0;
  #keys = new Float64Array(256);
  // Per key: before low, before high, after low, after high.
  #values = new Uint32Array(4 * 256);
  #isAscending = true;
  /** The slot of each key, once a key came that is neither the last one nor above all others. */
  #index: Map<number, number> | null = null;

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#size = 0;
    this.#isAscending = true;
    this.#index = null;
  }

  /** Notes the write of the record at `at`, whose before and after are the two words of every effect. */
  note(key: number, view: DataView, at: number): void {
    const slot = this.#find(key) ?? this.#append(key, view, at);
    this.#values[slot * 4 + 2] = view.getUint32(at + abi.EFFECT_AFTER, true);
    this.#values[slot * 4 + 3] = view.getUint32(at + abi.EFFECT_AFTER + 4, true);
  }

  #find(key: number): number | undefined {
    const last = this.#size - 1;
    if (last < 0) return undefined;
    const lastKey = this.#keys[last] as number;
    if (key === lastKey) return last;
    if (key > lastKey && this.#isAscending) return undefined;
    this.#index ??= new Map(Array.from(this.#keys.subarray(0, this.#size), (known, slot) => [known, slot]));
    return this.#index.get(key);
  }

  #append(key: number, view: DataView, at: number): number {
    const slot = this.#size;
    if (slot === this.#keys.length) this.#grow();
    if (slot > 0 && key < (this.#keys[slot - 1] as number)) this.#isAscending = false;
    this.#keys[slot] = key;
    this.#values[slot * 4] = view.getUint32(at + abi.EFFECT_BEFORE, true);
    this.#values[slot * 4 + 1] = view.getUint32(at + abi.EFFECT_BEFORE + 4, true);
    this.#index?.set(key, slot);
    this.#size += 1;
    return slot;
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    const values = new Uint32Array(this.#values.length * 2);
    values.set(this.#values);
    this.#values = values;
  }

  /** Visits the writes by ascending key. */
  each(visit: WriteVisitor): void {
    if (this.#isAscending) {
      for (let slot = 0; slot < this.#size; slot++) this.#visit(slot, visit);
      return;
    }
    const keys = this.#keys;
    const slots = new Uint32Array(this.#size).map((_, slot) => slot);
    slots.sort((a, b) => (keys[a] as number) - (keys[b] as number));
    for (const slot of slots) this.#visit(slot, visit);
  }

  #visit(slot: number, visit: WriteVisitor): void {
    const values = this.#values;
    const at = slot * 4;
    visit(
      this.#keys[slot] as number,
      values[at] as number,
      values[at + 1] as number,
      values[at + 2] as number,
      values[at + 3] as number,
    );
  }
}

/** A run of changed leaves. The descriptor is kept in two halves. */
interface LeafRun {
  readonly ipa: number;
  readonly level: number;
  readonly low: number;
  readonly high: number;
  n: number;
}

const LEVELS = 4;

const vmStates: Readonly<Record<VmState, string>> = { free: "-", reserved: "R", live: "L", dying: "D" };

const hex = (value: number): string => `0x${value.toString(16)}`;

/** A 64-bit value in halves, as hex. */
export function hex64(low: number, high: number): string {
  return high === 0 ? hex(low) : `0x${high.toString(16)}${low.toString(16).padStart(8, "0")}`;
}

function address(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32;
}

/** Collects the effects of one operation. */
export class ChangeLog {
  readonly #pageShift: number;
  readonly #startLevel: number;
  readonly #pages = new NetWrites();
  /** By VM handle, 0 the host: descriptors and tables, by address and level. */
  readonly #descriptors = new Map<number, NetWrites>();
  readonly #tables = new Map<number, NetWrites>();
  readonly #vms = new NetWrites();
  readonly #vcpus = new NetWrites();
  #tlbi: Tlbi[] = [];
  #cmo: { kind: Cmo["kind"]; address: number; size: number }[] = [];

  constructor(geometry: { readonly pageShift: number; readonly startLevel: number }) {
    this.#pageShift = geometry.pageShift;
    this.#startLevel = geometry.startLevel;
  }

  clear(): void {
    this.#pages.clear();
    for (const writes of this.#descriptors.values()) writes.clear();
    for (const writes of this.#tables.values()) writes.clear();
    this.#vms.clear();
    this.#vcpus.clear();
    this.#tlbi = [];
    this.#cmo = [];
  }

  /** Takes a record that is a change of state or maintenance; others are left alone. */
  add(view: DataView, at: number): void {
    switch (view.getUint16(at + abi.EFFECT_KIND, true)) {
      case abi.EFFECT_PAGE:
        this.#pages.note(address(view, at + abi.EFFECT_ADDRESS) / 2 ** this.#pageShift, view, at);
        break;
      case abi.EFFECT_DESCRIPTOR:
        writesOf(this.#descriptors, view, at).note(this.#entryKey(view, at), view, at);
        break;
      case abi.EFFECT_TABLE:
        // Root pages are not listed.
        if (view.getUint8(at + abi.EFFECT_LEVEL) === this.#startLevel) break;
        writesOf(this.#tables, view, at).note(this.#entryKey(view, at), view, at);
        break;
      case abi.EFFECT_VM:
        this.#vms.note(view.getUint32(at + abi.EFFECT_OWNER, true), view, at);
        break;
      case abi.EFFECT_VCPU: {
        const vm = view.getUint32(at + abi.EFFECT_OWNER, true);
        this.#vcpus.note(vm * TWO_32 + view.getUint32(at + abi.EFFECT_ADDRESS, true), view, at);
        break;
      }
      default:
        this.#addMaintenance(view, at);
    }
  }

  #addMaintenance(view: DataView, at: number): void {
    switch (view.getUint16(at + abi.EFFECT_KIND, true)) {
      case abi.EFFECT_TLBI_VMID:
        this.#addTlbi("vmid", view, at);
        break;
      case abi.EFFECT_TLBI_RANGE:
        this.#addTlbi("range", view, at);
        break;
      case abi.EFFECT_TLBI_IPA:
        this.#addTlbi("ipa", view, at);
        break;
      case abi.EFFECT_TLBI_IPA_NSH:
        this.#addTlbi("ipa_nsh", view, at);
        break;
      case abi.EFFECT_DCACHE:
        this.#addCmo("dc", view, at);
        break;
      case abi.EFFECT_ICACHE:
        this.#addCmo("ic", view, at);
        break;
      case abi.EFFECT_POC:
        this.#addCmo("poc", view, at);
        break;
      default:
        break;
    }
  }

  #addTlbi(kind: Tlbi["kind"], view: DataView, at: number): void {
    const hint = view.getUint8(at + abi.EFFECT_LEVEL);
    const byIpa = kind === "ipa" || kind === "ipa_nsh";
    this.#tlbi.push({
      kind,
      vmid: view.getUint32(at + abi.EFFECT_OWNER, true),
      ipa: address(view, at + abi.EFFECT_ADDRESS),
      level: byIpa && hint !== abi.TTL_UNKNOWN ? hint : null,
      pages: kind === "range" ? address(view, at + abi.EFFECT_EXTRA) : 0,
      count: 1,
    });
  }

  /** An entry is merged into the one right before it if of the same kind and at its end. */
  #addCmo(kind: Cmo["kind"], view: DataView, at: number): void {
    const start = address(view, at + abi.EFFECT_ADDRESS);
    const size = address(view, at + abi.EFFECT_EXTRA);
    const last = this.#cmo.at(-1);
    if (last?.kind === kind && last.address + last.size === start) last.size += size;
    else this.#cmo.push({ kind, address: start, size });
  }

  /** Ascending by address, then level. */
  #entryKey(view: DataView, at: number): number {
    const page = address(view, at + abi.EFFECT_ADDRESS) / 2 ** this.#pageShift;
    return page * LEVELS + view.getUint8(at + abi.EFFECT_LEVEL);
  }

  /** Cache maintenance, merged. */
  get cmo(): readonly Cmo[] {
    return this.#cmo;
  }

  /** TLB maintenance, one entry each. */
  get tlbi(): readonly Tlbi[] {
    return this.#tlbi;
  }

  /** One list of `changed` in its recorded form: sorted, runs merged. */
  list(name: ChangedList): Entry[] {
    switch (name) {
      case "pages":
        return this.#pageRuns();
      case "host":
        return this.#leafEntries(0);
      case "guest":
        return handles(this.#descriptors).flatMap((vm) => this.#leafEntries(vm));
      case "tables":
        return [0, ...handles(this.#tables)].flatMap((vm) => this.#tableEntries(vm));
      case "vms":
        return this.#vmEntries();
      case "vcpus":
        return this.#vcpuEntries();
    }
  }

  #pageRuns(): Entry[] {
    const runs: { pfn: number; n: number; state: PageFields }[] = [];
    this.#pages.each((pfn, beforeLow, beforeHigh, low, high) => {
      const state = pageFields(low, high);
      if (samePage(state, pageFields(beforeLow, beforeHigh))) return;
      const last = runs.at(-1);
      if (last !== undefined && last.pfn + last.n === pfn && samePage(last.state, state)) last.n += 1;
      else runs.push({ pfn, n: 1, state });
    });
    return runs.map(({ pfn, n, state }) => ({ pfn: hex(pfn), n, ...state }));
  }

  #leafRuns(vm: number): LeafRun[] {
    const runs: LeafRun[] = [];
    const pageSize = 2 ** this.#pageShift;
    const sizes = [0, 1, 2, 3].map((level) => 2 ** levelShift(this.#pageShift, level));
    this.#descriptors.get(vm)?.each((key, beforeLow, beforeHigh, nowLow, nowHigh) => {
      const level = key % LEVELS;
      const [isLeaf, wasLeaf] = [isLeafEntry(nowLow, level), isLeafEntry(beforeLow, level)];
      const [low, high] = isLeaf ? [nowLow, nowHigh] : [0, 0];
      if ((wasLeaf ? beforeLow : 0) === low && (wasLeaf ? beforeHigh : 0) === high) return;
      const ipa = Math.floor(key / LEVELS) * pageSize;
      const last = runs.at(-1);
      if (last !== undefined && continues(last, ipa, level, low, high, sizes[level] as number)) last.n += 1;
      else runs.push({ ipa, level, low, high, n: 1 });
    });
    return runs;
  }

  #leafEntries(vm: number): Entry[] {
    const owner = vm === 0 ? {} : { vm: hex(vm) };
    return this.#leafRuns(vm).map(({ ipa, level, low, high, n }) => ({
      ...owner,
      ipa: hex(ipa),
      level,
      n,
      pte: hex64(low, high),
    }));
  }

  #tableEntries(vm: number): Entry[] {
    const entries: Entry[] = [];
    const pageSize = 2 ** this.#pageShift;
    this.#tables.get(vm)?.each((key, before, _beforeHigh, present) => {
      if (before === present) return;
      entries.push({ vm: hex(vm), ipa: hex(Math.floor(key / LEVELS) * pageSize), level: key % LEVELS, present });
    });
    return entries;
  }

  #vmEntries(): Entry[] {
    const entries: Entry[] = [];
    this.#vms.each((vm, before, _beforeHigh, now) => {
      if (before === now) return;
      const { state, protected: isProtected, vcpus } = decodeVmWord(BigInt(now));
      const exists = state === "live" || state === "dying";
      entries.push({
        vm: hex(vm),
        state: vmStates[state],
        protected: exists && isProtected ? 1 : 0,
        vcpus: exists ? vcpus : 0,
      });
    });
    return entries;
  }

  #vcpuEntries(): Entry[] {
    const entries: Entry[] = [];
    this.#vcpus.each((key, before, _beforeHigh, now) => {
      if (before === now) return;
      const { present, memcache, loaded } = decodeVcpuWord(BigInt(now));
      entries.push({
        vm: hex(Math.floor(key / TWO_32)),
        vcpu: key % TWO_32,
        present: present ? 1 : 0,
        mc: present ? memcache : 0,
        loaded: present && loaded ? 1 : 0,
      });
    });
    return entries;
  }
}

function writesOf(byVm: Map<number, NetWrites>, view: DataView, at: number): NetWrites {
  const vm = view.getUint32(at + abi.EFFECT_OWNER, true);
  let writes = byVm.get(vm);
  if (writes === undefined) {
    writes = new NetWrites();
    byVm.set(vm, writes);
  }
  return writes;
}

/** VM handles with something noted, ascending. */
function handles(byVm: ReadonlyMap<number, NetWrites>): number[] {
  return [...byVm].flatMap(([vm, writes]) => (vm !== 0 && writes.size > 0 ? [vm] : [])).sort((a, b) => a - b);
}

interface PageFields {
  readonly host: number;
  readonly hyp: number;
  readonly pins: number;
  readonly shares: number;
}

const SHARED_BORROWED = 2;

/** What a recording says of a page, from its vmemmap word: references count only as pins of a page that EL2 borrows. */
export function pageFields(low: number, high: number): PageFields {
  const hyp = (low >>> 28) ^ 3;
  return { host: (low >>> 24) & 15, hyp, pins: hyp === SHARED_BORROWED ? low & 0xffff : 0, shares: high };
}

function samePage(a: PageFields, b: PageFields): boolean {
  return a.host === b.host && a.hyp === b.hyp && a.pins === b.pins && a.shares === b.shares;
}

/** A table entry (bits 1:0 = 3 above level 3) is not a leaf. Zero compares as no leaf either way. */
function isLeafEntry(low: number, level: number): boolean {
  return level === 3 || (low & 3) !== 3;
}

/** A valid descriptor grows by the leaf size from one to the next, an invalid one is repeated. */
function continues(run: LeafRun, ipa: number, level: number, low: number, high: number, size: number): boolean {
  if (run.level !== level || run.ipa + run.n * size !== ipa) return false;
  if ((run.low & 1) === 0) return run.low === low && run.high === high;
  const grown = run.low + run.n * size;
  return grown % TWO_32 === low && run.high + Math.floor(grown / TWO_32) === high;
}

/** Where two lists first differ, as texts; null if they are equal. */
export interface Difference {
  readonly expected: string;
  readonly found: string;
}

function entryText(entry: Entry | undefined): string {
  return entry === undefined ? "nothing" : JSON.stringify(entry);
}

/** Compares one list of `changed`. Hex is compared as numbers: recordings may write it as they like. */
export function compareChanged(
  name: ChangedList,
  expected: readonly Entry[],
  found: readonly Entry[],
): Difference | null {
  const fields = Object.keys(CHANGED[name]);
  for (let index = 0; index < Math.max(expected.length, found.length); index++) {
    const [want, have] = [expected[index], found[index]];
    if (want === undefined || have === undefined || !fields.every((field) => sameField(want[field], have[field]))) {
      return { expected: entryText(want), found: entryText(have) };
    }
  }
  return null;
}

function sameField(want: string | number | undefined, have: string | number | undefined): boolean {
  if (want === have) return true;
  return typeof want === "string" && typeof have === "string" && want.startsWith("0x") && BigInt(want) === BigInt(have);
}

function tlbiText(entry: Tlbi | undefined): string {
  if (entry === undefined) return "nothing";
  const { kind, vmid, ipa, level, pages } = entry;
  if (kind === "vmid") return `${kind} vmid ${vmid}`;
  if (kind === "range") return `${kind} vmid ${vmid} ipa ${hex(ipa)} pages ${pages}`;
  return `${kind} vmid ${vmid} ipa ${hex(ipa)} level ${level ?? "unknown"}`;
}

/** Compares TLB maintenance in order; a recorded run stands for its single invalidations. */
export function compareTlbi(expected: readonly Tlbi[], found: readonly Tlbi[], pageShift: number): Difference | null {
  let next = 0;
  for (const run of expected) {
    const step = run.level === null ? 0 : 2 ** levelShift(pageShift, run.level);
    for (let k = 0; k < run.count; k++, next++) {
      const ipa = run.ipa + k * step;
      const have = found[next];
      if (have === undefined || have.ipa !== ipa || !sameKindOfTlbi(run, have)) {
        return { expected: tlbiText({ ...run, ipa }), found: tlbiText(have) };
      }
    }
  }
  return next === found.length ? null : { expected: "nothing", found: tlbiText(found[next]) };
}

function sameKindOfTlbi(a: Tlbi, b: Tlbi): boolean {
  return a.kind === b.kind && a.vmid === b.vmid && a.level === b.level && a.pages === b.pages;
}

function cmoText(entry: Cmo | undefined): string {
  return entry === undefined ? "nothing" : `${entry.kind} ${hex(entry.address)} size ${hex(entry.size)}`;
}

/** Compares cache maintenance in order. */
export function compareCmo(expected: readonly Cmo[], found: readonly Cmo[]): Difference | null {
  for (let index = 0; index < Math.max(expected.length, found.length); index++) {
    const [want, have] = [expected[index], found[index]];
    const isSame =
      want !== undefined && want.kind === have?.kind && want.address === have.address && want.size === have.size;
    if (!isSame) return { expected: cmoText(want), found: cmoText(have) };
  }
  return null;
}
