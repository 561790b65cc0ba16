// The digests of an FF-A recording's check lines (golden/ffa/README.md section 6): SHA-256 over the state as lines of text.

import { MODE_ABSENT } from "../../assembly/abi/ffa.js";
import type { FfaState } from "../machine/ffa-state.js";
import { hex } from "../machine/names.js";
import { LineDigest } from "./golden-digest.js";
import { recordText } from "./golden-ffa-changes.js";
import type { FfaCheck } from "./golden-ffa-format.js";

/** The state as a check line would have it. */
export function digestFfaState(state: FfaState): Omit<FfaCheck, "i"> {
  const digest = new LineDigest();
  const modes = addModes(digest, state);
  const secure = addSecurePages(digest, state);
  const records = addRecords(digest, state);
  const rx = addBuffers(digest, state);
  return { modes, secure, records, rx, sha256: digest.hex() };
}

const byId = (a: { readonly id: number }, b: { readonly id: number }) => a.id - b.id;

const addressOf = ({ config }: FfaState, page: number): bigint => config.base + (BigInt(page) << 12n);

/** M lines: by endpoint, name of the table, page. */
function addModes(digest: LineDigest, state: FfaState): number {
  let lines = 0;
  for (const { id, tables } of [...state.config.endpoints].sort(byId)) {
    for (const table of [...tables].sort()) {
      const index = tables.indexOf(table);
      for (let page = 0; page < state.config.pages; page++) {
        const mode = state.mode(id, index, addressOf(state, page));
        if (mode === MODE_ABSENT) continue;
        digest.add(`M ${hex(id)} ${table} ${page} ${hex(mode)}\n`);
        lines += 1;
      }
    }
  }
  return lines;
}

/** S lines. */
function addSecurePages(digest: LineDigest, state: FfaState): number {
  let lines = 0;
  for (let page = 0; page < state.config.pages; page++) {
    if (!state.isSecure(addressOf(state, page))) continue;
    digest.add(`S ${page}\n`);
    lines += 1;
  }
  return lines;
}

/** R lines: by manager, slot. */
function addRecords(digest: LineDigest, state: FfaState): number {
  const records = state.records();
  for (const record of records) digest.add(`R ${record.manager} ${record.slot} ${recordText(record)}\n`);
  return records.length;
}

/** B lines. */
function addBuffers(digest: LineDigest, state: FfaState): number {
  const full = [...state.config.endpoints].sort(byId).filter(({ id }) => state.isRxFull(id));
  for (const { id } of full) digest.add(`B ${hex(id)}\n`);
  return full.length;
}
