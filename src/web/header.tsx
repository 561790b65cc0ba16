// The page's head: what is open, and what else can be opened.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { examples } from "./examples.js";
import type { Opener } from "./open.js";
import type { Store } from "./store.js";
import { Tabs } from "./tabs.js";
import { nextTheme, theme } from "./theme.js";

interface Props {
  readonly store: Store;
  readonly opener: Opener;
  /** The file chooser, which a key opens too. */
  readonly chooser: RefObject<HTMLInputElement | null>;
  readonly onHelp: () => void;
}

export function Header({ store, opener, chooser, onHelp }: Props) {
  return (
    <header class="header">
      <h1>Freehold</h1>
      <ExampleChooser store={store} opener={opener} />
      <Tabs store={store} />
      <button type="button" onClick={() => chooser.current?.click()}>
        Open file…
      </button>
      <input
        ref={chooser}
        type="file"
        hidden
        aria-label="Trace or scenario file"
        onChange={({ currentTarget }) => {
          void opener.openFiles([...(currentTarget.files ?? [])]);
          currentTarget.value = ""; // the same file may be chosen again
        }}
      />
      <CopyLink />
      <button type="button" aria-label={`Theme: ${theme.value}`} onClick={nextTheme}>
        {{ system: "◐", light: "☀", dark: "☾" }[theme.value]}
      </button>
      <button type="button" aria-label="Help: keys" onClick={onHelp}>
        ?
      </button>
    </header>
  );
}

function ExampleChooser({ store, opener }: { store: Store; opener: Opener }) {
  const open = store.open.value;
  const shown = open?.example ?? "";
  const systems = [...new Set(examples.value.map(({ system }) => system))];
  return (
    <select
      aria-label="Example"
      value={shown}
      onChange={({ currentTarget }) => {
        const name = currentTarget.value;
        currentTarget.value = shown; // until it is open: loading may fail or be cancelled
        void opener.openExample(name);
      }}
    >
      {(open === null || open.example === null) && (
        <option value="" disabled>
          {open === null ? "Examples" : open.name}
        </option>
      )}
      {systems.map((system) => (
        <optgroup key={system} label={system}>
          {examples.value
            .filter((example) => example.system === system)
            .map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
        </optgroup>
      ))}
    </select>
  );
}

/** The address always is the link; copying may be forbidden, then it is there to be copied by hand. */
function CopyLink() {
  const said = useSignal("Copy link");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      said.value = "Link copied";
    } catch {
      said.value = "Copy it from the address bar";
    }
    setTimeout(() => (said.value = "Copy link"), 2000);
  };
  return (
    <button type="button" aria-live="polite" onClick={() => void copy()}>
      {said.value}
    </button>
  );
}
