// Typed arrays on their way to a worker: copied, or moved where the caller gives them away.

import { transfer } from "comlink";

const given = new WeakSet<object>();

/**
 * Gives an array away: the next call that takes it moves its memory to the worker instead of copying it, and the array is empty
 * here afterwards. Its whole buffer moves, so other arrays on the same buffer are empty too.
 */
export function giveAway<T extends Uint8Array | BigUint64Array>(array: T): T {
  given.add(array);
  return array;
}

/** The first `length` entries of an array as an argument for a worker: a copy that moves, or the array itself if it was given away. */
export function argument<T extends Uint8Array | BigUint64Array>(array: T, length = array.length): T {
  const sent = given.has(array) ? array : (array.slice(0, length) as T);
  return transfer(sent, [sent.buffer]);
}
