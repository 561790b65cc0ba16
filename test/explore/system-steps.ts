// The steps of a search over another system than pKVM, as tests read them.

import type { DomainAccess, Step } from "../../src/explore/domain.js";
import type { MemoryAccess } from "../../src/machine/accesses.js";

/** The calls: what writes a message is part of the call that reads it. */
export const messagesLeftOut = (steps: readonly Step[]): string[] =>
  steps.map(({ op }): string => op).filter((op) => op !== "ffa_tx" && op !== "rm_message");

export const memoryAccesses = ({ access }: DomainAccess): MemoryAccess[] => [access];
