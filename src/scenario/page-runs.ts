// One entry of a file for a run of pages: `access: ram[0..15]` stands for one access to each, in order, and `0xa000+i` for a
// value that counts with the page's index. Short for what would otherwise be sixteen lines that differ in a digit.

import { isMapping } from "./part.js";

/** `ram[0..15]` */
const RUN = /^([A-Za-z][A-Za-z0-9_-]*)\[([0-9]{1,4})\.\.([0-9]{1,4})\]$/;

/** `0xa000+i` */
export const COUNTING = /^(0x[0-9a-fA-F]{1,15}|[0-9]{1,18})\+i$/;

/** So that a short file cannot stand for an endless one. */
export const LONGEST_RUN = 64;

/** The steps that an entry stands for. What is no run is handed on as it is, for its reader to judge. */
export function stepsOf(entry: unknown): readonly unknown[] {
  const access = isMapping(entry) ? entry["access"] : undefined;
  const match = typeof access === "string" ? RUN.exec(access) : null;
  if (match === null || !isMapping(entry)) return [entry];
  const [text, name, first] = match;
  const count = runLength(text);
  if (count < 1 || count > LONGEST_RUN) return [entry];
  const { id, note, ...step } = entry;
  const steps = Array.from({ length: count }, (_, i) => accessTo(step, String(name), Number(first) + i));
  // Names and remarks stand at the first.
  return [
    { ...steps[0], ...(id === undefined ? {} : { id }), ...(note === undefined ? {} : { note }) },
    ...steps.slice(1),
  ];
}

/** How many pages a run names; less than one if it runs backwards, or is none. */
export function runLength(text: string): number {
  const [, , first, last] = RUN.exec(text) ?? [];
  return first === undefined ? 0 : Number(last) - Number(first) + 1;
}

function accessTo(step: Readonly<Record<string, unknown>>, name: string, index: number): Record<string, unknown> {
  const access = { ...step, access: `${name}[${index}]` };
  if (Object.hasOwn(step, "value")) Object.assign(access, { value: counted(step["value"], index) });
  if (isMapping(step["expect"])) Object.assign(access, { expect: expectedAt(step["expect"], index) });
  return access;
}

function expectedAt(expect: Readonly<Record<string, unknown>>, index: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(expect).map(([systems, expected]) => {
      const counts = isMapping(expected) && Object.hasOwn(expected, "value");
      return [systems, counts ? { ...expected, value: counted(expected["value"], index) } : expected];
    }),
  );
}

function counted(value: unknown, index: number): unknown {
  const base = typeof value === "string" ? COUNTING.exec(value)?.[1] : undefined;
  return base === undefined ? value : BigInt(base) + BigInt(index);
}
