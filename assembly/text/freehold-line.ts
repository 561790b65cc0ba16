// The keys and values of one line of a Freehold trace (docs/trace-format.md), read into slots, in whatever order they come.
// Which keys there are and what they can be is told by TypeScript, in names, types and maxima (abi/trace.ts).

import * as abi from "../abi/trace";
import { reserve } from "../memory/heap";
import { NO_NAME, createDictionary, nameValue } from "./dictionary";
import * as json from "./json";
import { hexDigits, hexValue, leading, number } from "./scan";

const QUOTE: i32 = 0x22;
const COMMA: i32 = 0x2c;
const ZERO: u32 = 0x30;
const COLON: i32 = 0x3a;
const OPEN_BRACKET: i32 = 0x5b;
const CLOSE_BRACKET: i32 = 0x5d;
const OPEN_BRACE: i32 = 0x7b;
const CLOSE_BRACE: i32 = 0x7d;
/** `true`, as a little-endian u32. */
const TRUE: u32 = 0x65757274;

const slots: usize = memory.data(512, 16);
const maxima: usize = memory.data(512, 16);
const types: usize = memory.data(64, 16);

/** The keys of the line, as a mask of slots. */
export let seen: u64 = 0;
/** The key in question, where a line is refused because of one. */
export let refusedSlot: i32 = 0;
/** The first page of the line's mc_pages, or the bracket that closes it. */
export let pagesAt: usize = 0;

// Guesses: the keys of the last line of each operation, place by place, so that most keys are known after one comparison.
// They only save time: a wrong guess is a key read the long way.
//
//    0 u64 `"key":` | 8 u64 mask of its characters | 16 u32 its length | 20 u32 slot
const GUESS_MASK: usize = 8;
const GUESS_LENGTH: usize = 16;
const GUESS_SLOT: usize = 20;
const GUESS_SIZE: usize = 24;
/** 16 places a line. */
const GUESSES_SIZE: usize = 384;
const OPERATIONS: usize = (abi.OPERATION_MAX as usize) + 1;

let guesses: usize = 0;

/** Makes the tables that are too large to be static. False if there is no memory. */
export function createLineTables(): bool {
  return createDictionary() && createGuesses();
}

function createGuesses(): bool {
  guesses = reserve(OPERATIONS * GUESSES_SIZE);
  // Behind a mask of 0 nothing equals 1: there is no guess yet.
  for (let at: usize = 0; at < OPERATIONS * GUESSES_SIZE; at += GUESS_SIZE) store<u64>(guesses + at, 1);
  return guesses != 0;
}

/** Sets the TYPE_* and the largest value of a key. */
export function defineKey(slot: i32, type: i32, maximum: u64): void {
  store<u8>(types + (slot as usize), type);
  store<u64>(maxima + ((slot as usize) << 3), maximum);
}

/** The value of a key of the line. */
export function slotValue(slot: i32): i64 {
  return load<i64>(slots + ((slot as usize) << 3));
}

/** Arguments that were left out are 0. */
export function clearSlots(absent: u64): void {
  for (let rest = absent >> abi.SLOT_ARGUMENT; rest != 0; rest &= rest - 1) {
    store<u64>(slots + (((ctz(rest) as usize) + (abi.SLOT_ARGUMENT as usize)) << 3), 0);
  }
}

/** A line without keys. */
export function clearLine(): void {
  seen = 0;
}

/** An object whose brace stands at `at`: its keys go into `seen`, their values into the slots. Returns the address behind it, or 0. */
export function readObject(at: usize): usize {
  if (load<u8>(at) != OPEN_BRACE) return json.refuse(abi.REFUSED_OBJECT, at);
  let keys: u64 = 0;
  let separator: i32 = COMMA;
  let row = guesses; // of operation 0: not known yet
  let place: usize = 0;
  while (separator == COMMA) {
    at = json.skipSpace(at + 1);
    const guess = row + place;
    let slot: i32 = load<u32>(guess, GUESS_SLOT);
    if ((load<u64>(at) & load<u64>(guess, GUESS_MASK)) == load<u64>(guess)) {
      at += load<u32>(guess, GUESS_LENGTH) as usize;
    } else {
      slot = readKey(at, guess);
      if (slot < 0) return 0;
      at = keyEnd;
    }
    const bit = (1 as u64) << (slot as u64);
    if ((keys & bit) != 0) return refuseKey(abi.REFUSED_DUPLICATE_KEY, slot, at);
    keys |= bit;
    at = readValue(slot, json.skipSpace(at));
    if (at == 0) return 0;
    if (slot == abi.SLOT_OP) row = guesses + (slotValue(abi.SLOT_OP) as usize) * GUESSES_SIZE;
    if (place < GUESSES_SIZE - GUESS_SIZE) place += GUESS_SIZE;
    at = json.skipSpace(at);
    separator = load<u8>(at);
  }
  if (separator != CLOSE_BRACE) return json.refuse(abi.REFUSED_SEPARATOR, at);
  seen = keys;
  return at + 1;
}

/** Behind the colon of the key that `readKey` read. */
let keyEnd: usize = 0;

// Reads `"key":` at `at` and makes it the guess. Returns the key's slot, or NO_NAME if the line is refused.
function readKey(at: usize, guess: usize): i32 {
  if (load<u8>(at) != QUOTE) return refuseAt(abi.REFUSED_KEY, at);
  const length = nameLength(at + 1);
  const slot = nameValue(abi.NAME_KEY, at + 1, length);
  if (slot == NO_NAME) {
    refuseName(0, abi.REFUSED_UNKNOWN_KEY, at + 1);
    return NO_NAME;
  }
  const colon = json.skipSpace(at + (length as usize) + 2);
  if (load<u8>(colon) != COLON) return refuseAt(abi.REFUSED_COLON, colon);
  keyEnd = colon + 1;
  const size = (keyEnd - at) as u32;
  if (size <= 8) {
    store<u64>(guess, leading(load<u64>(at), size));
    store<u64>(guess, leading(-1, size), GUESS_MASK);
    store<u32>(guess, size, GUESS_LENGTH);
    store<u32>(guess, slot, GUESS_SLOT);
  }
  return slot;
}

