// The grammar of one line of a hypervisor trace as tracefs prints it (reference pkvm-el2 section 10.3):
//
//   [CPU]<tab>seconds.microseconds: event name=value name=value ...
//
// Values are converted eight or sixteen characters at a time; what cannot be is refused with its place in the line.

import {
  REFUSED_EVENT,
  REFUSED_FIELD,
  REFUSED_HEADER,
  REFUSED_LOST,
  REFUSED_MARK,
  REFUSED_NUMBER,
  REFUSED_OPERATION,
  REFUSED_RANGE,
  REFUSED_STATE,
  REFUSED_TRAILING,
  REFUSED_WORD,
  STATE_UNKNOWN,
} from "../abi/tracefs";
import { NOPAGE, OWNED, POISON, SHARED_BORROWED, SHARED_OWNED } from "../abi/codes";
import { decimalDigits, decimalValue, leading, number, readDecimal, readHex } from "./scan";
import {
  ERROR,
  EVENTS,
  FIELD_BYTES,
  FIELD_KIND,
  FIELD_LAST,
  FIELD_LAST_LENGTH,
  FIELD_LENGTH,
  FIELD_MASK,
  FIELD_MAXIMUM,
  FIELD_REPEATS,
  FIELD_VALUE,
  firstField,
  firstValue,
  HANDLE,
  HEX,
  MARK,
  maskOf,
  NOTHING,
  OPERATION,
  remember,
  SIGNED,
  startsWith,
  STATE,
  UNUSED_HEX,
  WORD,
} from "./tracefs-format";
import { operationAt, operationLength } from "./tracefs-operations";
import { expectLiteral } from "./tracefs-report";

// Fields with a value of the line read last.
let currentFields: usize = 0;

/** The time stamp of the line read last, in microseconds. */
export let timestamp: u64 = 0;

/** Why and where the last line was refused. */
export let refusal: i32 = 0;
export let refusedAt: usize = 0;

const NEWLINE: u32 = 10;
const SPACE: u32 = 32;
const MINUS: u32 = 45;

/** A field of the line read last. */
export function value(index: i32): u64 {
  return load<u64>(currentFields + (index as usize) * FIELD_BYTES, FIELD_VALUE);
}

/** The event that the line at `at` (behind its header) is; -1 if none begins like it. */
export function eventAt(at: usize): i32 {
  for (let event = 0; event < EVENTS; event++) {
    if (startsWith(at, firstField(event))) return event;
  }
  fail(REFUSED_EVENT, at);
  return -1;
}

/** Reads the fields of `event`, for `value` to tell. Returns the address of the line's newline; 0 if it is refused. */
export function readEvent(event: i32, at: usize): usize {
  const end = firstField(event + 1);
  currentFields = firstValue(event);
  for (let field = firstField(event); field < end; field += FIELD_BYTES) {
    if (startsWith(at, field + FIELD_LAST)) {
      at += load<u32>(field, FIELD_LAST_LENGTH);
      continue;
    }
    if (!startsWith(at, field)) {
      expectLiteral(field, load<u32>(field, FIELD_LENGTH));
      return fail(REFUSED_FIELD, at);
    }
    const next = readValue(field, at + load<u32>(field, FIELD_LENGTH));
    if (next == 0) return 0;
    if (load<u32>(field, FIELD_REPEATS)) remember(field, at, (next - at) as u32);
    at = next;
  }
  return load<u8>(at) == NEWLINE ? at : fail(REFUSED_TRAILING, at);
}

/** Reads the value of `field`. Returns the address behind it; 0 if it is refused. */
function readValue(field: usize, at: usize): usize {
  const kind = load<u32>(field, FIELD_KIND);
  switch (kind) {
    case NOTHING:
      return at;
    case HEX:
    case HANDLE:
      return readHexadecimal(field, at);
    case UNUSED_HEX:
      return skipHexadecimal(at);
    case SIGNED:
    case ERROR:
      return readSigned(field, at, kind == ERROR);
    case STATE:
      return readState(field, at);
    case OPERATION:
      return readOperation(field, at);
    case WORD:
      return readWord(field, at);
    case MARK:
      return readMark(field, at);
    default:
      return readUnsigned(field, at);
  }
}

function fail(code: i32, at: usize): usize {
  refusal = code;
  refusedAt = at;
  return 0;
}

