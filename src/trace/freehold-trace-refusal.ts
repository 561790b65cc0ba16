// A refused line of a Freehold trace, as one sentence.

import * as abi from "../../assembly/abi/trace.js";
import { PANIC_NAMES, STATE_NAMES, TRACE_KEYS, TRACE_VERBS, keyName } from "./freehold-trace-format.js";
import { excerpt } from "./replay.js";
import { suggestion } from "./spelling.js";

/** What there is to say about a refused line. */
export interface RefusedLine {
  /** REFUSED_*. */
  readonly code: number;
  /** The key in question, where there is one. */
  readonly slot: number;
  /** Position of the refused text in the line, from 1. */
  readonly column: number;
  /** The line from there on. */
  readonly text: string;
  /** The line's operation; its name has a meaning only where the operation's keys are refused. */
  readonly op: string;
}

/** The sentence for the error. */
export function refusalSentence(line: RefusedLine): string {
  const { code, column } = line;
  const sentence = SYNTAX.get(code);
  if (sentence !== undefined) return `column ${column}: ${sentence}, found ${found(line.text)}`;
  switch (code) {
    case abi.REFUSED_LENGTH:
      return `a line is longer than ${abi.LINE_MAX} bytes`;
    case abi.REFUSED_NO_OP:
      return 'the line has no "op"';
    case abi.REFUSED_RESET:
      return 'only a "note" can stand beside "reset"';
    case abi.REFUSED_OUTCOMES:
      return 'nothing else can be expected of an operation that is to "panic"';
    case abi.REFUSED_MISSING:
      return `${line.op} needs "${keyName(line.slot)}"`;
    case abi.REFUSED_UNWANTED:
      return unwantedKey(line.op, keyName(line.slot));
    default:
      return `column ${column}: ${aboutWord(line)}`;
  }
}

const SYNTAX: ReadonlyMap<number, string> = new Map([
  [abi.REFUSED_OBJECT, "a line must be one JSON object"],
  [abi.REFUSED_KEY, "a quoted key must stand here"],
  [abi.REFUSED_COLON, 'a ":" must follow the key'],
  [abi.REFUSED_SEPARATOR, 'a "," or the closing bracket must follow the value'],
  [abi.REFUSED_TRAILING, "nothing may follow the object"],
  [abi.REFUSED_STRING, "a string must be closed in its line, and names have no escapes"],
  [abi.REFUSED_ESCAPE, "JSON has no such escape"],
  [abi.REFUSED_UTF8, "the string is not UTF-8"],
]);

function found(text: string): string {
  return text === "" ? "the end of the line" : `"${excerpt(text)}"`;
}

/** The text up to the end of the string or number that starts it. */
function word(text: string): string {
  return /^[^",}\]\s]*/.exec(text)?.[0] ?? "";
}

function unwantedKey(op: string, key: string): string {
  const verb = TRACE_VERBS.get(op);
  if (key === "guest") return `${op} does not name a guest page ("vm" and "gfn"), so "guest" cannot be expected`;
  if (key === "host" || key === "hyp") return `${op} does not name a page of the host, so "${key}" cannot be expected`;
  return `${op} has no "${key}"${suggestion(key, Object.keys(verb?.args ?? {}))}`;
}

function aboutWord({ code, slot, text }: RefusedLine): string {
  const unknown = (kind: string, known: Iterable<string>) => {
    const name = word(text);
    return `unknown ${kind} "${excerpt(name)}"${suggestion(name, known)}`;
  };
  switch (code) {
    case abi.REFUSED_UNKNOWN_KEY:
      return unknown("key", TRACE_KEYS.keys());
    case abi.REFUSED_OPERATION:
      return unknown("operation", TRACE_VERBS.keys());
    case abi.REFUSED_STATE:
      return unknown("page state", STATE_NAMES);
    case abi.REFUSED_PANIC:
      return unknown("panic", PANIC_NAMES.keys());
    case abi.REFUSED_DUPLICATE_KEY:
      return `"${keyName(slot)}" stands twice`;
    case abi.REFUSED_RANGE:
      return `"${keyName(slot)}" is out of range: ${excerpt(value(text))}`;
    default:
      return `"${keyName(slot)}" must be ${TRACE_KEYS.get(keyName(slot))?.wants ?? ""}, found ${found(value(text))}`;
  }
}

/** The text of the value that starts `text`, a string with its quotes. */
function value(text: string): string {
  return /^("[^"]*"?|[^,}\]\s]*)/.exec(text)?.[0] || text;
}
