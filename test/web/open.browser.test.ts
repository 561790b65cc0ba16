// Files that are dropped: good ones are shown, of bad ones one sentence says where and why, and what was there stays.

import { readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { replayChunks, replayFile } from "../../src/trace/open.js";
import type { TraceError } from "../../src/trace/replay.js";
import { pathOf } from "./recording.js";
import { drop, eventually, follow, goTo, isAt, isOpen, position, problem, sentence } from "./shown.js";
import { test } from "./visitor.js";

const packed = readFileSync(pathOf("boot-n1"));
const plain = gunzipSync(packed);
const lines = plain.toString("latin1").split("\n");

/** Markup where a reader quotes what it does not understand: as text it does nothing. */
const MARKUP = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`;

const withLine = (number: number, line: string) => lines.with(number - 1, line).join("\n");

/** The sentence of node's reader for the unpacked bytes. */
async function refusalOf(bytes: Uint8Array): Promise<{ line: number; message: string }> {
  const chunks = async function* () {
    yield await Promise.resolve(bytes);
  };
  const error = await replayChunks(chunks()).then(
    () => null,
    (error: unknown) => error as TraceError,
  );
  if (error === null) throw new Error("the trace is good");
  return { line: error.line, message: error.message };
}

const HEADER = `{"format":"freehold-trace","version":1,"system":"pkvm","config":{"regions":[{"base":"0x40000000","size":"0x4000000"}]}}`;

/** A machine that must outlast what is dropped on it. */
async function openMachine(page: Page): Promise<void> {
  await follow(page, "example=boot-n1&op=60");
  await isOpen(page, "boot-n1");
  await goTo(page, 60);
}

/** What was open is open, where it was, and answers. */
async function stays(page: Page): Promise<void> {
  await isOpen(page, "boot-n1");
  expect(await position(page)).toBe(60);
  await goTo(page, 97);
  await page.getByRole("region", { name: "Operation" }).getByText("host_donate_guest").first().waitFor();
}

const bytesOf = (text: string) => Buffer.from(text, "latin1");

// prettier-ignore
test.for<[string, Buffer]>([
  ["a capture with a broken line", bytesOf(withLine(61, "[000]\t    2.15: mem_op seq=60 op=host_donate_gust"))],
  ["a capture with markup in it",  bytesOf(withLine(61, `[000]\t    2.15: ${MARKUP} seq=60`))],
  ["markup alone",                 bytesOf(`<!doctype html><title>trace</title>${MARKUP}\n`)],
  ["a trace with markup in it",    bytesOf(`${HEADER}\n{"op":"${MARKUP.replaceAll('"', "'")}"}\n`)],
  ["a trace of a wrong version",   bytesOf(HEADER.replace(`"version":1`, `"version":7`) + "\n")],
  ["a machine that cannot be",     bytesOf(HEADER.replace("0x4000000", "0x4000001") + "\n")],
  ["noise",                        Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251))],
  ["nothing at all",               Buffer.alloc(0)],
])("%s: a sentence with file and line, plain and packed", async ([, bytes], { shared: page }) => {
  const { line, message } = await refusalOf(bytes);
  await openMachine(page);
  const place = line > 0 ? `:${line}` : "";
  for (const [name, contents] of [["bad.txt", bytes], ["bad.txt.gz", gzipSync(bytes)]] as const) {
    await drop(page, name, contents);
    await eventually(() => sentence(page)).toBe(`${name}${place}: ${message}`);
  }
  await stays(page);
  expect(await page.title()).not.toBe("run");
  expect(await page.locator("img").count()).toBe(0);
});

// prettier-ignore
test.for<[string, Buffer, RegExp]>([
  ["truncated",              packed.subarray(0, packed.length >> 1),                   /truncated|ends early/],
  ["truncated at its end",   packed.subarray(0, packed.length - 4),                    /truncated|ends early/],
  // Its checksum: damage further in front may be met first as a line that is no event.
  ["corrupt",                Buffer.from(packed).fill(0x55, packed.length - 8, packed.length - 4), /corrupt/],
  ["followed by something",  Buffer.concat([packed, Buffer.from("more")]),             /something follows|corrupt/],
])("gzip that is %s is refused", async ([, contents, refusal], { shared: page }) => {
  await openMachine(page);
  await drop(page, "broken.gz", contents);
  await eventually(() => sentence(page)).toMatch(/^broken\.gz(:\d+)?: /);
  expect(await sentence(page)).toMatch(refusal);
  await stays(page);
});

test.for([
  ["plain", "mine.txt", plain],
  ["gzip", "mine.txt.gz", packed],
  ["gzip without its name", "mine", packed],
] as const)("a good file is shown: %s", async ([, name, contents], { shared: page }) => {
  await drop(page, name, contents);
  await isOpen(page, name);
  await isAt(page, -1);
  const { summary } = await replayFile(pathOf("boot-n1"));
  await page.getByText(`${summary.ops} recorded results, none differs`).waitFor();
  await goTo(page, 60);
  expect(await problem(page).innerText()).toBe("");
});

test("a file that differs from its recording says where", async ({ shared: page }) => {
  const falsified = withLine(61, (lines[60] ?? "").replace("ret=0", "ret=-1"));
  await drop(page, "falsified.txt", bytesOf(falsified));
  await isOpen(page, "falsified.txt");
  await page.getByText(/1 of 5658 recorded results differ, first at line 61: ret of host_donate_guest/).waitFor();
});

test("a file is chosen as well as dropped", async ({ shared: page }) => {
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("button", { name: "Open file…" }).click(),
  ]);
  await chooser.setFiles({ name: "chosen.gz", mimeType: "application/gzip", buffer: packed });
  await isOpen(page, "chosen.gz");
});
