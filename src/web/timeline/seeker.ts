// Goes to operations, at most once a frame: of all places a finger passes between two pictures only the last is gone to.

import type { Store } from "../store.js";
import { clampPosition } from "./position.js";

export type RequestFrame = (run: () => void) => void;

export class Seeker {
  readonly #store: Pick<Store, "open" | "operation">;
  readonly #requestFrame: RequestFrame;
  #wanted: number | null = null;

  constructor(store: Pick<Store, "open" | "operation">, requestFrame: RequestFrame) {
    this.#store = store;
    this.#requestFrame = requestFrame;
  }

  /** Where one will be with the next frame. */
  get position(): number {
    return this.#wanted ?? this.#store.operation.value;
  }

  /** Goes to the nearest position that there is. */
  goTo(position: number): void {
    const open = this.#store.open.value;
    if (open === null) return;
    const isUnderWay = this.#wanted !== null;
    this.#wanted = clampPosition(position, open.trace.operations.count);
    if (!isUnderWay) this.#requestFrame(() => this.#arrive());
  }

  #arrive(): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    const count = this.#store.open.value?.trace.operations.count;
    // Another trace may have been opened since.
    if (wanted !== null && count !== undefined) this.#store.operation.value = clampPosition(wanted, count);
  }
}
