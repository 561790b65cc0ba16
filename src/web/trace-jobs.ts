// What a worker does with a trace: it reads it, and answers what is asked of its machine afterwards.

import { transfer } from "comlink";
import { openTimeline, tooLarge, traceBuffers, type RefusedTimeline } from "../timeline/service.js";
import type { LoadedTrace, TimelineMachine } from "../timeline/timeline.js";
import { DETECT_BYTES } from "../trace/detect.js";
import type { JobContext } from "../workers/jobs.js";
import { peek, readStream, unpack, unpackedSize, type Chunk } from "./unpack.js";

export interface Source {
  /** A file, or the address of an example. */
  readonly from: Blob | string;
  /** Bytes, as they are read. */
  readonly size: number;
}

/** The bytes are read once, then the operations run a second time, which takes longer: its part of the progress. */
const SECOND_RUN = 0.7;

/** Refused input is an answer. */
export type Loaded = { readonly trace: LoadedTrace } | RefusedTimeline;

type Question = keyof TimelineMachine;
type Asked<Q extends Question> = Parameters<TimelineMachine[Q]>;
type Answer<Q extends Question> = Promise<ReturnType<TimelineMachine[Q]>>;

let machine: TimelineMachine | null = null;

export const TRACE_JOBS = {
  /** Reports how far it is, as a share of 1. */
  load: async ({ from, size }: Source, { report }: JobContext): Promise<Loaded> => {
    const packed = readStream(await streamOf(from), (read) => report((1 - SECOND_RUN) * Math.min(read / size, 1)));
    const { head, rest } = await peek(unpack(packed), DETECT_BYTES);
    const refusal = typeof from === "string" ? null : tooLarge(await unpackedSize(from), head);
    if (refusal !== null) {
      await rest.return(undefined);
      return { refusal, line: 0 };
    }
    const opened = await openTimeline(rest, {
      progress: (_, share) => share !== null && report(1 - SECOND_RUN + SECOND_RUN * share),
    });
    if ("refusal" in opened) return opened;
    machine = opened.machine;
    return transfer({ trace: opened.trace }, traceBuffers(opened.trace));
  },

  page: async (asked: Asked<"page">): Answer<"page"> => (await loaded()).page(...asked),
  operation: async (asked: Asked<"operation">): Answer<"operation"> => (await loaded()).operation(...asked),
  tables: async (asked: Asked<"tables">): Answer<"tables"> => (await loaded()).tables(...asked),
  walk: async (asked: Asked<"walk">): Answer<"walk"> => (await loaded()).walk(...asked),
} as const;

function loaded(): Promise<TimelineMachine> {
  return machine === null ? Promise.reject(new Error("no trace was loaded")) : Promise.resolve(machine);
}

async function streamOf(from: Source["from"]): Promise<ReadableStream<Chunk>> {
  if (typeof from !== "string") return from.stream();
  const answer = await fetch(from);
  if (!answer.ok || answer.body === null) throw new Error(`the server does not have it (${answer.status})`);
  return answer.body;
}
