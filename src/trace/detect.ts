// Which format a trace has, told from its first lines and never from its name.

import { excerpt } from "./replay.js";

export type TraceFormat = "golden" | "golden-walk" | "golden-ffa" | "tracefs" | "freehold-trace";

/** More of the input than this is not looked at. A golden or Freehold header fits many times over. */
export const DETECT_BYTES = 65536;

/** Either a format, or a sentence that says what the input looks like instead. */
export type Detection = { readonly format: TraceFormat } | { readonly refusal: string };

/** What other files begin with that people may pass by mistake. */
const MAGICS: readonly (readonly [string, string])[] = [
  ["\x1f\x8b", "gzip inside gzip"],
  ["\x28\xb5\x2f\xfd", "Zstandard data; unpack it first"],
  ["\xfd7zXZ\0", "xz data; unpack it first"],
  ["BZh", "bzip2 data; unpack it first"],
  ["PK\x03\x04", "a zip archive; unpack it first"],
  ["\x7fELF", "an ELF file"],
  ["\0asm", "a WebAssembly module"],
  ["\x17\x08\x44tracing", "a trace-cmd recording; print it as text first"],
];

/**
 * Tells the format from the first bytes: up to DETECT_BYTES, or the whole input if that is shorter.
 */
export function detectFormat(head: Uint8Array): Detection {
  if (head.length === 0) return { refusal: "the file is empty" };
  const text = byteText(head.subarray(0, DETECT_BYTES));
  const magic = MAGICS.find(([bytes]) => text.startsWith(bytes));
  if (magic !== undefined) return notATrace(magic[1]);
  return text.startsWith("{") ? detectJson(text) : detectText(text);
}

/** A character for each byte. (TextDecoder's latin1 is Windows-1252, in which the bytes of magics are other characters.) */
function byteText(bytes: Uint8Array): string {
  const part = 4096;
  let text = "";
  for (let at = 0; at < bytes.length; at += part) text += String.fromCharCode(...bytes.subarray(at, at + part));
  return text;
}

function notATrace(looks: string): Detection {
  return { refusal: `not a trace that Freehold reads: it looks like ${looks}` };
}

/** The header line names the format. Whether it is well-formed is for the reader to say. */
function detectJson(text: string): Detection {
  const line = firstLine(text);
  const format = /"format"\s*:\s*"([^"]*)"/.exec(line)?.[1];
  if (format === "freehold-golden") return { format: goldenFormat(line) };
  if (format === "freehold-trace") return { format: "freehold-trace" };
  return notATrace(
    format === undefined
      ? `JSON whose first line has no "format"; expected "freehold-trace" or "freehold-golden"`
      : `JSON of format "${excerpt(format)}"; expected "freehold-trace" or "freehold-golden"`,
  );
}

/** Each kind with a reader of its own; the rest, known or not, is for the reader of hypervisors' recordings. */
function goldenFormat(header: string): TraceFormat {
  const kind = /"kind"\s*:\s*"([^"]*)"/.exec(header)?.[1];
  if (kind === "walk") return "golden-walk";
  return kind === "ffa" ? "golden-ffa" : "golden";
}

/** Hypervisor events as tracefs prints them (trace_remote.c): `[CPU]`, a tab, time stamp and name. */
const EVENT = /^\[\d{3,}\]\t/;
/** Lines that may stand before the first event. */
const PREAMBLE = /^(#.*|CPU:\d+ \[LOST \d+ EVENTS\])$/;
/** Events of the host kernel's own tracers, which name the task first. */
const HOST_EVENT = /^\s*\S.*-\d+\s+(\(.*\)\s+)?\[\d{3}\]\s/;

function detectText(text: string): Detection {
  let comments = 0;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (EVENT.test(line)) return { format: "tracefs" };
    if (HOST_EVENT.test(line)) return notATrace("a trace of the host kernel (EL1); expected the hypervisor's own");
    if (!PREAMBLE.test(line.replace(/\r$/, ""))) return notATrace(comments === 0 ? looksOf(text) : looksOf(line));
    comments += 1;
  }
  return notATrace("a trace without events");
}

function looksOf(text: string): string {
  if (/^\[\d{3,}\] /.test(text)) return "tracefs text with its tabs turned into spaces";
  // Control characters other than tab, line feed and carriage return are in no text.
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(text.slice(0, 4096))) return `binary data ("${excerpt(text.slice(0, 24))}")`;
  return `text ("${excerpt(firstLine(text.trimStart()))}")`;
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? text : text.slice(0, end);
}
