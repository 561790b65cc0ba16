// A long hypervisor trace as tracefs prints it, for workload T1: a protected VM that is given pages, shares some with the
// host and takes them back, has its pages reclaimed, while the host faults on its own memory and shares pages with EL2.
// Everything a replay checks is in it: results, page states, fault ranges, a snapshot at the beginning and one at the end.

import { closeSync, openSync, writeSync } from "node:fs";

const PAGE = 0x1000;
const BLOCK_PAGES = 512;
const DRAM = 0x40000; // pfn of the first of 256 MiB
const DRAM_PAGES = 0x10000;
const CARVEOUT_PAGES = 0x2000; // EL2's own memory, at the start
const FIRST_BLOCK = 0x48000; // pfn of the 2 MiB blocks that the guest gets pages of
const BLOCKS = 16;
const FAULT_BLOCK = FIRST_BLOCK + BLOCKS * BLOCK_PAGES; // behind them: the block that the host faults on
const GFN = 0x80000;
const VM = "0x1000";

// Use of a block's pages.
const GUEST_PAGES = 256; // donated to the guest, the first SHARED_PAGES shared with the host for a while
const SHARED_PAGES = 64;
const PINNED_PAGES = 4; // behind them: shared with EL2 and pinned

/** Numbers start here, so that all have eight digits and can be written in place. */
const FIRST_SEQ = 10_000_000;
/** Time stamps: 100 s after boot, one microsecond a line. */
const FIRST_MICROSECOND = 100_000_000;

const HEADER = "[000]\t";
const NO_TIME = "    0.000000";
const NO_SEQ = "00000000";
const hex = (value: number): string => `0x${value.toString(16)}`;

const line = (text: string, cpu = 0): string => `[00${cpu}]\t${NO_TIME}: ${text}\n`;

interface MemOp {
  readonly op: string;
  readonly pfn: number;
  readonly nr?: number;
  readonly gfn?: number;
  readonly host: string;
  readonly hyp: string;
  readonly guest?: string;
  readonly cnt?: number;
}

function memOp({ op, pfn, nr = 1, gfn, host, hyp, guest = "-", cnt = 0 }: MemOp): string {
  const vm = gfn === undefined ? "0x0" : VM;
  const what = `op=${op} pfn=${hex(pfn)} gfn=${hex(gfn ?? 0)} nr=${nr} vm=${vm}`;
  return line(`mem_op seq=${NO_SEQ} early=0 ${what} ret=0 host=${host} hyp=${hyp} guest=${guest} cnt=${cnt}`);
}

function hypercall(func: string, x1: number, x2: number, body: string): string {
  const leftovers = "a3=0xffff000000efe000 a4=0x0 a5=0xffff800080c13c20";
  const call = line(`host_hcall func=${func} a1=${hex(x1)} a2=${hex(x2)} ${leftovers}`);
  return `${call}${body}${line(`host_hcall_ret func=${func} smccc=0 ret=0`)}`;
}

function* donate(pfn: number, gfn: number): Generator<string> {
  const fault = `esr=0x93810045 far=${hex(gfn * PAGE)} hpfar=${hex(gfn * 16)}`;
  yield line(`guest_exit vm=${VM} vcpu=0 code=2 ${fault}`);
  const op = memOp({ op: "host_donate_guest", pfn, gfn, host: "nopage", hyp: "nopage", guest: "owned" });
  yield hypercall("__pkvm_host_donate_guest", pfn, gfn, op);
}

function* shareAndUnshare(pfn: number, gfn: number): Generator<string> {
  const hvc = (fn: string) =>
    line(`guest_hvc vm=${VM} vcpu=0 fn=${fn} a1=${hex(gfn * PAGE)} a2=0x0 a3=0x0 handled=1 ret=0`);
  yield memOp({ op: "guest_share_host", pfn, gfn, host: "shared_borrowed", hyp: "nopage", guest: "shared_owned" });
  yield hvc("0xc6000003");
  yield memOp({ op: "guest_unshare_host", pfn, gfn, host: "nopage", hyp: "nopage", guest: "owned" });
  yield hvc("0xc6000004");
}

