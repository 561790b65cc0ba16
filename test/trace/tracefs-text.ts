// A small hypervisor trace to build cases from: 2 MiB of memory, of which EL2 owns the first 16 pages, and one protected VM.

export type Fields = Readonly<Record<string, string | number>>;

const START = 100_000_000;

/** Events become lines, a microsecond apart. */
export function traceText(events: readonly string[]): string {
  return events.map((event, index) => `[000]\t  ${((START + index) / 1e6).toFixed(6)}: ${event}\n`).join("");
}

const inWords = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");

/** A mem_op event; what is left out is the usual. */
export function memOp(seq: number, op: string, fields: Fields): string {
  const usual = { early: 0, op, pfn: "0x40100", gfn: "0x0", nr: 1, vm: "0x0", ret: 0 };
  const states = { host: "owned", hyp: "nopage", guest: "-", cnt: 0 };
  return `mem_op seq=${seq} ${inWords({ ...usual, ...states, ...fields })}`;
}

export function abort(seq: number, ipa: string, fields: Fields): string {
  const usual = { early: 0, ipa, esr: "0x93c08007", far: "0xffff000000100000", start: ipa, size: "0x1000", ret: 0 };
  return `host_mem_abort seq=${seq} ${inWords({ ...usual, ...fields })}`;
}

const GUEST = { gfn: "0x80000", vm: "0x1000" };
const PRIVATE = { ...GUEST, host: "nopage", guest: "owned" };

/** Twelve steps that leave the machine as it was, but for one mapped page, and share and donate on the way. */
export const STEPS: readonly string[] = [
  memOp(0, "host_share_hyp", { host: "shared_owned", hyp: "shared_borrowed" }),
  memOp(1, "hyp_pin", { host: "shared_owned", hyp: "shared_borrowed", cnt: 1 }),
  memOp(2, "host_unshare_hyp", { ret: -16, host: "shared_owned", hyp: "shared_borrowed" }),
  memOp(3, "hyp_unpin", { host: "shared_owned", hyp: "shared_borrowed" }),
  memOp(4, "host_unshare_hyp", {}),
  memOp(5, "host_donate_guest", PRIVATE),
  memOp(6, "guest_share_host", { ...GUEST, host: "shared_borrowed", guest: "shared_owned" }),
  memOp(7, "host_donate_guest", { ...GUEST, ret: -1, host: "shared_borrowed", guest: "shared_owned" }),
  memOp(8, "guest_unshare_host", PRIVATE),
  abort(9, "0x40101000", {}),
  abort(10, "0x40100000", { start: "0x0", size: "0x0", ret: -1 }),
  memOp(11, "host_reclaim_guest", { ...GUEST, guest: "nopage" }),
];

interface LeafRun {
  readonly addr: string;
  readonly entries: number;
  readonly level: number;
  readonly pte: string;
}

const BEFORE: readonly LeafRun[] = [
  { addr: "0x0", entries: 1, level: 1, pte: "0x0" },
  { addr: "0x40000000", entries: 16, level: 3, pte: "0x2000000000000002" },
  { addr: "0x40010000", entries: 496, level: 3, pte: "0x0" },
  { addr: "0x40200000", entries: 511, level: 2, pte: "0x0" },
  { addr: "0x80000000", entries: 510, level: 1, pte: "0x0" },
  { addr: "0x8000000000", entries: 511, level: 0, pte: "0x0" },
];

const AFTER: readonly LeafRun[] = [
  ...BEFORE.slice(0, 2),
  { addr: "0x40010000", entries: 240, level: 3, pte: "0x0" },
  { addr: "0x40100000", entries: 2, level: 3, pte: "0x401007ff" },
  { addr: "0x40102000", entries: 254, level: 3, pte: "0x0" },
  ...BEFORE.slice(3),
];

/** A snapshot of the machine before or after the steps. */
export function snapshot(seq: number, leaves: "before" | "after"): string[] {
  return [
    `snapshot id=1 begin seq=${seq}`,
    "page_run pfn=0x40000 nr=16 host=nopage hyp=owned cnt=0 ref=0",
    "page_run pfn=0x40010 nr=496 host=owned hyp=nopage cnt=0 ref=0",
    ...(leaves === "before" ? BEFORE : AFTER).map((run) => `s2_run vm=0x0 ${inWords({ ...run })}`),
    `snapshot id=1 end seq=${seq}`,
  ];
}

/** Where the VM's leaf is while its page is private. */
export const GUEST_SNAPSHOT: readonly string[] = [
  "snapshot id=4096 begin seq=6",
  "s2_run vm=0x1000 addr=0x0 entries=2 level=1 pte=0x0",
  "s2_run vm=0x1000 addr=0x80000000 entries=1 level=3 pte=0x401007ff",
  "s2_run vm=0x1000 addr=0x80001000 entries=511 level=3 pte=0x0",
  "s2_run vm=0x1000 addr=0x80200000 entries=511 level=2 pte=0x0",
  "s2_run vm=0x1000 addr=0xc0000000 entries=509 level=1 pte=0x0",
  "s2_run vm=0x1000 addr=0x8000000000 entries=511 level=0 pte=0x0",
  "snapshot id=4096 end seq=6",
];

/** Snapshot, steps with a guest's snapshot in between, snapshot: lines 1-10, 11-30, 31-42. */
export const TRACE: readonly string[] = [
  ...snapshot(0, "before"),
  ...STEPS.slice(0, 6),
  ...GUEST_SNAPSHOT,
  ...STEPS.slice(6),
  ...snapshot(12, "after"),
];
