// What `--pages` takes: frame numbers, or addresses marked as such, because 0x48000 may well be either.

/** Pages from `first` to `last`, both included; with `bytes`, addresses of bytes. */
export interface PageRange {
  readonly first: bigint;
  readonly last: bigint;
  readonly bytes: boolean;
}

const NUMBER = "0x[0-9a-f]+|[0-9]+";
const RANGE = new RegExp(`^(pa:)?(${NUMBER})(?:([-+])(${NUMBER}))?$`, "i");

/**
 * Reads `0x48000`, `0x48000-0x4800f`, `0x48000+16` (frame numbers), the same behind `pa:` (byte addresses; `+` counts bytes), or
 * several with commas between.
 *
 * @returns null if `text` is none of these
 */
export function parsePageRanges(text: string): PageRange[] | null {
  const ranges = text.split(",").map(parseRange);
  return ranges.some((range) => range === null) ? null : (ranges as PageRange[]);
}

function parseRange(text: string): PageRange | null {
  const match = RANGE.exec(text);
  if (match === null) return null;
  const first = BigInt(match[2] ?? "");
  const second = BigInt(match[4] ?? first);
  const last = match[3] === "+" ? first + second - 1n : second;
  return last < first ? null : { first, last, bytes: match[1] !== undefined };
}

/** Whether any of `ranges` holds the page at frame number `pfn`. */
export function inRanges(pfn: bigint, ranges: readonly PageRange[], pageShift: number): boolean {
  return ranges.some(({ first, last, bytes }) => {
    const shift = bytes ? BigInt(pageShift) : 0n;
    return pfn >= first >> shift && pfn <= last >> shift;
  });
}
