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

// Kinds of values, by their letter in the format below.
const NOTHING: u32 = 0; //      a literal longer than 16 characters goes on
const UNSIGNED: u32 = 117; // u decimal
const SEQ: u32 = 113; //      q decimal, up to 2^53 - 1
const BIT: u32 = 98; //       b 0 or 1
const COUNT: u32 = 99; //     c decimal, 32 bits
const PAGES: u32 = 110; //    n decimal, up to 2^52
const LEVEL: u32 = 108; //    l 0..3
const HEX: u32 = 120; //      x 0x and up to 16 digits
const HANDLE: u32 = 104; //   h 0x and 16 bits
const SIGNED: u32 = 100; //   d decimal, perhaps negative
const ERROR: u32 = 101; //    e 0 or a negative errno
const STATE: u32 = 115; //    s page state or -
const OPERATION: u32 = 111; // o operation of mem_op
const WORD: u32 = 119; //     w address and length of a word
const MARK: u32 = 109; //     m begin (0) or end (1)

// A field: 0 literal, 16 characters | 16 mask of those that count | 32 u32 length | 36 u32 kind of value | 40 u64 largest value
const FIELD_MASK: usize = 16;
const FIELD_LENGTH: usize = 32;
const FIELD_KIND: usize = 36;
const FIELD_MAXIMUM: usize = 40;
const FIELD_BYTES: usize = 48;
const FIELDS: usize = 96;
const LITERAL: u32 = 16;

const fields: usize = memory.data(4608, 16);
// u32 address of each event's first field, and of the end of the last one's.
const events: usize = memory.data(64, 4);
let fieldEnd: usize = 0;

/** The values of the line read last, u64 each, in the order of the event's fields. */
export const values: usize = memory.data(128, 8);
/** Its time stamp in microseconds. */
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
  fieldEnd = fields;
  define(MEM_OP, "mem_op seq=%q early=%b op=%o pfn=%x gfn=%x nr=%n vm=%h ret=%e host=%s hyp=%s guest=%s cnt=%c");
  define(HOST_MEM_ABORT, "host_mem_abort seq=%q early=%b ipa=%x esr=%x far=%x start=%x size=%x ret=%e");
  define(HOST_HCALL, "host_hcall func=%w a1=%x a2=%x a3=%x a4=%x a5=%x");
  define(HOST_HCALL_RET, "host_hcall_ret func=%w smccc=%d ret=%d");
  define(GUEST_EXIT, "guest_exit vm=%h vcpu=%c code=%d esr=%x far=%x hpfar=%x");
  define(GUEST_HVC, "guest_hvc vm=%h vcpu=%c fn=%x a1=%x a2=%x a3=%x handled=%d ret=%d");
  define(S2_RUN, "s2_run vm=%h addr=%x entries=%n level=%l pte=%x");
  define(PAGE_RUN, "page_run pfn=%x nr=%n host=%s hyp=%s cnt=%c ref=%c");
  define(HYP_ENTER, "hyp_enter reason=%w vcpu=%d");
  define(HYP_EXIT, "hyp_exit reason=%w vcpu=%d");
  define(HOST_INJECT_ABORT, "host_inject_abort esr=%x far=%x elr=%x spsr=%x");
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
  for (let i: u32 = 0; i < length; i++) {
    store<u8>(fieldEnd + (i as usize), format.charCodeAt(from + (i as i32)) as u8);
    store<u8>(fieldEnd + (i as usize), 0xff, FIELD_MASK);
  }
  store<u32>(fieldEnd, length, FIELD_LENGTH);
  store<u32>(fieldEnd, kind, FIELD_KIND);
  store<u64>(fieldEnd, maximumOf(kind), FIELD_MAXIMUM);
  fieldEnd += FIELD_BYTES;
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
  return load<u64>(values + ((index as usize) << 3));
}

/** The event that the line at `at` (behind its header) is; -1 if none begins like it. */
export function eventAt(at: usize): i32 {
  const text = v128.load(at);
  for (let event = 0; event < EVENTS; event++) {
    const field: usize = load<u32>(events + ((event as usize) << 2));
    const differences = v128.and(v128.xor(text, v128.load(field)), v128.load(field, FIELD_MASK));
    if (!v128.any_true(differences)) return event;
  }
  fail(REFUSED_EVENT, at);
  return -1;
}

/** Reads the fields of `event` into `values`. Returns the address of the line's newline; 0 if it is refused. */
export function readEvent(event: i32, at: usize): usize {
  let field: usize = load<u32>(events + ((event as usize) << 2));
  const end: usize = load<u32>(events + ((event as usize) << 2), 4);
  let target = values;
  while (field < end) {
    const differences = v128.and(v128.xor(v128.load(at), v128.load(field)), v128.load(field, FIELD_MASK));
    if (v128.any_true(differences)) {
      expectLiteral(field, load<u32>(field, FIELD_LENGTH));
      return fail(REFUSED_FIELD, at);
    }
    at += load<u32>(field, FIELD_LENGTH);
    const kind = load<u32>(field, FIELD_KIND);
    if (kind != NOTHING) {
      at = readValue(kind, at, target, load<u64>(field, FIELD_MAXIMUM));
      if (at == 0) return 0;
      target += 8;
    }
    field += FIELD_BYTES;
  }
  return load<u8>(at) == NEWLINE ? at : fail(REFUSED_TRAILING, at);
}

