// Pages that can change their names: every step that there is for one of them there is for the other, and no step names them but
// as the one page that it is about. States that differ in such names alone lead to the same (assembly/explore/symmetry.ts), if
// the first state is the same under them, which the core looks at.

import type { Domain, DomainPage, Step } from "./domain.js";

/** In the core's tables: groups, and pages of one. */
const MAX_GROUPS = 4;
const MAX_MEMBERS = 5;
/** Room for what parts become takes 768 KiB a renaming, where it is used. */
const MAX_RENAMINGS = 256;

/** Fields of a step that name the page that it is about, as a frame number or as an address. */
const SUBJECTS = ["pfn", "phys"] as const;

/**
 * The domain's pages in groups of interchangeable ones, of two pages or more each.
 *
 * @returns pfns
 */
export function interchangeablePages(domain: Domain): bigint[][] {
  const shift = BigInt(domain.config.page_shift ?? 12);
  const own = domain.pages.filter(({ slot, kvm }) => slot === undefined && kvm !== true);
  const roles = own.map((page) => roleOf(page, domain.steps, shift));
  const groups = new Map<string, bigint[]>();
  own.forEach(({ pfn }, index) => {
    const role = roles[index] ?? null;
    if (role === null) return;
    const group = groups.get(role) ?? [];
    if (group.length < MAX_MEMBERS) groups.set(role, [...group, pfn]);
  });
  const large = [...groups.values()].filter(({ length }) => length > 1).slice(0, MAX_GROUPS);
  return renamingsOf(large) <= MAX_RENAMINGS ? large : [];
}

/** In how many ways the pages of all groups can change their names, the one that changes nothing among them. */
export function renamingsOf(groups: readonly (readonly bigint[])[]): number {
  return groups.reduce((product, { length }) => product * factorial(length), 1);
}

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

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
    if (at >> shift === pfn) return { ...step, [field]: at - (pfn << shift) } as Step;
  }
  return step;
}

// Of more pages than one it is not about a page.
const isRange = (step: Step): boolean => "nr" in step && BigInt(step.nr) !== 1n;

/** Whether a number in it could stand for the page, as a frame number or as an address of 64 bits; a range names many. */
function isNamed(step: Step, pfn: bigint, shift: bigint): boolean {
  if (isRange(step)) return true;
  const numbers = Object.entries(step.op === "access" ? step.access : step).filter(([field]) => field !== "gfn");
  return numbers.some(([, value]) => typeof value === "bigint" && mentions(value, pfn, shift));
}

function mentions(value: bigint, pfn: bigint, shift: bigint): boolean {
  const address = BigInt.asUintN(64, value << shift);
  return value >> shift === pfn || address >> shift === pfn;
}

function text(step: Step): string {
  return JSON.stringify(step, (_, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value));
}
