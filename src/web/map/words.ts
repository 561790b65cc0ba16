// Page classes in words: for the legend, for what is under the pointer, and for screen readers.

import { hex } from "../../machine/names.js";
import {
  PAGE_ABSENT,
  PAGE_BORROWED,
  PAGE_LENT,
  PAGE_OWNED,
  PAGE_POISONED,
  PAGE_SHARED,
  partyOfClass,
  stateOfClass,
} from "../../timeline/page-class.js";

export type PartyKind = "host" | "hypervisor" | "guest";

export function partyKind(parties: readonly string[], party: number): PartyKind {
  const name = parties[party];
  return name === "host" || name === "hypervisor" ? name : "guest";
}

/** As short as fits into a cell: H, EL2, and G with a number for the others. */
export function partyTag(parties: readonly string[], party: number): string {
  const kind = partyKind(parties, party);
  if (kind === "host") return "H";
  if (kind === "hypervisor") return "EL2";
  return `G${guestNumber(parties, party)}`;
}

/** From 0, among those that are neither host nor hypervisor. */
export function guestNumber(parties: readonly string[], party: number): number {
  return party - parties.slice(0, party).filter((_, index) => partyKind(parties, index) !== "guest").length;
}

const STATES: ReadonlyMap<number, (owner: string) => string> = new Map<number, (owner: string) => string>([
  [PAGE_ABSENT, () => "nobody's, or no memory"],
  [PAGE_OWNED, (owner) => owner],
  [PAGE_SHARED, (owner) => `${owner}, shared`],
  [PAGE_LENT, (owner) => `${owner}, lent`],
  [PAGE_BORROWED, (owner) => `borrowed by ${owner}`],
  [PAGE_POISONED, (owner) => `${owner}, poisoned`],
]);

const STATE_TAGS: ReadonlyMap<number, string> = new Map([
  [PAGE_SHARED, "S"],
  [PAGE_LENT, "L"],
  [PAGE_BORROWED, "B"],
  [PAGE_POISONED, "P"],
]);

/** `VM 0x1000, lent`. */
export function classWords(parties: readonly string[], value: number): string {
  const party = partyOfClass(value);
  const owner = parties[party] ?? `party ${party}`;
  return STATES.get(stateOfClass(value))?.(owner) ?? "unknown";
}

/** `G0 L`: owner, and state unless the page is simply owned. Empty: nobody's. */
export function classTag(parties: readonly string[], value: number): string {
  const state = stateOfClass(value);
  if (state === PAGE_ABSENT) return "";
  const stateTag = STATE_TAGS.get(state);
  const owner = partyTag(parties, partyOfClass(value));
  return stateTag === undefined ? owner : `${owner} ${stateTag}`;
}

/** `since operation 4,312`, numbered as the timeline numbers them. */
export function sinceWords(since: number | null): string {
  return since === null ? "from the start" : `since operation ${since.toLocaleString("en")}`;
}

/** `pfn 0x44531, VM 0x1000, lent, since operation 4,312`. */
export function pageWords(parties: readonly string[], pfn: bigint, value: number, since: number | null): string {
  return `pfn ${hex(pfn)}, ${classWords(parties, value)}, ${sinceWords(since)}`;
}

/** `64 GiB`, `2 MiB`, `12 KiB`. */
export function sizeWords(pages: number, pageShift: number): string {
  let size = (pages * 2 ** pageShift) / 1024;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  while (size >= 1024 && units.length > 1) {
    size /= 1024;
    units.shift();
  }
  return `${size.toLocaleString("en", { maximumFractionDigits: 1 })} ${units[0]}`;
}
