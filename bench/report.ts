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
  /** A search over states, and Spin's in the same unit. */
  readonly explored?: Explored;
}

export interface Explored {
  /** null: not measured. */
  readonly spin: number | null;
  readonly states: number;
  readonly transitions: number;
  readonly bytesPerState: number;
  /** Two workers: the rate over that of one. */
  readonly overOneWorker?: number;
}

/** Three significant digits are what the measurement is good for. */
function figure(value: number | null): string {
  if (value === null) return "";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function ratio(value: number, base: number | null): number | null {
  return base === null ? null : Number((value / base).toFixed(3));
}

/**
 * One JSON object: `{id, unit, freehold, c, js, overC, overJs}`, with `prefetch` and `overPrefetch` where that was measured, and what
 * was explored, with `spin` and `overSpin`, for searches.
 */
export function toJson({ id, unit, freehold, c, js, prefetch, explored }: Row): string {
  const rounded = (value: number | null) => (value === null ? null : Number(value.toPrecision(5)));
  const overC = ratio(freehold, c);
  const overJs = ratio(freehold, js);
  const row = { id, unit, freehold: rounded(freehold), c: rounded(c), js: rounded(js), overC, overJs };
  if (explored !== undefined) {
    return JSON.stringify({
      ...row,
      ...explored,
      spin: rounded(explored.spin),
      overSpin: ratio(freehold, explored.spin),
    });
  }
  if (prefetch === undefined) return JSON.stringify(row);
  return JSON.stringify({ ...row, prefetch: rounded(prefetch), overPrefetch: ratio(freehold, prefetch) });
}

const HEADINGS = ["id", "unit", "freehold", "C", "JS", "/C", "/JS"];
/** Only where a search was measured. */
const SPIN_HEADINGS = ["Spin", "/Spin"];
const REMARK = "what it does; what bounds it";

export function formatTable(rows: readonly Row[]): string {
  const hasSpin = rows.some((row) => row.explored !== undefined);
  const lines = rows.map((row) => [
    row.id,
    row.unit,
    figure(row.freehold),
    figure(row.c),
    figure(row.js),
    ratio(row.freehold, row.c)?.toFixed(2) ?? "",
    ratio(row.freehold, row.js)?.toFixed(2) ?? "",
    ...(hasSpin ? spinCells(row) : []),
    `${row.title}; ${row.bound}`,
  ]);
  const cells = [[...HEADINGS, ...(hasSpin ? SPIN_HEADINGS : []), REMARK], ...lines];
  const last = cells[0]!.length - 1;
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const isNumeric = (column: number) => column > 1 && column < last;
  const pad = (cell: string, column: number) =>
    isNumeric(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return cells.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

function spinCells({ freehold, explored }: Row): string[] {
  const spin = explored?.spin ?? null;
  return [figure(spin), ratio(freehold, spin)?.toFixed(2) ?? ""];
}
