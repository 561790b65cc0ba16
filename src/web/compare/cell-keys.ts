// Arrow keys among the cells of a table.

const STEPS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** From the button of one cell to that of the next one in this direction; cells without a button are passed over. */
export function moveBetweenCells(event: KeyboardEvent): void {
  const step = STEPS[event.key];
  const cell = (event.target as Element).closest("td");
  if (step === undefined || cell === null || event.altKey || event.ctrlKey || event.metaKey) return;
  const rows = [...(cell.closest("table")?.rows ?? [])];
  let row = rows.findIndex((candidate) => candidate === cell.parentElement) + step[0];
  let column = cell.cellIndex + step[1];
  for (let next = rows[row]?.cells[column]; next !== undefined; next = rows[row]?.cells[column]) {
    const button = next.querySelector("button");
    if (button !== null) {
      button.focus();
      event.preventDefault();
      return;
    }
    row += step[0];
    column += step[1];
  }
}
