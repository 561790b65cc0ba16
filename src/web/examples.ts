// The examples that come with the page: recordings of real systems, listed by scripts/web-public.js.

import { signal } from "@preact/signals";

export interface Example {
  /** Its name in links. */
  readonly name: string;
  /** Beside the list. */
  readonly file: string;
  /** What is seen in it, in one sentence. */
  readonly title: string;
  /** `pKVM`, `FF-A`, ... */
  readonly system: string;
  /** Compressed. */
  readonly bytes: number;
  /** The operation after which it is worth looking at first. */
  readonly start: number;
}

/** Empty until it has been loaded. */
export const examples = signal<readonly Example[]>([]);

const FOLDER = new URL("examples/", document.baseURI);

/** @throws Error if the list is not there */
export async function loadExamples(): Promise<void> {
  const answer = await fetch(new URL("index.json", FOLDER));
  if (!answer.ok) throw new Error(`the list of examples is not there (${answer.status})`);
  examples.value = (await answer.json()) as readonly Example[];
}

export function addressOf(example: Example): URL {
  return new URL(example.file, FOLDER);
}
