// A machine in a worker, with the API of the machine in this thread: promises instead of values, no other difference but those
// that the comments name. Operations of one machine run in the order in which they were asked for.

import { proxy, releaseProxy, type Remote } from "comlink";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { EFFECT_SIZE, RESULT_SIZE } from "../../assembly/abi/records.js";
import { ACCESS_RECORD_SIZE, ANSWER_SIZE } from "../../assembly/abi/walk.js";
import type { AccessAnswer, AccessOptions, MemoryAccess, Stage2 } from "../machine/accesses.js";
import type { ResolvedConfig } from "../machine/config.js";
import type { Leaf, MappingRecord, OwnerRun, PageRun, Table } from "../machine/dumps.js";
import type { PageState } from "../machine/effects.js";
import type { Violation } from "../machine/invariants.js";
import type { BatchOptions, EffectsListener, Machine, Outcome, PackedOptions, Vcpu, Vm } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import type { Panic } from "../machine/outcome.js";
import type { Tlb, TlbiSite, TlbMode, TlbReport } from "../machine/tlb.js";
import type { Access, AccessKind, Translation } from "../machine/translation.js";
import type { WalkRegisters } from "../machine/walk-machine.js";
import { argument, giveAway } from "./buffers.js";
import type { Connection } from "./connection.js";
import type { HeardEffects, MachineHost, Moved, Translated } from "./machine-host.js";

/** The same function, answering later. */
type Later<T> = [T] extends [(...args: infer Args) => infer Answer] ? (...args: Args) => Promise<Answer> : Promise<T>;

/** Fixed when the machine is made, so they are here as values. */
type Fixed = "config" | "pageShift" | "pageSize";
/** Not as in this thread: memory of the core cannot be shared, and snapshots stay in the worker. */
type Different = "core" | "tlb" | "snapshot" | "restore" | "onEffects";

type SameApi = { readonly [Name in Exclude<keyof Machine, Fixed | Different>]: Later<Machine[Name]> } & Pick<
  Machine,
  Fixed
>;

/** A machine's state at one moment, kept in the worker until `discard` or the machine's end. */
export interface RemoteSnapshot {
  readonly machine: RemoteMachine;
  readonly id: number;
  /** Bytes that it takes in the worker. */
  readonly size: number;
}

/** The TLB of a machine in a worker. */
export class RemoteTlb implements Readonly<{ [Name in keyof Tlb]: Later<Tlb[Name]> }> {
  readonly #ask: <T>(question: (host: Remote<MachineHost>) => Promise<T>) => Promise<T>;

  constructor(ask: <T>(question: (host: Remote<MachineHost>) => Promise<T>) => Promise<T>) {
    this.#ask = ask;
  }

  get mode(): Promise<TlbMode> {
    return this.#ask(({ tlb }) => tlb.mode);
  }

  get reported(): Promise<number> {
    return this.#ask(({ tlb }) => tlb.reported);
  }

  enable(mode?: TlbMode): Promise<void> {
    return this.#ask(({ tlb }) => tlb.enable(mode));
  }

  disable(): Promise<void> {
    return this.#ask(({ tlb }) => tlb.disable());
  }

  invalidateAll(): Promise<void> {
    return this.#ask(({ tlb }) => tlb.invalidateAll());
  }

  takeReports(): Promise<TlbReport[]> {
    return this.#ask(({ tlb }) => tlb.takeReports());
  }

  suppress(site: TlbiSite | null): Promise<void> {
    return this.#ask(({ tlb }) => tlb.suppress(site));
  }
}

/**
 * A machine that a worker owns. `WorkerPool.machine` makes it.
 *
 * Every method answers as that of `Machine` does, and throws what that throws. All throw WorkerDied when the worker has ended.
 * Arrays are copied on their way to the worker, unless they were given away (`giveAway`); they come back without a copy.
 */
export class RemoteMachine implements SameApi {
  readonly config: ResolvedConfig;
  readonly tlb: RemoteTlb;
  readonly #connection: Connection;
  readonly #host: Remote<MachineHost>;
  readonly #leave: () => void;
  readonly #listeners = new Set<EffectsListener>();
  #isClosed = false;