function hostFault(pfn: number): string {
  const ipa = hex(pfn * PAGE);
  const fault = `ipa=${ipa} esr=0x93c08007 far=0xffff0000${(pfn * PAGE).toString(16)}`;
  return line(`host_mem_abort seq=${NO_SEQ} early=0 ${fault} start=${ipa} size=0x1000 ret=0`, 1);
}

// EL2 takes a block and gives it back, so that the host has it mapped as one, whatever the last round left. One page of it
// to the guest breaks the mapping, and the host faults on the other pages.
function* faultBlock(pfn: number, gfn: number): Generator<string> {
  yield memOp({ op: "host_donate_hyp", pfn, nr: BLOCK_PAGES, host: "nopage", hyp: "owned" });
  yield memOp({ op: "hyp_donate_host", pfn, nr: BLOCK_PAGES, host: "owned", hyp: "nopage" });
  yield* donate(pfn, gfn);
  for (let i = 1; i < BLOCK_PAGES; i++) yield hostFault(pfn + i);
  yield* reclaim(pfn, gfn);
}

function* pinAndUnpin(pfn: number): Generator<string> {
  const shared = { pfn, host: "shared_owned", hyp: "shared_borrowed" };
  yield memOp({ ...shared, op: "host_share_hyp" });
  yield memOp({ ...shared, op: "hyp_pin", cnt: 1 });
  yield memOp({ ...shared, op: "hyp_unpin" });
  yield memOp({ op: "host_unshare_hyp", pfn, host: "owned", hyp: "nopage" });
}

function* reclaim(pfn: number, gfn: number): Generator<string> {
  const op = memOp({ op: "host_reclaim_guest", pfn, gfn, host: "owned", hyp: "nopage", guest: "nopage" });
  yield hypercall("__pkvm_reclaim_dying_guest_page", 0x1000, gfn, op);
}

/** What happens to one of the guest's blocks: it leaves the machine as it found it, so that it can be repeated. */
function* useBlock(pfn: number, gfn: number): Generator<string> {
  for (let i = 0; i < GUEST_PAGES; i++) yield* donate(pfn + i, gfn + i);
  for (let i = 0; i < SHARED_PAGES; i++) yield* shareAndUnshare(pfn + i, gfn + i);
  for (let i = 0; i < PINNED_PAGES; i++) yield* pinAndUnpin(pfn + GUEST_PAGES + i);
  for (let i = 0; i < GUEST_PAGES; i++) yield* reclaim(pfn + i, gfn + i);
}

function round(): string {
  const lines = [...faultBlock(FAULT_BLOCK, GFN + BLOCKS * BLOCK_PAGES)];
  for (let offset = 0; offset < BLOCKS * BLOCK_PAGES; offset += BLOCK_PAGES) {
    lines.push(...useBlock(FIRST_BLOCK + offset, GFN + offset));
  }
  return lines.join("");
}

/** Runs of the host's table: address, number of entries, level, first descriptor. `used`: rounds were run before. */
function* hostRuns(used: boolean): Generator<readonly [number, number, number, string]> {
  const end = DRAM + CARVEOUT_PAGES;
  yield [0, 1, 1, "0x0"];
  yield [DRAM * PAGE, CARVEOUT_PAGES, 3, "0x2000000000000002"];
  if (used) {
    yield [end * PAGE, (FIRST_BLOCK - end) / BLOCK_PAGES, 2, "0x0"];
    for (let pfn = FIRST_BLOCK; pfn < FAULT_BLOCK; pfn += BLOCK_PAGES) yield* blockRuns(pfn);
    yield [FAULT_BLOCK * PAGE, BLOCK_PAGES, 3, hex(FAULT_BLOCK * PAGE + 0x7ff)];
  }
  const rest = used ? FAULT_BLOCK + BLOCK_PAGES : end;
  yield [rest * PAGE, (2 * DRAM - rest) / BLOCK_PAGES, 2, "0x0"];
  yield [2 * DRAM * PAGE, BLOCK_PAGES - 2, 1, "0x0"];
  yield [2 ** 39, BLOCK_PAGES - 1, 0, "0x0"];
}

