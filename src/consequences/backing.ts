// Kinds of memory that a process can have, as they differ for page faults, get_user_pages and pins (memory-rules.ts).

/** What backs memory of a process. */
export const BACKINGS = [
  "anonymous",
  "shared-anonymous",
  "memfd",
  "private-file",
  "shared-file",
  "read-only",
  "huge",
  "guest_memfd",
  "guest_memfd-shared",
  "none",
] as const;
export type Backing = (typeof BACKINGS)[number];
