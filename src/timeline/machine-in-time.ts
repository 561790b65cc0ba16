// The machine of a loaded trace: every question is put to it in the state after an operation.

import { OPERATION_CODE, OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import type { Stage2 } from "../machine/accesses.js";
import { decodeEffect, type Effect } from "../machine/effects.js";
import { operationName } from "../machine/operations.js";
import { decodeOutcome, ffaErrorName, type Outcome } from "../machine/outcome.js";
import type { Access } from "../machine/translation.js";
import type { WalkMachine } from "../machine/walk-machine.js";
import type { Journal } from "./journal.js";
import { operationInWords } from "./operation-details.js";
import { pageDetails, tablesOf } from "./page-details.js";
import type { TimeTravel } from "./time-travel.js";
import type { OperationDetails, PageDetails, TimelineMachine, WalkableTable, WalkDetails } from "./timeline.js";
import { walkInWords } from "./walk-details.js";

export class MachineInTime implements TimelineMachine {
  readonly #travel: TimeTravel;
  readonly #journal: Journal;
  readonly #decoder: WalkMachine;

  /** `decoder` takes registers apart; its state does not matter. */
  constructor(travel: TimeTravel, journal: Journal, decoder: WalkMachine) {
    this.#travel = travel;
    this.#journal = journal;
    this.#decoder = decoder;
  }

  page(after: number, pfn: bigint): PageDetails {
    this.#travel.goTo(after);
    return pageDetails(this.#travel.machine, pfn);
  }

  tables(after: number): readonly WalkableTable[] {
    this.#travel.goTo(after);
    return tablesOf(this.#travel.machine);
  }

  walk(after: number, table: Stage2, ipa: bigint, access: Access): WalkDetails | null {
    this.#travel.goTo(after);
    return walkInWords(this.#travel.machine, this.#decoder, table, ipa, access);
  }

  operation(number: number): OperationDetails | null {
    if (!Number.isInteger(number) || number < 0 || number >= this.#journal.operations) return null;
    const { machine } = this.#travel;
    let last: DataView = new DataView(new ArrayBuffer(OPERATION_SIZE));
    const result = new Uint8Array(RESULT_SIZE);
    this.#travel.step(number, (record) => {
      machine.runPacked(record, 1, { results: result, effects: true });
      last = new DataView(record.buffer, record.byteOffset, OPERATION_SIZE);
    });
    const difference = this.#journal.differences.get(number);
    return {
      number,
      line: this.#journal.line.at(number),
      ...operationInWords(machine, last, this.#outcome(last, new DataView(result.buffer))),
      recorded: difference === undefined ? {} : { [difference.field]: difference.expected },
    };
  }

  /** Of the record that ran last. */
  #outcome(record: DataView, result: DataView): Outcome {
    const effects: Effect[] = [];
    this.#travel.machine.eachEffectRecord((view, at) => {
      const effect = decodeEffect(view, at);
      if (effect !== undefined) effects.push(effect);
    });
    const isFfa = operationName(record.getUint16(OPERATION_CODE, true))?.startsWith("ffa_") === true;
    return isFfa ? decodeOutcome(result, 0, effects, ffaErrorName) : decodeOutcome(result, 0, effects);
  }
}
