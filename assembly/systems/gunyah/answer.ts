// What a successful call answers beside its result code: one value, and two smaller ones. It is written into the result
// record with STATUS_ANSWERED.

export let hasAnswer: bool = false;
export let answered: u64 = 0;
export let answeredExpected: u32 = 0;
export let answeredFound: u32 = 0;

/** Before each operation. */
export function clearAnswer(): void {
  hasAnswer = false;
}

/** OK, with an answer. */
export function answer(value: u64, expected: u32, found: u32): i32 {
  hasAnswer = true;
  answered = value;
  answeredExpected = expected;
  answeredFound = found;
  return 0;
}
