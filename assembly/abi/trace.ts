// Freehold's own text trace: what the reader in TypeScript and the parser in Wasm tell each other.
// The parser knows no verb and no argument by itself. The reader fills its tables before the first line, from the one table
// of operations (src/machine/operations.ts): names, keys and, per operation, which key goes into which field of the record.

/** Longest name (key, verb, page state, function) the parser's dictionary holds. */
export const NAME_MAX: i32 = 47;

// Kinds of names: each kind is a dictionary of its own.
export const NAME_KEY: i32 = 0; //       value: the key's slot
export const NAME_OPERATION: i32 = 1; // value: the number of the operation's shape
export const NAME_STATE: i32 = 2; //     value: the page state
export const NAME_PANIC: i32 = 3; //     value: PANIC_*

// Slots: every key has one, 0..62; its value waits there until the line is complete. Arguments start at SLOT_ARGUMENT.
export const SLOT_OP: i32 = 0;
export const SLOT_RET: i32 = 1;
export const SLOT_HOST: i32 = 2;
export const SLOT_HYP: i32 = 3;
export const SLOT_GUEST: i32 = 4;
export const SLOT_PANIC: i32 = 5;
export const SLOT_NOTE: i32 = 6;
export const SLOT_RESET: i32 = 7;
export const SLOT_MC_PAGES: i32 = 8;
export const SLOT_ARGUMENT: i32 = 9;
/** Belongs to no key and holds 0: what a record's unused fields are filled from. */
export const SLOT_ZERO: i32 = 63;

// Types of values.
export const TYPE_NUMBER: i32 = 1; //   0 up to the key's maximum
export const TYPE_SIGNED: i32 = 2; //   the same, or a negative number down to -2^53
export const TYPE_STATE: i32 = 3; //    a page state up to the key's maximum, by number or name
export const TYPE_OPERATION: i32 = 4; // the name of a verb
export const TYPE_PANIC: i32 = 5; //    the name of a function
export const TYPE_NOTE: i32 = 6; //     any string; skipped
export const TYPE_PAGES: i32 = 7; //    an array of page numbers
export const TYPE_TRUE: i32 = 8; //     true

// How an operation is put together, one shape per operation, by number from 1 up to OPERATION_MAX:
//
//    0 u64 keys it must have | 8 u64 keys it may have (both by slot) | 16 u8 slots of vm, vcpu, a, b, c, d
//   22 u8 slot whose bit 0 is bit 1 of d | 23 u8 slot of the first page | 24 u8 FIRST_PAGE_* | 25 u8 slot of the guest page
//   26 u8 operation that pushes one of mc_pages, 0 if none | 27 u8, 28 u8 slots whose bits 0 are bits 1 and 2 of vcpu
//   30 u16 operation code
export const SHAPE_SIZE: i32 = 32;
export const SHAPE_REQUIRED: i32 = 0;
export const SHAPE_ALLOWED: i32 = 8;
export const SHAPE_VM: i32 = 16;
export const SHAPE_VCPU: i32 = 17;
export const SHAPE_A: i32 = 18;
export const SHAPE_B: i32 = 19;
export const SHAPE_C: i32 = 20;
export const SHAPE_D: i32 = 21;
export const SHAPE_D_BIT1: i32 = 22;
export const SHAPE_FIRST_PAGE: i32 = 23;
export const SHAPE_FIRST_PAGE_UNIT: i32 = 24;
export const SHAPE_GUEST_PAGE: i32 = 25;
export const SHAPE_PUSH: i32 = 26;
export const SHAPE_VCPU_BIT1: i32 = 27;
export const SHAPE_VCPU_BIT2: i32 = 28;
export const SHAPE_CODE: i32 = 30;
export const OPERATION_MAX: i32 = 95;

/** The slot of the first page holds a frame number or a physical address. */
export const FIRST_PAGE_PFN: i32 = 0;
export const FIRST_PAGE_PA: i32 = 1;

