// Tracefs text traces: what the reader in TypeScript and the parser in Wasm tell each other.

/** Bytes of text the window takes at a time, and the longest line (without its newline). */
export const TRACEFS_WINDOW: i32 = 4194304;
export const TRACEFS_LINE_MAX: i32 = 1048576;

// Why the parser stopped.
export const TRACEFS_INPUT: i32 = 0; //    all lines of the window are read
export const TRACEFS_REFUSED: i32 = 1; //  REFUSED_*: the report says where
export const TRACEFS_MACHINE: i32 = 2; //  the first snapshot is complete: the machine can be configured
export const TRACEFS_STEP: i32 = 3; //     one operation was run (single steps only)
export const TRACEFS_DONE: i32 = 4; //     the wanted number of operations, or the first divergence, is reached
export const TRACEFS_PANICKED: i32 = 5; // the model panicked at an operation that the recording survived
export const TRACEFS_LIMIT: i32 = 6; //    a limit of the simulator
export const TRACEFS_TAPE: i32 = 7; //     the tape wants to be read

// What is wrong with a line. The comment says what `subject` and `other` of the report hold.
export const REFUSED_HEADER: i32 = 1; //     no `[CPU]<tab>seconds.microseconds: `
export const REFUSED_LOST: i32 = 2; //       CPU:n [LOST n EVENTS]
export const REFUSED_EVENT: i32 = 3; //      no event begins like this
export const REFUSED_FIELD: i32 = 4; //      not the next field of this event (the report's literal)
export const REFUSED_TRAILING: i32 = 5; //   text behind the last field
export const REFUSED_NUMBER: i32 = 6; //     no number of the field's kind
export const REFUSED_RANGE: i32 = 7; //      a number the field cannot have
export const REFUSED_STATE: i32 = 8; //      no page state
export const REFUSED_OPERATION: i32 = 9; //  no operation of mem_op
export const REFUSED_WORD: i32 = 10; //      no word of letters, digits and underscores
export const REFUSED_MARK: i32 = 11; //      neither begin nor end
export const REFUSED_COMMENT: i32 = 12; //   a control character in a comment
export const REFUSED_LENGTH: i32 = 13; //    the line is longer than TRACEFS_LINE_MAX

// What is wrong with the order of lines, or with the trace as a whole.
export const REFUSED_SEQ_TWICE: i32 = 20; //     subject: seq; other: the line that had it
export const REFUSED_SEQ_FAR: i32 = 21; //       subject: seq; other: the one waited for
export const REFUSED_SEQ_MISSING: i32 = 22; //   subject: seq
export const REFUSED_SEQ_LATE: i32 = 23; //      below what was run already; subject: seq; other: the next one to run
export const REFUSED_PFN: i32 = 24; //           a state or count of a page that is not known; subject: seq
export const REFUSED_ARGUMENTS: i32 = 25; //     no machine can have run this; subject: seq
export const REFUSED_RESERVED: i32 = 26; //      more VMs reserved than can wait for their first operation
export const REFUSED_RUN_OUTSIDE: i32 = 30; //   page_run or s2_run outside of a snapshot, or of another table
export const REFUSED_SNAPSHOT_ID: i32 = 31; //   neither 1 nor a VM's handle; subject: id
export const REFUSED_SNAPSHOT_OPEN: i32 = 32; // begin while another one is open; other: its line
export const REFUSED_SNAPSHOT_END: i32 = 33; //  end of one that is not open, or with another number
export const REFUSED_SNAPSHOT_LATE: i32 = 34; // subject: its seq; other: operations run already
export const REFUSED_SNAPSHOT_CUT: i32 = 35; //  the trace ends inside; other: the line it begins at
export const REFUSED_SNAPSHOT_RUNS: i32 = 36; // more runs than can wait
export const REFUSED_SNAPSHOT_NONE: i32 = 37; // no snapshot of the machine, or a guest's before it
export const REFUSED_PAGE_RUN: i32 = 38; //      empty, not behind the run before it, or behind the table's; subject: pfn
export const REFUSED_PAGE_STATES: i32 = 39; //   states that exclude each other; subject: pfn
export const REFUSED_LEAF_RUN: i32 = 40; //      does not begin where the run before it ends; subject: address; other: that end
export const REFUSED_LEAF_ALIGN: i32 = 41; //    empty, or not aligned to its level; subject: address
export const REFUSED_COVERAGE: i32 = 42; //      the table does not cover a power of two; subject: its end
export const REFUSED_LEAF_OWNER: i32 = 43; //    a host entry and its page's state exclude each other; subject: address
export const REFUSED_GUEST_PAGES: i32 = 44; //   guests own pages already, and their tables are not in the trace; subject: address
export const REFUSED_TABLES: i32 = 45; //        more table pages than the host has for them; subject: address
export const REFUSED_LEAF_KIND: i32 = 46; //     no descriptor of a leaf of this level; subject: address; other: descriptor
export const REFUSED_LEVEL: i32 = 47; //         a level above the table's root; subject: address; other: level
export const REFUSED_REGIONS: i32 = 48; //       more regions than a machine has
export const REFUSED_NO_PAGES: i32 = 49; //      no page_run in the first snapshot
export const REFUSED_HAND_OVER: i32 = 51; //     the operations before the snapshot cannot have led to it; subject: address
export const REFUSED_MEMORY: i32 = 50; //        linear memory is used up

