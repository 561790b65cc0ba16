// Prints the state in which a replay left its machine.

import { describeDescriptor, isValid, vcpuWords, vmWords } from "../machine/describe.js";
import type { Machine } from "../machine/machine.js";
import { hex } from "../machine/names.js";
import type { ReplayedTrace } from "../trace/open.js";
import { listFfaState, printFfaState } from "./ffa-state.js";
import {
  frameSpan,
  listState,
  type MappingRow,
  type PageRow,
  type Selection,
  type StateListing,
  type VmRow,
} from "./state.js";
import { coloured, table, type Terminal, writeJson, writeLine } from "./terminal.js";

/** Rows printed for people who did not say which they want; JSON always has all. */
const ROWS_SHOWN = 40;

export interface StateOptions extends Selection {
  readonly at?: number;
  readonly json?: boolean;
}

export function printState(file: string, trace: ReplayedTrace, options: StateOptions, terminal: Terminal): void {
  const { machine, stopped } = trace;
  if (machine === null) return;
  if (machine.config.kind === "ffa") {
    printManagers(file, trace, options, machine, terminal);
    return;
  }
  const listing = listState(machine, options);
  if (options.json === true) writeJson(terminal.stdout, { file, at: options.at ?? null, ...listing });
  else printListing(listing, options, machine, stopped, terminal);
}

function printManagers(
  file: string,
  { stopped }: ReplayedTrace,
  options: StateOptions,
  machine: Machine,
  terminal: Terminal,
): void {
  const listing = listFfaState(machine, options);
  if (options.json === true) {
    writeJson(terminal.stdout, { file, at: options.at ?? null, ...listing });
    return;
  }
  printHeading(stateHeading(options, stopped), terminal);
  printFfaState(listing, terminal);
}

function stateHeading({ at }: StateOptions, stopped: boolean): string {
  if (at === undefined) return "State at the end of the recording";
  return `State after ${at} operations${stopped ? "" : " (the end of the recording)"}`;
}

function printListing(
  listing: StateListing,
  options: StateOptions,
  machine: Machine,
  stopped: boolean,
  terminal: Terminal,
): void {
  const { pages, vm } = options;
  printHeading(stateHeading(options, stopped), terminal);
  const totals = listing.totals.map((total) => [
    total.host,
    total.hyp,
    `${total.pages}`,
    meaning(total.host, total.hyp),
  ]);
  printTable(["HOST", "EL2", "PAGES", ""], totals, [2], terminal);
  if (listing.totals.length > 0 && listing.pages.length > 0) printHeading("Shared and guests' pages", terminal);
  printTable(PAGE_HEADINGS, shown(listing.pages, options).map(pageCells), [1, 4, 5], terminal);
  printHidden(listing.pages, options, terminal);
  if (pages !== undefined && listing.pages.length === 0 && listing.mappings.length === 0) {
    writeLine(terminal.stdout, "  Nothing there: ranges are frame numbers, or addresses behind pa:");
  }
  for (const row of listing.vms) printVm(row, terminal);
  if (vm !== undefined && listing.vms.length === 0) printHeading(`VM ${hex(vm)} does not exist here`, terminal);
  const mappings = shown(listing.mappings, options).map((row) => mappingCells(row, machine));
  printTable(MAPPING_HEADINGS, mappings, [1, 2], terminal);
  printHidden(listing.mappings, options, terminal);
}

/** Ownership in a word (pKVM EL2 reference, section 1.5). */
function meaning(host: string, hyp: string): string {
  const meanings: Readonly<Record<string, string>> = {
    "OWNED NOPAGE": "the host's own",
    "NOPAGE OWNED": "EL2's own",
    "SHARED_OWNED SHARED_BORROWED": "the host shares with EL2",
    "SHARED_OWNED NOPAGE": "the host shares with guests or over FF-A",
    "NOPAGE NOPAGE": "guests' private pages",
    "SHARED_BORROWED NOPAGE": "guests share with the host",
  };
  return meanings[`${host} ${hyp}`] ?? "";
}

function shown<T>(rows: readonly T[], { pages, vm }: StateOptions): readonly T[] {
  return pages === undefined && vm === undefined ? rows.slice(0, ROWS_SHOWN) : rows;
}

function printHidden(rows: readonly unknown[], options: StateOptions, terminal: Terminal): void {
  const hidden = rows.length - shown(rows, options).length;
  if (hidden === 0) return;
  const text = `... and ${hidden} more rows; --pages, --vm or --json show them`;
  writeLine(terminal.stdout, `  ${coloured("dim", text, terminal.stdout)}`);
}

function printVm(row: VmRow, terminal: Terminal): void {
  const { protected: isProtected, vcpus } = row;
  const words =
    isProtected === null || vcpus === null
      ? `${row.state} (a capture does not tell its kind and vCPUs)`
      : vmWords({ state: row.state, protected: isProtected, vcpus });
  printHeading(`VM ${hex(row.vm)}: ${words}`, terminal);
  for (const vcpu of row.created) {
    writeLine(terminal.stdout, `  vCPU ${vcpu.vcpu}: ${vcpuWords({ ...vcpu, present: true })}`);
  }
}

function printHeading(text: string, terminal: Terminal): void {
  writeLine(terminal.stdout, "");
  writeLine(terminal.stdout, coloured("bold", text, terminal.stdout));
}

function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[],
  { stdout }: Terminal,
): void {
  if (rows.length === 0) return;
  const [first = "", ...rest] = table([headings, ...rows], right);
  writeLine(stdout, `  ${coloured("dim", first, stdout)}`);
  for (const line of rest) writeLine(stdout, `  ${line}`);
}

const PAGE_HEADINGS = ["PFN", "PAGES", "HOST", "EL2", "PINS", "SHARES", "HOST ENTRY", "GUESTS"];

function pageCells(row: PageRow): string[] {
  const { pfn, n, host, hyp, leaf } = row;
  const guests = row.guests.map(({ vm, gfn, state }) => `VM ${hex(vm)} gfn ${frameSpan(gfn, n)} ${state}`);
  const numbers = [row.pins, row.shares].map((value) => (value === 0 ? "-" : String(value)));
  return [frameSpan(pfn, n), `${n}`, host, hyp, ...numbers, leaf?.entry ?? "empty", guests.join(", ")];
}

const MAPPING_HEADINGS = ["IPA", "ENTRIES", "LEVEL", "ENTRY", "DESCRIPTOR"];

function mappingCells(row: MappingRow, machine: Machine): string[] {
  const words = describeDescriptor(row.descriptor, row.level, row.vm, machine);
  const entry = row.n > 1 && isValid(row.descriptor) ? `${words} (the first)` : words;
  return [hex(row.ipa), `${row.n}`, `${row.level}`, entry, hex(row.descriptor)];
}
