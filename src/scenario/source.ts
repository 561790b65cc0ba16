// Where a scenario comes from: a YAML (or JSON) text, or an object that a program made. Either gives the plain value and
// knows the place of every part of it.

import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from "yaml";
import { excerpt } from "../trace/replay.js";
import { ScenarioError } from "./scenario-error.js";

/** Keys and indices from the top to a part: `["steps", 2, "by"]`. */
export type Path = readonly (string | number)[];

export interface Source {
  readonly file: string;
  /** Mappings are objects, whole numbers of a text are bigints. */
  readonly value: unknown;
  /** The error to throw for a part; `at` says whether its key or its value is to blame. A part that is not there: its parent. */
  error(path: Path, sentence: string, at?: "key" | "value"): ScenarioError;
  /** The line of a part, from 1; 0 if there are no lines. */
  line(path: Path): number;
}

/** The error to throw for what stands at an offset of a text. */
type ErrorAt = (offset: number, sentence: string) => ScenarioError;

/** Far above any scenario that a person writes, far below what would take long to read. */
export const TEXT_LIMIT = 256 * 1024;

/** Aliases (`*name`) may repeat this many nodes: enough to say a thing once, too few for a bomb. */
const ALIAS_LIMIT = 1000;

/** An object as the file would have it. */
export function objectSource(name: string, value: unknown): Source {
  return {
    file: name,
    value,
    line: () => 0,
    error: (path, sentence) => {
      const field = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
      return new ScenarioError(field === "" ? name : `${name}: ${field.replace(/^\./, "")}`, 0, 0, sentence);
    },
  };
}

/**
 * Reads YAML 1.2, of which JSON is a part: no tags but the core schema's, no merge keys, no key twice.
 *
 * @throws ScenarioError at the first thing that is no such text
 */
export function textSource(text: string, file: string): Source {
  const lines = new LineCounter();
  const at: ErrorAt = (offset, sentence) => {
    const { line, col } = lines.linePos(offset);
    return new ScenarioError(file, line, col, sentence);
  };
  if (text.length > TEXT_LIMIT) throw new ScenarioError(file, 0, 0, `is longer than ${TEXT_LIMIT} characters`);
  const document = parse(text, file, lines);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined)
    throw at(problem.pos[0], SENTENCES[problem.code] ?? `no YAML: ${oneLine(problem.message)}`);
  refuseDuplicateKeys(document.contents, at);
  const place = (path: Path, which: "key" | "value") => lines.linePos(offsetOf(document, path, which));
  return {
    file,
    value: plainValue(document, file, at),
    line: (path) => place(path, "key").line,
    error: (path, sentence, which = "value") => {
      const { line, col } = place(path, which);
      return new ScenarioError(file, line, col, sentence);
    },
  };
}

function parse(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, {
      lineCounter,
      intAsBigInt: true,
      prettyErrors: false,
      // An explicit schema holds even where the text begins with `%YAML 1.1`.
      schema: "core",
      merge: false,
      resolveKnownTags: false,
      stringKeys: true,
      // Checked below: the library compares every key with every other.
      uniqueKeys: false,
    });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(file);
    throw error;
  }
}

function plainValue(document: Document.Parsed, file: string, at: ErrorAt): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIAS_LIMIT });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(file);
    if (error instanceof ReferenceError) throw at(blamedAlias(document), `no YAML: ${oneLine(error.message)}`);
    throw error;
  }
}

/** The first alias of nothing; where there is none it was one too many, and the last is as good as any. */
function blamedAlias(document: Document.Parsed): number {
  const anchors = new Set<string>();
  let blamed = 0;
  visit(document, {
    Node: (_, node) => {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.add(node.anchor);
        return undefined;
      }
      blamed = startOf(node) ?? 0;
      return anchors.has(node.source) ? undefined : visit.BREAK;
    },
  });
  return blamed;
}

/** The library recurses into what is nested; the engine's stack is its limit. */
const TOO_DEEP = "is nested too deeply";

const tooDeep = (file: string) => new ScenarioError(file, 0, 0, TOO_DEEP);

/** Where the library's words would mislead. */
const SENTENCES: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: TOO_DEEP,
  MULTIPLE_DOCS: "a file holds one scenario, and here a second document begins",
  NON_STRING_KEY: "a key is a name, not an alias or a collection",
};

/** A message of the library, as the rest of a sentence. */
function oneLine(message: string): string {
  const text = message.replace(/\s+/g, " ").trim();
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function refuseDuplicateKeys(top: Node | null, at: ErrorAt): void {
  const open: unknown[] = [top];
  while (open.length > 0) {
    const node = open.pop();
    if (isMap(node)) {
      const keys = new Set<string>();
      for (const { key, value } of node.items) {
        const name = keyText(key);
        if (keys.has(name)) throw at(startOf(key) ?? 0, `key "${excerpt(name)}" stands twice`);
        keys.add(name);
        open.push(value);
      }
    } else if (isSeq(node)) open.push(...node.items);
  }
}

/** Offset of the key or value at `path`, or of the nearest thing around it that is there. */
function offsetOf(document: Document.Parsed, path: Path, which: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isCollection(node)) return offset;
    const item: unknown = isSeq(node) ? node.items[Number(step)] : node.items.find((pair) => isPairOf(pair, step));
    if (item === undefined || item === null) return offset;
    const isPair = isMap(node);
    const key = isPair ? (item as Pair).key : item;
    const value = isPair ? (item as Pair).value : item;
    const isBlamed = depth === path.length - 1 && which === "key";
    offset = (isBlamed ? startOf(key) : (startOf(value) ?? startOf(key))) ?? offset;
    node = value;
  }
  return offset;
}

const isPairOf = (item: unknown, key: string | number) => keyText((item as Pair).key) === String(key);

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : "";
}

/** Null for what the text leaves empty: it stands nowhere. */
function startOf(node: unknown): number | null {
  if (!isScalar(node) && !isCollection(node) && !isAlias(node)) return null;
  const [from, to] = node.range ?? [0, 0];
  return isScalar(node) && from === to ? null : from;
}
