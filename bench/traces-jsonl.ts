// A long trace in Freehold's own format, for workload T1: one protected VM that is given pages, shares some of them back,
// takes the shares back and has all pages reclaimed, over and over.

import { closeSync, openSync, writeSync } from "node:fs";
import type { MachineConfig } from "../src/machine/config.js";
import type { Operation } from "../src/machine/operations.js";
import { traceHeader, traceLine, type TraceExpectations } from "../src/trace/freehold-trace-writer.js";

const OWNED = 0;
const SHARED_OWNED = 1;
const NOPAGE = 3;

const CONFIG: MachineConfig = {
  regions: [{ base: 0x40000000n, size: 0x10000000n }],
  hyp_carveout: { base: 0x40000000n, size: 0x2000000n },
  features: { fwb: true, dic: true, tlb_range: true },
};

const VM = 0x1000;
const PFN0 = 0x48000;
const GFN0 = 0x80000;
const PAGES = 16384;
/** Pages that are donated in one go, as a guest touching its memory would have it. */
const RUN = 64;

/** The VM: its descriptors shared, its EL2 memory donated, its vCPU loaded with 64 table pages. */
function* setUp(): Generator<string> {
  const ok: TraceExpectations = { ret: 0 };
  yield traceLine({ op: "reserve_vm" }, { ret: VM });
  for (const pfn of [0x42000n, 0x42001n, 0x42030n, 0x42031n]) yield traceLine({ op: "host_share_hyp", pfn }, ok);
  yield traceLine(
    {
      op: "init_vm",
      vm: VM,
      kvm_pa: 0x42000000n,
      vm_pa: 0x42010000n,
      pgd_pa: 0x42020000n,
      vcpus: 1,
      protected: 1,
      id_regs: 1,
    },
    ok,
  );
  yield traceLine({ op: "init_vcpu", vm: VM, vcpu: 0, host_pa: 0x42030000n, hyp_pa: 0x42040000n }, ok);
  const mcPages = Array.from({ length: 64 }, (_, index) => BigInt(0x42100 + index));
  yield traceLine({ op: "refill_memcache", vm: VM, vcpu: 0 }, ok, { mcPages });
  yield traceLine({ op: "vcpu_load", vm: VM, vcpu: 0 }, ok);
}

/** Numbers from 0 to `count` - 1 in an order that looks random: xorshift32, Fisher-Yates. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  let x = 2463534242;
  for (let i = count - 1; i > 0; i--) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const j = (x >>> 0) % (i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** One round: it leaves the machine as it found it, but for table pages, so that it can be repeated. */
function* round(): Generator<string> {
  const runs = shuffled(PAGES / RUN);
  for (const run of runs) yield* eachPage(run, donate);
  for (const run of runs.slice(0, runs.length / 2)) {
    yield* eachPage(run, share);
    yield* eachPage(run, unshare);
  }
  for (const run of shuffled(PAGES / RUN)) yield* eachPage(run, reclaim);
}

function* eachPage(run: number, line: (page: number) => string): Generator<string> {
  for (let page = run * RUN; page < (run + 1) * RUN; page++) yield line(page);
}

function donate(page: number): string {
  const pfn = BigInt(PFN0 + page);
  const operation: Operation = { op: "host_donate_guest", vm: VM, vcpu: 0, pfn, gfn: BigInt(GFN0 + page) };
  return traceLine(operation, { ret: 0, host: NOPAGE });
}

function share(page: number): string {
  const operation: Operation = { op: "guest_share_host", vm: VM, vcpu: 0, gfn: BigInt(GFN0 + page) };
  return traceLine(operation, { ret: 0, guest: SHARED_OWNED });
}

function unshare(page: number): string {
  const operation: Operation = { op: "guest_unshare_host", vm: VM, vcpu: 0, gfn: BigInt(GFN0 + page) };
  return traceLine(operation, { ret: 0, guest: OWNED });
}

function reclaim(page: number): string {
  return traceLine({ op: "host_reclaim_page_guest", vm: VM, gfn: BigInt(GFN0 + page) }, { ret: 0, guest: NOPAGE });
}

/**
 * Writes a trace of at least `bytes` bytes, every result of which a replay confirms.
 *
 * @returns the size of the file and the operations in it
 */
export function writeJsonlTrace(path: string, bytes: number): { readonly bytes: number; readonly operations: number } {
  const lines = [...round()];
  const body = Buffer.from(lines.join(""));
  const prologue = [...setUp()];
  const file = openSync(path, "w");
  let written = 0;
  let operations = prologue.length;
  try {
    written += writeSync(file, traceHeader(CONFIG, "benchmark T1") + prologue.join(""));
    for (; written < bytes; operations += lines.length) written += writeAll(file, body);
  } finally {
    closeSync(file);
  }
  return { bytes: written, operations };
}

function writeAll(file: number, body: Uint8Array): number {
  let written = 0;
  while (written < body.length) written += writeSync(file, body, written);
  return written;
}