/** Reads a value of `kind` into `target`. Returns the address behind it; 0 if it is refused. */
function readValue(kind: u32, at: usize, target: usize, maximum: u64): usize {
  switch (kind) {
    case HEX:
    case HANDLE:
      return readHexadecimal(at, target, maximum);
    case SIGNED:
    case ERROR:
      return readSigned(at, target, maximum, kind == ERROR);
    case STATE:
      return readState(at, target);
    case OPERATION:
      return readOperation(at, target);
    case WORD:
      return readWord(at, target);
    case MARK:
      return readMark(at, target);
    default:
      return readUnsigned(at, target, maximum);
  }
}

function fail(code: i32, at: usize): usize {
  refusal = code;
  refusedAt = at;
  return 0;
}

function readHexadecimal(at: usize, target: usize, maximum: u64): usize {
  if (load<u16>(at) != 0x7830) return fail(REFUSED_NUMBER, at); // "0x"
  const end = readHex(at + 2);
  if (end == at + 2) return fail(REFUSED_NUMBER, at);
  // A 17th digit would be met as text where the next field begins: say what is wrong with it instead.
  if (number > maximum || (end == at + 18 && isHexDigit(load<u8>(end)))) return fail(REFUSED_RANGE, at);
  store<u64>(target, number);
  return end;
}

function isHexDigit(character: u32): bool {
  return character - 48 < 10 || (character | 32) - 97 < 6;
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

function readUnsigned(at: usize, target: usize, maximum: u64): usize {
  const end = readDigits(at);
  if (end == 0) return 0;
  if (decimal > maximum) return fail(REFUSED_RANGE, at);
  store<u64>(target, decimal);
  return end;
}

function readSigned(at: usize, target: usize, maximum: u64, negativeOnly: bool): usize {
  const negative = load<u8>(at) == MINUS;
  const end = readDigits(negative ? at + 1 : at);
  if (end == 0) return 0;
  if (decimal > maximum || (negativeOnly && !negative && decimal != 0)) return fail(REFUSED_RANGE, at);
  store<u64>(target, negative ? 0 - decimal : decimal);
  return end;
}

// Page states as eight characters, the first in the lowest byte.
const OWNED_WORD: u64 = 0x64656e776f; // "owned"
const NOPAGE_WORD: u64 = 0x656761706f6e; // "nopage"
const POISON_WORD: u64 = 0x6e6f73696f70; // "poison"
const SHARED_O: u64 = 0x6f5f646572616873; // "shared_o"
const SHARED_B: u64 = 0x625f646572616873; // "shared_b"
const WNED: u64 = 0x64656e77; // "wned"
const ORROWED: u64 = 0x6465776f72726f; // "orrowed"

function readState(at: usize, target: usize): usize {
  const word = load<u64>(at);
  if (leading(word, 6) == NOPAGE_WORD) return storeState(target, NOPAGE, at + 6);
  if (leading(word, 5) == OWNED_WORD) return storeState(target, OWNED, at + 5);
  if ((word as u8) == MINUS) return storeState(target, STATE_UNKNOWN, at + 1);
  const rest = load<u64>(at, 8);
  if (word == SHARED_O && leading(rest, 4) == WNED) return storeState(target, SHARED_OWNED, at + 12);
  if (word == SHARED_B && leading(rest, 7) == ORROWED) return storeState(target, SHARED_BORROWED, at + 15);
  if (leading(word, 6) == POISON_WORD) return storeState(target, POISON, at + 6);
  return fail(REFUSED_STATE, at);
}

function storeState(target: usize, state: i32, end: usize): usize {
  store<u64>(target, state as u64);
  return end;
}

function readOperation(at: usize, target: usize): usize {
  const operation = operationAt(at);
  if (operation == 0) return fail(REFUSED_OPERATION, at);
  store<u64>(target, operation as u64);
  return at + operationLength;
}

function readWord(at: usize, target: usize): usize {
  let end = at;
  while (isWordCharacter(load<u8>(end))) end++;
  if (end == at) return fail(REFUSED_WORD, at);
  store<u64>(target, (at as u64) | (((end - at) as u64) << 32));
  return end;
}

function isWordCharacter(character: u32): bool {
  return (character | 32) - 97 < 26 || isDigit(character) || character == 95; // _
}

const BEGIN_WORD: u64 = 0x6e69676562; // "begin"
const END_WORD: u64 = 0x646e65; // "end"

function readMark(at: usize, target: usize): usize {
  const word = load<u64>(at);
  if (leading(word, 5) == BEGIN_WORD) {
    store<u64>(target, 0);
    return at + 5;
  }
  if (leading(word, 3) != END_WORD) return fail(REFUSED_MARK, at);
  store<u64>(target, 1);
  return at + 3;
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

/** Reads `[CPU]<tab>seconds.microseconds: `. Returns the address behind it; 0 if it is refused. */
export function readHeader(line: usize): usize {
  const cpu = decimalDigits(load<u64>(line, 1)) as usize;
  let at = line + 1 + cpu;
  if (load<u8>(line) != BRACKET || cpu == 0 || load<u16>(at) != BRACKET_TAB) {
    return fail(load<u32>(line) == CPU_COLON ? REFUSED_LOST : REFUSED_HEADER, line);
  }
  at += 2;
  while (load<u8>(at) == SPACE) at++;
  const point = readDecimal(at);
  if (point == at || load<u8>(point) != POINT) return fail(REFUSED_HEADER, at);
  const fraction = load<u64>(point, 1);
  if (decimalDigits(fraction) != 6 || ((fraction >> 48) as u32) != COLON_SPACE) return fail(REFUSED_HEADER, point);
  timestamp = number * 1000000 + decimalValue(fraction, 6);
  return point + 9;
}
