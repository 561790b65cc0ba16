// The tokens of one line of JSON (RFC 8259), read in place: white space, strings, whole numbers.
// A reader returns the address behind what it read. If that cannot be, it notes the refusal and returns 0.

import { REFUSED_ESCAPE, REFUSED_NUMBER, REFUSED_STRING, REFUSED_UTF8 } from "../abi/trace";
import { decimalDigits, firstMark, hexDigits, marksOf, number, readDecimal, readHex } from "./scan";

const QUOTE: i32 = 0x22;
const COMMA: i32 = 0x2c;
const MINUS: i32 = 0x2d;
const ZERO: i32 = 0x30;
const BACKSLASH: i32 = 0x5c;
const CLOSE_BRACKET: i32 = 0x5d;
const CLOSE_BRACE: i32 = 0x7d;
const LOWER_U: i32 = 0x75;
/** `0x`, as a little-endian u16. */
export const HEX_PREFIX: i32 = 0x7830;

/** Largest integer that every JSON reader gets right: 2^53 - 1. Larger ones are written as hex strings. */
const SAFE_INTEGER: u64 = 0x1fffffffffffff;

/** Why and where the line was refused. */
export let refusal: i32 = 0;
export let refusedAt: usize = 0;

export function refuse(code: i32, at: usize): usize {
  refusal = code;
  refusedAt = at;
  return 0;
}

/** Behind any spaces, tabs and carriage returns; a newline ends the line and is not skipped. */
export function skipSpace(at: usize): usize {
  let character = load<u8>(at);
  while (character <= 0x20 && (character == 0x20 || character == 0x09 || character == 0x0d)) {
    at++;
    character = load<u8>(at);
  }
  return at;
}

/** The first character of a string's inside that ends the plain part: a quote, a backslash or a control character. */
export function plainEnd(at: usize): usize {
  while (true) {
    const word = load<u64>(at);
    const controls = (word - 0x2020202020202020) & ~word & 0x8080808080808080;
    const end = firstMark(marksOf(word, QUOTE) | marksOf(word, BACKSLASH) | controls);
    at += end as usize;
    if (end < 8) return at;
  }
}

/** Where the quote stands that closes a string of plain characters whose inside starts at `at`. */
export function plainString(at: usize): usize {
  const end = plainEnd(at);
  return load<u8>(end) == QUOTE ? end : refuse(REFUSED_STRING, end);
}

/** Skips a string whose inside starts at `at`, escapes and UTF-8 checked. */
export function skipString(at: usize): usize {
  let from = at;
  while (true) {
    const end = plainEnd(from);
    if (!isUtf8(from, end)) return refuse(REFUSED_UTF8, from);
    const character = load<u8>(end);
    if (character == QUOTE) return end + 1;
    if (character != BACKSLASH) return refuse(REFUSED_STRING, end);
    from = skipEscape(end + 1);
    if (from == 0) return refuse(REFUSED_ESCAPE, end);
  }
}

// Behind the escape whose letter stands at `at`; 0 if there is no such escape.
function skipEscape(at: usize): usize {
  switch (load<u8>(at) as i32) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 1;
    case LOWER_U:
      return hexDigits(load<u64>(at, 1)) >= 4 ? at + 5 : 0;
    default:
      return 0;
  }
}

/** Whether the bytes in [at, end) are well-formed UTF-8 (Unicode 16, table 3-7). */
function isUtf8(at: usize, end: usize): bool {
  while (at < end) {
    const length = utf8Length(at);
    if (length == 0 || at + length > end) return false;
    at += length;
  }
  return true;
}

// Bytes of the UTF-8 sequence at `at`; 0 if it is none: a stray or missing continuation, a long form, a surrogate, too large.
function utf8Length(at: usize): usize {
  const first: u32 = load<u8>(at);
  if (first < 0x80) return 1;
  const second: u32 = load<u8>(at, 1);
  if (first < 0xc2 || first > 0xf4 || !isContinuation(second)) return 0;
  if (first < 0xe0) return 2;
  if (!isContinuation(load<u8>(at, 2))) return 0;
  if (first < 0xf0) return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ? 0 : 3;
  if (!isContinuation(load<u8>(at, 3))) return 0;
  return (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f) ? 0 : 4;
}

function isContinuation(byte: u32): bool {
  return (byte & 0xc0) == 0x80;
}

/** Whether the number that `readInteger` read had a minus sign. */
export let negative: bool = false;

/** Reads a whole number into scan's `number`: `12`, `-12` or `"0x1f"`. Other numbers of JSON (1.0, 1e3) are refused. */
export function readInteger(at: usize): usize {
  const first: i32 = load<u8>(at);
  negative = false;
  if (first == QUOTE) return readHexString(at);
  const from = first == MINUS ? at + 1 : at;
  const end = readDecimal(from);
  if (end == from || !endsValue(load<u8>(end)) || number > SAFE_INTEGER) return refuse(REFUSED_NUMBER, at);
  if (load<u8>(from) == ZERO && end > from + 1) return refuse(REFUSED_NUMBER, at);
  negative = first == MINUS;
  return end;
}

function readHexString(at: usize): usize {
  const from = at + 3;
  if (load<u16>(at, 1) != HEX_PREFIX) return refuse(REFUSED_NUMBER, at);
  const end = readHex(from);
  return end > from && load<u8>(end) == QUOTE ? end + 1 : refuse(REFUSED_NUMBER, at);
}

/** Whether a number, or a word such as `true`, may be followed by this character. */
export function endsValue(character: i32): bool {
  return character == COMMA || character == CLOSE_BRACE || character == CLOSE_BRACKET || character <= 0x20;
}

/** Whether a number may start with this character. */
export function startsNumber(at: usize): bool {
  const character: i32 = load<u8>(at);
  return character == QUOTE || character == MINUS || decimalDigits(load<u8>(at) as u64) == 1;
}