// Why the parser stopped.
export const STOP_END: i32 = 0; //       at the end of the text, or before the operation it was told to stop at
export const STOP_REFUSED: i32 = 1; //   REFUSED_*
export const STOP_DIVERGED: i32 = 2; //  the operation just run differs from its line
export const STOP_RESET: i32 = 3; //     a reset line; the machine is the reader's to reset
export const STOP_OPERATION: i32 = 4; // an operation was parsed and not run (single steps only)
export const STOP_LIMIT: i32 = 5; //     a limit of the simulator (STATUS_LIMIT)
export const STOP_TAPE: i32 = 6; //      the tape wants to be read

// What is wrong with a line.
export const REFUSED_OBJECT: i32 = 1; //     a line is one JSON object
export const REFUSED_KEY: i32 = 2; //        a quoted key is missing
export const REFUSED_COLON: i32 = 3;
export const REFUSED_SEPARATOR: i32 = 4; //  , or } is missing
export const REFUSED_TRAILING: i32 = 5; //   text behind the object
export const REFUSED_LENGTH: i32 = 6; //     the line is longer than LINE_MAX
export const REFUSED_UNKNOWN_KEY: i32 = 7;
export const REFUSED_DUPLICATE_KEY: i32 = 8;
export const REFUSED_STRING: i32 = 9; //     not closed, or a control character in it
export const REFUSED_ESCAPE: i32 = 10;
export const REFUSED_UTF8: i32 = 11;
export const REFUSED_TYPE: i32 = 12; //      a value of another type than the key's
export const REFUSED_NUMBER: i32 = 13; //    not a whole number as JSON or "0x..." writes it
export const REFUSED_RANGE: i32 = 14;
export const REFUSED_OPERATION: i32 = 15; // no such verb
export const REFUSED_STATE: i32 = 16; //     no such page state
export const REFUSED_PANIC: i32 = 17; //     no such function
export const REFUSED_NO_OP: i32 = 18; //     a line without op
export const REFUSED_MISSING: i32 = 19; //   the operation needs this key
export const REFUSED_UNWANTED: i32 = 20; //  the operation has no such key
export const REFUSED_RESET: i32 = 21; //     reset stands alone
export const REFUSED_OUTCOMES: i32 = 22; //  panic excludes the other expectations

// What the parser tells, in one packed record at `traceStatus()`:
//
//    0 u32 address of the next line | 4 u32 address of the line read last | 8 u32 lines read | 12 u32 operations read
//   16 u32 operations with something to compare | 20 u32 of those, how many differed | 24 i32 REFUSED_* | 28 u32 address of the refused text
//   32 i32 slot of the key in question | 36 i32 first panic that no line expected | 40 i64 expected | 48 i64 found
//   56 the operation's record (OPERATION_SIZE) | 96 its result (RESULT_SIZE)
export const TRACE_NEXT: i32 = 0;
export const TRACE_LINE: i32 = 4;
export const TRACE_LINES: i32 = 8;
export const TRACE_OPERATIONS: i32 = 12;
export const TRACE_CHECKED: i32 = 16;
export const TRACE_DIVERGED: i32 = 20;
export const TRACE_REFUSAL: i32 = 24;
export const TRACE_REFUSED_AT: i32 = 28;
export const TRACE_SLOT: i32 = 32;
export const TRACE_PANIC: i32 = 36;
export const TRACE_EXPECTED: i32 = 40;
export const TRACE_FOUND: i32 = 48;
export const TRACE_RECORD: i32 = 56;
export const TRACE_RESULT: i32 = 96;
export const TRACE_STATUS_SIZE: i32 = 120;

/** Longest line, in bytes without its newline. */
export const LINE_MAX: i32 = 1048576;
/** Bytes of text the window takes at a time. */
export const TEXT_WINDOW: i32 = 4194304;