// The report. u64 where no size is given.
export const REPORT_REFUSAL: i32 = 0; //         u32 REFUSED_*
export const REPORT_LINE: i32 = 4; //            u32 line to blame, from 1; 0 for the trace as a whole
export const REPORT_COLUMN: i32 = 8; //          u32 from 1; 0 for the line as a whole
export const REPORT_TEXT: i32 = 12; //           u32 address of the offending text
export const REPORT_TEXT_SIZE: i32 = 16; //      u32 bytes up to the end of the line
export const REPORT_LITERAL: i32 = 20; //        u32 address of the text expected there
export const REPORT_LITERAL_SIZE: i32 = 24; //   u32
export const REPORT_SUBJECT: i32 = 32;
export const REPORT_OTHER: i32 = 40;
export const REPORT_LINES: i32 = 48; //          u32 lines read
export const REPORT_STEPS: i32 = 52; //          u32 operations checked
export const REPORT_STEPS_DIVERGED: i32 = 56; // u32
export const REPORT_SNAPSHOTS: i32 = 60; //      u32 snapshots compared
export const REPORT_SNAPSHOTS_DIVERGED: i32 = 64; // u32
export const REPORT_DIVERGED_LINE: i32 = 68; //  u32 line of the first divergence, 0 if there is none
export const REPORT_DIVERGED_FIELD: i32 = 72; // u32 FIELD_*
export const REPORT_DIVERGED_OPERATION: i32 = 76; // u32 operation code, 0 for a snapshot
export const REPORT_DIVERGED_SEQ: i32 = 80; //   number of the operation, id of the snapshot
export const REPORT_DIVERGED_EXPECTED: i32 = 88;
export const REPORT_DIVERGED_FOUND: i32 = 96;
export const REPORT_DIVERGED_AT: i32 = 104; //   pfn or address inside a snapshot
export const REPORT_NEXT_SEQ: i32 = 112; //      operations with numbers below this one were run
export const REPORT_SIZE: i32 = 120;

// Fields that can diverge.
export const FIELD_RET: i32 = 1;
export const FIELD_HOST: i32 = 2;
export const FIELD_HYP: i32 = 3;
export const FIELD_GUEST: i32 = 4;
export const FIELD_CNT: i32 = 5;
export const FIELD_START: i32 = 6;
export const FIELD_SIZE: i32 = 7;
export const FIELD_PANIC: i32 = 8;
export const FIELD_PFN: i32 = 9; //         the page that the guest's entry maps
export const FIELD_PAGES: i32 = 10; //        snapshot: pages of memory
export const FIELD_PAGE_HOST: i32 = 11;
export const FIELD_PAGE_HYP: i32 = 12;
export const FIELD_PAGE_CNT: i32 = 13;
export const FIELD_PAGE_REF: i32 = 14;
export const FIELD_LEAF_LEVEL: i32 = 15;
export const FIELD_LEAF_PTE: i32 = 16;
export const FIELD_TABLE_END: i32 = 17; //   snapshot: addresses the table covers

// A recorded step: a mem_op or host_mem_abort line. Fields that an abort has instead are behind the slash.
export const STEP_OPERATION: i32 = 0; // u8 operation code of abi/operations.ts; 0: no step here
export const STEP_HOST: i32 = 1; //      u8 page state
export const STEP_HYP: i32 = 2; //       u8
export const STEP_GUEST: i32 = 3; //     u8
export const STEP_LINE: i32 = 4; //      u32
export const STEP_RET: i32 = 8; //       i32
export const STEP_VM: i32 = 12; //       u32 handle
export const STEP_TIME: i32 = 16; //     microseconds
export const STEP_PFN: i32 = 24; //      pfn / IPA
export const STEP_GFN: i32 = 32; //      gfn / ESR
export const STEP_NR: i32 = 40; //       pages / FAR
export const STEP_CNT: i32 = 48; //      count / start
export const STEP_LENGTH: i32 = 56; //   - / size
export const STEP_SIZE: i32 = 64;

/** `-` in place of a page state: not known. */
export const STATE_UNKNOWN: i32 = 255;
