// All that the machine says of one page, as it is now: the state at each component, the leaf in each table, the contents.

import { FFA_NON_SECURE_TABLE, MODE_ABSENT } from "../../assembly/abi/ffa.js";
import { PKVM_ID_GUEST, SHARED_BORROWED } from "../../assembly/abi/codes.js";
import type { Stage2 } from "../machine/accesses.js";
import { decodeGranule } from "../machine/cca-effects.js";
import { gptName, granuleStateName } from "../machine/cca-reasons.js";
import { describeDescriptor, entrySize, isValid, leafPageState, outputAddress } from "../machine/describe.js";
import { eachLeaf, type Leaf } from "../machine/dumps.js";
import type { PageState } from "../machine/effects.js";
import { endpointName, modeWords } from "../machine/ffa-effects.js";
import { FfaState } from "../machine/ffa-state.js";
import type { Machine } from "../machine/machine.js";
import { hex, pageStateName } from "../machine/names.js";
import type { PageDetails, PageLeaf, PageSide, WalkableTable } from "./timeline.js";

/** The stage-2 tables that there are. */
export function tablesOf(machine: Machine): WalkableTable[] {
  const { kind } = machine.config;
  if (kind === "page_table") return [{ table: "host", name: "stage 2" }];
  if (kind === "ffa") return endpointTables(machine);
  const vms = machine.vms().filter(({ state }) => state === "live" || state === "dying");
  const ofVms = vms.map(({ vm }) => ({ table: vm, name: `stage 2 of VM ${hex(vm)}` }));
  return [{ table: "host", name: "host stage 2" }, ...ofVms];
}

function endpointTables(machine: Machine): WalkableTable[] {
  return new FfaState(machine).config.endpoints.flatMap(({ id, tables }) =>
    tables.map((_, index) => ({
      table: index === 0 ? id : id | FFA_NON_SECURE_TABLE,
      name: `${index === 0 ? "" : "non-secure "}stage 2 of ${endpointName(id)}`,
    })),
  );
}

export function pageDetails(machine: Machine, pfn: bigint): PageDetails {
  switch (machine.config.kind) {
    case "page_table":
      return lonePage(machine, pfn);
    case "ffa":
      return ffaPage(machine, pfn);
    case "cca":
      return granulePage(machine, pfn);
    default:
      return pkvmPage(machine, pfn);
  }
}

// Realms: what RMM notes of a granule, and EL3.
function granulePage(machine: Machine, pfn: bigint): PageDetails {
  const { state, gpt, references } = decodeGranule(machine.core.exports.pageWord(pfn));
  const counted = references === 0 ? "" : `, count ${references}`;
  const sides = [
    { party: "RMM", state: granuleStateName(state) + counted },
    { party: "EL3", state: gptName(gpt) },
  ];
  return { pfn, sides, leaves: [], contents: contentsOf(machine, pfn) };
}

// pKVM

function pkvmPage(machine: Machine, pfn: bigint): PageDetails {
  const state = machine.pageState(pfn);
  if (state === null) return { pfn, sides: [], leaves: [], contents: null };
  const pa = pfn << BigInt(machine.pageShift);
  const hostLeaf = machine.leaf("host", pa);
  const guests = guestLeaves(machine, pa, state, hostLeaf);
  const host = hostLeaf === null ? [] : [leafInWords(machine, "host", "host stage 2", hostLeaf)];
  return {
    pfn,
    sides: [...sidesOf(state), ...guestSides(guests)],
    leaves: [...host, ...guests.map(({ vm, leaf }) => leafInWords(machine, vm, `stage 2 of VM ${hex(vm)}`, leaf))],
    contents: contentsOf(machine, pfn),
  };
}

function sidesOf({ host, hyp, shares, refcount }: PageState): PageSide[] {
  const guests = shares === 0 ? "" : `, ${shares} ${shares === 1 ? "mapping" : "mappings"} by guests`;
  const pins = hyp === SHARED_BORROWED && refcount > 0 ? `, pinned ${refcount} times` : "";
  return [
    { party: "host", state: pageStateName(host) + guests },
    { party: "hypervisor", state: pageStateName(hyp) + pins },
  ];
}

interface GuestLeaf {
  readonly vm: number;
  readonly leaf: Leaf;
}

/** A guest may map a page more than once. */
function guestSides(guests: readonly GuestLeaf[]): PageSide[] {
  const entries = new Map<string, PageSide & { count: number }>();
  for (const { vm, leaf } of guests) {
    const [party, state] = [`VM ${hex(vm)}`, pageStateName(leafPageState(leaf.descriptor))];
    const side = entries.get(party + state) ?? { party, state, count: 0 };
    entries.set(party + state, { ...side, count: side.count + 1 });
  }
  return [...entries.values()].map(({ party, state, count }) => {
    return { party, state: count === 1 ? state : `${state}, ${count} entries` };
  });
}

