// The typed façade over one instance of the core: configuration in, operations in, outcomes, effects and state out.

import * as codes from "../../assembly/abi/codes.js";
import { BATCH_OPERATIONS, OPERATION_SIZE } from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/records.js";
import * as walkAbi from "../../assembly/abi/walk.js";
import {
  decodeAnswer,
  encodeAccess,
  handleOf,
  type AccessAnswer,
  type AccessOptions,
  type MemoryAccess,
  type Stage2,
} from "./accesses.js";
import {
  ConfigError,
  creationError,
  packConfig,
  resolveConfig,
  resolveKvmConfig,
  resolvePageTableConfig,
  type KvmConfig,
  type MachineConfig,
  type PageTableConfig,
  type ResolvedConfig,
} from "./config.js";
import { resolveGunyahConfig, type GunyahMachineConfig } from "./gunyah-config.js";
import { CCA_INVARIANTS } from "./cca-invariants.js";
import { ccaErrorName } from "./cca-reasons.js";
import { gunyahErrorName } from "./gunyah-names.js";
import {
  eachLeaf,
  listOwners,
  listPages,
  listRecords,
  listTables,
  type Leaf,
  type MappingRecord,
  type OwnerRun,
  type PageRun,
  type Table,
} from "./dumps.js";
import {
  decodeEffect,
  decodePageWord,
  decodeVcpuWord,
  decodeVmWord,
  type Effect,
  type PageState,
  type VcpuStatus,
  type VmStatus,
} from "./effects.js";
import { resolveFfaConfig, setUpOperations, type FfaConfig } from "./ffa-config.js";
import { checkFfaInvariants } from "./ffa-invariants.js";
import { levelShift } from "./geometry.js";
import { GUNYAH_INVARIANTS, INVARIANTS, invariantMask, type Violation } from "./invariants.js";
import { instantiateCore, type Core } from "./module.js";
import { encodeOperation, operationName, type Operation } from "./operations.js";
import { decodeOutcome, errnoName, ffaErrorName, panicOf, type Outcome, type Panic } from "./outcome.js";
import { unpackRegisters, type WalkRegisters } from "./walk-machine.js";
import { managersOf } from "./secure-world.js";
import { Tlb, type TlbMode } from "./tlb.js";
import { decodeTranslation, packAccess, type Access, type AccessKind, type Translation } from "./translation.js";

export type { Outcome } from "./outcome.js";

/** A VM slot that is not free. */
export interface Vm extends VmStatus {
  /** Handle of the VM. */
  readonly vm: number;
}

/** A vCPU that init_vcpu has created. */
export interface Vcpu extends VcpuStatus {
  readonly vm: number;
  readonly vcpu: number;
  /** Pages on the host's own list for this vCPU. */
  readonly hostMemcache: number;
}

/** A machine's whole state at one moment. Only the machine it was taken from can take it back. */
export interface Snapshot {
  readonly machine: Machine;
  readonly bytes: Uint8Array;
}

/** Hears what an operation did: its number since the machine was created or reset, and its effects in order. */
export type EffectsListener = (operation: number, effects: readonly Effect[]) => void;

/** What a machine has besides its configuration. */
export interface MachineOptions {
  /** Default: off. True: `on_access`. */
  readonly tlb?: TlbMode | boolean;
}

export interface BatchOptions {
  /** Record effects and fill in the outcomes' `effects` and `details`. Default: true. Without it a batch is much faster. */
  readonly effects?: boolean;
}

export interface PackedOptions {
  /** Takes `count` results of 24 bytes (layout: assembly/abi/records.ts). */
  readonly results?: Uint8Array;
  /** Record effects, for `eachEffectRecord` (of the last batch of 65536 operations). Default: false. */
  readonly effects?: boolean;
}

const isRefused = ({ ret, status }: Outcome) => ret !== 0 || status !== "ok";

