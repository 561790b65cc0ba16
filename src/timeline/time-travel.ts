// The machine of a trace, put into the state after any of its operations: from the nearest checkpoint before it, or from where it
// is, the records up to there are run.

import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import type { Machine } from "../machine/machine.js";
import { Images, type Image, type Written } from "./images.js";
import type { Journal } from "./journal.js";

interface Checkpoint {
  /** The record before which it was taken. */
  readonly record: number;
  readonly image: Image;
  /** What the records up to the next checkpoint write; of the last one until `finish`: nothing is known. */
  written: Written;
}

/** Bytes that checkpoints may hold together; when they hold more, every second one goes. */
const BUDGET = 768 * 2 ** 20;
/** Records from one checkpoint to the next, if nobody says otherwise. */
const INTERVAL = 16384;
const NOTHING: Written = new Uint32Array(0);

export class TimeTravel {
  readonly machine: Machine;
  readonly #journal: Journal;
  readonly #images: Images;
  #checkpoints: Checkpoint[];
  #interval: number;
  /** Bytes of images when they were thinned out last. */
  #kept = 0;
  /** Records that have run since the beginning, and the checkpoint from which; null: others have run the machine. */
  #at = 0;
  #from: Checkpoint | null;

  /** The machine is in the state in which the trace begins. */
  constructor(machine: Machine, journal: Journal, interval = INTERVAL) {
    this.#interval = interval;
    this.machine = machine;
    this.#journal = journal;
    this.#images = new Images(machine);
    this.#from = { record: 0, image: this.#images.first(), written: NOTHING };
    this.#checkpoints = [this.#from];
  }

  /** Others have run the machine: nothing is known of its state. */
  forget(): void {
    this.#from = null;
  }

  /** Puts the machine into the state after `operation`; -1: before the first. */
  goTo(operation: number): void {
    const target = this.#journal.end(operation);
    const nearest = this.#nearest(target);
    if (this.#from !== nearest || this.#at > target) this.#restore(nearest);
    this.#run(target, (records, count) => this.machine.runPacked(records, count));
  }

  /** Runs operation number `operation`; `run` runs its records, one at a time. */
  step(operation: number, run: (record: Uint8Array) => void): void {
    this.goTo(operation - 1);
    this.#stepRecords(operation, run);
  }

  /**
   * As `step`, for one operation after the other from the first on, effects recorded in all of them: checkpoints are taken on the
   * way.
   */
  stepOn(operation: number, run: (record: Uint8Array) => void): void {
    if (operation === 0) this.goTo(-1);
    this.#stepRecords(operation, run);
    const last = this.#from;
    if (last !== null && this.#at >= last.record + this.#interval) this.#takeCheckpoint(last);
  }

  /** The last `stepOn` was that. */
  finish(): void {
    if (this.#from !== null) this.#from.written = this.#images.takeNotes();
  }

  #takeCheckpoint(last: Checkpoint): void {
    last.written = this.#images.takeNotes();
    this.#from = { record: this.#at, image: this.#images.next(last.image, last.written), written: NOTHING };
    this.#checkpoints.push(this.#from);
    if (this.#images.bytes - this.#kept > BUDGET) this.#thinOut();
  }

  /** Drops every second checkpoint, but not the one just taken. */
  #thinOut(): void {
    const kept: Checkpoint[] = [];
    this.#checkpoints.forEach((checkpoint, index) => {
      const before = kept.at(-1);
      if (index % 2 === 0 || checkpoint === this.#from || before === undefined) kept.push(checkpoint);
      else before.written = union(before.written, checkpoint.written);
    });
    this.#checkpoints = kept;
    this.#interval *= 2;
    // What went held about half of it.
    this.#kept += (this.#images.bytes - this.#kept) / 2;
  }

  #nearest(record: number): Checkpoint {
    const nearest = this.#checkpoints.findLast((checkpoint) => checkpoint.record <= record);
    if (nearest === undefined) throw new RangeError(`there is no state at record ${record}`);
    return nearest;
  }

  #restore(checkpoint: Checkpoint): void {
    this.#images.restore(checkpoint.image, this.#from);
    this.#at = checkpoint.record;
    this.#from = checkpoint;
  }

  #stepRecords(operation: number, run: (record: Uint8Array) => void): void {
    this.#run(this.#journal.end(operation), (records, count) => {
      for (let i = 0; i < count; i++) run(records.subarray(i * OPERATION_SIZE, (i + 1) * OPERATION_SIZE));
    });
  }

  #run(target: number, run: (records: Uint8Array, count: number) => void): void {
    this.#journal.replay(this.machine, this.#at, target, run);
    this.#at = target;
  }
}

function union(one: Written, other: Written): Written {
  return Uint32Array.from(new Set([...one, ...other]));
}
