// The words of mem_op's `op` field: each is the function of that name in nvhe/mem_protect.c.
// Found by a hash of their length and first characters, then compared in full.

import {
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_DONATE_GUEST,
  HOST_DONATE_HYP,
  HOST_FORCE_RECLAIM_PAGE_GUEST,
  HOST_RECLAIM_PAGE_GUEST,
  HOST_SHARE_FFA,
  HOST_SHARE_GUEST,
  HOST_SHARE_HYP,
  HOST_UNSHARE_FFA,
  HOST_UNSHARE_GUEST,
  HOST_UNSHARE_HYP,
  HYP_DONATE_HOST,
  HYP_PIN_SHARED_MEM,
  HYP_UNPIN_SHARED_MEM,
} from "../abi/operations";
import { leading } from "./scan";

// A word: 0 its characters | 32 mask of those that count | 64 u32 length | 68 u32 operation, 0: an empty place
const WORD_MASK: usize = 32;
const WORD_LENGTH: usize = 64;
const WORD_OPERATION: usize = 68;
const WORD_BYTES: usize = 80;
const PLACES: u32 = 64; // four times as many as words, so that chains are short
const LONGEST: u32 = 31;
const SPACE: i8 = 32;

const words: usize = memory.data(5200, 16);

/** Length of the word that `operationAt` found. */
export let operationLength: usize = 0;

/** Fills the table. Where two words share a place the first one is found sooner: the frequent ones first. */
export function prepareOperations(): void {
  memory.fill(words, 0, (PLACES as usize) * WORD_BYTES);
  add(HOST_SHARE_HYP, "host_share_hyp");
  add(HOST_UNSHARE_HYP, "host_unshare_hyp");
  add(HOST_DONATE_HYP, "host_donate_hyp");
  add(HYP_DONATE_HOST, "hyp_donate_host");
  add(HYP_PIN_SHARED_MEM, "hyp_pin");
  add(HYP_UNPIN_SHARED_MEM, "hyp_unpin");
  add(HOST_SHARE_FFA, "host_share_ffa");
  add(HOST_UNSHARE_FFA, "host_unshare_ffa");
  add(HOST_DONATE_GUEST, "host_donate_guest");
  add(HOST_SHARE_GUEST, "host_share_guest");
  add(HOST_UNSHARE_GUEST, "host_unshare_guest");
  add(GUEST_SHARE_HOST, "guest_share_host");
  add(GUEST_UNSHARE_HOST, "guest_unshare_host");
  add(HOST_RECLAIM_PAGE_GUEST, "host_reclaim_guest");
  add(HOST_FORCE_RECLAIM_PAGE_GUEST, "host_force_reclaim");
}

function add(operation: i32, name: string): void {
  const text = words + WORD_BYTES * (PLACES as usize); // behind the table: a place to build the word
  memory.fill(text, 0, WORD_BYTES);
  for (let i = 0; i < name.length; i++) {
    store<u8>(text + (i as usize), name.charCodeAt(i) as u8);
    store<u8>(text + (i as usize), 0xff, WORD_MASK);
  }
  store<u32>(text, name.length, WORD_LENGTH);
  store<u32>(text, operation, WORD_OPERATION);
  let place = firstPlace(text, name.length);
  while (load<u32>(wordAt(place), WORD_OPERATION) != 0) place = (place + 1) % PLACES;
  memory.copy(wordAt(place), text, WORD_BYTES);
}

function wordAt(place: u32): usize {
  return words + (place as usize) * WORD_BYTES;
}

function firstPlace(text: usize, length: u32): u32 {
  const start = leading(load<u64>(text), min(length, 8)) + (length as u64);
  return ((start * 0x9e3779b97f4a7c15) >> 58) as u32; // 2^64 over the golden ratio: the six top bits name a place
}

/** The operation (code of abi/operations.ts) whose word stands at `at`, up to a space; 0 if there is none. */
export function operationAt(at: usize): i32 {
  const first = v128.load(at);
  const second = v128.load(at, 16);
  const spaces = i8x16.splat(SPACE);
  const ends = i8x16.bitmask(i8x16.eq(first, spaces)) | (i8x16.bitmask(i8x16.eq(second, spaces)) << 16);
  const length = ctz(ends) as u32;
  if (length == 0 || length > LONGEST) return 0;
  let place = firstPlace(at, length);
  while (true) {
    const word = wordAt(place);
    const operation = load<u32>(word, WORD_OPERATION);
    if (operation == 0) return 0;
    const differences = v128.or(
      v128.and(v128.xor(first, v128.load(word)), v128.load(word, WORD_MASK)),
      v128.and(v128.xor(second, v128.load(word, 16)), v128.load(word, WORD_MASK + 16)),
    );
    if (load<u32>(word, WORD_LENGTH) == length && !v128.any_true(differences)) {
      operationLength = length;
      return operation;
    }
    place = (place + 1) % PLACES;
  }
}
