// Where one stands in a trace: -1 before the first operation, else after that one. How pointer and keys move there.

/** Pixels at the left end of the strip that stand for "before the first operation". */
export const START_WIDTH = 8;

export const clampPosition = (position: number, count: number) => Math.min(Math.max(position, -1), count - 1);

/** The position under a pointer `x` pixels from the left of a strip that is `width` wide. */
export function positionAt(x: number, width: number, count: number): number {
  const share = (x - START_WIDTH) / Math.max(1, width - START_WIDTH);
  return clampPosition(Math.floor(share * count), count);
}

/** Middle of the position's place on the strip. */
export function xOf(position: number, width: number, count: number): number {
  if (position < 0) return START_WIDTH / 2;
  return START_WIDTH + ((position + 0.5) / count) * (width - START_WIDTH);
}

/** Where a key of a slider leads; null: it is none (ARIA authoring practices, slider). `page` is the large step. */
export function positionOfKey(key: string, position: number, count: number, page: number): number | null {
  const moves: Readonly<Record<string, number>> = {
    ArrowLeft: position - 1,
    ArrowDown: position - 1,
    ArrowRight: position + 1,
    ArrowUp: position + 1,
    PageDown: position - page,
    PageUp: position + page,
    Home: -1,
    End: count - 1,
  };
  const to = moves[key];
  return to === undefined ? null : clampPosition(to, count);
}

/** A large step of the strip: a hundredth of the trace. */
export const largeStep = (count: number) => Math.max(10, Math.round(count / 100));

/** An operation's number as people type it: `4312`, `4,312`, ` 4312 `; null: no such operation. */
export function typedPosition(text: string, count: number): number | null {
  const digits = text.replace(/[\s,_]/g, "");
  if (!/^[0-9]{1,10}$/.test(digits)) return null;
  const number = Number(digits);
  return number < count ? number : null;
}
