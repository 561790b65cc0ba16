// Long traces for whoever looks at traces: a protected VM that is given pages from all over memory, in runs as a host's allocator
// has them, shares them, takes the shares back and loses them, in no order; in between the host shares pages with EL2. The same
// arguments give the same bytes.

import { closeSync, openSync, writeSync } from "node:fs";
import type { MachineConfig } from "../src/machine/config.js";
import { traceHeader, traceLine } from "../src/trace/freehold-trace-writer.js";

export interface TimelineTraceOptions {
  readonly operations: number;
  /** DRAM of the machine, 1 at least. */
  readonly gibibytes: number;
}

const GIB = 2 ** 30;
const PAGE = 4096;
const BASE = 0x8000_0000;
const VM = 0x1000;
const GFN0 = 0x80000;
/** Pages that the guest can have. */
const GUEST_PAGES = 65536;
/** One level-3 table for 512 of them, and the levels above. */
const TABLE_PAGES = GUEST_PAGES / 512 + 16;
/** Pages that the host shares with EL2, in turn. */
const HYP_PAGES = 4096;
/** Pages that lie side by side. */
const RUN = 64;
/** EL2's memory, and behind it what the VM is made from. */
const CARVEOUT = GIB / 2;
const SET_UP_PAGES = 4096;
const FLUSH_BYTES = 2 ** 20;

/** Writes a trace, every result of which a replay confirms. */
export function writeTimelineTrace(path: string, options: TimelineTraceOptions): void {
  const file = openSync(path, "w");
  try {
    let text = "";
    for (const line of timelineTrace(options)) {
      text += line;
      if (text.length < FLUSH_BYTES) continue;
      writeSync(file, text);
      text = "";
    }
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

/** The lines of such a trace. */
export function* timelineTrace({ operations, gibibytes }: TimelineTraceOptions): Generator<string> {
  const config: MachineConfig = {
    regions: [{ base: BigInt(BASE), size: BigInt(gibibytes * GIB) }],
    hyp_carveout: { base: BigInt(BASE), size: BigInt(CARVEOUT) },
    features: { fwb: true, dic: true, tlb_range: true },
  };
  yield traceHeader(config, `${gibibytes} GiB, ${operations} operations`);
  const setUp = [...setUpLines()];
  yield* setUp;
  const life = new GuestLife(gibibytes);
  for (let operation = setUp.length; operation < operations; operation++) yield life.next();
}

/** Reserved, its descriptors shared, its EL2 memory donated, its vCPU loaded with table pages. */
function* setUpLines(): Generator<string> {
  const pa = BASE + CARVEOUT;
  const at = (offset: number) => BigInt(pa + offset);
  const pfn = (offset: number) => at(offset) / BigInt(PAGE);
  yield traceLine({ op: "reserve_vm" }, { ret: VM });
  for (const offset of [0, 0x1000, 0x30000, 0x31000])
    yield traceLine({ op: "host_share_hyp", pfn: pfn(offset) }, { ret: 0 });
  const areas = { kvm_pa: at(0), vm_pa: at(0x10000), pgd_pa: at(0x20000) };
  yield traceLine({ op: "init_vm", vm: VM, ...areas, vcpus: 1, protected: 1, id_regs: 1 }, { ret: 0 });
  yield traceLine({ op: "init_vcpu", vm: VM, vcpu: 0, host_pa: at(0x30000), hyp_pa: at(0x40000) }, { ret: 0 });
  const mcPages = Array.from({ length: TABLE_PAGES }, (_, index) => pfn(0x100000 + index * PAGE));
  yield traceLine({ op: "refill_memcache", vm: VM, vcpu: 0 }, { ret: 0 }, { mcPages });
  yield traceLine({ op: "vcpu_load", vm: VM, vcpu: 0 }, { ret: 0 });
}

const FREE = 0;
const OWNED = 1;
const SHARED = 2;

/** What becomes of the guest's pages, by xorshift32. */
class GuestLife {
  readonly #guest = new Uint8Array(GUEST_PAGES);
  readonly #hyp = new Uint8Array(HYP_PAGES);
  readonly #firstPfn = (BASE + CARVEOUT) / PAGE + SET_UP_PAGES;
  readonly #stride: number;
  #x = 2463534242;

  constructor(gibibytes: number) {
    const pages = (gibibytes * GIB - CARVEOUT) / PAGE - SET_UP_PAGES;
    this.#stride = Math.floor((pages * RUN) / (GUEST_PAGES + HYP_PAGES));
  }

  next(): string {
    const random = this.#random();
    return (random & 7) === 0
      ? this.#toggleHyp((random >>> 3) % HYP_PAGES)
      : this.#live((random >>> 3) % GUEST_PAGES, random);
  }

  #random(): number {
    this.#x ^= this.#x << 13;
    this.#x ^= this.#x >>> 17;
    this.#x ^= this.#x << 5;
    return this.#x >>> 0;
  }

  #toggleHyp(index: number): string {
    const pfn = this.#pfn(GUEST_PAGES + index);
    const isShared = this.#hyp[index] === 1;
    this.#hyp[index] = isShared ? 0 : 1;
    return traceLine({ op: isShared ? "host_unshare_hyp" : "host_share_hyp", pfn }, { ret: 0 });
  }

  #live(index: number, random: number): string {
    const gfn = BigInt(GFN0 + index);
    switch (this.#guest[index]) {
      case FREE:
        this.#guest[index] = OWNED;
        return traceLine({ op: "host_donate_guest", vm: VM, vcpu: 0, pfn: this.#pfn(index), gfn }, { ret: 0 });
      case SHARED:
        this.#guest[index] = OWNED;
        return traceLine({ op: "guest_unshare_host", vm: VM, vcpu: 0, gfn }, { ret: 0 });
      default: {
        const isTaken = random >>> 31 === 1;
        this.#guest[index] = isTaken ? FREE : SHARED;
        if (isTaken) return traceLine({ op: "host_reclaim_page_guest", vm: VM, gfn }, { ret: 0 });
        return traceLine({ op: "guest_share_host", vm: VM, vcpu: 0, gfn }, { ret: 0 });
      }
    }
  }

  #pfn(index: number): bigint {
    return BigInt(this.#firstPfn + Math.floor(index / RUN) * this.#stride + (index % RUN));
  }
}
