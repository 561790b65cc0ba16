// How figures are printed: an aligned table for people, JSON Lines for machines.

export interface Row {
  readonly id: string;
  readonly title: string;
  /** What limits Freehold here. */
  readonly bound: string;
  readonly unit: string;
  readonly freehold: number;
  /** null: not measured. */
  readonly c: number | null;
  readonly js: number | null;
  /** C with software prefetch, where that is another program. */
  readonly prefetch?: number;
}

/** Three significant digits are what the measurement is good for. */
function figure(value: number | null): string {
  if (value === null) return "";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function ratio(value: number, base: number | null): number | null {
  return base === null ? null : Number((value / base).toFixed(3));
}

/** One JSON object: `{id, unit, freehold, c, js, overC, overJs}`, with `prefetch` and `overPrefetch` where that was measured. */
export function toJson({ id, unit, freehold, c, js, prefetch }: Row): string {
  const rounded = (value: number | null) => (value === null ? null : Number(value.toPrecision(5)));
  const overC = ratio(freehold, c);
  const overJs = ratio(freehold, js);
  const row = { id, unit, freehold: rounded(freehold), c: rounded(c), js: rounded(js), overC, overJs };
  if (prefetch === undefined) return JSON.stringify(row);
  return JSON.stringify({ ...row, prefetch: rounded(prefetch), overPrefetch: ratio(freehold, prefetch) });
}

const HEADINGS = ["id", "unit", "freehold", "C", "JS", "/C", "/JS", "what it does; what bounds it"];
const NUMERIC = new Set([2, 3, 4, 5, 6]);

export function formatTable(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.id,
    row.unit,
    figure(row.freehold),
    figure(row.c),
    figure(row.js),
    ratio(row.freehold, row.c)?.toFixed(2) ?? "",
    ratio(row.freehold, row.js)?.toFixed(2) ?? "",
    `${row.title}; ${row.bound}`,
  ]);
  const cells = [HEADINGS, ...lines];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const pad = (cell: string, column: number) =>
    NUMERIC.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return cells.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}