  /** @param leave called when the machine is closed and its worker is free */
  constructor(connection: Connection, host: Remote<MachineHost>, config: ResolvedConfig, leave: () => void) {
    this.#connection = connection;
    this.#host = host;
    this.#leave = leave;
    this.config = config;
    this.tlb = new RemoteTlb((question) => this.#ask(question));
  }

  /** Ends the machine; its worker goes back to the pool. Calls that were not answered throw, and every later one. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host[releaseProxy]();
    this.#connection.abandon(this, machineClosed());
    this.#leave();
  }

  #ask<T>(question: (host: Remote<MachineHost>) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(machineClosed());
    return this.#connection.call(this, () => question(this.#host));
  }

  get pageShift(): number {
    return this.config.geometry.pageShift;
  }

  get pageSize(): number {
    return 2 ** this.pageShift;
  }

  // Operations

  async apply(operation: Operation): Promise<Outcome> {
    return (await this.applyBatch([operation]))[0] as Outcome;
  }

  applyBatch(operations: readonly Operation[], options: BatchOptions = {}): Promise<Outcome[]> {
    return this.#ask((host) => host.applyBatch(operations, options));
  }

  /** As of `Machine`; `options.results` is filled when the promise is fulfilled. */
  async runPacked(records: Uint8Array, count: number, options: PackedOptions = {}): Promise<void> {
    const { results, effects = false } = options;
    checkRoom("records", "records", records, count * OPERATION_SIZE, count);
    if (results !== undefined) checkRoom("results", "results", results, count * RESULT_SIZE, count);
    const there = results === undefined ? null : new Uint8Array(count * RESULT_SIZE);
    const { answers } = await this.#runPacked(records, count, there, effects);
    results?.set(answers);
  }

  /**
   * As `runPacked`, without any copy: the memory of both arrays moves to the worker and back, and they are empty here afterwards.
   *
   * @param results takes `count` results of 24 bytes; to be used again, as the records are
   * @returns the records that went there, and the results
   */
  async movePacked(records: Uint8Array, count: number, results: Uint8Array, effects = false): Promise<Moved> {
    checkRoom("records", "records", records, count * OPERATION_SIZE, count);
    checkRoom("results", "results", results, count * RESULT_SIZE, count);
    return this.#runPacked(giveAway(records), count, results, effects);
  }

  #runPacked(records: Uint8Array, count: number, results: Uint8Array | null, effects: boolean): Promise<Moved> {
    const size = count * OPERATION_SIZE;
    const room = results === null ? null : giveAway(results);
    return this.#ask((host) => host.runPacked(argument(records, size), count, room && argument(room), effects));
  }

  /** As of `Machine`: `view` is a copy of the records. */
  async eachEffectRecord(visit: (view: DataView, at: number) => void): Promise<void> {
    const { buffer, byteLength } = await this.#ask((host) => host.effectRecords());
    const view = new DataView(buffer);
    for (let at = 0; at < byteLength; at += EFFECT_SIZE) visit(view, at);
  }

