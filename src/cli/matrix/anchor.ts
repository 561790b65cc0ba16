// Where the evidence of a cell stands in a page.

import type { Cell } from "../../scenario/matrix.js";

/** Letters, digits, hyphens: good in an id and in a link. */
export function anchorOf({ scenario, system }: Cell): string {
  return `${scenario.name}-on-${system.name}`.replace(/[^\w-]/g, "-");
}
