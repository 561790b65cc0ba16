// Known bugs, switched on one at a time (abi/mutations.ts). They exist only in the exploring variant: elsewhere the compiler
// reads `isMutated` as false and leaves out what depends on it.

let mutation: i32 = 0;

/** Whether the machine has this bug. */
export function isMutated(bug: i32): bool {
  if (isDefined(EXPLORING)) return mutation == bug;
  return false;
}

/** MUTATION_* of abi/mutations.ts; before the machine is created. */
export function setMutation(bug: i32): void {
  mutation = bug;
}
