// Text in linear memory, looked at eight or sixteen characters at a time.
// A word is eight characters as `load<u64>` reads them: the first is the lowest byte. A mark is a word in which bit 7 of a
// byte says yes; only the lowest mark is exact, as carries run upwards.
// Every function may read up to 15 bytes behind the text: a window keeps SLACK bytes for that.
//
// SWAR forms: reference performance section 4.1.

/** Bytes that must exist behind the end of any text given to this file. */
export const SLACK: usize = 64;

const ONES: u64 = 0x0101010101010101;
const HIGH_BITS: u64 = 0x8080808080808080;

/** Address of the first `byte` in [from, end); `end` if there is none. */
export function findByte(from: usize, end: usize, byte: i32): usize {
  const wanted = i8x16.splat(byte as i8);
  let at = from;
  while (at < end) {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(at), wanted));
    if (hits != 0) {
      const found = at + (ctz(hits) as usize);
      return found < end ? found : end;
    }
    at += 16;
  }
  return end;
}

/** Marks the characters of `word` that equal `byte`. */
export function marksOf(word: u64, byte: u64): u64 {
  const differences = word ^ (byte * ONES);
  return (differences - ONES) & ~differences & HIGH_BITS;
}

/** Number of characters before the lowest mark: 0..7, 8 if there is none. */
export function firstMark(marks: u64): u32 {
  return (ctz(marks) >> 3) as u32;
}

/** The first `count` (0..8) characters of `word`; the others are zero. */
export function leading(word: u64, count: u32): u64 {
  return count == 0 ? 0 : word & ((-1 as u64) >> (64 - 8 * (count as u64)));
}

/** How many decimal digits `word` starts with: 0..8. */
export function decimalDigits(word: u64): u32 {
  const digits = word ^ 0x3030303030303030; // '0'..'9' become 0..9
  return firstMark(((digits + 0x7676767676767676) | digits) & HIGH_BITS);
}

/** The number that the first `digits` (1..8) characters of `word` are, all of them decimal digits. */
export function decimalValue(word: u64, digits: u32): u64 {
  const aligned = (word ^ 0x3030303030303030) << (64 - 8 * (digits as u64));
  const pairs = ((aligned * (10 * 0x100 + 1)) >> 8) & 0x00ff00ff00ff00ff;
  const fours = ((pairs * (100 * 0x10000 + 1)) >> 16) & 0x0000ffff0000ffff;
  return (fours * (10000 * 0x100000000 + 1)) >> 32;
}

/** How many hexadecimal digits, of either case, `word` starts with: 0..8. */
export function hexDigits(word: u64): u32 {
  const digits = word ^ 0x3030303030303030; // '0'..'9' become 0..9
  const letters = (word | 0x2020202020202020) ^ 0x6060606060606060; // 'a'..'f' become 1..6
  const noDigit = (digits + 0x7676767676767676) | digits;
  const noLetter = (letters + 0x7979797979797979) | ~(letters + 0x7f7f7f7f7f7f7f7f) | letters;
  return firstMark(noDigit & noLetter & HIGH_BITS);
}

/** The number that the first `digits` (1..8) characters of `word` are, all of them hexadecimal digits. */
export function hexValue(word: u64, digits: u32): u64 {
  const nibbles = (word & 0x0f0f0f0f0f0f0f0f) + 9 * ((word >> 6) & ONES);
  const aligned = nibbles << (64 - 8 * (digits as u64));
  const bytes = ((aligned * 0x1001) >> 8) & 0x00ff00ff00ff00ff;
  const halves = ((bytes * 0x1000001) >> 16) & 0x0000ffff0000ffff;
  return (halves * 0x1000000000001) >> 32;
}

/** The number read by `readDecimal` or `readHex`. */
export let number: u64 = 0;

/**
 * Reads up to 16 decimal digits into `number`.
 * @returns the address behind the last digit read; `at` if there is no digit. A 17th digit is left for the caller to meet
 */
export function readDecimal(at: usize): usize {
  const word = load<u64>(at);
  const digits = decimalDigits(word);
  if (digits == 0) return at;
  number = decimalValue(word, digits);
  if (digits < 8) return at + (digits as usize);
  const rest = load<u64>(at, 8);
  const more = decimalDigits(rest);
  if (more == 0) return at + 8;
  number = number * powerOfTen(more) + decimalValue(rest, more);
  return at + 8 + (more as usize);
}

function powerOfTen(exponent: u32): u64 {
  let power: u64 = 1;
  for (let i: u32 = 0; i < exponent; i++) power *= 10;
  return power;
}

/**
 * Reads up to 16 hexadecimal digits, without a prefix, into `number`.
 * @returns the address behind the last digit read; `at` if there is no digit. A 17th digit is left for the caller to meet
 */
export function readHex(at: usize): usize {
  const word = load<u64>(at);
  const digits = hexDigits(word);
  if (digits == 0) return at;
  number = hexValue(word, digits);
  if (digits < 8) return at + (digits as usize);
  const rest = load<u64>(at, 8);
  const more = hexDigits(rest);
  if (more == 0) return at + 8;
  number = (number << (4 * (more as u64))) | hexValue(rest, more);
  return at + 8 + (more as usize);
}
