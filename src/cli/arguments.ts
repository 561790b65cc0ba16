// Values of options, as commander wants them parsed: a wrong one is a usage error (exit code 2).

import { InvalidArgumentError } from "commander";
import { type PageRange, parsePageRanges } from "./page-ranges.js";

/** The number of an operation, or a count of them. */
export function operationNumber(text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected a number of operations, 0 or more.");
  return value;
}

/** A number of things, 1 or more. */
export function positiveCount(text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(Number.isSafeInteger(value) && value >= 1)) throw new InvalidArgumentError("Expected a number, 1 or more.");
  return value;
}

/** A length of time; fractions count. */
export function duration(text: string): number {
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : NaN;
  if (!(value > 0)) throw new InvalidArgumentError("Expected a number greater than 0.");
  return value;
}

/** Names with commas between. */
export function nameList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("Expected names with commas between.");
  return names;
}

/** A number of threads. */
export function workerCount(text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(value >= 1 && value <= 256)) throw new InvalidArgumentError("Expected a number of workers, 1 to 256.");
  return value;
}

/** A VM handle: 0x1000 or 4096. */
export function vmHandle(text: string): number {
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : NaN;
  if (!(value > 0 && value <= 0xffff)) throw new InvalidArgumentError("Expected a VM handle such as 0x1000.");
  return value;
}

/** Frame numbers or addresses. */
export function pageRanges(text: string): PageRange[] {
  const ranges = parsePageRanges(text);
  if (ranges === null) {
    throw new InvalidArgumentError(
      "Expected frame numbers (0x48000-0x4800f, 0x48000+16) or addresses (pa:0x48000000).",
    );
  }
  return ranges;
}
