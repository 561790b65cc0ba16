// The tape: every record that ran while a text was replayed, in order, for those who want to run them again. What an operation
// needs to have run before it (a page put on the host's list, a VM that goes) stands before it.
//
// An entry is 64 bytes, little-endian:
//
//    0 the record (OPERATION_SIZE) | 40 u32 line | 44 i32 ret | 48 u16 reason | 50 u8 status | 51 u8 kind | 52 u32 field | 56 u64 recorded
//
// From `line` on the fields belong to operations alone. `field` is the first in which operation and recording differ, in the
// reader's numbers, 0 if they agree; `recorded` what the recording says of it.

export const TAPE_ENTRY_SIZE: i32 = 64;
export const TAPE_LINE: i32 = 40;
export const TAPE_RET: i32 = 44;
export const TAPE_REASON: i32 = 48;
export const TAPE_STATUS: i32 = 50;
export const TAPE_KIND: i32 = 51;
export const TAPE_FIELD: i32 = 52;
export const TAPE_RECORDED: i32 = 56;

/** Runs before the operation that follows. */
export const TAPE_PREPARATION: i32 = 0;
export const TAPE_OPERATION: i32 = 1;

/** With so many entries the tape wants to be read. */
export const TAPE_FULL: i32 = 4096;
/** What can come on top: a line of a Freehold trace has at most half its length in page numbers. */
export const TAPE_LINE_ENTRIES: i32 = 524288 + 8;
