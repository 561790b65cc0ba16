// The packed effects of the operation run last, without an object for each: a cursor over them.

import * as abi from "../../assembly/abi/records.js";
import type { Core } from "../machine/module.js";

/** One effect record (layout: assembly/abi/records.ts). Valid until the cursor moves on. */
export class EffectRecord {
  view = new DataView(new ArrayBuffer(0));
  at = 0;

  get kind(): number {
    return this.view.getUint16(this.at + abi.EFFECT_KIND, true);
  }

  get level(): number {
    return this.view.getUint8(this.at + abi.EFFECT_LEVEL);
  }

  get owner(): number {
    return this.view.getUint32(this.at + abi.EFFECT_OWNER, true);
  }

  /** Bytes; addresses have less than 53 bits. */
  get address(): number {
    return this.#number(abi.EFFECT_ADDRESS);
  }

  get before(): bigint {
    return this.view.getBigUint64(this.at + abi.EFFECT_BEFORE, true);
  }

  get after(): bigint {
    return this.view.getBigUint64(this.at + abi.EFFECT_AFTER, true);
  }

  get afterLow(): number {
    return this.view.getUint32(this.at + abi.EFFECT_AFTER, true);
  }

  get extra(): number {
    return this.#number(abi.EFFECT_EXTRA);
  }

  #number(at: number): number {
    return this.view.getUint32(this.at + at, true) + this.view.getUint32(this.at + at + 4, true) * 2 ** 32;
  }
}

export class EffectRecords {
  readonly #core: Core;
  readonly #record = new EffectRecord();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Visits the effects of the last batch, in order. */
  each(visit: (effect: EffectRecord) => void): void {
    const { buffer } = this.#core.memory;
    const record = this.#record;
    if (record.view.buffer !== buffer) record.view = new DataView(buffer);
    const { view } = record;
    let chunk = this.#core.exports.effectsHead() >>> 0;
    while (chunk !== 0) {
      const end = chunk + abi.EFFECT_CHUNK_HEADER + view.getUint32(chunk + 4, true) * abi.EFFECT_SIZE;
      for (let at = chunk + abi.EFFECT_CHUNK_HEADER; at < end; at += abi.EFFECT_SIZE) {
        record.at = at;
        visit(record);
      }
      chunk = view.getUint32(chunk, true);
    }
  }
}
