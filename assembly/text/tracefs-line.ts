// The grammar of one line of a hypervisor trace as tracefs prints it (reference pkvm-el2 section 10.3):
//
//   [CPU]<tab>seconds.microseconds: event name=value name=value ...
//
// The kernel prints each event with one format string, so the order of fields is fixed. An event is compiled, once, into
// a list of literals, each followed by a value of some kind; reading a line is comparing and converting along that list.

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
import { operationAt, operationLength, prepareOperations } from "./tracefs-operations";
import { expectLiteral } from "./tracefs-report";

// Events, in the order in which a line is compared with them: the frequent ones first.
export const MEM_OP: i32 = 0;
export const HOST_MEM_ABORT: i32 = 1;
export const HOST_HCALL: i32 = 2;
export const HOST_HCALL_RET: i32 = 3;
export const GUEST_EXIT: i32 = 4;
export const GUEST_HVC: i32 = 5;
export const S2_RUN: i32 = 6;
export const PAGE_RUN: i32 = 7;
export const HYP_ENTER: i32 = 8;
export const HYP_EXIT: i32 = 9;
export const HOST_INJECT_ABORT: i32 = 10;
export const SNAPSHOT: i32 = 11;
export const SELFTEST: i32 = 12;
const EVENTS: i32 = 13;

// Kinds of values, by their letter in the formats below.
const NOTHING: u32 = 0; //     a literal longer than 16 characters goes on
const UNSIGNED: u32 = 117; //  u decimal
const SEQ: u32 = 113; //       q decimal, up to 2^53 - 1
const BIT: u32 = 98; //        b 0 or 1
const COUNT: u32 = 99; //      c decimal, 32 bits
const PAGES: u32 = 110; //     n decimal, up to 2^52
const LEVEL: u32 = 108; //     l 0..3
const HEX: u32 = 120; //       x 0x and up to 16 digits
const UNUSED_HEX: u32 = 88; // X the same, but nobody wants the value
const HANDLE: u32 = 104; //    h 0x and 16 bits
const SIGNED: u32 = 100; //    d decimal, perhaps negative
const ERROR: u32 = 101; //     e 0 or a negative errno
const STATE: u32 = 115; //     s page state or -
const OPERATION: u32 = 111; // o operation of mem_op
const WORD: u32 = 119; //      w address and length of a word
const MARK: u32 = 109; //      m begin (0) or end (1)

// A field:
//    0 literal, 16 characters | 16 mask of those that count
//   32 key, value and delimiter in the last line | 48 mask of those that count | 64 u32 length up to the delimiter
//   68 u32 length of the literal | 72 u32 kind of value | 76 u32 whether values tend to repeat | 80 u64 largest value | 88 u64 value
// Most fields read as they did in the last line of their event; then comparing 16 characters is all there is to do.
const FIELD_MASK: usize = 16;
const FIELD_LAST: usize = 32;
const FIELD_LAST_MASK: usize = 48;
const FIELD_LAST_LENGTH: usize = 64;
const FIELD_LENGTH: usize = 68;
const FIELD_KIND: usize = 72;
const FIELD_REPEATS: usize = 76;
const FIELD_MAXIMUM: usize = 80;
const FIELD_VALUE: usize = 88;
const FIELD_BYTES: usize = 96;
const FIELDS: usize = 96;
const LITERAL: u32 = 16;

const fields: usize = memory.data(9216, 16);
// u32 address of each event's first field, and of the end of the last one's.
const events: usize = memory.data(64, 4);
let fieldEnd: usize = 0;
/** Fields with a value of the line read last. */
let currentFields: usize = 0;
// 16 bytes of ones, 16 of zeros: a mask of n bytes begins n before the middle.
const masks: usize = memory.data(32, 16);

/** The time stamp of the line read last, in microseconds. */
export let timestamp: u64 = 0;

/** Why and where the last line was refused. */
export let refusal: i32 = 0;
export let refusedAt: usize = 0;

const NEWLINE: u32 = 10;
const SPACE: u32 = 32;
const MINUS: u32 = 45;
const PERCENT: u32 = 37;

/** Compiles the formats. Once, before the first line. */
export function prepareEvents(): void {
  prepareOperations();
  memory.fill(masks, 0xff, 16);
  memory.fill(fields, 0, FIELDS * FIELD_BYTES);
  fieldEnd = fields;
  lastFits = false;
  define(MEM_OP, "mem_op seq=%q early=%b op=%o pfn=%x gfn=%x nr=%n vm=%h ret=%e host=%s hyp=%s guest=%s cnt=%c");
  define(HOST_MEM_ABORT, "host_mem_abort seq=%q early=%b ipa=%x esr=%x far=%x start=%x size=%x ret=%e");
  define(HOST_HCALL, "host_hcall func=%w a1=%X a2=%X a3=%X a4=%X a5=%X");
  define(HOST_HCALL_RET, "host_hcall_ret func=%w smccc=%d ret=%d");
  define(GUEST_EXIT, "guest_exit vm=%h vcpu=%c code=%d esr=%X far=%X hpfar=%X");
  define(GUEST_HVC, "guest_hvc vm=%h vcpu=%c fn=%X a1=%X a2=%X a3=%X handled=%d ret=%d");
  define(S2_RUN, "s2_run vm=%h addr=%x entries=%n level=%l pte=%x");
  define(PAGE_RUN, "page_run pfn=%x nr=%n host=%s hyp=%s cnt=%c ref=%c");
  define(HYP_ENTER, "hyp_enter reason=%w vcpu=%d");
  define(HYP_EXIT, "hyp_exit reason=%w vcpu=%d");
  define(HOST_INJECT_ABORT, "host_inject_abort esr=%X far=%X elr=%X spsr=%X");
  define(SNAPSHOT, "snapshot id=%u %m seq=%q");
  define(SELFTEST, "selftest id=%u");
  store<u32>(events + ((EVENTS as usize) << 2), fieldEnd as u32);
}

