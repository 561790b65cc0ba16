// What the page shows, as the part of its address behind the `#`, and back. Anybody can write an address: what is not understood
// is left out and said, and nothing is ever thrown.

import type { AccessKind } from "../machine/translation.js";
import { NO_FILTER, type Filter, type ShownWalk, type ViewName } from "./store.js";

export interface Link {
  readonly view: ViewName;
  /** Null: the link names none. */
  readonly example: string | null;
  readonly operation: number | null;
  readonly page: bigint | null;
  readonly filter: Filter;
  readonly walk: ShownWalk | null;
  readonly scenario: string | null;
  readonly systems: readonly string[] | null;
}

/** A link to the page alone. */
export const EMPTY_LINK: Link = {
  view: "map",
  example: null,
  operation: null,
  page: null,
  filter: NO_FILTER,
  walk: null,
  scenario: null,
  systems: null,
};

export interface ReadLink {
  readonly link: Link;
  /** One sentence for each part that was left out. */
  readonly problems: readonly string[];
}

const VIEWS: readonly ViewName[] = ["map", "walk", "compare", "scenario"];
const KINDS: readonly AccessKind[] = ["read", "write", "fetch", "atomic"];
const NAME = /^[\w.-]+$/;

/** Without the `#`. */
export function writeLink(link: Link): string {
  return Object.entries(writeParts(link))
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${encodeURIComponent(value ?? "").replaceAll("%2C", ",")}`)
    .join("&");
}

/** In the order in which a person reads them. */
function writeParts({ view, example, operation, page, filter, walk, scenario, systems }: Link) {
  return {
    example,
    op: operation === null ? null : String(operation),
    page: page === null ? null : hex(page),
    view,
    verb: filter.verb,
    vm: filter.vm === null ? null : hex(filter.vm),
    on: filter.page === null ? null : hex(filter.page),
    refused: filter.refusedOnly ? "1" : null,
    table: walk === null ? null : walk.table === "host" ? "host" : hex(walk.table),
    ipa: walk === null ? null : hex(walk.ipa),
    access: walk === null ? null : walk.kind,
    el: walk === null ? null : String(walk.el),
    scenario,
    systems: systems === null ? null : systems.join(","),
  } satisfies Record<string, string | null>;
}

const hex = (value: bigint | number) => `0x${value.toString(16)}`;

/** @param hash with or without the `#` */
export function readLink(hash: string): ReadLink {
  const parts = new Parts(new URLSearchParams(hash.replace(/^#/, "")));
  const link: Link = {
    example: parts.take("example", "a name", readName),
    operation: parts.take("op", "the number of an operation, or -1", readOperation),
    page: parts.take("page", "a frame number such as 0x44531", readFrame),
    view: parts.take("view", `one of ${VIEWS.join(", ")}`, oneOf(VIEWS)) ?? "map",
    filter: readFilter(parts),
    walk: readWalk(parts),
    scenario: parts.take("scenario", "a name", readName),
    systems: parts.take("systems", "names with commas between them", readNames),
  };
  parts.refuseRest();
  return { link, problems: parts.problems };
}

function readFilter(parts: Parts): Filter {
  return {
    verb: parts.take("verb", "a verb such as host_donate_guest", readName) ?? NO_FILTER.verb,
    vm: parts.take("vm", "a handle such as 0x1000", readHandle) ?? NO_FILTER.vm,
    page: parts.take("on", "a frame number such as 0x44531", readFrame) ?? NO_FILTER.page,
    refusedOnly: parts.take("refused", "1", oneOf(["1"])) !== null,
  };
}

/** An address alone is one of the host, to be read at EL1. */
function readWalk(parts: Parts): ShownWalk | null {
  const table = parts.take("table", "host, or a VM's handle such as 0x1000", readTable);
  const ipa = parts.take("ipa", "an address such as 0x80000000", readHex(64));
  const kind = parts.take("access", `one of ${KINDS.join(", ")}`, oneOf(KINDS));
  const el = parts.take("el", "0 or 1", oneOf(["0", "1"]));
  if (ipa === null) return null;
  return { table: table ?? "host", ipa, kind: kind ?? "read", el: el === "0" ? 0 : 1 };
}

/** What a link can point to. */
export interface LinkTarget {
  /** Number of the last operation; -1: there is none. */
  readonly last: number;
  readonly verbs: readonly string[];
  readonly isMemory: (pfn: bigint) => boolean;
}

/** The link without what the trace does not have. */
export function fitLink(link: Link, { last, verbs, isMemory }: LinkTarget): ReadLink {
  const problems: string[] = [];
  const fit = <T>(value: T | null, isThere: (value: T) => boolean, problem: (value: T) => string): T | null => {
    if (value === null || isThere(value)) return value;
    problems.push(problem(value));
    return null;
  };
  const noMemory = (pfn: bigint) => `this machine has no memory at page ${hex(pfn)}`;
  const { filter } = link;
  const operation = fit(
    link.operation,
    (number) => number <= last,
    (number) => `there is no operation ${number}: the last one is ${last}`,
  );
  const page = fit(link.page, isMemory, noMemory);
  const on = fit(filter.page, isMemory, noMemory);
  const verb = fit(
    filter.verb,
    (name) => verbs.includes(name),
    (name) => `no operation of this trace is ${quoted(name)}`,
  );
  return { link: { ...link, operation, page, filter: { ...filter, verb, page: on } }, problems };
}

/** The parts of an address: each is taken once, and what nobody took is unknown. */
class Parts {
  readonly problems: string[] = [];
  readonly #parts: URLSearchParams;

  constructor(parts: URLSearchParams) {
    this.#parts = parts;
  }

  /** The first value of `key`; null if there is none, or none that `read` understands. */
  take<T>(key: string, expected: string, read: (text: string) => T | null): T | null {
    const [text, ...more] = this.#parts.getAll(key);
    this.#parts.delete(key);
    if (text === undefined) return null;
    if (more.length > 0) this.problems.push(`the link has "${key}" more than once: the first one counts`);
    const value = read(text);
    if (value === null) this.problems.push(`the link's ${key} is ${quoted(text)}, expected ${expected}: it is ignored`);
    return value;
  }

  refuseRest(): void {
    for (const key of new Set(this.#parts.keys())) {
      this.problems.push(`the link has ${quoted(key)}, which this page does not know: it is ignored`);
    }
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 40 ? text : `${text.slice(0, 37)}...`);
}

function readName(text: string): string | null {
  return NAME.test(text) && text.length <= 100 ? text : null;
}

function readNames(text: string): readonly string[] | null {
  const names = text.split(",").map(readName);
  return names.every((name) => name !== null) ? [...new Set(names)] : null;
}

function oneOf<T extends string>(values: readonly T[]): (text: string) => T | null {
  return (text) => values.find((value) => value === text) ?? null;
}

/** Operations are counted in 32 bits. */
function readOperation(text: string): number | null {
  return /^(-1|\d{1,9})$/.test(text) ? Number(text) : null;
}

function readHex(bits: number): (text: string) => bigint | null {
  return (text) => {
    if (!/^0x[0-9a-f]{1,16}$/i.test(text)) return null;
    const value = BigInt(text);
    return BigInt.asUintN(bits, value) === value ? value : null;
  };
}

/** Physical addresses have 52 bits, pages at least 12. */
const readFrame = readHex(40);

function readHandle(text: string): number | null {
  const value = readHex(16)(text);
  return value === null ? null : Number(value);
}

function readTable(text: string): ShownWalk["table"] | null {
  return text === "host" ? "host" : readHandle(text);
}
