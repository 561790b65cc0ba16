// The events of a hypervisor trace and their fields (reference pkvm-el2 section 10.1; traces README, "Line format").
// The kernel prints each event with one format string, so the order of fields is fixed. A format is compiled, once, into a
// list of literals, each followed by a value of some kind; reading a line is comparing and converting along that list.

import { prepareOperations } from "./tracefs-operations";

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
export const EVENTS: i32 = 13;

// Kinds of values, by their letter in the formats below.
export const NOTHING: u32 = 0; //     a literal longer than 16 characters goes on
export const UNSIGNED: u32 = 117; //  u decimal
const SEQ: u32 = 113; //       q decimal, up to 2^53 - 1
const BIT: u32 = 98; //        b 0 or 1
const COUNT: u32 = 99; //      c decimal, 32 bits
const PAGES: u32 = 110; //     n decimal, up to 2^52
const LEVEL: u32 = 108; //     l 0..3
export const HEX: u32 = 120; //       x 0x and up to 16 digits
export const UNUSED_HEX: u32 = 88; // X the same, but nobody wants the value
export const HANDLE: u32 = 104; //    h 0x and 16 bits
export const SIGNED: u32 = 100; //    d decimal, perhaps negative
export const ERROR: u32 = 101; //     e 0 or a negative errno
export const STATE: u32 = 115; //     s page state or -
export const OPERATION: u32 = 111; // o operation of mem_op
export const WORD: u32 = 119; //      w address and length of a word
export const MARK: u32 = 109; //      m begin (0) or end (1)

// A field:
//    0 literal, 16 characters | 16 mask of those that count
//   32 key, value and delimiter in the last line | 48 mask of those that count | 64 u32 length up to the delimiter
//   68 u32 length of the literal | 72 u32 kind of value | 76 u32 whether values tend to repeat
//   80 u64 largest value | 88 u64 value
// Most fields read as they did in the last line of their event; then comparing 16 characters is all there is to do.
export const FIELD_MASK: usize = 16;
export const FIELD_LAST: usize = 32;
const FIELD_LAST_MASK: usize = 48;
export const FIELD_LAST_LENGTH: usize = 64;
export const FIELD_LENGTH: usize = 68;
export const FIELD_KIND: usize = 72;
export const FIELD_REPEATS: usize = 76;
export const FIELD_MAXIMUM: usize = 80;
export const FIELD_VALUE: usize = 88;
export const FIELD_BYTES: usize = 96;
const FIELDS: usize = 96;
const LITERAL: u32 = 16;

const fields: usize = memory.data(9216, 16);
// u32 address of each event's first field, and of the end of the last one's.
const events: usize = memory.data(64, 4);
let fieldEnd: usize = 0;
// 16 bytes of ones, 16 of zeros: a mask of n bytes begins n before the middle.
const masks: usize = memory.data(32, 16);
const PERCENT: u32 = 37;

/** Compiles the formats. Once, before the first line. */
export function prepareEvents(): void {
  prepareOperations();
  memory.fill(masks, 0xff, 16);
  memory.fill(fields, 0, FIELDS * FIELD_BYTES);
  fieldEnd = fields;
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
      return (1 as u64) << 63;
    default:
      return u64.MAX_VALUE;
  }
}

/** The first field of `event`; its last one ends where the next event's begin. */
export function firstField(event: i32): usize {
  return load<u32>(events + ((event as usize) << 2));
}

/** The first field of `event` that has a value: only its name and first key can be too long for one literal. */
export function firstValue(event: i32): usize {
  const field = firstField(event);
  return load<u32>(field, FIELD_KIND) == NOTHING ? field + FIELD_BYTES : field;
}

/** Whether the text at `at` begins like `pattern`: 16 characters, and a mask of those that count. */
export function startsWith(at: usize, pattern: usize): bool {
  return !v128.any_true(v128.and(v128.xor(v128.load(at), v128.load(pattern)), v128.load(pattern, FIELD_MASK)));
}

/** A mask of the first `length` (0..16) characters. */
export function maskOf(length: u32): v128 {
  return v128.load(masks + 16 - (length as usize));
}

/** Notes how `field` reads in this line, at `at`. `length` excludes the delimiter, which tells the next time where the value ends. */
export function remember(field: usize, at: usize, length: u32): void {
  if (length >= LITERAL) return forget(field);
  v128.store(field, v128.load(at), FIELD_LAST);
  v128.store(field, maskOf(length + 1), FIELD_LAST_MASK);
  store<u32>(field, length, FIELD_LAST_LENGTH);
}

// Sixteen zeros: a field that begins like this has length 0, and ends before no delimiter.
function forget(field: usize): void {
  v128.store(field, i8x16.splat(0), FIELD_LAST);
  v128.store(field, maskOf(LITERAL), FIELD_LAST_MASK);
  store<u32>(field, 0, FIELD_LAST_LENGTH);
}