/** A simulated arm64 machine under pKVM, Gunyah, plain KVM or FF-A partition managers, or a lone stage-2 table. */
export class Machine {
  readonly config: ResolvedConfig;
  /** Off, unless switched on. */
  readonly tlb: Tlb;
  readonly #core: Core;
  readonly #listeners = new Set<EffectsListener>();
  /** Operations run since creation or the last reset. */
  #operations = 0;

  private constructor(core: Core, config: ResolvedConfig) {
    this.#core = core;
    this.config = config;
    this.tlb = new Tlb(core, () => this.#operations);
  }

  /**
   * Makes a pKVM host in the state in which EL2 hands over to it.
   *
   * @param config only `regions` must be given
   * @param options what it has besides: a TLB model
   * @throws ConfigError naming the field that cannot be
   */
  static async create(config: MachineConfig, options: MachineOptions = {}): Promise<Machine> {
    return Machine.createOn(await instantiateCore(), resolveConfig(config), options);
  }

  /**
   * Makes a plain KVM host for the `kvm_*` and `gmem_*` operations: no stage 2 for the host, one for each VM.
   *
   * @throws ConfigError naming the field that cannot be
   */
  static async createKvm(config: KvmConfig, options: MachineOptions = {}): Promise<Machine> {
    return Machine.createOn(await instantiateCore(), resolveKvmConfig(config), options);
  }

  /**
   * Makes FF-A partition managers with their endpoints, for the `ffa_*` operations: a hypervisor, an SPMC, or both.
   *
   * @throws ConfigError naming the field that cannot be
   */
  static async createFfa(config: FfaConfig, options: MachineOptions = {}): Promise<Machine> {
    return Machine.createOn(await instantiateCore(), resolveFfaConfig(config), options);
  }

  /**
   * Makes a lone stage-2 table for the `pt_*` operations, without ownership or VMs.
   *
   * @throws ConfigError naming the field that cannot be
   */
  static async createPageTable(config: PageTableConfig, options: MachineOptions = {}): Promise<Machine> {
    return Machine.createOn(await instantiateCore(), resolvePageTableConfig(config), options);
  }

  /**
   * Makes a Gunyah machine as it is when HLOS starts: all memory is HLOS's, mapped IPA = PA. Its stage 2 is `"host"`, and those of
   * VMs go by VMID.
   *
   * @param config only `regions` must be given
   * @throws ConfigError naming the field that cannot be
   */
  static async createGunyah(config: GunyahMachineConfig, options: MachineOptions = {}): Promise<Machine> {
    return Machine.createOn(await instantiateCore(), resolveGunyahConfig(config), options);
  }

  /**
   * Makes the machine of a core that the caller has instantiated (and may have reserved memory in).
   *
   * @throws ConfigError if the core cannot make it
   */
  static createOn(core: Core, config: ResolvedConfig, options: MachineOptions = {}): Machine {
    const packed = packConfig(config);
    const window = core.exports.configWindow();
    new Uint8Array(core.memory.buffer, window, packed.length).set(packed);
    const answer = core.exports.machineCreate();
    if (answer !== codes.CREATE_OK) throw creationError(answer, config);
    const machine = new Machine(core, config);
    machine.#setUp();
    const { tlb = "off" } = options;
    if (tlb !== "off" && tlb !== false) machine.tlb.enable(tlb === true ? "on_access" : tlb);
    return machine;
  }

  // What of a machine is made by operations is there before the first one counts.
  #setUp(): void {
    const managers = managersOf(this.config);
    if (managers !== null) {
      const refused = this.applyBatch(setUpOperations(managers), { effects: false }).find(isRefused);
      if (refused !== undefined) throw new ConfigError(`endpoints: not enough memory (${refused.reason ?? "invalid"})`);
    }
    this.#operations = 0;
  }

  /** The core below, for readers that run records which are in its memory already. */
  get core(): Core {
    return this.#core;
  }

