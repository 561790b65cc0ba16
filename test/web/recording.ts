// What node and the text of a recording say of the examples that come with the page: what the page must show.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Machine } from "../../src/machine/machine.js";
import { replayFile } from "../../src/trace/open.js";
import { BUILT_PAGE } from "./visitor.js";

export interface Example {
  readonly name: string;
  readonly file: string;
}

const FOLDER = join(BUILT_PAGE, "examples");

export function examples(): readonly Example[] {
  return JSON.parse(readFileSync(join(FOLDER, "index.json"), "utf8")) as Example[];
}

export function pathOf(name: string): string {
  const example = examples().find((each) => each.name === name);
  if (example === undefined) throw new Error(`the page has no example ${name}`);
  return join(FOLDER, example.file);
}

/** The machine after operation `operation`, as `freehold replay --at` shows it. */
export async function machineAfter(name: string, operation: number): Promise<Machine> {
  const { machine } = await replayFile(pathOf(name), { at: operation + 1 });
  if (machine === null) throw new Error(`${name} makes no machine`);
  return machine;
}

/** One line of a tracefs recording that is an operation. */
export interface Recorded {
  readonly seq: number;
  /** `host_mem_abort` or what `op=` says. */
  readonly verb: string;
  readonly ret: number;
  readonly vm: number;
  /** Frame numbers: the first, and the one behind the last. */
  readonly from: number;
  readonly to: number;
}

/** The operations of a recording, read from its text by nothing of ours. */
export function recorded(name: string): Recorded[] {
  const text = gunzipSync(readFileSync(pathOf(name))).toString("latin1");
  return [...text.matchAll(/(mem_op|host_mem_abort) (seq=.+)$/gm)].map(([, event = "", words = ""]) => {
    const fields = new Map(words.split(" ").map((word) => word.split("=", 2) as [string, string]));
    const number = (field: string) => Number(fields.get(field) ?? 0);
    // A fault may map a block; the page that it works on is the one that was touched.
    const [from, pages] = event === "mem_op" ? [number("pfn"), number("nr")] : [number("ipa") / 4096, 1];
    const verb = fields.get("op") ?? event;
    return { seq: number("seq"), verb, ret: number("ret"), vm: number("vm"), from, to: from + pages };
  });
}