/** Whether a number is too large for its field. */
function isTooLarge(field: usize, magnitude: u64): bool {
  return magnitude > load<u64>(field, FIELD_MAXIMUM);
}

function keep(field: usize, result: u64, end: usize): usize {
  store<u64>(field, result, FIELD_VALUE);
  return end;
}

const PREFIX: u32 = 0x7830; // "0x"

function readHexadecimal(field: usize, at: usize): usize {
  const end = readHex(at + 2);
  if (load<u16>(at) != PREFIX || end == at + 2) return fail(REFUSED_NUMBER, at);
  // A 17th digit would be met as text where the next field begins: say what is wrong with it instead.
  if (isTooLarge(field, number) || (end == at + 18 && hexDigitsAt(end) != 0)) return fail(REFUSED_RANGE, at);
  return keep(field, number, end);
}

function skipHexadecimal(at: usize): usize {
  const digits = hexDigitsAt(at + 2);
  if (load<u16>(at) != PREFIX || digits == 0) return fail(REFUSED_NUMBER, at);
  if (digits == 16 && hexDigitsAt(at + 18) != 0) return fail(REFUSED_RANGE, at);
  return at + 2 + digits;
}

/** How many of the 16 characters at `at` are hexadecimal digits, up to the first that is not. */
function hexDigitsAt(at: usize): usize {
  const text = v128.load(at);
  const digits = isBetween(text, 48, 10);
  const letters = isBetween(v128.or(text, i8x16.splat(32)), 97, 6);
  return lengthOf(v128.or(digits, letters));
}

/** The lanes of `text` that hold one of the `count` characters from `first` on. */
function isBetween(text: v128, first: i8, count: i8): v128 {
  return i8x16.lt_u(i8x16.sub(text, i8x16.splat(first)), i8x16.splat(count));
}

/** Lanes that are true, up to the first that is not. */
function lengthOf(lanes: v128): usize {
  return ctz((i8x16.bitmask(lanes) ^ 0xffff) | 0x10000) as usize;
}

function isDigit(character: u32): bool {
  return character - 48 < 10;
}

/** Decimal digits at `at` into `decimal`. Returns the address behind them; 0 if there are none or they do not fit u64. */
function readDigits(at: usize): usize {
  let end = readDecimal(at);
  if (end == at) return fail(REFUSED_NUMBER, at);
  decimal = number;
  while (isDigit(load<u8>(end))) {
    const digit = ((load<u8>(end) as u32) - 48) as u64;
    if (decimal > (u64.MAX_VALUE - digit) / 10) return fail(REFUSED_RANGE, at);
    decimal = decimal * 10 + digit;
    end++;
  }
  return end;
}

let decimal: u64 = 0;

function readUnsigned(field: usize, at: usize): usize {
  const end = readDigits(at);
  if (end == 0) return 0;
  return isTooLarge(field, decimal) ? fail(REFUSED_RANGE, at) : keep(field, decimal, end);
}

function readSigned(field: usize, at: usize, negativeOnly: bool): usize {
  const negative = load<u8>(at) == MINUS;
  const end = readDigits(negative ? at + 1 : at);
  if (end == 0) return 0;
  if (isTooLarge(field, decimal) || (negativeOnly && !negative && decimal != 0)) return fail(REFUSED_RANGE, at);
  return keep(field, negative ? 0 - decimal : decimal, end);
}

// Page states as eight characters, the first in the lowest byte.
const OWNED_WORD: u64 = 0x64656e776f; // "owned"
const NOPAGE_WORD: u64 = 0x656761706f6e; // "nopage"
const POISON_WORD: u64 = 0x6e6f73696f70; // "poison"
const SHARED_O: u64 = 0x6f5f646572616873; // "shared_o"
const SHARED_B: u64 = 0x625f646572616873; // "shared_b"
const WNED: u64 = 0x64656e77; // "wned"
const ORROWED: u64 = 0x6465776f72726f; // "orrowed"

