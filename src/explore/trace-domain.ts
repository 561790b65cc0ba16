// A search that begins in the middle of a trace: its machine, what it has done by then, and a few of its pages in play.
//
// A search visits every order of every call on what is in play, so that must be little: the pages that are asked for, or else
// those that the last operations named; the guest frames at which live VMs have these pages, or which the last operations named;
// and the VMs themselves. All else stays as the trace left it.

import { hex } from "../machine/names.js";
import { decodeOperation, type Operation } from "../machine/operations.js";
import { TAPE_ENTRY_SIZE } from "../../assembly/abi/tape.js";
import type { HostConfig, MachineConfig } from "../machine/config.js";
import { isValid, outputAddress } from "../machine/describe.js";
import type { Machine } from "../machine/machine.js";
import { replayChunks } from "../trace/replay-chunks.js";
import { TraceError, type ReplayObserver } from "../trace/replay.js";
import type { Domain } from "./domain.js";
import { hostCalls, TRACER, vmCalls } from "./pkvm-domain.js";

/** So many operations before the search say what is in play. */
const LAST_OPERATIONS = 16;
const MOST_PAGES = 4;
const MOST_GFNS = 2;
/** Where no guest frame is known yet. */
const ANY_GFN = 0x8_0000n;
/** The core's rows have room for so many VM slots. */
const MOST_VMS = 14;
const PAGE_SHIFT = 12;

/** Pages from `first` to `last`; with `bytes`, addresses. */
export interface PagesInPlay {
  readonly first: bigint;
  readonly last: bigint;
  readonly bytes: boolean;
}

/**
 * The domain of a search that begins behind a number of operations.
 *
 * @param chunks the trace, unpacked
 * @param inPlay null: those that the last operations named
 * @throws TraceError if the trace is refused, or has no such state, or its machine cannot be searched
 */
export async function domainFromTrace(
  chunks: AsyncIterable<Uint8Array>,
  operations: number,
  inPlay: readonly PagesInPlay[] | null,
): Promise<Domain> {
  const tape = new Tape();
  const { machine, stopped } = await replayChunks(chunks, { at: operations, observer: tape });
  if (machine === null || !stopped) throw new TraceError(0, `the trace has no state behind ${operations} operations`);
  const config = searchable(machine);
  const pages = inPlay === null ? namedPages(machine, tape.operations) : pagesOf(inPlay);
  const nowhere = pages.filter((pfn) => !machine.isMemory(pfn)).map(hex);
  if (nowhere.length > 0) throw new TraceError(0, `pages in play that are no memory: ${nowhere.join(", ")}`);
  if (pages.length === 0) throw new TraceError(0, "no page is in play: name some");
  const gfns = gfnsOf(machine, pages, tape.operations);
  const vms = machine.vms().filter(({ state }) => state === "live" || state === "dying");
  return {
    config: machineConfig(config, slotsOf(machine, config)),
    pages: pages.map((pfn) => ({ pfn })),
    gfns,
    contents: [],
    history: tape.operations,
    setUp: [],
    steps: [
      ...pages.flatMap((pfn) => hostCalls(pfn, gfns)),
      ...pages.map((pfn) => ({ op: "host_memcache_push_loaded", pfn }) as const),
      { op: "vcpu_put" },
      ...vms.flatMap(({ vm, protected: isProtected }) => vmCalls(vm, gfns, isProtected)),
    ],
    tracer: TRACER,
    longestList: 2,
  };
}

/** What the trace has done since its machine was made or reset. */
class Tape implements ReplayObserver {
  operations: Operation[] = [];

  open(): void {}
  begin(): void {}
  filled(): void {}

  reset(): void {
    this.operations = [];
  }

  ran(entries: DataView): void {
    for (let at = 0; at < entries.byteLength; at += TAPE_ENTRY_SIZE) {
      const operation = decodeOperation(entries, at);
      if (operation !== undefined) this.operations.push(operation);
    }
  }
}

