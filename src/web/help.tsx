// Which keys do what, as a dialog of the browser's own: it keeps the focus in it and closes by Escape.

import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { activeShortcuts } from "./shortcuts.js";

/** Names of keys as they stand on a keyboard. */
const KEYS: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  " ": "Space",
};

/** The keys to press together. */
function caps(key: string): string[] {
  const [last = key, ...held] = key === "+" ? [key] : key.split("+").reverse();
  return [...held, KEYS[last] ?? last];
}

export function Help({ shown }: { shown: Signal<boolean> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [shown.value]);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={() => (shown.value = false)}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {activeShortcuts().map(({ key, says }) => (
          <div key={key}>
            <dt>
              {caps(key).map((cap) => (
                <kbd key={cap}>{cap}</kbd>
              ))}
            </dt>
            <dd>{says}</dd>
          </div>
        ))}
      </dl>
      <p>In the map and in lists, the arrow keys move; Tab goes from part to part.</p>
      <button type="button" onClick={() => (shown.value = false)}>
        Close
      </button>
    </dialog>
  );
}