function refuseAt(code: i32, at: usize): i32 {
  json.refuse(code, at);
  return NO_NAME;
}

// Characters before the closing quote, or more than any name has.
function nameLength(at: usize): u32 {
  const quotes = quotesAt(at) | (quotesAt(at + 16) << 16);
  if (quotes != 0) return ctz(quotes) as u32;
  return 32 + (ctz(quotesAt(at + 32) | 0x10000) as u32);
}

function quotesAt(at: usize): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(QUOTE as i8)));
}

function refuseKey(code: i32, slot: i32, at: usize): usize {
  refusedSlot = slot;
  return json.refuse(code, at);
}

// A name that is in no dictionary: because there is none such, or because the string is none.
function refuseName(slot: i32, code: i32, at: usize): usize {
  return json.plainString(at) == 0 ? 0 : refuseKey(code, slot, at);
}

// ---------------------------------------------------------------- values

function readValue(slot: i32, at: usize): usize {
  switch (load<u8>(types + (slot as usize)) as i32) {
    case abi.TYPE_NUMBER:
      return readNumber(slot, false, at);
    case abi.TYPE_OPERATION:
      return readName(slot, abi.NAME_OPERATION, abi.REFUSED_OPERATION, at);
    case abi.TYPE_SIGNED:
      return readNumber(slot, true, at);
    case abi.TYPE_STATE:
      if (load<u8>(at) != QUOTE) return readNumber(slot, false, at);
      return readName(slot, abi.NAME_STATE, abi.REFUSED_STATE, at);
    case abi.TYPE_PANIC:
      return readName(slot, abi.NAME_PANIC, abi.REFUSED_PANIC, at);
    case abi.TYPE_PAGES:
      return readPages(slot, at);
    case abi.TYPE_TRUE:
      if (load<u32>(at) == TRUE && json.endsValue(load<u8>(at, 4))) return at + 4;
      return refuseKey(abi.REFUSED_TYPE, slot, at);
    default:
      return load<u8>(at) == QUOTE ? json.skipString(at + 1) : refuseKey(abi.REFUSED_TYPE, slot, at);
  }
}

function readNumber(slot: i32, signed: bool, at: usize): usize {
  const end = readShortNumber(slot, at);
  return end != 0 ? end : readAnyNumber(slot, signed, at);
}

// The two forms that nearly all numbers have: `"0x"` with up to seven digits, and a single digit. 0 for all others.
function readShortNumber(slot: i32, at: usize): usize {
  const first: u32 = load<u8>(at);
  const maximum = load<u64>(maxima + ((slot as usize) << 3));
  if (first == QUOTE) {
    const word = load<u64>(at, 3);
    const digits = hexDigits(word);
    const end = at + 3 + (digits as usize);
    if (digits - 1 > 6 || load<u16>(at, 1) != json.HEX_PREFIX || load<u8>(end) != QUOTE) return 0;
    const value = hexValue(word, digits);
    store<u64>(slots + ((slot as usize) << 3), value);
    return value <= maximum ? end + 1 : 0;
  }
  const digit: u64 = first - ZERO;
  if (first - ZERO > 9 || digit > maximum || !json.endsValue(load<u8>(at, 1))) return 0;
  store<u64>(slots + ((slot as usize) << 3), digit);
  return at + 1;
}

function readAnyNumber(slot: i32, signed: bool, at: usize): usize {
  refusedSlot = slot;
  if (!json.startsNumber(at)) return json.refuse(abi.REFUSED_TYPE, at);
  const end = json.readInteger(at);
  if (end == 0) return 0;
  const value = json.negative ? 0 - number : number;
  const fits = json.negative ? signed || number == 0 : number <= load<u64>(maxima + ((slot as usize) << 3));
  store<u64>(slots + ((slot as usize) << 3), value);
  return fits ? end : json.refuse(abi.REFUSED_RANGE, at);
}

function readName(slot: i32, kind: i32, refusal: i32, at: usize): usize {
  if (load<u8>(at) != QUOTE) return refuseKey(abi.REFUSED_TYPE, slot, at);
  const length = nameLength(at + 1);
  const value = nameValue(kind, at + 1, length);
  if (value == NO_NAME) return refuseName(slot, refusal, at + 1);
  const offset = (slot as usize) << 3;
  if ((value as u64) > load<u64>(maxima + offset)) return refuseKey(abi.REFUSED_RANGE, slot, at);
  store<u64>(slots + offset, value as u64);
  return at + (length as usize) + 2;
}

// An array of page numbers. It is only checked here and read again when the pages are pushed: there may be any number.
function readPages(slot: i32, at: usize): usize {
  if (load<u8>(at) != OPEN_BRACKET) return refuseKey(abi.REFUSED_TYPE, slot, at);
  pagesAt = json.skipSpace(at + 1);
  if (load<u8>(pagesAt) == CLOSE_BRACKET) return pagesAt + 1;
  let next = pagesAt;
  while (true) {
    next = readNumber(slot, false, next);
    if (next == 0) return 0;
    next = json.skipSpace(next);
    if (load<u8>(next) == CLOSE_BRACKET) return next + 1;
    if (load<u8>(next) != COMMA) return json.refuse(abi.REFUSED_SEPARATOR, next);
    next = json.skipSpace(next + 1);
  }
}
