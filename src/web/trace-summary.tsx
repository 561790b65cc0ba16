// What is open, in a few words, and whether the machine did what the recording says.

import { examples } from "./examples.js";
import type { Store } from "./store.js";

export function TraceSummary({ store }: { store: Store }) {
  const open = store.open.value;
  if (open === null) return null;
  const { description, ops, diverged, first } = open.trace.summary;
  const title = examples.value.find(({ name }) => name === open.example)?.title;
  return (
    <section class="summary" aria-label="Trace">
      <h2>{open.name}</h2>
      {title !== undefined && <p>{title}</p>}
      <p class="muted">{description}</p>
      {first === null ? (
        <p class="good">✓ {ops} recorded results, none differs</p>
      ) : (
        <p class="bad">
          ✗ {diverged} of {ops} recorded results differ, first at line {first.line}: {first.field} of {first.op},
          recorded {first.expected}, found {first.found}
        </p>
      )}
    </section>
  );
}
