// How well something is known, as a sign that is told apart without colours: a letter, with its meaning beside it.

import type { Mark } from "../../consequences/evidence.js";
import { MARK_WORDS } from "../../scenario/matrix.js";

/** `short`: the letter alone on screen; the words are there for the pointer and for screen readers. */
export function EvidenceMark({ mark, short = false }: { mark: Mark; short?: boolean }) {
  const words = MARK_WORDS[mark];
  return (
    <span class={`mark mark-${mark}${short ? " short" : ""}`} title={words}>
      <abbr aria-hidden="true">{mark}</abbr>
      <span class={short ? "spoken" : ""}> {words}</span>
    </span>
  );
}
