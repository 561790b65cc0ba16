// Workloads G1: memory parcels under Gunyah, in Freehold, plain C and plain JavaScript.

import * as abi from "../assembly/abi/gunyah-rm.js";
import { OPERATION_A, OPERATION_SIZE } from "../assembly/abi/operations.js";
import { packMessage } from "../src/machine/gunyah-messages.js";
import { ownerOf } from "../src/machine/gunyah-parcels.js";
import { GunyahVm } from "../src/machine/gunyah-vm.js";
import { Machine } from "../src/machine/machine.js";
import { CTwin } from "./c/process.js";
import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "./definitions.js";
import {
  acceptMessage,
  BASE,
  CARVEOUT_PAGES,
  FIRST_PFN,
  gunyahWorkload,
  HLOS,
  IPA_BASE,
  lendMessage,
  PAGES,
  pagesConcerned,
  PARCELS,
  PHASES,
  returnMessage,
  VM,
  type GunyahWorkload,
} from "./gunyah-definitions.js";
import { measure, type Effort, type Variant } from "./harness.js";
import { JavaScriptGunyah } from "./js/gunyah.js";
import type { Row } from "./report.js";

const PAGE = 4096;

/** Measures one workload in all variants. Without a C compiler the figures for C are missing. */
export async function measureGunyah({ id, pages }: GunyahWorkload, effort: Effort): Promise<Row> {
  const twin = CTwin.start("gunyah.c");
  try {
    const variants: Variant[] = [{ name: "freehold", runner: new FreeholdGunyah() }];
    if (twin !== null) variants.push({ name: "c", runner: twin });
    variants.push({ name: "js", runner: new JavaScriptGunyah() });
    const { freehold, c, js } = await measure({ id, operations: PHASES * PARCELS, phases: PHASES }, variants, effort);
    const title = `lend, accept, release, reclaim; ${pages === 1 ? "1 page" : `${pages} pages`} a parcel`;
    const bound = "instructions: records and ownership are trees of ranges, the twins have an array";
    return { id, title, bound, unit: "M messages/s", freehold: freehold!, c: c ?? null, js: js! };
  } finally {
    twin?.stop();
  }
}

/** The records of one phase; `handles` are the offsets of the parcels' handles in them. */
interface Phase {
  readonly records: Uint8Array;
  readonly view: DataView;
  readonly handles: readonly number[];
}

/** Messages one after the other. All but LEND begin with a handle. */
function phaseOf(vm: number, message: number, encode: (parcel: number) => Uint8Array): Phase {
  const parts = Array.from({ length: PARCELS }, (_, parcel) => packMessage(vm, message, encode(parcel)));
  const records = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  const handles: number[] = [];
  let at = 0;
  for (const part of parts) {
    records.set(part, at);
    if (message !== abi.MEM_LEND) handles.push(at + OPERATION_A);
    at += part.length;
  }
  return { records, view: new DataView(records.buffer), handles };
}

export class FreeholdGunyah implements Runner {
  #workload: GunyahWorkload = gunyahWorkload("G1-1");
  #machine: Machine | null = null;
  #phases: readonly Phase[] = [];
  /** The handle that the next parcel gets. */
  #nextHandle = 0;

  async setup(id: string): Promise<void> {
    const workload = gunyahWorkload(id);
    this.#machine = await Machine.createGunyah({
      regions: [{ base: BASE, size: PAGES * PAGE }],
      hyp_carveout: { base: BASE, size: CARVEOUT_PAGES * PAGE },
      table_pages: CARVEOUT_PAGES,
    });
    const made = new GunyahVm(this.#machine, HLOS).allocVm(VM);
    if (made.error !== 0) throw new Error(`rm_vm_alloc gives ${made.name}`);
    this.#workload = workload;
    this.#nextHandle = 0;
    this.#phases = [
      phaseOf(HLOS, abi.MEM_LEND, (parcel) => lendMessage(workload, parcel)),
      phaseOf(VM, abi.MEM_ACCEPT, acceptMessage),
      phaseOf(VM, abi.MEM_RELEASE, returnMessage),
      phaseOf(HLOS, abi.MEM_RECLAIM, returnMessage),
    ];
  }

  phase(index: number): Promise<PhaseOutcome> {
    this.#load(index);
    return Promise.resolve({ refused: this.#run(index), digest: this.#digest() });
  }

  /** Getting records into the window, with the handles of this round, is not timed. */
  rounds(count: number): Promise<RoundsOutcome> {
    let milliseconds = 0;
    let refused = 0;
    for (let round = 0; round < count; round++) {
      for (let index = 0; index < PHASES; index++) {
        this.#load(index);
        const start = performance.now();
        refused += this.#run(index);
        milliseconds += performance.now() - start;
      }
    }
    return Promise.resolve({ nanoseconds: milliseconds * 1e6, refused });
  }

  #load(index: number): void {
    const { core } = this.#machine!;
    const { records, view, handles } = this.#phases[index]!;
    handles.forEach((at, parcel) => view.setUint32(at, this.#nextHandle - PARCELS + parcel, true));
    new Uint8Array(core.memory.buffer, core.exports.operationWindow(), records.length).set(records);
  }

  #run(index: number): number {
    const { exports } = this.#machine!.core;
    const count = this.#phases[index]!.records.length / OPERATION_SIZE;
    const ran = exports.runBatch(count, 0);
    if (ran !== count) throw new Error(`${ran} of ${count} operations ran`);
    if (index === 0) this.#nextHandle += PARCELS;
    return exports.countRefused(count);
  }

  // The digest, in the order of bench/c/gunyah.c: the pages' owners, HLOS's leaves, the VM's leaves.

  #digest(): number {
    const machine = this.#machine!;
    const digest = new Digest();
    const pages = pagesConcerned(this.#workload);
    for (let pfn = FIRST_PFN; pfn < FIRST_PFN + pages; pfn++) {
      const { role, label } = ownerOf(machine, BigInt(pfn * PAGE));
      digest.add(role === "parcel" ? 2 + label : role === "owned" && label === HLOS ? 1 : 0, 0);
    }
    addLeaves(digest, machine, "host", FIRST_PFN * PAGE, pages);
    addLeaves(digest, machine, VM, IPA_BASE, pages);
    return digest.unsigned;
  }
}

function addLeaves(digest: Digest, machine: Machine, stage2: "host" | number, first: number, pages: number): void {
  for (const { ipa, descriptor } of machine.leaves(stage2)) {
    if (ipa < BigInt(first) || ipa >= BigInt(first + pages * PAGE)) continue;
    for (const word of [ipa, descriptor]) digest.add(Number(word & 0xffff_ffffn), Number(word >> 32n));
  }
}
