// Where EL2 lets go of its locks in the middle of an operation (reference pkvm-el2 section 9). On one CPU nothing comes in
// between; in the variant whose CPUs interleave (scripts/suspend-calls.js) the operation is suspended here.

/** The operation has released what it held (LOCK_*), and goes on under other locks. */
export function lockReleased(locks: i32): void {}

/** Whether operations of two CPUs interleave: else the compiler leaves out what only then has an effect. */
export function isInterleaving(): bool {
  return isDefined(INTERLEAVING);
}