  /** log2 of the page size. */
  get pageShift(): number {
    return this.config.geometry.pageShift;
  }

  /** Page size in bytes. */
  get pageSize(): number {
    return 2 ** this.pageShift;
  }

  /**
   * Runs one operation and records what it does.
   *
   * @returns a refusal is a value: `ret` a negative errno, `reason` the check that refused
   * @throws RangeError if the operation is unknown, an argument is missing, or its value does not fit
   */
  apply(operation: Operation): Outcome {
    return this.applyBatch([operation])[0] as Outcome;
  }

  /**
   * Runs operations in order, as many at a time as the core takes. The same as running them one by one.
   *
   * @throws RangeError as `apply`, before the first operation runs
   */
  applyBatch(operations: readonly Operation[], options: BatchOptions = {}): Outcome[] {
    const record = options.effects ?? true;
    const packed = new Uint8Array(operations.length * OPERATION_SIZE);
    const view = new DataView(packed.buffer);
    operations.forEach((operation, index) => encodeOperation(operation, view, index * OPERATION_SIZE));
    const outcomes: Outcome[] = [];
    this.#eachBatch(packed, operations.length, record, (count) => {
      const effects = record ? this.#effects(count) : [];
      const results = this.#results(count);
      for (let index = 0; index < count; index++) {
        const code = view.getUint16(outcomes.length * OPERATION_SIZE, true);
        outcomes.push(decodeOutcome(results, index * abi.RESULT_SIZE, effects[index] ?? [], this.#errorNames(code)));
      }
    });
    return outcomes;
  }

