// What every command's exit code means. They never change meaning.

export const FINE = 0;
export const DIVERGED = 1;
export const USAGE = 2;
export const REFUSED = 3;
export const PANICKED = 4;
export const LIMIT = 5;
export const BUG = 70;

export const EXIT_CODES_HELP = `
Exit codes:
   0  fine
   1  something diverged, an expectation failed, or a property is violated
   2  usage: an unknown option or argument
   3  input refused: not readable, or not a well-formed trace or scenario
   4  the model panicked where that was not recorded
   5  a limit was reached, and nothing found so far
  70  a bug in Freehold`;

/** The code that tells most about several files: what was not checked first, then what was found. */
const PRECEDENCE = [BUG, REFUSED, PANICKED, DIVERGED, LIMIT];

/** One exit code for the outcomes of several files. */
export function worstOf(codes: readonly number[]): number {
  return PRECEDENCE.find((code) => codes.includes(code)) ?? FINE;
}
