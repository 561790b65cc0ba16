// The routines by which the kernel moves data to and from user memory. All have exception-table entries; they differ in how
// often they touch a page that is refused.

import { observedRule } from "./rule-table.js";
import type { Rule } from "./evidence.js";

export interface UserCopy {
  readonly kind: "load" | "store";
  /** Accesses to a page that is refused: copies try one more byte after the first fault. */
  readonly attempts: 1 | 2;
  /** Stores zeros whatever the caller has. */
  readonly clears?: boolean;
}

export const USER_COPIES = {
  copy_from_user: { kind: "load", attempts: 2 },
  copy_to_user: { kind: "store", attempts: 2 },
  clear_user: { kind: "store", attempts: 1, clears: true },
  get_user: { kind: "load", attempts: 1 },
  put_user: { kind: "store", attempts: 1 },
  strncpy_from_user: { kind: "load", attempts: 1 },
} as const satisfies Record<string, UserCopy>;

export type UserCopyName = keyof typeof USER_COPIES;

export const ONE_MORE_BYTE: Rule = observedRule(
  "linux.uaccess.one-more-byte",
  "after the fixup of copy_from_user and copy_to_user one more byte is tried: two aborts per call",
  "1",
  "arch/arm64/lib/copy_template.S",
);
