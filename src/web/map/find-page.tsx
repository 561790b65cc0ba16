// Goes to a page by its frame number or physical address.

import type { TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import type { OpenTrace, Store } from "../store.js";
import { findPfn } from "./find-pfn.js";
import { FIND_ID } from "./ids.js";

interface Properties {
  readonly store: Store;
  readonly open: OpenTrace;
  /** Number of the page. */
  readonly found: (page: number) => void;
}

export function FindPage({ store, open, found }: Properties) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const find = (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const pfn = findPfn(text, open);
    if (typeof pfn === "string") return setProblem(pfn);
    setProblem(null);
    store.page.value = pfn;
    found(open.ownership.pageOf(pfn) ?? 0);
  };
  return (
    <form class="map-find" role="search" onSubmit={find}>
      <label>
        Go to page
        <input
          id={FIND_ID}
          name="page"
          value={text}
          placeholder="pfn or address, hex"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={problem !== null}
          aria-describedby="map-find-problem"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <button type="submit">Go</button>
      <span id="map-find-problem" class="map-find-problem" role="alert">
        {problem}
      </span>
    </form>
  );
}
