// Names of error numbers: Linux's errnos, and FF-A's codes.

import * as codes from "../../assembly/abi/codes.js";
import * as ffa from "../../assembly/abi/ffa.js";

const ERRNOS: ReadonlyMap<number, string> = new Map(
  Object.entries(codes)
    .filter(([name]) => /^E[A-Z0-9]+$/.test(name))
    .map(([name, code]) => [code, name]),
);

/** Name of a Linux errno given as a positive or negative number, for example `EPERM`. */
export function errnoName(errno: number): string | null {
  return ERRNOS.get(Math.abs(errno)) ?? null;
}

const FFA_ERRORS: ReadonlyMap<number, string> = new Map([
  [ffa.FFA_NOT_SUPPORTED, "NOT_SUPPORTED"],
  [ffa.FFA_INVALID_PARAMETERS, "INVALID_PARAMETERS"],
  [ffa.FFA_NO_MEMORY, "NO_MEMORY"],
  [ffa.FFA_BUSY, "BUSY"],
  [ffa.FFA_DENIED, "DENIED"],
  [ffa.FFA_ABORTED, "ABORTED"],
]);

/** Name of an FF-A error code given as in w2 of FFA_ERROR, for example `DENIED` for -6 (reference ffa, section 1.2). */
export function ffaErrorName(code: number): string | null {
  return FFA_ERRORS.get(-code) ?? null;
}
