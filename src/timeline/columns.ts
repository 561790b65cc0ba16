// The columns of a trace: its journal is run once more, operation by operation, with effects recorded. Checkpoints are taken on
// the way.

import { OPERATION_CODE, OPERATION_SIZE } from "../../assembly/abi/operations.js";
import type { Machine } from "../machine/machine.js";
import { operationName } from "../machine/operations.js";
import type { PageClasses } from "./classes.js";
import { EffectRecords, type EffectRecord } from "./effect-records.js";
import { FfaClasses } from "./ffa-classes.js";
import { growingU16, growingU32, growingU8 } from "./growing.js";
import type { Journal } from "./journal.js";
import { LoneTableClasses } from "./lone-table-classes.js";
import { PkvmClasses } from "./pkvm-classes.js";
import { Subjects } from "./subjects.js";
import { TimeTravel } from "./time-travel.js";
import { type ChangeColumns, type LoadedTrace, OPERATION_AFTER_RESET, type OperationColumns } from "./timeline.js";

const SYSTEMS: Readonly<Record<string, string>> = { ffa: "ffa", page_table: "lone table" };

function classesOf(machine: Machine, journal: Journal): PageClasses {
  switch (machine.config.kind) {
    case "ffa":
      return new FfaClasses(machine);
    case "page_table":
      return new LoneTableClasses(machine, journal);
    default:
      return new PkvmClasses(machine);
  }
}

export class ColumnBuilder {
  readonly #machine: Machine;
  readonly #journal: Journal;
  readonly #travel: TimeTravel;
  readonly #classes: PageClasses;
  readonly #subjects: Subjects;
  readonly #effects: EffectRecords;
  readonly #initial: Uint8Array<ArrayBuffer>;
  /** Classes as they are now, and of those that this operation has changed so far the ones before. */
  readonly #current: Uint8Array<ArrayBuffer>;
  readonly #before = new Map<number, number>();
  readonly #verbs: string[] = [];
  readonly #verbIndexes = new Map<number, number>();
  readonly #verb = growingU16();
  readonly #vm = growingU32();
  readonly #page = growingU32();
  readonly #pages = growingU32();
  readonly #changes = { operation: growingU32(), page: growingU32(), before: growingU8(), after: growingU8() };
  /** Changes before the last reset. */
  #changesAtReset = 0;
  #next = 0;

  /** `travel` has the machine at the beginning of the trace. */
  constructor(travel: TimeTravel, journal: Journal) {
    this.#travel = travel;
    this.#machine = travel.machine;
    this.#journal = journal;
    this.#travel.goTo(-1);
    this.#classes = classesOf(this.#machine, journal);
    this.#subjects = new Subjects(this.#machine, this.#classes.map);
    this.#effects = new EffectRecords(this.#machine.core);
    this.#initial = this.#classes.initial();
    this.#current = this.#initial.slice();
  }

  /** Operations that are done. */
  get done(): number {
    return this.#next;
  }

  /** Runs `count` more operations, as far as there are. */
  run(count: number): void {
    const end = Math.min(this.#next + count, this.#journal.operations);
    for (; this.#next < end; this.#next++) this.#runOperation(this.#next);
    if (this.#next === this.#journal.operations) this.#travel.finish();
  }

  #runOperation(operation: number): void {
    if ((this.#journal.flags.at(operation) & OPERATION_AFTER_RESET) !== 0) this.#reset();
    let left = this.#journal.end(operation) - this.#journal.end(operation - 1);
    this.#travel.stepOn(operation, (record) => this.#runRecord(record, --left === 0));
    this.#classes.settle(this.#current, this.#setClass);
    this.#vm.push(this.#subjects.vm);
    this.#page.push(this.#subjects.page);
    this.#pages.push(this.#subjects.pages);
    this.#commit(operation);
  }

  #runRecord(record: Uint8Array, isOperation: boolean): void {
    const { exports, memory } = this.#machine.core;
    const view = new DataView(record.buffer, record.byteOffset, OPERATION_SIZE);
    this.#subjects.name(view);
    if (isOperation) this.#verb.push(this.#verbIndex(view.getUint16(OPERATION_CODE, true)));
    new Uint8Array(memory.buffer).set(record, exports.operationWindow());
    exports.runBatch(1, 1);
    this.#effects.each(this.#see);
  }

  readonly #see = (effect: EffectRecord): void => {
    this.#subjects.see(effect);
    this.#classes.see(effect);
  };

  #verbIndex(code: number): number {
    const known = this.#verbIndexes.get(code);
    if (known !== undefined) return known;
    const index = this.#verbs.push(operationName(code) ?? `operation ${code}`) - 1;
    this.#verbIndexes.set(code, index);
    return index;
  }

  readonly #setClass = (page: number, value: number): void => {
    const now = this.#current[page] ?? 0;
    if (now === value) return;
    if (!this.#before.has(page)) this.#before.set(page, now);
    this.#current[page] = value;
  };

  /** The pages that have changed since the last reset are as they were. */
  #reset(): void {
    const { page, operation } = this.#changes;
    for (let i = this.#changesAtReset; i < operation.length; i++) {
      this.#setClass(page.at(i), this.#initial[page.at(i)] ?? 0);
    }
    this.#changesAtReset = operation.length;
    this.#subjects.reset();
    this.#classes.reset();
  }

  #commit(operation: number): void {
    for (const [page, before] of this.#before) {
      const after = this.#current[page] ?? 0;
      if (after === before) continue;
      this.#changes.operation.push(operation);
      this.#changes.page.push(page);
      this.#changes.before.push(before);
      this.#changes.after.push(after);
    }
    this.#before.clear();
  }

  /** All operations are done: the columns. */
  finish(): Omit<LoadedTrace, "summary"> {
    const { map, parties } = this.#classes;
    return {
      system: SYSTEMS[this.#machine.config.kind] ?? "pkvm",
      pageShift: this.#machine.pageShift,
      regions: map.regions,
      firstOperation: this.#journal.first,
      parties,
      verbs: this.#verbs,
      operations: this.#operations(),
      changes: this.#changeColumns(),
      initial: this.#initial,
    };
  }

  #operations(): OperationColumns {
    return {
      count: this.#next,
      line: this.#journal.line.finish(),
      verb: this.#verb.finish(),
      vm: this.#vm.finish(),
      page: this.#page.finish(),
      pages: this.#pages.finish(),
      ret: this.#journal.ret.finish(),
      flags: this.#journal.flags.finish(),
    };
  }

  #changeColumns(): ChangeColumns {
    const { operation, page, before, after } = this.#changes;
    return {
      count: operation.length,
      operation: operation.finish(),
      page: page.finish(),
      before: before.finish(),
      after: after.finish(),
    };
  }
}
