// What is walked: the address that was asked for, else the page that is looked at, in the table of the host.

import type { Stage2 } from "../../machine/accesses.js";
import { levelShift } from "../../machine/geometry.js";
import { NO_PAGE, type PageDetails, type WalkableTable, type WalkDetails } from "../../timeline/timeline.js";
import { situationOf, type AccessKind, type Accessor, type PageSituation } from "../compare/page-situations.js";
import type { OpenTrace, ShownWalk } from "../store.js";

export interface WalkQuestion {
  readonly after: number;
  /** The page that is looked at: where the tables have it is told. */
  readonly pfn: bigint;
  /** What was asked for; null: the page. */
  readonly shown: ShownWalk | null;
}

export interface WalkAnswer {
  readonly question: WalkQuestion;
  readonly walk: ShownWalk;
  /** The tables that there are then. */
  readonly tables: readonly WalkableTable[];
  /** Null: there is no such table then. */
  readonly details: WalkDetails | null;
  readonly places: readonly Place[];
  /** What there is to say of the page that is accessed; null: the address leads to none. */
  readonly accessed: PageDetails | null;
}

/** By which address a table has the page that is looked at. */
export interface Place extends WalkableTable {
  readonly ipa: bigint;
}

/** The selected page; without one that of the operation, or the first of memory. Null: the machine has no memory. */
export function pageLookedAt(
  { trace, ownership }: Pick<OpenTrace, "trace" | "ownership">,
  after: number,
  selected: bigint | null,
): bigint | null {
  if (selected !== null) return selected;
  const page = trace.operations.page[after] ?? NO_PAGE;
  return page === NO_PAGE ? (trace.regions[0]?.pfn ?? null) : ownership.pfnOf(page);
}

export async function askWalk(
  { machine, trace, ownership }: Pick<OpenTrace, "machine" | "trace" | "ownership">,
  question: WalkQuestion,
): Promise<WalkAnswer> {
  const { after, pfn, shown } = question;
  const [tables, page] = await Promise.all([machine.tables(after), machine.page(after, pfn)]);
  const places = placesOf(page, trace.pageShift);
  const walk = shown ?? walkOfPage(pfn, trace.pageShift, tables, places);
  const details = await machine.walk(after, walk.table, walk.ipa, { kind: walk.kind, el: walk.el });
  const target = targetOf(walk, details, trace.pageShift);
  const isMemory = target !== null && ownership.pageOf(target) !== null;
  const accessed = !isMemory ? null : target === pfn ? page : await machine.page(after, target);
  return { question, walk, tables, details, places, accessed };
}

/** A leaf may be a block: the page is somewhere in it. */
function placesOf({ pfn, leaves }: PageDetails, pageShift: number): Place[] {
  return leaves.map(({ table, name, ipa, level }) => {
    const offset = (1n << BigInt(levelShift(pageShift, level))) - 1n;
    return { table, name, ipa: (ipa & ~offset) | ((pfn << BigInt(pageShift)) & offset) };
  });
}

/** What is walked as long as nobody asks for anything else: the first table (the host's, where it has one) reads the page. */
export function walkOfPage(
  pfn: bigint,
  pageShift: number,
  tables: readonly WalkableTable[],
  places: readonly Place[],
): ShownWalk {
  const walk: ShownWalk = { table: "host", ipa: pfn << BigInt(pageShift), kind: "read", el: 1 };
  return inTable(walk, tables[0]?.table ?? "host", places);
}

/** The page that the access is for. The host's addresses are physical ones; a guest's are nothing but what its table says. */
function targetOf({ table, ipa }: ShownWalk, details: WalkDetails | null, pageShift: number): bigint | null {
  const pa = details?.pa ?? (table === "host" ? ipa : null);
  return pa === null ? null : pa >> BigInt(pageShift);
}

/** Who does on every system what the walk does here. */
export function accessorOf({ table, el }: ShownWalk): Accessor {
  if (table !== "host") return "guest";
  return el === 0 ? "user" : "direct-map";
}

export function accessKindOf({ kind }: ShownWalk): AccessKind {
  return kind === "fetch" ? "fetch" : kind === "read" || kind === "table_read" ? "load" : "store";
}

/** The walk in another table: at the address by which it has the page, or at the same if it has it nowhere. */
export function inTable(walk: ShownWalk, table: Stage2, places: readonly Place[]): ShownWalk {
  const place = places.find((each) => each.table === table);
  return { ...walk, table, ipa: place?.ipa ?? walk.ipa };
}

/** How the page is, whatever the system calls it. What a state has behind a comma counts its users. */
export function situationOfPage({ sides }: PageDetails): PageSituation | null {
  const states = sides.map(({ party, state }) => ({ party, state: state.replace(/,.*/, "") }));
  const isSeized = states.some(({ state }) => state === "POISON");
  return situationOf(states, isSeized);
}

/** All tables to choose from: one that is gone stays in the list while it is chosen. */
export function tableChoices(tables: readonly WalkableTable[], chosen: Stage2): readonly WalkableTable[] {
  if (tables.some(({ table }) => table === chosen)) return tables;
  const name = chosen === "host" ? "host stage 2" : `stage 2 of VM 0x${chosen.toString(16)}`;
  return [...tables, { table: chosen, name: `${name} (not there now)` }];
}