function readState(field: usize, at: usize): usize {
  const word = load<u64>(at);
  if (leading(word, 6) == NOPAGE_WORD) return keep(field, NOPAGE, at + 6);
  if (leading(word, 5) == OWNED_WORD) return keep(field, OWNED, at + 5);
  if ((word as u8) == MINUS) return keep(field, STATE_UNKNOWN, at + 1);
  const rest = load<u64>(at, 8);
  if (word == SHARED_O && leading(rest, 4) == WNED) return keep(field, SHARED_OWNED, at + 12);
  if (word == SHARED_B && leading(rest, 7) == ORROWED) return keep(field, SHARED_BORROWED, at + 15);
  if (leading(word, 6) == POISON_WORD) return keep(field, POISON, at + 6);
  return fail(REFUSED_STATE, at);
}

function readOperation(field: usize, at: usize): usize {
  const operation = operationAt(at);
  return operation == 0 ? fail(REFUSED_OPERATION, at) : keep(field, operation, at + operationLength);
}

function readWord(field: usize, at: usize): usize {
  let end = at;
  let length: usize = 0;
  do {
    length = wordCharactersAt(end);
    end += length;
  } while (length == 16);
  return end == at ? fail(REFUSED_WORD, at) : keep(field, (at as u64) | (((end - at) as u64) << 32), end);
}

/** How many of the 16 characters at `at` are letters, digits or underscores, up to the first that is not. */
function wordCharactersAt(at: usize): usize {
  const text = v128.load(at);
  const letters = isBetween(v128.or(text, i8x16.splat(32)), 97, 26);
  const others = v128.or(isBetween(text, 48, 10), i8x16.eq(text, i8x16.splat(95)));
  return lengthOf(v128.or(letters, others));
}

const BEGIN_WORD: u64 = 0x6e69676562; // "begin"
const END_WORD: u64 = 0x646e65; // "end"

function readMark(field: usize, at: usize): usize {
  const word = load<u64>(at);
  if (leading(word, 5) == BEGIN_WORD) return keep(field, 0, at + 5);
  return leading(word, 3) == END_WORD ? keep(field, 1, at + 3) : fail(REFUSED_MARK, at);
}

/** Whether the word read as field `index` is `text`. */
export function isWord(index: i32, text: string): bool {
  const word = value(index);
  if (((word >> 32) as i32) != text.length) return false;
  const at = word as u32 as usize;
  for (let i = 0; i < text.length; i++) {
    if (load<u8>(at + (i as usize)) != text.charCodeAt(i)) return false;
  }
  return true;
}

const BRACKET: u32 = 91; // [
const BRACKET_TAB: u32 = 0x095d; // "]<tab>"
const COLON_SPACE: u32 = 0x203a; // ": "
const POINT: u32 = 46;
const CPU_COLON: u32 = 0x3a555043; // "CPU:"

// Headers of one second and CPU begin alike: 0 text up to the point | 16 mask of it.
const lastHeader: usize = memory.data(32, 16);
let lastSeconds: u64 = 0; // in microseconds
let lastPoint: usize = 0; // where the point stands
let lastFits: bool = false; // the text up to the point has no more than 16 characters

/** Reads `[CPU]<tab>seconds.microseconds: `. Returns the address behind it; 0 if it is refused. */
export function readHeader(line: usize): usize {
  if ((!lastFits || !startsWith(line, lastHeader)) && !readSeconds(line)) return 0;
  const point = line + lastPoint;
  const fraction = load<u64>(point, 1);
  if (decimalDigits(fraction) != 6 || ((fraction >> 48) as u32) != COLON_SPACE) return fail(REFUSED_HEADER, line);
  timestamp = lastSeconds + decimalValue(fraction, 6);
  return point + 9;
}

function readSeconds(line: usize): bool {
  lastFits = false;
  const cpu = decimalDigits(load<u64>(line, 1)) as usize;
  let at = line + 1 + cpu;
  if (load<u8>(line) != BRACKET || cpu == 0 || load<u16>(at) != BRACKET_TAB) {
    return fail(load<u32>(line) == CPU_COLON ? REFUSED_LOST : REFUSED_HEADER, line) != 0;
  }
  at += 2;
  while (load<u8>(at) == SPACE) at++;
  const point = readDecimal(at);
  if (point == at || load<u8>(point) != POINT) return fail(REFUSED_HEADER, line) != 0;
  lastPoint = point - line;
  lastSeconds = number * 1000000;
  const length = lastPoint + 1;
  v128.store(lastHeader, v128.load(line));
  v128.store(lastHeader, maskOf(min(length, 16) as u32), FIELD_MASK);
  lastFits = length <= 16;
  return true;
}
