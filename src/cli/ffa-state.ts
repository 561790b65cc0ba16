// What FF-A partition managers hold, as a listing: pages by endpoint, transactions, RX buffers with a message.

import { MODE_ABSENT } from "../../assembly/abi/ffa.js";
import { endpointName, modeWords, type FfaVerb } from "../machine/ffa-effects.js";
import { FfaState, type FfaRecord } from "../machine/ffa-state.js";
import type { Machine } from "../machine/machine.js";
import { count, hex } from "../machine/names.js";
import { inRanges } from "./page-ranges.js";
import { frameSpan, type Selection } from "./state.js";
import { coloured, table, type Terminal, writeLine } from "./terminal.js";

/** Consecutive pages of one table with the same mode, in the same physical address space. */
export interface FfaPageRow {
  readonly vm: number;
  readonly table: string;
  readonly pfn: bigint;
  n: number;
  /** `RWX O-EA`. */
  readonly mode: string;
  readonly secure: boolean;
}

export interface FfaRecordRow {
  readonly manager: string;
  readonly slot: number;
  readonly handle: bigint;
  readonly verb: FfaVerb;
  readonly sender: string;
  readonly complete: boolean;
  readonly protected: boolean;
  readonly pending: boolean;
  readonly pages: number;
  /** With the fragments that each has retrieved. */
  readonly receivers: readonly { readonly id: string; readonly retrieved: number }[];
}

export interface FfaListing {
  readonly pages: readonly FfaPageRow[];
  readonly records: readonly FfaRecordRow[];
  /** Endpoints whose RX holds a message. */
  readonly rx: readonly string[];
}

/** Collects what `selection` asks for: all endpoints and pages, or some. */
export function listFfaState(machine: Machine, selection: Selection): FfaListing {
  const state = new FfaState(machine);
  const full = state.config.endpoints.filter(({ id }) => state.isRxFull(id));
  return {
    pages: pageRows(state, selection),
    records: state.records().map((record) => recordRow(state, record)),
    rx: full.map(({ id }) => hex(id)),
  };
}

function pageRows(state: FfaState, { pages, vm }: Selection): FfaPageRow[] {
  const rows: FfaPageRow[] = [];
  const { endpoints, base, pages: total } = state.config;
  for (const { id, tables } of endpoints.filter((endpoint) => vm === undefined || endpoint.id === vm)) {
    tables.forEach((name, which) => {
      for (let page = 0; page < total; page++) {
        const pa = base + (BigInt(page) << 12n);
        const mode = state.mode(id, which, pa);
        if (mode === MODE_ABSENT || (pages !== undefined && !inRanges(pa >> 12n, pages, 12))) continue;
        const row = { vm: id, table: name, pfn: pa >> 12n, n: 1, mode: modeWords(mode), secure: state.isSecure(pa) };
        const last = rows.at(-1);
        if (last !== undefined && continues(last, row)) last.n += 1;
        else rows.push(row);
      }
    });
  }
  return rows;
}

function continues(last: FfaPageRow, row: FfaPageRow): boolean {
  const facts = ({ vm, table: name, mode, secure }: FfaPageRow) => [vm, name, mode, secure].join(" ");
  return last.pfn + BigInt(last.n) === row.pfn && facts(last) === facts(row);
}

function recordRow(state: FfaState, record: FfaRecord): FfaRecordRow {
  const { manager, slot, handle, verb, complete, pending, receivers } = record;
  return {
    ...{ manager, slot, handle, verb, sender: hex(record.sender), complete, protected: record.protected, pending },
    pages: state.constituents(record).reduce((sum, { pages }) => sum + pages, 0),
    receivers: receivers.map(({ id, retrieved }) => ({ id: hex(id), retrieved })),
  };
}

/** Prints a listing for people. */
export function printFfaState({ pages, records, rx }: FfaListing, terminal: Terminal): void {
  printTable(
    ["ENDPOINT", "TABLE", "PFN", "PAGES", "MODE", "SPACE"],
    pages.map((row) => [
      ...[endpointName(row.vm), row.table, frameSpan(row.pfn, row.n), `${row.n}`],
      ...[row.mode, row.secure ? "secure" : "non-secure"],
    ]),
    terminal,
  );
  if (pages.length === 0) writeLine(terminal.stdout, "  No endpoint has such a page.");
  writeLine(terminal.stdout, "");
  const transactions = records.map(recordCells);
  printTable(["MANAGER", "HANDLE", "TRANSACTION", "PAGES", "STATE", "RECEIVERS"], transactions, terminal);
  if (records.length === 0) writeLine(terminal.stdout, "  No transaction.");
  if (rx.length > 0) writeLine(terminal.stdout, `  RX holds a message: ${rx.join(", ")}`);
}

function recordCells(row: FfaRecordRow): string[] {
  const states = [row.complete ? "sent" : "half sent"];
  if (row.protected) states.push("protected");
  if (row.pending) states.push("reclaim pending");
  const receivers = row.receivers.map(({ id, retrieved }) => (retrieved === 0 ? id : `${id} (retrieved)`));
  const what = `${row.verb} by ${row.sender}`;
  const who = row.manager === "hyp" ? "hypervisor" : "SPMC";
  return [who, hex(row.handle), what, count(row.pages, "page"), states.join(", "), receivers.join(", ")];
}

function printTable(headings: readonly string[], rows: readonly (readonly string[])[], { stdout }: Terminal): void {
  if (rows.length === 0) return;
  const [first = "", ...rest] = table([headings, ...rows]);
  writeLine(stdout, `  ${coloured("dim", first, stdout)}`);
  for (const line of rest) writeLine(stdout, `  ${line}`);
}