function define(event: i32, format: string): void {
  store<u32>(events + ((event as usize) << 2), fieldEnd as u32);
  let from = 0;
  while (from < format.length) {
    let to = from;
    while (to < format.length && format.charCodeAt(to) != PERCENT) to++;
    while (to - from > (LITERAL as i32)) {
      addField(format, from, LITERAL, NOTHING);
      from += LITERAL as i32;
    }
    addField(format, from, to - from, format.charCodeAt(to + 1));
    from = to + 2;
  }
}

function addField(format: string, from: i32, length: u32, kind: u32): void {
  assert(fieldEnd < fields + FIELDS * FIELD_BYTES);
  for (let i: u32 = 0; i < length; i++) store<u8>(fieldEnd + (i as usize), format.charCodeAt(from + (i as i32)) as u8);
  v128.store(fieldEnd, maskOf(length), FIELD_MASK);
  forget(fieldEnd);
  store<u32>(fieldEnd, length, FIELD_LENGTH);
  store<u32>(fieldEnd, kind, FIELD_KIND);
  store<u32>(fieldEnd, tendsToRepeat(kind) ? 1 : 0, FIELD_REPEATS);
  store<u64>(fieldEnd, maximumOf(kind), FIELD_MAXIMUM);
  fieldEnd += FIELD_BYTES;
}

// Sixteen zeros: a field that begins like this has length 0, and ends before no delimiter.
function forget(field: usize): void {
  v128.store(field, i8x16.splat(0), FIELD_LAST);
  v128.store(field, maskOf(LITERAL), FIELD_LAST_MASK);
  store<u32>(field, 0, FIELD_LAST_LENGTH);
}

function maskOf(length: u32): v128 {
  return v128.load(masks + 16 - (length as usize));
}

function tendsToRepeat(kind: u32): bool {
  return kind != SEQ && kind != HEX && kind != UNUSED_HEX && kind != OPERATION && kind != WORD && kind != NOTHING;
}

function maximumOf(kind: u32): u64 {
  switch (kind) {
    case SEQ:
      return ((1 as u64) << 53) - 1;
    case BIT:
      return 1;
    case LEVEL:
      return 3;
    case HANDLE:
      return 0xffff;
    case ERROR:
      return 4095; // MAX_ERRNO
    case COUNT:
      return u32.MAX_VALUE;
    case PAGES:
      return (1 as u64) << 52;
    case SIGNED:
      return i64.MAX_VALUE;
    default:
      return u64.MAX_VALUE;
  }
}

/** A field of the line read last. */
export function value(index: i32): u64 {
  return load<u64>(currentFields + (index as usize) * FIELD_BYTES, FIELD_VALUE);
}

function startsWith(text: v128, wanted: usize): bool {
  return !v128.any_true(v128.and(v128.xor(text, v128.load(wanted)), v128.load(wanted, FIELD_MASK)));
}

/** The event that the line at `at` (behind its header) is; -1 if none begins like it. */
export function eventAt(at: usize): i32 {
  const text = v128.load(at);
  for (let event = 0; event < EVENTS; event++) {
    if (startsWith(text, load<u32>(events + ((event as usize) << 2)))) return event;
  }
  fail(REFUSED_EVENT, at);
  return -1;
}

/** Reads the fields of `event`, for `value` to tell. Returns the address of the line's newline; 0 if it is refused. */
export function readEvent(event: i32, at: usize): usize {
  let field: usize = load<u32>(events + ((event as usize) << 2));
  const end: usize = load<u32>(events + ((event as usize) << 2), 4);
  // Only an event's name and first key can be too long for one literal.
  currentFields = load<u32>(field, FIELD_KIND) == NOTHING ? field + FIELD_BYTES : field;
  for (; field < end; field += FIELD_BYTES) {
    const text = v128.load(at);
    if (startsWith(text, field + FIELD_LAST)) {
      at += load<u32>(field, FIELD_LAST_LENGTH);
      continue;
    }
    if (!startsWith(text, field)) {
      expectLiteral(field, load<u32>(field, FIELD_LENGTH));
      return fail(REFUSED_FIELD, at);
    }
    const next = readValue(field, at + load<u32>(field, FIELD_LENGTH));
    if (next == 0) return 0;
    if (load<u32>(field, FIELD_REPEATS)) remember(field, text, (next - at) as u32);
    at = next;
  }
  return load<u8>(at) == NEWLINE ? at : fail(REFUSED_TRAILING, at);
}

// The delimiter belongs to what is remembered, so that the value is known to end there.
function remember(field: usize, text: v128, length: u32): void {
  if (length >= LITERAL) return forget(field);
  v128.store(field, text, FIELD_LAST);
  v128.store(field, maskOf(length + 1), FIELD_LAST_MASK);
  store<u32>(field, length, FIELD_LAST_LENGTH);
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
  return ctz(i8x16.bitmask(lanes) ^ 0xffff | 0x10000) as usize;
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
  if ((!lastFits || !startsWith(v128.load(line), lastHeader)) && !readSeconds(line)) return 0;
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