/** An annotation says where the guest has the page. Without one, every entry of every guest has to be looked at. */
function guestLeaves(machine: Machine, pa: bigint, state: PageState, hostLeaf: Leaf | null): GuestLeaf[] {
  const owner = hostLeaf === null ? null : annotatedGuest(hostLeaf.descriptor);
  if (owner !== null) {
    const leaf = machine.leaf(owner.vm, owner.gfn << BigInt(machine.pageShift));
    return leaf !== null && maps(machine, leaf.descriptor, leaf.level, pa) ? [{ vm: owner.vm, leaf }] : [];
  }
  if (state.shares === 0 && state.host !== SHARED_BORROWED) return [];
  return machine.vms().flatMap(({ vm }) => leavesOnto(machine, vm, pa).map((leaf) => ({ vm, leaf })));
}

/** DONATION to a guest: type 2 in bits 63:60, owner in 3:1, handle in 19:4, gfn in 59:20 (reference pkvm-el2 section 1.6). */
function annotatedGuest(descriptor: bigint): { vm: number; gfn: bigint } | null {
  if (isValid(descriptor) || descriptor >> 60n !== 2n || ((descriptor >> 1n) & 7n) !== GUEST) return null;
  return { vm: Number((descriptor >> 4n) & 0xffffn), gfn: (descriptor >> 20n) & 0xff_ffff_ffffn };
}
const GUEST = BigInt(PKVM_ID_GUEST);

function leavesOnto(machine: Machine, vm: number, pa: bigint): Leaf[] {
  const leaves: Leaf[] = [];
  const size = (level: number) => entrySize(level, machine.pageShift);
  eachLeaf(machine.core, vm, size, (ipa, level, descriptor) => {
    if (maps(machine, descriptor, level, pa)) leaves.push({ ipa, level, descriptor });
  });
  return leaves;
}

function maps(machine: Machine, descriptor: bigint, level: number, pa: bigint): boolean {
  if (!isValid(descriptor)) return false;
  const start = outputAddress(descriptor, machine.pageShift);
  return pa >= start && pa - start < entrySize(level, machine.pageShift);
}

// FF-A

function ffaPage(machine: Machine, pfn: bigint): PageDetails {
  const state = new FfaState(machine);
  const pa = pfn << BigInt(machine.pageShift);
  const sides = state.config.endpoints.flatMap(({ id, tables }) =>
    tables.flatMap((name, table) => {
      const mode = state.mode(id, table, pa);
      if ((mode & MODE_ABSENT) === MODE_ABSENT) return [];
      return [{ party: `${endpointName(id)}${name === "ns" ? ", non-secure table" : ""}`, state: modeWords(mode) }];
    }),
  );
  const space = { party: "physical address space", state: state.isSecure(pa) ? "secure" : "non-secure" };
  const leaves = tablesOf(machine).flatMap(({ table, name }) => {
    const leaf = machine.leaf(table, pa);
    return leaf === null || leaf.descriptor === 0n ? [] : [leafInWords(machine, table, name, leaf)];
  });
  return { pfn, sides: [...sides, space], leaves, contents: contentsOf(machine, pfn) };
}

// A lone table, whose pages are those of its input addresses

function lonePage(machine: Machine, pfn: bigint): PageDetails {
  const leaf = machine.leaf("host", pfn << BigInt(machine.pageShift));
  if (leaf === null) return { pfn, sides: [], leaves: [], contents: null };
  const state = isValid(leaf.descriptor) ? "mapped" : leaf.descriptor === 0n ? "empty" : "annotated";
  return {
    pfn,
    sides: [{ party: "table", state }],
    leaves: [leafInWords(machine, "host", "stage 2", leaf)],
    contents: null,
  };
}

// All of them

function leafInWords(machine: Machine, table: Stage2, name: string, leaf: Leaf): PageLeaf {
  const words = describeDescriptor(leaf.descriptor, leaf.level, table === "host" ? 0 : table, machine);
  return { table, name, ...leaf, words };
}

function contentsOf(machine: Machine, pfn: bigint): Uint8Array | null {
  const pa = pfn << BigInt(machine.pageShift);
  if (machine.core.exports.framePointer(pa) === 0) return null;
  return machine.isMemory(pfn) ? machine.readPage(pa) : null;
}
