// What of a machine's memory says nothing of its future, for packing by words: caches, and what is dead between two calls.
// Partition managers keep dead bytes in messages, buffers and free slots; what lives in their records is told in their place.

import { KIND_CCA, KIND_FFA } from "../abi/config";
import { TLB_OFF } from "../abi/tlb";
import { pageShift, pageSize } from "../arch/geometry";
import { TLB_BYTES, tlbAddress, tlbMode } from "../arch/tlb";
import { hasSecureWorld, isGunyah, isLoneTable, kind } from "../batch/machine";
import { ensureFrame, frameOf } from "../memory/dram";
import { pageOf } from "../memory/regions";
import { cache, mask } from "../pagetable/walk-cache";
import { lockOrderAddress, lockOrderBytes } from "../systems/cca/lock-order";
import { registersAddress } from "../systems/cca/machine";
import { answerAddress, answerBytes } from "../systems/cca/refusal";
import { STAGE2_BYTES } from "../pagetable/stage2-table";
import { ENDPOINT_BYTES, Endpoint, endpointAt, endpointCount } from "../systems/ffa/endpoint";
import { messageBuffer, MESSAGE_BYTES } from "../systems/ffa/machine";
import {
  fragmentAt,
  fragmentLength,
  freeBlocks,
  hypervisor,
  largestBuffer,
  Manager,
  RECEIVER_BYTES,
  slotBytes,
  spmc,
  Transaction,
  TRANSACTION_BYTES,
  transactionAt,
  transactionLimit,
} from "../systems/ffa/transaction";
import { mailbox } from "../systems/pkvm/ffa-mailbox";
import { descriptor, DESCRIPTOR_BYTES } from "../systems/pkvm/ffa-proxy";
import { tellGunyah } from "./gunyah-state";
import { hasMmTables, tellMmTables } from "./mm-state";
import { tellStale } from "./translation";
import { addExtra, clearExtra, leaveOut, tellAll } from "./words";

/** Of Gunyah: what is dead counts too. */
let isDeadKept: bool = false;

/** Whether every word of a Gunyah machine is state, also those that no call reads again. Before the first state. */
export function keepDead(keep: bool): void {
  isDeadKept = keep;
}

function hasManagers(): bool {
  return kind == KIND_FFA || hasSecureWorld;
}

/** Buffers have frames from the start: else the first message to each makes another state. */
export function fillBuffers(): void {
  if (!hasManagers()) return;
  for (let i = 0; i < endpointCount(); i++) {
    const endpoint = endpointAt(i);
    for (let page: u32 = 0; page < endpoint.bufferPages; page++) {
      ensureFrame(endpoint.tx + ((page as usize) << 3));
      ensureFrame(endpoint.rx + ((page as usize) << 3));
    }
  }
}

/** Before the first state, in which no transaction is. `keepMailboxes`: what stands in RX is part of the state. */
export function leaveOutDead(keepMailboxes: bool): void {
  if (isLoneTable && hasMmTables()) tellAll();
  if (tlbMode != TLB_OFF) leaveOut(tlbAddress(), TLB_BYTES);
  if (!isGunyah) leaveOut(cache, ((mask as usize) + 1) << 4);
  else if (!isDeadKept) tellAll();
  if (kind == KIND_CCA) leaveOutCalls();
  if (!hasManagers()) return;
  leaveOut(messageBuffer, MESSAGE_BYTES);
  for (let i = 0; i < endpointCount(); i++) leaveOutEndpoint(endpointAt(i), keepMailboxes);
  // The managers' tables lie one behind the other; of fragments, all that there are are free.
  leaveOut(freeBlocks, spmc.slots + (transactionLimit as usize) * slotBytes - freeBlocks);
  for (let block = load<u32>(freeBlocks) as usize; block != 0; block = load<u32>(block) as usize) {
    leaveOut(block, (largestBuffer as usize) << 12);
  }
  if (!hasSecureWorld) return;
  leaveOut(descriptor, DESCRIPTOR_BYTES);
  if (mailbox.isMapped) leaveOutFrame(pageOf(mailbox.tx >> pageShift));
}

// What the last call of the monitor answered and locked, and the registers of the last access.
function leaveOutCalls(): void {
  leaveOut(answerAddress(), answerBytes());
  leaveOut(lockOrderAddress(), lockOrderBytes());
  leaveOut(registersAddress(), STAGE2_BYTES);
}

// TX is written anew for each message; how far a buffer is used is a bound for clearing it.
function leaveOutEndpoint(endpoint: Endpoint, keepMailboxes: bool): void {
  for (let i: u32 = 0; i < endpoint.bufferPages; i++) {
    leaveOutFrame(endpoint.tx + ((i as usize) << 3));
    if (!keepMailboxes) leaveOutFrame(endpoint.rx + ((i as usize) << 3));
  }
  const used = changetype<usize>(endpoint) + offsetof<Endpoint>("txUsed");
  leaveOut(used & ~7, changetype<usize>(endpoint) + ENDPOINT_BYTES - (used & ~7));
}

function leaveOutFrame(page: usize): void {
  const frame = frameOf(page);
  if (frame != 0) leaveOut(frame, pageSize as usize);
}

/** Tells what the managers' records say, wherever they keep it. */
export function tellRecords(): void {
  clearExtra();
  tellStale(addExtra);
  if (isGunyah && !isDeadKept) tellGunyah();
  if (isLoneTable) tellMmTables(addExtra);
  if (!hasManagers()) return;
  tellManager(hypervisor);
  tellManager(spmc);
}

function tellManager(manager: Manager): void {
  for (let slot: u32 = 0; slot < transactionLimit; slot++) {
    const transaction = transactionAt(manager, slot);
    if (transaction.verb != 0) tellTransaction(transaction);
  }
}

function tellTransaction(transaction: Transaction): void {
  const bytes = TRANSACTION_BYTES + (transaction.receivers as usize) * RECEIVER_BYTES;
  tellWords(changetype<usize>(transaction), bytes);
  for (let i: u32 = 0; i < transaction.fragments; i++) {
    addExtra(fragmentLength(transaction, i));
    tellWords(fragmentAt(transaction, i), (fragmentLength(transaction, i) as usize) << 4);
  }
}

function tellWords(from: usize, bytes: usize): void {
  for (let offset: usize = 0; offset < bytes; offset += 8) addExtra(load<u64>(from + offset));
}
