// What one call of an FF-A recording changed, recorded and found, in one form: a map from a place to what is there now.
// `changed` is complete, so both maps must be equal; several effects at one place count as their difference.

import type { FfaManagersConfig } from "../machine/ffa-config.js";
import type { Effect } from "../machine/effects.js";
import type { FfaManager, FfaReply as MachineReply } from "../machine/ffa-effects.js";
import type { FfaRecord, FfaState } from "../machine/ffa-state.js";
import { hex } from "../machine/names.js";
import { fail } from "./golden-fields.js";
import type { FfaChanged, FfaReply } from "./golden-ffa-format.js";

/** Where -> what, in words that both sides spell alike. */
export type Facts = ReadonlyMap<string, string>;

/** The lists of `changed`, and the reply, as facts. */
export interface FfaFacts {
  readonly reply: Facts;
  readonly modes: Facts;
  readonly pas: Facts;
  readonly zeroed: Facts;
  readonly rx: Facts;
  readonly records: Facts;
}

export const FACT_LISTS = ["reply", "modes", "pas", "zeroed", "rx", "records"] as const;

/** A field of one side that the other does not have so. */
export interface FactDifference {
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** The first difference, in the order of the lists; null if there is none. */
export function compareFacts(expected: FfaFacts, found: FfaFacts): FactDifference | null {
  for (const list of FACT_LISTS) {
    for (const place of new Set([...expected[list].keys(), ...found[list].keys()])) {
      const [want, have] = [expected[list].get(place), found[list].get(place)];
      if (want === have) continue;
      const isReply = list === "reply";
      const words = (value: string | undefined) => value ?? (isReply ? "absent" : "unchanged");
      const text = (value: string | undefined) => (isReply ? words(value) : `${place}: ${words(value)}`);
      return { field: isReply ? `reply.${place}` : `changed.${list}`, expected: text(want), found: text(have) };
    }
  }
  return null;
}

// Recorded.

class FactList {
  readonly facts = new Map<string, string>();
  readonly #field: string;

  constructor(field: string) {
    this.#field = field;
  }

  add(place: string, what: string): void {
    if (this.facts.has(place)) fail(`${this.#field}: ${place} stands twice`);
    this.facts.set(place, what);
  }
}

/** The facts of a line. FormatError if a page or endpoint is not the machine's, or something stands twice. */
export function recordedFacts(changed: FfaChanged, reply: FfaReply | null, config: FfaManagersConfig): FfaFacts {
  const [modes, pas, zeroed] = [
    new FactList("changed.modes"),
    new FactList("changed.pas"),
    new FactList("changed.zeroed"),
  ];
  for (const { vm, table, page, n, mode } of changed.modes) {
    if (!tablesOf(config, vm).includes(table)) fail(`changed.modes: ${hex(vm)} has no table ${table}`);
    eachPage("changed.modes", page, n, config, (at) => modes.add(`${hex(vm)} ${table} page ${at}`, hex(mode)));
  }
  for (const { page, n, secure } of changed.pas) {
    eachPage("changed.pas", page, n, config, (at) => pas.add(`page ${at}`, secure === 1 ? "secure" : "non-secure"));
  }
  for (const { page, n } of changed.zeroed) {
    eachPage("changed.zeroed", page, n, config, (at) => zeroed.add(`page ${at}`, "zero"));
  }
  const [rx, records] = [new FactList("changed.rx"), new FactList("changed.records")];
  for (const { vm, full } of changed.rx) rx.add(hex(vm), full === 1 ? "full" : "free");
  for (const record of changed.records) records.add(recordPlace(record), "free" in record ? FREE : fieldsText(record));
  return {
    reply: replyFacts(reply),
    modes: modes.facts,
    pas: pas.facts,
    zeroed: zeroed.facts,
    rx: rx.facts,
    records: records.facts,
  };
}

function eachPage(
  field: string,
  page: number,
  n: number,
  { pages }: FfaManagersConfig,
  visit: (page: number) => void,
): void {
  if (page + n > pages) fail(`${field}: page ${page + n - 1} where there are ${pages}`);
  for (let at = page; at < page + n; at++) visit(at);
}

function tablesOf(config: FfaManagersConfig, id: number): readonly string[] {
  return config.endpoints.find((endpoint) => endpoint.id === id)?.tables ?? [];
}

const FREE = "free";

function recordPlace({ manager, slot }: { readonly manager: string; readonly slot: number }): string {
  return `${manager} ${slot}`;
}

type RecordedRecord = Exclude<FfaChanged["records"][number], { readonly free: 1 }>;

/** A record as the digest writes it, behind manager and slot. */
function fieldsText(record: RecordedRecord): string {
  const { handle, verb, sender, complete, fragments, constituents, retrieved } = record;
  const mode = record.orig_mode === null ? "-" : hex(record.orig_mode);
  const counts = `${complete} ${fragments} ${constituents} ${retrieved.join(",")} ${record.by_hypervisor}`;
  return `${hex(handle)} ${verb} ${hex(sender)} ${counts} ${mode} ${record.protected} ${record.pending}`;
}

/** The same of a record that a manager holds. */
export function recordText(record: FfaRecord): string {
  const { handle, verb, sender, fragments, constituents, receivers } = record;
  const flag = (value: boolean) => (value ? 1 : 0);
  return fieldsText({
    ...{ manager: record.manager, slot: record.slot, handle, verb, sender, fragments, constituents },
    complete: flag(record.complete),
    retrieved: receivers.map(({ retrieved }) => retrieved),
    by_hypervisor: record.byHypervisor,
    orig_mode: record.originalMode,
    protected: flag(record.protected),
    pending: flag(record.pending),
  });
}

/** Fields of each reply that a recording has; descriptors and constituents are compared as bytes. */
const REPLY_FIELDS: Readonly<Record<FfaReply["fn"], readonly string[]>> = {
  SUCCESS: ["handle", "perm", "pages"],
  FRAG_RX: ["handle", "offset", "sender"],
  RETRIEVE_RESP: ["total", "fragment"],
  FRAG_TX: ["handle", "fragment"],
};

function replyFacts(reply: ({ readonly fn: FfaReply["fn"] } & object) | null): Facts {
  const facts = new Map<string, string>();
  if (reply === null) return facts;
  facts.set("fn", reply.fn);
  const values = reply as Readonly<Record<string, unknown>>;
  for (const name of REPLY_FIELDS[reply.fn]) {
    if (values[name] !== undefined) facts.set(name, replyText(values[name]));
  }
  return facts;
}

function replyText(value: unknown): string {
  return typeof value === "bigint" ? hex(value) : String(value);
}

// Found.

/** Collects what a machine did; it remembers the records, for only what differs from before counts as changed. */
export class FfaChangeLog {
  readonly #state: FfaState;
  readonly #config: FfaManagersConfig;
  readonly #records = new Map<string, string>();

