// The plain-JavaScript twin of bench/c/walker.c: tables and addresses as pairs of 32-bit words, low half first.

import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "../definitions.js";
import { chainMask, IPA_BASE, PA_BASE, requestIpas, REQUESTS, WALK_BATCH, walkWorkload } from "../walk-definitions.js";

const TABLE_WORDS = 1024;
const PTE_TABLE = 3;
const PTE_AF = 0x400;
const PTE_S2AP_R = 0x40;
const PTE_PAGE = PTE_TABLE | PTE_AF | (3 << 8) | (3 << 6) | (15 << 2);
/** Frame number of the first table in the simulated memory. */
const POOL_PFN = 0x40000;
const TRANSLATION = 1;
const ACCESS_FLAG = 3;
const PERMISSION = 4;
const ABORT_ON_WALK = 5;

export class JavaScriptWalker implements Runner {
  #pool = new Uint32Array(0);
  #tables = 0;
  #ipas: Uint32Array = new Uint32Array(0);
  readonly #answers = new Uint32Array(2 * REQUESTS);
  #run = (): number => 0;

  setup(id: string): Promise<void> {
    const workload = walkWorkload(id);
    const { size, form } = workload;
    this.#mapAll(size);
    this.#ipas = requestIpas(size);
    const mask = chainMask(workload);
    const [pool, ipas, answers] = [this.#pool, this.#ipas, this.#answers];
    const low = mask >>> 0;
    const high = Math.floor(mask / 2 ** 32);
    this.#run =
      form === "dependent" ? () => walkChain(pool, ipas, answers, low, high) : () => walkAll(pool, ipas, answers);
    return Promise.resolve();
  }

  phase(): Promise<PhaseOutcome> {
    const refused = this.#run();
    const digest = new Digest();
    for (let i = 0; i < this.#answers.length; i += 2) digest.add(this.#answers[i]!, this.#answers[i + 1]!);
    return Promise.resolve({ refused, digest: digest.unsigned });
  }

  rounds(count: number): Promise<RoundsOutcome> {
    const start = performance.now();
    let refused = 0;
    for (let round = 0; round < count; round++) refused += this.#run();
    return Promise.resolve({ nanoseconds: (performance.now() - start) * 1e6, refused });
  }

  #mapAll(size: number): void {
    const leafTables = size / 2 ** 21;
    this.#pool = new Uint32Array((leafTables + Math.ceil(leafTables / 512) + 2) * TABLE_WORDS);
    this.#tables = 1;
    for (let at = 0; at < size; at += 4096) this.#mapPage(IPA_BASE + at, PA_BASE + at);
  }

  #mapPage(ipa: number, pa: number): void {
    let table = 0;
    for (let shift = 39; shift > 12; shift -= 9) {
      const entry = table + 2 * (Math.floor(ipa / 2 ** shift) % 512);
      if (this.#pool[entry] === 0) this.#setEntry(entry, (POOL_PFN + this.#tables++) * 4096, PTE_TABLE);
      table = (this.#pool[entry]! >>> 12) - POOL_PFN;
      table *= TABLE_WORDS;
    }
    this.#setEntry(table + 2 * (Math.floor(ipa / 4096) % 512), pa, PTE_PAGE);
  }

  #setEntry(entry: number, pa: number, attributes: number): void {
    this.#pool[entry] = (pa >>> 0) | attributes;
    this.#pool[entry + 1] = pa / 2 ** 32;
  }
}

/** The answer's high half; its low half is in `answerLow`. */
let answerLow = 0;

function fault(kind: number, level: number): number {
  answerLow = (level << 8) | kind;
  return 0x80000000;
}

/** Index of the first word of the table that an entry points to; -1 if it lies outside the pool. */
function tableOf(pool: Uint32Array, low: number, high: number): number {
  const table = ((((high & 0xffff) << 20) | (low >>> 12)) - POOL_PFN) * TABLE_WORDS;
  return (high & 0xfff0) === 0 && table >= 0 && table < pool.length ? table : -1;
}

function walk(pool: Uint32Array, low: number, high: number): number {
  if (high >>> 16 !== 0) return fault(TRANSLATION, 0);
  let entry = (high >>> 6) & 0x3fe;
  let word = pool[entry]!;
  if ((word & PTE_TABLE) !== PTE_TABLE) return fault(TRANSLATION, 0);
  let table = tableOf(pool, word, pool[entry + 1]!);
  if (table < 0) return fault(ABORT_ON_WALK, 1);

  entry = table + (((high << 3) | (low >>> 29)) & 0x3fe);
  word = pool[entry]!;
  if ((word & PTE_TABLE) !== PTE_TABLE) return fault(TRANSLATION, 1);
  table = tableOf(pool, word, pool[entry + 1]!);
  if (table < 0) return fault(ABORT_ON_WALK, 2);

  entry = table + ((low >>> 20) & 0x3fe);
  word = pool[entry]!;
  if ((word & PTE_TABLE) !== PTE_TABLE) return fault(TRANSLATION, 2);
  table = tableOf(pool, word, pool[entry + 1]!);
  if (table < 0) return fault(ABORT_ON_WALK, 3);

  entry = table + ((low >>> 11) & 0x3fe);
  word = pool[entry]!;
  if ((word & PTE_TABLE) !== PTE_TABLE) return fault(TRANSLATION, 3);
  if ((word & PTE_AF) === 0) return fault(ACCESS_FLAG, 3);
  if ((word & PTE_S2AP_R) === 0) return fault(PERMISSION, 3);
  answerLow = (word & 0xfffff000) | (low & 0xfff);
  return pool[entry + 1]! & 0xffff;
}

function walkAll(pool: Uint32Array, ipas: Uint32Array, answers: Uint32Array): number {
  let faults = 0;
  for (let i = 0; i < 2 * REQUESTS; i += 2) {
    const high = walk(pool, ipas[i]!, ipas[i + 1]!);
    answers[i] = answerLow;
    answers[i + 1] = high;
    faults += high >>> 31;
  }
  return faults;
}

function walkChain(
  pool: Uint32Array,
  ipas: Uint32Array,
  answers: Uint32Array,
  maskLow: number,
  maskHigh: number,
): number {
  let faults = 0;
  let lastLow = 0;
  let lastHigh = 0;
  for (let i = 0; i < 2 * REQUESTS; i += 2) {
    if (i % (2 * WALK_BATCH) === 0) lastLow = lastHigh = 0;
    lastHigh = walk(pool, ipas[i]! ^ (lastLow & maskLow), ipas[i + 1]! ^ (lastHigh & maskHigh));
    lastLow = answerLow;
    answers[i] = lastLow;
    answers[i + 1] = lastHigh;
    faults += lastHigh >>> 31;
  }
  return faults;
}
