// What is being loaded, and what could not be done. Text only: it may quote a file.

import type { Store } from "./store.js";

export function LoadingBar({ store, onCancel }: { store: Store; onCancel: () => void }) {
  const loading = store.loading.value;
  if (loading === null) return null;
  const percent = loading.done === null ? null : Math.round(100 * loading.done);
  return (
    <div class="loading">
      <span id="loading-name">Loading {loading.name}</span>
      <progress aria-labelledby="loading-name" max={100} {...(percent === null ? {} : { value: percent })} />
      <span class="percentage">{percent === null ? "" : `${percent} %`}</span>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}

/** The alert is always there: a screen reader announces what changes in it. */
export function ProblemBar({ store }: { store: Store }) {
  const problem = store.problem.value;
  return (
    <div class="problem" role="alert" aria-label="Problem">
      {problem !== null && (
        <>
          <span>{problem}</span>
          <button type="button" aria-label="Dismiss" onClick={() => (store.problem.value = null)}>
            ×
          </button>
        </>
      )}
    </div>
  );
}