function searchable({ config, panicked }: Machine): HostConfig {
  if (config.kind !== "pkvm" || config.secure_world !== undefined) {
    throw new TraceError(0, "only the trace of a pKVM machine without a secure world can be searched on from");
  }
  if (config.geometry.pageShift !== PAGE_SHIFT)
    throw new TraceError(0, "only a machine with pages of 4 KiB can be searched");
  if (panicked !== null) throw new TraceError(0, "EL2 has panicked by then: nothing more can happen");
  return config;
}

/** As many slots as the trace has used. */
function slotsOf(machine: Machine, { handle_base }: HostConfig): number {
  const slots = Math.max(1, ...machine.vms().map(({ vm }) => vm - handle_base + 1));
  if (slots > MOST_VMS) throw new TraceError(0, `${slots} VM slots are in use: at most ${MOST_VMS} can be searched`);
  return slots;
}

function machineConfig(config: HostConfig, max_vms: number): MachineConfig {
  const { features, hyp_carveout, hyp_text, host_s2_pool_pages, handle_base, variant = "linux" } = config;
  const { vm_bytes, vm_bytes_per_vcpu, vcpu_bytes, host_kvm_bytes, host_vcpu_bytes } = config;
  return {
    page_shift: PAGE_SHIFT,
    ia_bits: config.geometry.iaBits as NonNullable<MachineConfig["ia_bits"]>,
    regions: [...config.regions],
    ...{ features, hyp_carveout, hyp_text, host_s2_pool_pages, handle_base, max_vms, variant },
    ...{ vm_bytes, vm_bytes_per_vcpu, vcpu_bytes, host_kvm_bytes, host_vcpu_bytes },
  };
}

function pagesOf(ranges: readonly PagesInPlay[]): bigint[] {
  const pages = ranges.flatMap(({ first, last, bytes }) => {
    const shift = bytes ? BigInt(PAGE_SHIFT) : 0n;
    const [from, to] = [first >> shift, last >> shift];
    return Array.from({ length: Math.min(Number(to - from) + 1, MOST_PAGES + 1) }, (_, page) => from + BigInt(page));
  });
  if (pages.length > MOST_PAGES) throw new TraceError(0, `more than ${MOST_PAGES} pages cannot be in play`);
  return pages;
}

/** The pages that the last operations named, the last ones first. */
function namedPages(machine: Machine, operations: readonly Operation[]): bigint[] {
  const named = operations
    .slice(-LAST_OPERATIONS)
    .reverse()
    .flatMap((operation) => [
      ...("pfn" in operation ? [operation.pfn] : []),
      ...("phys" in operation ? [operation.phys >> BigInt(PAGE_SHIFT)] : []),
      ...("gfn" in operation && "vm" in operation ? mappedAt(machine, operation.vm, operation.gfn) : []),
    ]);
  return [...new Set(named)].filter((pfn) => machine.isMemory(pfn)).slice(0, MOST_PAGES);
}

function mappedAt(machine: Machine, vm: number, gfn: bigint): bigint[] {
  const leaf = machine.leaf(vm, gfn << BigInt(PAGE_SHIFT));
  if (leaf === null || !isValid(leaf.descriptor)) return [];
  return [outputAddress(leaf.descriptor, PAGE_SHIFT) >> BigInt(PAGE_SHIFT)];
}

function gfnsOf(machine: Machine, pages: readonly bigint[], operations: readonly Operation[]): bigint[] {
  const shift = BigInt(PAGE_SHIFT);
  const mapped = machine.vms().flatMap(({ vm }) =>
    machine.leaves(vm).flatMap(({ ipa, descriptor }) => {
      const pfn = outputAddress(descriptor, PAGE_SHIFT) >> shift;
      return isValid(descriptor) && pages.includes(pfn) ? [ipa >> shift] : [];
    }),
  );
  const named = operations
    .slice(-LAST_OPERATIONS)
    .reverse()
    .flatMap((operation) => ("gfn" in operation ? [operation.gfn] : []));
  const known = [...new Set([...mapped, ...named])].slice(0, MOST_GFNS);
  return known.length > 0 ? known : [ANY_GFN];
}