  /**
   * As of `Machine`: `listener` has heard of an operation when the operation's promise is fulfilled.
   *
   * @returns a function that ends the subscription
   */
  async onEffects(listener: EffectsListener): Promise<() => Promise<void>> {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) await this.#ask((host) => host.listen(proxy((heard) => this.#hear(heard))));
    return async () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) await this.#ask((host) => host.deafen());
    };
  }

  #hear(heard: HeardEffects): void {
    for (const [operation, effects] of heard) {
      for (const listener of this.#listeners) listener(operation, effects);
    }
  }

  get panicked(): Promise<Panic | null> {
    return this.#ask(({ machine }) => machine.panicked);
  }

  reset(): Promise<void> {
    return this.#ask(({ machine }) => machine.reset());
  }

  checkInvariants(names?: readonly string[]): Promise<Violation | null> {
    return this.#ask(({ machine }) => machine.checkInvariants(names));
  }

  // State

  pageState(pfn: bigint): Promise<PageState | null> {
    return this.#ask(({ machine }) => machine.pageState(pfn));
  }

  isMemory(pfn: bigint): Promise<boolean> {
    return this.#ask(({ machine }) => machine.isMemory(pfn));
  }

  pages(): Promise<PageRun[]> {
    return this.#ask(({ machine }) => machine.pages());
  }

  leaves(stage2: Stage2): Promise<Leaf[]> {
    return this.#ask(({ machine }) => machine.leaves(stage2));
  }

  tables(stage2: Stage2): Promise<Table[]> {
    return this.#ask(({ machine }) => machine.tables(stage2));
  }

  leaf(stage2: Stage2, ipa: bigint): Promise<Leaf | null> {
    return this.#ask(({ machine }) => machine.leaf(stage2, ipa));
  }

  vms(): Promise<Vm[]> {
    return this.#ask(({ machine }) => machine.vms());
  }

  vcpus(handle?: number): Promise<Vcpu[]> {
    return this.#ask(({ machine }) => machine.vcpus(handle));
  }

  owners(): Promise<OwnerRun[]> {
    return this.#ask(({ machine }) => machine.owners());
  }

  records(): Promise<MappingRecord[]> {
    return this.#ask(({ machine }) => machine.records());
  }

  // Contents, accesses, walks

  readPage(pa: bigint): Promise<Uint8Array> {
    return this.#ask((host) => host.readPage(pa));
  }

  writePage(pa: bigint, bytes: Uint8Array, offset?: number): Promise<void> {
    return this.#ask(({ machine }) => machine.writePage(pa, argument(bytes), offset));
  }

  access(stage2: Stage2, ipa: bigint, kind: AccessKind, options?: AccessOptions): Promise<AccessAnswer> {
    return this.#ask(({ machine }) => machine.access(stage2, ipa, kind, options));
  }

  accessBatch(accesses: readonly MemoryAccess[]): Promise<AccessAnswer[]> {
    return this.#ask(({ machine }) => machine.accessBatch(accesses));
  }

  /** As of `Machine`; `answers` is filled when the promise is fulfilled. */
  async accessPacked(records: Uint8Array, count: number, answers: Uint8Array): Promise<void> {
    checkRoom("records", "accesses", records, count * ACCESS_RECORD_SIZE, count);
    checkRoom("answers", "answers", answers, count * ANSWER_SIZE, count);
    const packed = () => argument(records, count * ACCESS_RECORD_SIZE);
    answers.set((await this.#ask((host) => host.accessPacked(packed(), count))).answers);
  }

  translate(stage2: Stage2, ipa: bigint, access: Access): Promise<Translation | null> {
    return this.#ask(({ machine }) => machine.translate(stage2, ipa, access));
  }

  walkRegisters(stage2: Stage2): Promise<WalkRegisters | null> {
    return this.#ask(({ machine }) => machine.walkRegisters(stage2));
  }

  /** As of `Machine`; `answers` is filled when the promise is fulfilled. */
  async translateBatch(
    stage2: Stage2,
    ipas: BigUint64Array,
    access: Access,
    answers: BigUint64Array,
  ): Promise<number | null> {
    if (answers.length < ipas.length) throw new RangeError(`answers: ${ipas.length} answers do not fit`);
    const translated: Translated = await this.#ask((host) => host.translateBatch(stage2, argument(ipas), access));
    if (translated.faults !== null) answers.set(translated.answers);
    return translated.faults;
  }

  // Snapshots

  /** Copies the whole state, and keeps the copy in the worker until `discard`. */
  async snapshot(): Promise<RemoteSnapshot> {
    return { machine: this, ...(await this.#ask((host) => host.snapshot())) };
  }

  /**
   * Goes back to a snapshot of this machine.
   *
   * @throws RangeError if it is another machine's, or was discarded
   */
  async restore(snapshot: RemoteSnapshot): Promise<void> {
    if (snapshot.machine !== this) throw new RangeError("the snapshot is another machine's");
    await this.#ask((host) => host.restore(snapshot.id));
  }

  /** Frees a snapshot's memory. */
  async discard(snapshot: RemoteSnapshot): Promise<void> {
    await this.#ask((host) => host.discard(snapshot.id));
  }
}

const machineClosed = (): Error => new Error("the machine is closed");

// In the machine's own words, before anything is sent.
function checkRoom(name: string, what: string, array: Uint8Array, size: number, count: number): void {
  if (array.length < size) throw new RangeError(`${name}: ${count} ${what} do not fit`);
}
