// What the signs of the table mean.

import { MARKS } from "../../consequences/evidence.js";
import { EvidenceMark } from "./evidence-mark.js";

export function MarkLegend() {
  return (
    <p class="legend">
      <span>
        <span class="answer-number">
          ≠<sub>1</sub>
        </span>{" "}
        not as most systems have it; equal numbers, equal answers
      </span>
      {MARKS.map((mark) => (
        <EvidenceMark key={mark} mark={mark} />
      ))}
      <span>
        <span class="unmet-sign">!</span> not what the scenario expects
      </span>
    </p>
  );
}