  constructor(state: FfaState) {
    this.#state = state;
    this.#config = state.config;
  }

  /** After a reset: no manager has a record. */
  clear(): void {
    this.#records.clear();
  }

  /** The facts of the call that has just run. */
  factsOf(effects: readonly Effect[]): FfaFacts {
    const [modes, pas, rx] = [new Net(), new Net(), new Net()];
    const zeroed = new Map<string, string>();
    const touched = new Map<string, readonly [FfaManager, number]>();
    let reply: MachineReply | null = null;
    for (const effect of effects) {
      switch (effect.kind) {
        case "reply":
          reply = effect.reply;
          break;
        case "mode": {
          const table = tablesOf(this.#config, effect.vm)[effect.table] ?? "";
          const place = `${hex(effect.vm)} ${table} ${this.#pageAt(effect.pa)}`;
          modes.add(place, hex(effect.before), hex(effect.after));
          break;
        }
        case "pas": {
          const words = ["non-secure", "secure"] as const;
          const [before, after] = effect.secure ? words : [words[1], words[0]];
          pas.add(this.#pageAt(effect.pa), before, after);
          break;
        }
        case "rx": {
          const [before, after] = effect.full ? ["free", "full"] : ["full", "free"];
          rx.add(hex(effect.vm), before ?? "", after ?? "");
          break;
        }
        case "wipe":
          this.#addWiped(zeroed, effect.pa, effect.size);
          break;
        case "record":
          touched.set(recordPlace(effect), [effect.manager, effect.slot]);
          break;
        default:
          break;
      }
    }
    const records = this.#changedRecords(touched);
    return { reply: replyFacts(reply), modes: modes.facts(), pas: pas.facts(), zeroed, rx: rx.facts(), records };
  }

  #pageAt(pa: bigint): string {
    return `page ${(pa - this.#config.base) >> 12n}`;
  }

  #addWiped(zeroed: Map<string, string>, pa: bigint, size: bigint): void {
    for (let at = pa; at < pa + size; at += 4096n) zeroed.set(this.#pageAt(at), "zero");
  }

  #changedRecords(touched: ReadonlyMap<string, readonly [FfaManager, number]>): Facts {
    const facts = new Map<string, string>();
    for (const [place, [manager, slot]] of touched) {
      const record = this.#state.record(manager, slot);
      const text = record === null ? FREE : recordText(record);
      if (text === (this.#records.get(place) ?? FREE)) continue;
      facts.set(place, text);
      this.#records.set(place, text);
    }
    return facts;
  }
}

/** Places with what was there first and what is there last. */
class Net {
  readonly #changes = new Map<string, { readonly before: string; after: string }>();

  add(place: string, before: string, after: string): void {
    const known = this.#changes.get(place);
    if (known === undefined) this.#changes.set(place, { before, after });
    else known.after = after;
  }

  facts(): Facts {
    const facts = new Map<string, string>();
    for (const [place, { before, after }] of this.#changes) if (before !== after) facts.set(place, after);
    return facts;
  }
}