  /** How an operation's errors are called: Linux errnos or FF-A's error codes, negated, or Gunyah's error numbers. */
  #errorNames(code: number): (ret: number) => string | null {
    if (this.config.kind === "gunyah") return (ret) => gunyahErrorName(ret, code);
    if (this.config.kind === "cca") return (ret) => ccaErrorName(ret, operationName(code) ?? "");
    const name = operationName(code)?.startsWith("ffa_") === true ? ffaErrorName : errnoName;
    return (ret) => (ret < 0 ? name(ret) : null);
  }

  /**
   * Runs packed records (layout: assembly/abi/operations.ts). The fastest way in: no objects are made.
   *
   * @param records `count` records of 40 bytes
   * @param count how many
   * @param options where the results go, and whether effects are recorded
   * @throws RangeError if `records` or `results` is too short
   */
  runPacked(records: Uint8Array, count: number, options: PackedOptions = {}): void {
    const { results, effects = false } = options;
    if (records.length < count * OPERATION_SIZE) throw new RangeError(`records: ${count} records do not fit`);
    if (results !== undefined && results.length < count * abi.RESULT_SIZE) {
      throw new RangeError(`results: ${count} results do not fit`);
    }
    let done = 0;
    this.#eachBatch(records, count, effects, (size) => {
      if (results !== undefined) {
        const { buffer, byteOffset, byteLength } = this.#results(size);
        results.set(new Uint8Array(buffer, byteOffset, byteLength), done * abi.RESULT_SIZE);
      }
      done += size;
    });
  }

  /** Copies records into the core's window, runs them, and lets `collect` look at the windows before the next batch. */
  #eachBatch(packed: Uint8Array, count: number, record: boolean, collect: (count: number) => void): void {
    const { exports, memory } = this.#core;
    const recording = record || this.#listeners.size > 0;
    exports.tlbNumberOperations(this.#operations);
    for (let first = 0; first < count; first += BATCH_OPERATIONS) {
      const size = Math.min(BATCH_OPERATIONS, count - first);
      const bytes = packed.subarray(first * OPERATION_SIZE, (first + size) * OPERATION_SIZE);
      new Uint8Array(memory.buffer, exports.operationWindow(), bytes.length).set(bytes);
      const ran = exports.runBatch(size, recording ? 1 : 0);
      if (ran !== size) throw new Error(`core ran ${ran} of ${size} operations`);
      this.#operations += size;
      collect(size);
      if (this.#listeners.size > 0) this.#tell(size);
    }
  }

  #tell(count: number): void {
    const first = this.#operations - count;
    this.#effects(count).forEach((effects, index) => {
      for (const listener of this.#listeners) listener(first + index, effects);
    });
  }

  #results(count: number): DataView {
    return new DataView(this.#core.memory.buffer, this.#core.exports.resultWindow(), count * abi.RESULT_SIZE);
  }

  /** The effects of the last batch, by operation. */
  #effects(count: number): Effect[][] {
    const lists: Effect[][] = Array.from({ length: count }, () => []);
    let list: Effect[] = [];
    this.eachEffectRecord((view, at) => {
      const effect = decodeEffect(view, at);
      if (effect === undefined) list = lists[Number(view.getBigUint64(at + abi.EFFECT_ADDRESS, true))] ?? [];
      else list.push(effect);
    });
    return lists;
  }

  /** Visits the packed effect records of the last batch that ran, in order. `view` is the core's memory. */
  eachEffectRecord(visit: (view: DataView, at: number) => void): void {
    const view = new DataView(this.#core.memory.buffer);
    let chunk = this.#core.exports.effectsHead() >>> 0;
    while (chunk !== 0) {
      const end = chunk + abi.EFFECT_CHUNK_HEADER + view.getUint32(chunk + 4, true) * abi.EFFECT_SIZE;
      for (let at = chunk + abi.EFFECT_CHUNK_HEADER; at < end; at += abi.EFFECT_SIZE) visit(view, at);
      chunk = view.getUint32(chunk, true);
    }
  }

  /**
   * Calls `listener` after every operation with what it did. Slows long batches down.
   *
   * @returns a function that ends the subscription
   */
  onEffects(listener: EffectsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Where EL2 stopped, or null while it runs. Every later operation reports the same until `reset` or `restore`. */
  get panicked(): Panic | null {
    const code = this.#core.exports.panickedCode();
    return code === codes.PANIC_NONE ? null : panicOf(code);
  }

  /** State of one page of memory; null where there is no memory. */
  pageState(pfn: bigint): PageState | null {
    return this.isMemory(pfn) ? decodePageWord(this.#core.exports.pageWord(pfn)) : null;
  }

  /** Whether a memory region (NOMAP included) holds this page. */
  isMemory(pfn: bigint): boolean {
    if (this.config.kind === "page_table") return false;
    const pa = pfn << BigInt(this.pageShift);
    return this.config.regions.some(({ base, size }) => pa >= base && pa < base + size);
  }

  /** All pages of all regions, as runs of equal state in ascending order. */
  pages(): PageRun[] {
    return listPages(this.#core);
  }

  /** The non-zero leaves of a stage 2 in ascending order, valid or not. An unknown VM has none. */
  leaves(stage2: Stage2): Leaf[] {
    const leaves: Leaf[] = [];
    const size = (level: number) => this.#entrySize(level);
    eachLeaf(this.#core, handleOf(stage2), size, (ipa, level, descriptor) => leaves.push({ ipa, level, descriptor }));
    return leaves;
  }

  #entrySize(level: number): bigint {
    return 1n << BigInt(levelShift(this.pageShift, level));
  }

  /** The table pages of a stage 2, roots included. */
  tables(stage2: Stage2): Table[] {
    return listTables(this.#core, handleOf(stage2));
  }

  /**
   * The entry at which a walk for `ipa` (bytes) ends; its descriptor is 0 where nothing is mapped or noted.
   *
   * @returns null if there is no such VM, or `ipa` is beyond the IPA space
   */
  leaf(stage2: Stage2, ipa: bigint): Leaf | null {
    const { exports } = this.#core;
    const level = exports.findLeaf(handleOf(stage2), ipa);
    if (level < 0) return null;
    const size = this.#entrySize(level);
    return { ipa: ipa - (ipa % size), level, descriptor: BigInt.asUintN(64, exports.leafDescriptor()) };
  }

  /**
   * Copies one page's contents; a page that was never written reads as zeros.
   *
   * @param pa any physical address in the page, in bytes
   * @throws RangeError if there is no memory
   */
  readPage(pa: bigint): Uint8Array {
    const start = this.#pageStart(pa);
    const frame = this.#core.exports.framePointer(start) >>> 0;
    if (frame === 0) return new Uint8Array(this.pageSize);
    return new Uint8Array(this.#core.memory.buffer).slice(frame, frame + this.pageSize);
  }

  /**
   * Writes bytes into one page as if nothing guarded it: a scenario's data, not an access that is checked.
   *
   * @param pa any physical address in the page, in bytes
   * @param bytes what to write
   * @param offset where in the page, in bytes
   * @throws RangeError if there is no memory, or `bytes` do not fit the page
   */
  writePage(pa: bigint, bytes: Uint8Array, offset = 0): void {
    const start = this.#pageStart(pa);
    if (offset < 0 || offset + bytes.length > this.pageSize) throw new RangeError("bytes do not fit the page");
    const frame = this.#core.exports.frameForWrite(start) >>> 0;
    if (frame === 0) throw new RangeError("the 4 GiB of WebAssembly memory are used up by page contents");
    new Uint8Array(this.#core.memory.buffer).set(bytes, frame + offset);
  }

  #pageStart(pa: bigint): bigint {
    const shift = BigInt(this.pageShift);
    const pfn = pa >> shift;
    if (!this.isMemory(pfn)) throw new RangeError(`0x${pa.toString(16)} is not memory`);
    return pfn << shift;
  }

  /**
   * One access by the host or a guest: translated by a walk of its stage 2 as it stands (with the TLB on, by an entry
   * that is there), then carried out on page contents.
   * Nothing else happens: a hypervisor hears of a fault only if the caller tells it (`host_abort`).
   *
   * @param ipa bytes, any 64-bit value; the access stays within its page
   * @throws RangeError if a value does not fit, or the access crosses a page boundary
   */
  access(stage2: Stage2, ipa: bigint, kind: AccessKind, options: AccessOptions = {}): AccessAnswer {
    return this.accessBatch([{ ...options, stage2, ipa, kind }])[0] as AccessAnswer;
  }

  /**
   * Runs accesses in order. The same as making them one by one.
   *
   * @throws RangeError as `access`, before the first one is made
   */
  accessBatch(accesses: readonly MemoryAccess[]): AccessAnswer[] {
    const records = new Uint8Array(accesses.length * walkAbi.ACCESS_RECORD_SIZE);
    const view = new DataView(records.buffer);
    accesses.forEach((access, index) => {
      encodeAccess(access, this.pageSize, view, index * walkAbi.ACCESS_RECORD_SIZE);
    });
    const answers = new Uint8Array(accesses.length * walkAbi.ANSWER_SIZE);
    this.accessPacked(records, accesses.length, answers);
    const answered = new DataView(answers.buffer);
    return accesses.map((_, index) => decodeAnswer(answered, index * walkAbi.ANSWER_SIZE));
  }

  /**
   * Runs packed accesses (layout: assembly/abi/walk.ts).
   *
   * @param records `count` accesses of 24 bytes
   * @param answers takes `count` answers of 32 bytes
   * @throws RangeError if `records` or `answers` is too short, or no more page contents fit WebAssembly memory
   */
  accessPacked(records: Uint8Array, count: number, answers: Uint8Array): void {
    const { ACCESS_BATCH, ACCESS_RECORD_SIZE, ANSWER_SIZE } = walkAbi;
    if (records.length < count * ACCESS_RECORD_SIZE) throw new RangeError(`records: ${count} accesses do not fit`);
    if (answers.length < count * ANSWER_SIZE) throw new RangeError(`answers: ${count} answers do not fit`);
    const { exports, memory } = this.#core;
    for (let first = 0; first < count; first += ACCESS_BATCH) {
      const size = Math.min(ACCESS_BATCH, count - first);
      const bytes = records.subarray(first * ACCESS_RECORD_SIZE, (first + size) * ACCESS_RECORD_SIZE);
      new Uint8Array(memory.buffer, exports.operationWindow(), bytes.length).set(bytes);
      exports.runAccessBatch(size);
      if (exports.limitCode() !== 0) throw new RangeError("the 4 GiB of WebAssembly memory are used up");
      const answered = new Uint8Array(memory.buffer, exports.resultWindow(), size * ANSWER_SIZE);
      answers.set(answered, first * ANSWER_SIZE);
    }
  }

  /**
   * Translates an access with all that can be said of it: attributes, syndrome, the way through the tables. No data moves.
   *
   * @param ipa bytes, any 64-bit value
   * @returns null if there is no such VM
   */
  translate(stage2: Stage2, ipa: bigint, access: Access): Translation | null {
    const { exports, memory } = this.#core;
    const startLevel = exports.explainAccess(handleOf(stage2), BigInt.asUintN(64, ipa), packAccess(access));
    if (startLevel === walkAbi.NO_STAGE2) return null;
    return decodeTranslation(new DataView(memory.buffer), exports.walkTranslations(), startLevel);
  }

  /** The registers with which a CPU walks a stage 2; null if there is no such VM. */
  walkRegisters(stage2: Stage2): WalkRegisters | null {
    const { exports, memory } = this.#core;
    // A translation loads them; where it leads does not matter.
    if (exports.explainAccess(handleOf(stage2), 0n, walkAbi.ACCESS_READ) === walkAbi.NO_STAGE2) return null;
    return unpackRegisters(new DataView(memory.buffer), exports.walkRegisters());
  }

  /**
   * Translates many addresses for accesses of one kind where only the PA is wanted; attributes and syndromes are not made.
   *
   * @param ipas bytes, any 64-bit values
   * @param answers takes as many: the PA, or bit 63 set and the fault (layout: assembly/abi/walk.ts)
   * @returns how many fault; null if there is no such VM
   * @throws RangeError if `answers` is too short
   */
  translateBatch(stage2: Stage2, ipas: BigUint64Array, access: Access, answers: BigUint64Array): number | null {
    if (answers.length < ipas.length) throw new RangeError(`answers: ${ipas.length} answers do not fit`);
    const { exports, memory } = this.#core;
    const packed = packAccess(access);
    let faults = 0;
    for (let first = 0; first < ipas.length; first += BATCH_OPERATIONS) {
      const part = ipas.subarray(first, first + BATCH_OPERATIONS);
      new BigUint64Array(memory.buffer, exports.operationWindow(), part.length).set(part);
      const faulted = exports.translateBatch(handleOf(stage2), packed, part.length);
      if (faulted === walkAbi.NO_STAGE2) return null;
      faults += faulted;
      answers.set(new BigUint64Array(memory.buffer, exports.resultWindow(), part.length), first);
    }
    return faults;
  }

  /** The VM slots that are not free, by handle. */
  vms(): Vm[] {
    if (!("max_vms" in this.config)) return [];
    const vms: Vm[] = [];
    for (let slot = 0; slot < this.config.max_vms; slot++) {
      const status = decodeVmWord(this.#core.exports.vmInfo(slot));
      if (status.state !== "free") vms.push({ vm: this.config.handle_base + slot, ...status });
    }
    return vms;
  }

  /** The vCPUs that exist, of one VM or of all. */
  vcpus(handle?: number): Vcpu[] {
    const vcpus: Vcpu[] = [];
    for (const { vm, vcpus: created } of this.vms()) {
      if (handle !== undefined && vm !== handle) continue;
      for (let vcpu = 0; vcpu < created; vcpu++) {
        const word = BigInt.asUintN(64, this.#core.exports.vcpuInfo(vm, vcpu));
        const status = decodeVcpuWord(word);
        if (status.present) vcpus.push({ vm, vcpu, ...status, hostMemcache: Number(word >> 32n) });
      }
    }
    return vcpus;
  }

  /** Runs of memory of one owner, ascending, by Gunyah's ownership database; empty on other machines. */
  owners(): OwnerRun[] {
    return this.config.kind === "gunyah" ? listOwners(this.#core) : [];
  }

  /** What Gunyah's extents say of where memory is mapped, whether they own it or not; empty on other machines. */
  records(): MappingRecord[] {
    return this.config.kind === "gunyah" ? listRecords(this.#core) : [];
  }

  /** Copies the whole state: tables, page states, contents, VMs. */
  snapshot(): Snapshot {
    const { exports, memory } = this.#core;
    const size = exports.snapshotSize() >>> 0;
    const base = exports.snapshotBase() >>> 0;
    return { machine: this, bytes: new Uint8Array(memory.buffer).slice(base, base + size) };
  }

  /**
   * Goes back to a snapshot of this machine.
   *
   * @throws RangeError if it is another machine's
   */
  restore(snapshot: Snapshot): void {
    if (snapshot.machine !== this) throw new RangeError("the snapshot is another machine's");
    const { exports, memory } = this.#core;
    if (exports.beginRestore(snapshot.bytes.length) === 0) throw new RangeError("the engine refuses the memory");
    new Uint8Array(memory.buffer).set(snapshot.bytes, exports.snapshotBase() >>> 0);
    exports.finishRestore(snapshot.bytes.length);
  }

  /** Back to the state right after creation; a TLB that is on stays on, and is empty. */
  reset(): void {
    const { mode } = this.tlb;
    this.#core.exports.machineReset();
    this.#setUp();
    if (mode !== "off") this.tlb.enable(mode);
  }

  /**
   * Checks the isolation invariants over the whole state: those of pKVM (reference pkvm-el2 section 11) or Gunyah (reference
   * gunyah section 9), those of realm memory (reference cca section 13), or those of FF-A (reference ffa section 17), or both where a host has a secure world; other machines
   * have none.
   *
   * @param names which, for example `["I2", "I5"]` or `["F1"]`; all if left out
   * @returns the first that is violated, or null
   * @throws RangeError on an unknown name
   */
  checkInvariants(names?: readonly string[]): Violation | null {
    const managers = managersOf(this.config);
    if (managers === null) return this.#checkHypervisorInvariants(names);
    if (this.config.kind === "ffa") return checkFfaInvariants(this, managers, names);
    const isFfa = (name: string) => name.startsWith("F");
    return (
      this.#checkHypervisorInvariants(names?.filter((name) => !isFfa(name))) ??
      checkFfaInvariants(this, managers, names?.filter(isFfa))
    );
  }

  #invariants(): Readonly<Record<string, string>> {
    if (this.config.kind === "cca") return CCA_INVARIANTS;
    return this.config.kind === "gunyah" ? GUNYAH_INVARIANTS : INVARIANTS;
  }

  #checkHypervisorInvariants(names: readonly string[] | undefined): Violation | null {
    const { exports } = this.#core;
    const known = this.#invariants();
    const number = exports.checkInvariants(invariantMask(names, known));
    if (number === 0) return null;
    const invariant = `${this.config.kind === "cca" ? "R" : "I"}${number}`;
    return {
      invariant,
      statement: known[invariant] ?? invariant,
      subject: BigInt.asUintN(64, exports.violationSubject()),
      expected: BigInt.asUintN(64, exports.violationExpected()),
      found: BigInt.asUintN(64, exports.violationFound()),
    };
  }
}
