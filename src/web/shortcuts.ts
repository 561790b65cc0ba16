// Keys that work wherever the focus is, as long as nobody types there. A view names its own while it is shown; the help lists all
// that work at the moment.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Shortcut {
  /** `KeyboardEvent.key`, with `Shift+` before it where that makes the difference (not for characters): `?`, `n`, `Shift+ArrowLeft`. */
  readonly key: string;
  /** What it does, as the help says it. */
  readonly says: string;
  readonly run: () => void;
}

const registered = signal<readonly (readonly Shortcut[])[]>([]);

/** All that work now, in the order in which they were named. */
export function activeShortcuts(): readonly Shortcut[] {
  return registered.value.flat();
}

/** The shortcuts of a component, for as long as it is there. Pass the same array unless they change. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  useEffect(() => {
    registered.value = [...registered.peek(), shortcuts];
    return () => {
      registered.value = registered.peek().filter((other) => other !== shortcuts);
    };
  }, [shortcuts]);
}

/** Those named last come first. */
export function listenForShortcuts(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTypedInto(event.target)) return;
    const key = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
    const shortcut = registered
      .peek()
      .flat()
      .findLast((each) => each.key === key);
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.run();
  });
}

function isTypedInto(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, dialog, [contenteditable]") !== null;
}
