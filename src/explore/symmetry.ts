// Pages and VMs that can change their names: every step that there is for one of them there is for the other, and no step names
// them but as the one that it is about. States that differ in such names alone lead to the same (assembly/explore/symmetry.ts),
// if the first state is the same under them, which the core looks at.

import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";
import type { Domain, DomainPage, Step } from "./domain.js";

/** What can change names. */
export interface Symmetry {
  /** Groups of interchangeable pages, by pfn. */
  readonly pages: readonly (readonly bigint[])[];
  /** Groups of interchangeable VMs, by slot. */
  readonly vms: readonly (readonly number[])[];
}

export const NO_SYMMETRY: Symmetry = { pages: [], vms: [] };

/** In the core's tables: groups of pages, and pages of one; VM slots. */
const MAX_GROUPS = 4;
const MAX_MEMBERS = 5;
/** Of pages and of VMs together: room for what parts become takes most of a MiB for each. */
const MAX_RENAMINGS = 256;
const DEFAULT_HANDLE_BASE = 0x1000;

/** Fields of a step that name the page that it is about, as a frame number or as an address. */
const SUBJECTS = ["pfn", "phys"] as const;
/** Calls that give VMs their slots in the order in which they come. */
const SLOT_CALLS: ReadonlySet<string> = new Set(["reserve_vm", "unreserve_vm", "init_vm", "init_vcpu"]);

/** What is interchangeable in a domain, as far as there is room for it. */
export function symmetryOf(domain: Domain): Symmetry {
  const symmetry = { pages: interchangeablePages(domain), vms: interchangeableVms(domain) };
  const { pages, vms } = renamingsOf(symmetry);
  return pages <= MAX_RENAMINGS && vms <= MAX_RENAMINGS ? symmetry : NO_SYMMETRY;
}

/** In how many ways they can change their names, the one that changes nothing among them. */
export function renamingsOf({ pages, vms }: Symmetry): { pages: number; vms: number } {
  return { pages: ordersOf(pages), vms: ordersOf(vms) };
}

const ordersOf = (groups: readonly (readonly unknown[])[]): number =>
  groups.reduce((product, { length }) => product * factorial(length), 1);

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

/** Those with the same role, in groups of two or more; null is no role. */
function grouped<Name>(named: readonly { readonly name: Name; readonly role: string | null }[]): Name[][] {
  const groups = new Map<string, Name[]>();
  for (const { name, role } of named) {
    if (role !== null) groups.set(role, [...(groups.get(role) ?? []), name].slice(0, MAX_MEMBERS));
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

function interchangeablePages(domain: Domain): bigint[][] {
  const shift = BigInt(domain.config.page_shift ?? 12);
  const own = domain.pages.filter(({ slot, kvm }) => slot === undefined && kvm !== true);
  return grouped(own.map((page) => ({ name: page.pfn, role: roleOf(page, domain.steps, shift) }))).slice(0, MAX_GROUPS);
}

// VMs

function interchangeableVms(domain: Domain): number[][] {
  const { max_vms: slots = 255, handle_base: base = DEFAULT_HANDLE_BASE, page_shift: shift = 12 } = domain.config;
  if (slots > MAX_MEMBERS || domain.steps.some(({ op }) => SLOT_CALLS.has(op))) return [];
  const all = Array.from({ length: slots }, (_, slot) => slot);
  return grouped(all.map((slot) => ({ name: slot, role: roleOfVm(slot, Number(base) + slot, domain, BigInt(shift)) })));
}

/** What a VM is made of, and the steps about it, without its name; null if a step names its pages. */
function roleOfVm(slot: number, handle: number, { pages, steps }: Domain, shift: bigint): string | null {
  const own = pages.filter((page) => page.slot === slot);
  if (own.length === 0 || steps.some((step) => own.some(({ pfn }) => isNamed(step, pfn, shift)))) return null;
  const unnamed = steps.map((step) => [step, withoutHandle(step, handle)] as const);
  if (unnamed.some(([, step]) => numbersIn(step).some((value) => Number(value) === handle))) return null;
  const about = unnamed.filter(([step, other]) => other !== step).map(([, other]) => text(other));
  return [own.map(({ kvm = false }) => kvm).join(), ...about].join("\n");
}

function withoutHandle(step: Step, handle: number): Step {
  if (step.op !== "access") return "vm" in step && step.vm === handle ? { ...step, vm: 0 } : step;
  const { access } = step;
  if (access.stage2 !== handle) return step;
  const value = access.value === undefined ? {} : { value: contentsWithoutHandle(access.value, BigInt(handle)) };
  return { ...step, access: { ...access, ...value, stage2: 0 } };
}

const contentsWithoutHandle = (value: bigint, handle: bigint): bigint =>
  [SECRET, GIVEN_AWAY].some((contents) => value === BigInt(contents) + handle) ? value - handle : value;

// Pages
/** The steps about a page, without its name; null if one names it otherwise. */
function roleOf({ pfn }: DomainPage, steps: readonly Step[], shift: bigint): string | null {
  const role: string[] = [];
  for (const step of steps) {
    const unnamed = withoutName(step, pfn, shift);
    if (isNamed(unnamed, pfn, shift)) return null;
    if (unnamed !== step) role.push(text(unnamed));
  }
  // Of several VMs' steps the order is that of the domain, which is the same for each of its pages.
  return role.length === 0 ? null : role.join("\n");
}

/** The step, with the offset alone where it says which page it is about. */
function withoutName(step: Step, pfn: bigint, shift: bigint): Step {
  if (step.op === "access") {
    const { access } = step;
    if (access.stage2 !== "host" || access.ipa >> shift !== pfn) return step;
    return { ...step, access: { ...access, ipa: access.ipa - (pfn << shift) } };
  }
  for (const field of SUBJECTS) {
    const value: unknown = field in step ? step[field as keyof Step] : undefined;
    if (typeof value !== "bigint" || isRange(step)) continue;
    const at = field === "pfn" ? value << shift : value;
    if (at >> shift === pfn) return { ...step, [field]: at - (pfn << shift) };
  }
  return step;
}

// Of more pages than one it is not about a page.
const isRange = (step: Step): boolean => "nr" in step && BigInt(step.nr) !== 1n;

/** Whether a number in it could stand for the page, as a frame number or as an address of 64 bits; a range names many. */
function isNamed(step: Step, pfn: bigint, shift: bigint): boolean {
  if (isRange(step)) return true;
  return numbersIn(step).some((value) => typeof value === "bigint" && mentions(value, pfn, shift));
}

/** What could be a name: a guest's frame is none. */
function numbersIn(step: Step): unknown[] {
  const fields = Object.entries(step.op === "access" ? step.access : step);
  return fields.filter(([field]) => field !== "gfn").map(([, value]): unknown => value);
}

function mentions(value: bigint, pfn: bigint, shift: bigint): boolean {
  const address = BigInt.asUintN(64, value << shift);
  return value >> shift === pfn || address >> shift === pfn;
}

function text(step: Step): string {
  return JSON.stringify(step, (_, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value));
}
