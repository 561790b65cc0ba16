// What the signs on the strip mean.

import { useMemo } from "preact/hooks";
import {
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type OperationColumns,
} from "../../timeline/timeline.js";
import { Icon } from "./icon.js";

const MARKS = [
  { flag: OPERATION_REFUSED, icon: "refused", colour: "bad", words: "refused" },
  { flag: OPERATION_PANICKED, icon: "panic", colour: "bad", words: "panic" },
  { flag: OPERATION_DIFFERS, icon: "differs", colour: "accent", words: "differs from the recording" },
] as const;

/** Of the marks, those that this trace has. */
export function StripLegend({ operations: { flags } }: { operations: OperationColumns }) {
  const used = useMemo(() => flags.reduce((all, each) => all | each, 0), [flags]);
  return (
    <ul class="strip-legend" aria-label="Signs on the strip">
      <li>
        <span class="accent">▇</span> pages changed (logarithmic)
      </li>
      <li>▇ operations listed</li>
      {MARKS.filter(({ flag }) => (used & flag) !== 0).map(({ icon, colour, words }) => (
        <li key={words}>
          <span class={colour}>
            <Icon name={icon} />
          </span>{" "}
          {words}
        </li>
      ))}
      {(used & OPERATION_AFTER_RESET) !== 0 ? <li>┆ new machine</li> : null}
    </ul>
  );
}
