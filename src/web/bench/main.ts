// The bench page: how fast this browser replays. Figures are printed as JSON, for `npm run bench -- browser` and for people.

import { openWorkerPool } from "../../workers/browser.js";
import { compiledCore } from "../core.js";
import { addressOf, examples, loadExamples } from "../examples.js";
import { readStream, unpack, type Chunk } from "../unpack.js";

/** One replay, a line of the log. */
interface BenchFigure {
  readonly name: string;
  readonly format: string;
  /** Operations with something recorded to compare; those that agree, and those that do not. */
  readonly ops: number;
  readonly matched: number;
  readonly diverged: number;
  /** Unpacked. */
  readonly bytes: number;
  /** In the worker. */
  readonly seconds: number;
  readonly opsPerSecond: number;
}

const form = document.querySelector("form");
const log = document.querySelector("pre");
if (form === null || log === null) throw new Error("the bench page has no form");

const print = (line: string): void => log.append(`${line}\n`);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  replay(new FormData(form)).catch((error: unknown) => print(JSON.stringify({ error: String(error) })));
});

await loadExamples();
form.querySelector("select")?.append(...examples.value.map(({ name }) => new Option(name)));

async function replay(fields: FormData): Promise<void> {
  const { name, stream } = await chosen(fields);
  const bytes = await unpacked(stream);
  const pool = await openWorkerPool({ core: await compiledCore(), size: 1 });
  for (let left = Number(fields.get("times")); left > 0; left--) {
    const { summary, seconds } = await pool.run("replay", { bytes });
    const { format, ops, matched, diverged } = summary;
    const opsPerSecond = ops / seconds;
    const figure: BenchFigure = { name, format, ops, matched, diverged, bytes: bytes.length, seconds, opsPerSecond };
    print(JSON.stringify(figure));
  }
  await pool.close();
  print(JSON.stringify({ done: name }));
}

/** The file, if one was chosen. */
async function chosen(fields: FormData): Promise<{ name: string; stream: ReadableStream<Chunk> }> {
  const file = fields.get("file");
  if (file instanceof File && file.size > 0) return { name: file.name, stream: file.stream() };
  const name = fields.get("example");
  const example = examples.value.find((each) => each.name === name);
  if (example === undefined) throw new Error("no example is chosen");
  const { body } = await fetch(addressOf(example));
  if (body === null) throw new Error(`${example.name} is empty`);
  return { name: example.name, stream: body };
}

async function unpacked(stream: ReadableStream<Chunk>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: BlobPart[] = [];
  for await (const chunk of unpack(readStream(stream))) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