// Pages that were donated are mapped one by one, the others not at all.
function* blockRuns(pfn: number): Generator<readonly [number, number, number, string]> {
  yield [pfn * PAGE, GUEST_PAGES, 3, hex(pfn * PAGE + 0x7ff)];
  yield [(pfn + GUEST_PAGES) * PAGE, BLOCK_PAGES - GUEST_PAGES, 3, "0x0"];
}

function snapshot(seq: number, used: boolean): string {
  const pages = (pfn: number, nr: number, states: string) =>
    line(`page_run pfn=${hex(pfn)} nr=${nr} ${states} cnt=0 ref=0`);
  let text = line(`snapshot id=1 begin seq=${seq}`);
  text += pages(DRAM, CARVEOUT_PAGES, "host=nopage hyp=owned");
  text += pages(DRAM + CARVEOUT_PAGES, DRAM_PAGES - CARVEOUT_PAGES, "host=owned hyp=nopage");
  for (const [address, entries, level, pte] of hostRuns(used)) {
    text += line(`s2_run vm=0x0 addr=${hex(address)} entries=${entries} level=${level} pte=${pte}`);
  }
  return text + line(`snapshot id=1 end seq=${seq}`);
}

/** Text in which time stamps and numbers are filled in anew for every use. */
class Template {
  readonly bytes: Buffer;
  readonly #lines: readonly number[];
  readonly #numbers: readonly number[];

  constructor(text: string) {
    this.bytes = Buffer.from(text, "latin1");
    this.#lines = positionsOf(text, "[", HEADER.length);
    this.#numbers = positionsOf(text, `seq=${NO_SEQ}`, "seq=".length);
  }

  get operations(): number {
    return this.#numbers.length;
  }

  /** Fills in; returns the time stamp of the line behind. */
  fill(microsecond: number, seq: number): number {
    let time = microsecond;
    for (const at of this.#lines) {
      this.#write(at, 5, Math.floor(time / 1e6), 0x20);
      this.#write(at + 6, 6, time % 1e6, 0x30);
      time++;
    }
    this.#numbers.forEach((at, index) => this.#write(at, NO_SEQ.length, seq + index, 0x30));
    return time;
  }

  #write(at: number, width: number, value: number, blank: number): void {
    let rest = value;
    for (let digit = at + width - 1; digit >= at; digit--) {
      this.bytes[digit] = rest === 0 && digit < at + width - 1 ? blank : 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

function positionsOf(text: string, mark: string, offset: number): number[] {
  const positions: number[] = [];
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + 1)) positions.push(at + offset);
  return positions;
}

/**
 * Writes a trace of at least `bytes` bytes, every result of which a replay confirms.
 *
 * @returns the size of the file and the operations in it
 */
export function writeTracefsTrace(
  path: string,
  bytes: number,
): { readonly bytes: number; readonly operations: number } {
  const body = new Template(round());
  const file = openSync(path, "w");
  let written = 0;
  let time = FIRST_MICROSECOND;
  let seq = FIRST_SEQ;
  const append = (template: Template) => {
    time = template.fill(time, seq);
    seq += template.operations;
    written += writeAll(file, template.bytes);
  };
  try {
    append(new Template(snapshot(seq, false)));
    while (written < bytes) append(body);
    append(new Template(snapshot(seq, true)));
  } finally {
    closeSync(file);
  }
  return { bytes: written, operations: seq - FIRST_SEQ };
}

function writeAll(file: number, bytes: Uint8Array): number {
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
  return written;
}
