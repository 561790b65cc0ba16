// Workloads FFA as packed operations (assembly/abi/operations.ts, assembly/abi/ffa.ts).

import * as abi from "../assembly/abi/ffa.js";
import { OPERATION_SIZE } from "../assembly/abi/operations.js";
import {
  BORROWER,
  BUFFER_BYTES,
  handleOf,
  LENDER,
  scriptOf,
  TRANSACTIONS,
  type FfaWorkload,
  type Script,
} from "./ffa-definitions.js";

/** Bytes of TX that one record writes. */
const TX_PIECE = 32;

/** Packed records: code, endpoint, and four arguments of 64 bits. */
export class Records {
  readonly #bytes: Uint8Array[] = [];

  add(code: number, endpoint: number, field: number, ...args: readonly (number | bigint)[]): void {
    const record = new DataView(new ArrayBuffer(OPERATION_SIZE));
    record.setUint16(0, code, true);
    record.setUint16(2, endpoint, true);
    record.setUint32(4, field, true);
    args.forEach((value, index) => record.setBigUint64(8 + 8 * index, BigInt(value), true));
    this.#bytes.push(new Uint8Array(record.buffer));
  }

  /** The endpoint writes a message into TX. */
  write(endpoint: number, message: Uint8Array): void {
    for (let offset = 0; offset < message.length; offset += TX_PIECE) {
      const piece = new BigUint64Array(TX_PIECE / 8);
      new Uint8Array(piece.buffer).set(message.subarray(offset, offset + TX_PIECE));
      this.add(abi.FFA_TX, endpoint, offset, ...piece);
    }
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#bytes);
  }
}

/** The calls of a phase for one transaction. */
type Phase = (records: Records, script: Script, handle: bigint) => void;

const phases: readonly Phase[] = [share, retrieve, relinquish, reclaim];

function share(records: Records, { total, fragments }: Script, handle: bigint): void {
  fragments.forEach((fragment, index) => {
    records.write(LENDER, fragment);
    if (index === 0) records.add(abi.FFA_MEM_SHARE, LENDER, 0, total, fragment.length);
    else records.add(abi.FFA_MEM_FRAG_TX, LENDER, 0, handle, fragment.length);
  });
}

function retrieve(records: Records, script: Script, handle: bigint): void {
  records.write(BORROWER, script.retrieve);
  script.fragments.forEach((_, index) => {
    const { length } = script.retrieve;
    if (index === 0) records.add(abi.FFA_MEM_RETRIEVE_REQ, BORROWER, 0, length, length);
    else records.add(abi.FFA_MEM_FRAG_RX, BORROWER, 0, handle, index * BUFFER_BYTES);
    records.add(abi.FFA_RX_RELEASE, BORROWER, 0);
  });
}

function relinquish(records: Records, script: Script): void {
  records.write(BORROWER, script.relinquish);
  records.add(abi.FFA_MEM_RELINQUISH, BORROWER, 0);
}

function reclaim(records: Records, _: Script, handle: bigint): void {
  records.add(abi.FFA_MEM_RECLAIM, LENDER, 0, handle);
}

/** The records of each phase, for all transactions. */
export function phaseRecords(workload: FfaWorkload): Uint8Array[] {
  return phases.map((phase) => {
    const records = new Records();
    for (let t = 0; t < TRANSACTIONS; t++) phase(records, scriptOf(workload, t), handleOf(t));
    return records.bytes;
  });
}
