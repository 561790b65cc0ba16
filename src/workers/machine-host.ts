// A machine in its worker: what the remote machine cannot ask of it directly. Memory comes and goes by transfer; snapshots stay.

import { releaseProxy, transfer, type ProxyMarked, type Remote } from "comlink";
import { EFFECT_SIZE } from "../../assembly/abi/records.js";
import { ANSWER_SIZE } from "../../assembly/abi/walk.js";
import type { Stage2 } from "../machine/accesses.js";
import type { KvmConfig, MachineConfig, PageTableConfig, ResolvedConfig } from "../machine/config.js";
import type { Effect } from "../machine/effects.js";
import type { FfaConfig } from "../machine/ffa-config.js";
import type { GunyahMachineConfig } from "../machine/gunyah-config.js";
import { Machine, type BatchOptions, type MachineOptions, type Outcome, type Snapshot } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import type { Tlb } from "../machine/tlb.js";
import type { Access } from "../machine/translation.js";

/** What each kind of machine is made from. */
export interface MachineConfigs {
  readonly pkvm: MachineConfig;
  readonly kvm: KvmConfig;
  readonly gunyah: GunyahMachineConfig;
  readonly ffa: FfaConfig;
  readonly page_table: PageTableConfig;
}

export type MachineKind = keyof MachineConfigs;

const CREATE: {
  readonly [Kind in MachineKind]: (config: MachineConfigs[Kind], options: MachineOptions) => Promise<Machine>;
} = {
  pkvm: (config, options) => Machine.create(config, options),
  kvm: (config, options) => Machine.createKvm(config, options),
  gunyah: (config, options) => Machine.createGunyah(config, options),
  ffa: (config, options) => Machine.createFfa(config, options),
  page_table: (config, options) => Machine.createPageTable(config, options),
};

/** @throws ConfigError naming the field that cannot be */
export async function createMachine<Kind extends MachineKind>(
  kind: Kind,
  config: MachineConfigs[Kind],
  options: MachineOptions,
): Promise<Machine> {
  return CREATE[kind](config, options);
}

/** Effects of operations in the order in which they ran: what listeners are to hear. */
export type HeardEffects = readonly (readonly [operation: number, effects: readonly Effect[]])[];

export class MachineHost {
  /** Asked through paths (`host.machine.pages()`), never sent: marked so that the types say that too. */
  readonly machine: Machine & ProxyMarked;
  readonly tlb: Tlb & ProxyMarked;
  readonly #snapshots = new Map<number, Snapshot>();
  #nextSnapshot = 0;
  #listener: Remote<(heard: HeardEffects) => void> | null = null;
  #heard: [number, readonly Effect[]][] = [];
  #unsubscribe: () => void = () => undefined;

  constructor(machine: Machine) {
    this.machine = machine as Machine & ProxyMarked;
    this.tlb = machine.tlb as Tlb & ProxyMarked;
  }

  config(): ResolvedConfig {
    return this.machine.config;
  }

  // Operations. Their answer leaves when the listener has heard of all that they did.

  async applyBatch(operations: readonly Operation[], options: BatchOptions): Promise<Outcome[]> {
    try {
      return this.machine.applyBatch(operations, options);
    } finally {
      await this.#tell();
    }
  }

  /** @param results takes the results, if they are wanted */
  async runPacked(records: Uint8Array, count: number, results: Uint8Array | null, effects: boolean): Promise<Moved> {
    try {
      this.machine.runPacked(records, count, results === null ? { effects } : { results, effects });
    } finally {
      await this.#tell();
    }
    return moved(records, results ?? new Uint8Array(0));
  }

  /** One listener for all that the other side has; it is called with everything since the last call. */
  listen(listener: (heard: HeardEffects) => void): void {
    this.deafen();
    this.#listener = listener as unknown as Remote<(heard: HeardEffects) => void>; // a proxy, on this side
    this.#unsubscribe = this.machine.onEffects((operation, effects) => this.#heard.push([operation, effects]));
  }

  deafen(): void {
    this.#unsubscribe();
    this.#listener?.[releaseProxy]();
    this.#listener = null;
    this.#heard = [];
  }

  async #tell(): Promise<void> {
    const heard = this.#heard;
    if (heard.length === 0) return;
    this.#heard = [];
    await this.#listener?.(heard);
  }

  /** The packed records of the last batch, one after the other. */
  effectRecords(): Uint8Array {
    const records: Uint8Array[] = [];
    this.machine.eachEffectRecord(({ buffer }, at) => records.push(new Uint8Array(buffer.slice(at, at + EFFECT_SIZE))));
    const bytes = new Uint8Array(records.length * EFFECT_SIZE);
    records.forEach((record, index) => bytes.set(record, index * EFFECT_SIZE));
    return transfer(bytes, [bytes.buffer]);
  }

  // Accesses and contents.

  accessPacked(records: Uint8Array, count: number): Moved {
    const answers = new Uint8Array(count * ANSWER_SIZE);
    this.machine.accessPacked(records, count, answers);
    return moved(records, answers);
  }

  translateBatch(stage2: Stage2, ipas: BigUint64Array, access: Access): Translated {
    const answers = new BigUint64Array(ipas.length);
    const faults = this.machine.translateBatch(stage2, ipas, access, answers);
    return transfer({ faults, ipas, answers }, [ipas.buffer, answers.buffer]);
  }

  readPage(pa: bigint): Uint8Array {
    const page = this.machine.readPage(pa);
    return transfer(page, [page.buffer]);
  }

  // Snapshots.

  /** Its number, and how many bytes it has. */
  snapshot(): { readonly id: number; readonly size: number } {
    const snapshot = this.machine.snapshot();
    this.#snapshots.set(this.#nextSnapshot, snapshot);
    return { id: this.#nextSnapshot++, size: snapshot.bytes.length };
  }

  restore(id: number): void {
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) throw new RangeError("the snapshot was discarded");
    this.machine.restore(snapshot);
  }

  discard(id: number): void {
    this.#snapshots.delete(id);
  }
}

/** Both arrays on their way back, without a copy. */
export interface Moved {
  readonly records: Uint8Array;
  readonly answers: Uint8Array;
}

export interface Translated {
  readonly faults: number | null;
  readonly ipas: BigUint64Array;
  readonly answers: BigUint64Array;
}

function moved(records: Uint8Array, answers: Uint8Array): Moved {
  return transfer({ records, answers }, [records.buffer, answers.buffer]);
}
