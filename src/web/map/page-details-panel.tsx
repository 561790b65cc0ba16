// Everything that is known of the page looked at, as it is after the operation shown: who has it and since when, what each table
// says of it, what is in it.

import type { ComponentChildren } from "preact";
import { hex } from "../../machine/names.js";
import type { PageDetails, PageLeaf } from "../../timeline/timeline.js";
import type { OpenTrace, Store } from "../store.js";
import { useAnswer } from "../use-answer.js";
import { contentsWords, hexDump } from "./contents.js";
import "./map.css";
import { useFollowedOperation } from "./followed-operation.js";
import { DETAILS_ID } from "./ids.js";
import { classWords, sinceWords } from "./words.js";

export function PageDetailsPanel({ store }: { store: Store }) {
  const open = store.open.value;
  const pfn = store.page.value;
  const page = open === null || pfn === null ? null : open.ownership.pageOf(pfn);
  return (
    <section id={DETAILS_ID} class="page-details" tabIndex={-1} aria-label="Page">
      {open === null || pfn === null ? (
        <p>No page is chosen. Click one on the map, or go to it by its number.</p>
      ) : page === null ? (
        <p>pfn {hex(pfn)} is no memory of this machine.</p>
      ) : (
        <OnePage store={store} open={open} pfn={pfn} page={page} />
      )}
    </section>
  );
}

interface Properties {
  readonly store: Store;
  readonly open: OpenTrace;
  readonly pfn: bigint;
  /** Its number. */
  readonly page: number;
}

function OnePage({ store, open, pfn, page }: Properties) {
  const operation = useFollowedOperation(store, open);
  const question = `${operation} ${pfn}`;
  const ask = (asked: string) => {
    const [after = "", of = ""] = asked.split(" ");
    return open.machine.page(Number(after), BigInt(of));
  };
  const { answer, isWaiting, problem } = useAnswer(ask, question, [open]);
  const { trace, ownership } = open;
  return (
    <>
      <h2>pfn {hex(pfn)}</h2>
      <p class="page-details-owner">{classWords(trace.parties, ownership.classes[page] ?? 0)}</p>
      <p>
        Physical address {hex(pfn << BigInt(trace.pageShift))}. <Since store={store} open={open} page={page} />
      </p>
      <PageOperations store={store} open={open} page={page} operation={operation} />
      {problem !== null && <p role="alert">{problem}</p>}
      <div aria-busy={isWaiting}>
        {answer?.pfn === pfn && <Details store={store} answer={answer} pageShift={trace.pageShift} />}
      </div>
    </>
  );
}

function Since({ store, open, page }: Omit<Properties, "pfn">) {
  const since = open.ownership.since(page);
  if (since === null) return <span>So {sinceWords(since)}.</span>;
  return (
    <button type="button" class="page-details-link" onClick={() => (store.operation.value = since)}>
      {`So ${sinceWords(since)}`}
    </button>
  );
}

function PageOperations({ store, open, page, operation }: Omit<Properties, "pfn"> & { operation: number }) {
  const previous = open.ownership.nextOn(page, operation, -1);
  const next = open.ownership.nextOn(page, operation, 1);
  const button = (target: number | null, words: string) => (
    <button
      type="button"
      disabled={target === null}
      onClick={() => target !== null && (store.operation.value = target)}
    >
      {words}
    </button>
  );
  return (
    <p class="page-details-operations" role="group" aria-label="Operations on this page">
      {button(previous, previous === null ? "Nothing before" : `‹ operation ${previous.toLocaleString("en")}`)}
      {button(next, next === null ? "Nothing after" : `operation ${next.toLocaleString("en")} ›`)}
    </p>
  );
}

function Details({ store, answer, pageShift }: { store: Store; answer: PageDetails; pageShift: number }) {
  const own = { table: "host", ipa: answer.pfn << BigInt(pageShift) } as const;
  const mapped = answer.leaves.find(({ descriptor }) => (descriptor & 1n) === 1n);
  return (
    <>
      <Part name="State, by component">
        <dl class="page-details-sides">
          {answer.sides.map(({ party, state }) => (
            <div key={party}>
              <dt>{party}</dt>
              <dd>{state}</dd>
            </div>
          ))}
        </dl>
      </Part>
      <Part name="In the tables">
        {answer.leaves.length === 0 && <p>No table says anything of it.</p>}
        {answer.leaves.map((leaf) => (
          <Leaf key={`${leaf.name} ${leaf.ipa}`} store={store} leaf={leaf} />
        ))}
        <button type="button" onClick={() => walk(store, mapped ?? own)}>
          Walk to this page
        </button>
      </Part>
      <Part name="Contents">
        <Contents bytes={answer.contents} />
      </Part>
    </>
  );
}

function Part({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      {children}
    </section>
  );
}

function Leaf({ store, leaf }: { store: Store; leaf: PageLeaf }) {
  return (
    <div class="page-details-leaf">
      <strong>{leaf.name}</strong>{" "}
      <button type="button" class="page-details-link" onClick={() => walk(store, leaf)}>
        IPA {hex(leaf.ipa)}
      </button>
      <div>
        level {leaf.level}, <code>{hex(leaf.descriptor)}</code>
      </div>
      <div>{leaf.words}</div>
    </div>
  );
}

function walk(store: Store, { table, ipa }: Pick<PageLeaf, "table" | "ipa">): void {
  store.walk.value = { table, ipa, kind: "read", el: 1 };
  store.view.value = "walk";
}

function Contents({ bytes }: { bytes: Uint8Array | null }) {
  const words = contentsWords(bytes);
  if (bytes === null || bytes.every((byte) => byte === 0)) return <p>{words}</p>;
  return (
    <details>
      <summary>{words}</summary>
      <pre tabIndex={0} aria-label="Bytes, 16 a line">
        {hexDump(bytes)}
      </pre>
    </details>
  );
}
