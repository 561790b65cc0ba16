// Who has a page, in words: what EL2 notes of it for the host and for itself, and every VM that maps it, whether it should or not.

import { MODE_ABSENT } from "../../../assembly/abi/ffa.js";
import { leafPageState, entrySize, isValid, outputAddress } from "../../machine/describe.js";
import type { Machine } from "../../machine/machine.js";
import { endpointName, modeWords } from "../../machine/ffa-effects.js";
import { FfaState } from "../../machine/ffa-state.js";
import { hex, pageStateName } from "../../machine/names.js";
import { managersOf } from "../../machine/secure-world.js";
import { pageDetails } from "../../timeline/page-details.js";

/** A page, and its state at each party that has one: `{ host: "NOPAGE", EL2: "NOPAGE", "VM 0x1000": "OWNED at gfn 0x80000" }`. */
export interface PageHolders {
  readonly pfn: bigint;
  readonly holders: Readonly<Record<string, string>>;
}

/** The pages with these frame numbers, as they are now. */
export function pageHolders(machine: Machine, pfns: readonly bigint[]): PageHolders[] {
  const guests = machine.config.kind === "pkvm" ? guestMappings(machine) : [];
  return pfns.map((pfn) => ({ pfn, holders: holdersOf(machine, pfn, guests) }));
}

/** What differs, party by party; a party that has nothing to do with a page has no state. */
export interface HolderChange {
  readonly pfn: bigint;
  readonly party: string;
  readonly before: string;
  readonly after: string;
}

const NOTHING = "nothing";

export function changesBetween(before: readonly PageHolders[], after: readonly PageHolders[]): HolderChange[] {
  return after.flatMap(({ pfn, holders }, index) => {
    const old = before[index]?.holders ?? {};
    const parties = Object.keys({ ...old, ...holders });
    const changes = parties.map((party) => ({
      ...{ pfn, party, before: old[party] ?? NOTHING, after: holders[party] ?? NOTHING },
    }));
    return changes.filter((change) => change.before !== change.after);
  });
}

interface GuestMapping {
  readonly vm: number;
  readonly start: bigint;
  readonly size: bigint;
  readonly ipa: bigint;
  readonly descriptor: bigint;
}

function guestMappings(machine: Machine): GuestMapping[] {
  return machine.vms().flatMap(({ vm }) =>
    machine.leaves(vm).flatMap(({ ipa, level, descriptor }) => {
      if (!isValid(descriptor)) return [];
      const start = outputAddress(descriptor, machine.pageShift);
      return [{ vm, start, size: entrySize(level, machine.pageShift), ipa, descriptor }];
    }),
  );
}

function holdersOf(machine: Machine, pfn: bigint, guests: readonly GuestMapping[]): Record<string, string> {
  const state = machine.pageState(pfn);
  if (machine.config.kind !== "pkvm" || state === null) return sidesOf(machine, pfn);
  const shift = BigInt(machine.pageShift);
  const pa = pfn << shift;
  const holders: Record<string, string> = {
    host: pageStateName(state.host) + counted(state.shares, "mapping by guests", "mappings by guests"),
    EL2: pageStateName(state.hyp) + counted(state.refcount, "reference", "references"),
  };
  for (const { vm, start, size, ipa, descriptor } of guests) {
    if (pa < start || pa >= start + size) continue;
    const party = `VM ${hex(vm)}`;
    const entry = `${pageStateName(leafPageState(descriptor))} at gfn ${hex((ipa + pa - start) >> shift)}`;
    holders[party] = holders[party] === undefined ? entry : `${holders[party]} and ${entry}`;
  }
  return { ...holders, ...partitionsHolding(machine, pa) };
}

// What the SPMC knows of it: the normal world as it sees it, and partitions.
function partitionsHolding(machine: Machine, pa: bigint): Record<string, string> {
  if (managersOf(machine.config) === null) return {};
  const state = new FfaState(machine);
  const views = state.config.endpoints.map(({ id }) => [endpointName(id), state.lookUp(id, pa)] as const);
  const held = views.filter(([, mode]) => mode !== MODE_ABSENT);
  return Object.fromEntries(held.map(([name, mode]) => [`SPMC: ${name}`, modeWords(mode)]));
}

function counted(count: number, one: string, many: string): string {
  return count === 0 ? "" : `, ${count} ${count === 1 ? one : many}`;
}

// Other systems: what the page's own view says.
function sidesOf(machine: Machine, pfn: bigint): Record<string, string> {
  return Object.fromEntries(pageDetails(machine, pfn).sides.map(({ party, state }) => [party, state]));
}
