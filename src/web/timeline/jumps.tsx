// Jumps: to the next or previous operation that works on the selected page, passes the filter, or was refused.

import { useMemo, useState } from "preact/hooks";
import { hex } from "../../machine/names.js";
import { useShortcuts } from "../shortcuts.js";
import { Icon } from "./icon.js";
import type { TimelineParts } from "./index.js";
import { nextMatch, type Matches } from "./matches.js";

type Step = 1 | -1;

interface Jump {
  readonly name: string;
  /** `operation on page 0x41000`: what is jumped to. */
  readonly target: string;
  /** Letter for the next one; with shift for the previous one. */
  readonly letter: string;
  /** Why there is nothing to jump to; null: there may be. */
  readonly missing: string | null;
  readonly find: (from: number, step: Step) => number | null;
}

interface JumpProps extends TimelineParts {
  readonly refused: Matches;
  readonly isFiltered: boolean;
}

export function Jumps({ store, open, seeker, matches, refused, isFiltered }: JumpProps) {
  const page = store.page.value;
  /** What is said of the last jump that led nowhere. */
  const [said, say] = useState("");
  const jumps = useMemo((): readonly Jump[] => {
    const number = page === null ? null : open.ownership.pageOf(page);
    return [
      {
        name: "Page",
        target: number === null ? "operation on the selected page" : `operation on page ${hex(page ?? 0n)}`,
        letter: "p",
        missing: page === null ? "No page is selected." : number === null ? `Page ${hex(page)} is no memory.` : null,
        find: (from, step) => (number === null ? null : open.ownership.nextOn(number, from, step)),
      },
      {
        name: "Match",
        target: "operation that passes the filter",
        letter: "n",
        missing: isFiltered ? null : "No filter is set.",
        find: (from, step) => nextMatch(matches, from, step),
      },
      {
        name: "Refused",
        target: "refused operation",
        letter: "r",
        missing: refused.count === 0 ? "No operation of this trace was refused." : null,
        find: (from, step) => nextMatch(refused, from, step),
      },
    ];
  }, [open, page, matches, refused, isFiltered]);
  const run = useMemo(
    () => (jump: Jump, step: Step) => {
      const to = jump.find(seeker.position, step);
      if (to !== null) seeker.goTo(to);
      say(to !== null ? "" : (jump.missing ?? `There is no ${step === 1 ? "later" : "earlier"} ${jump.target}.`));
    },
    [seeker],
  );
  useShortcuts(useMemo(() => jumps.flatMap((jump) => shortcutsOf(jump, run)), [jumps, run]));
  return (
    <div class="jumps" role="group" aria-label="Jump to an operation">
      {jumps.map((jump) => (
        <JumpButtons key={jump.name} jump={jump} run={run} />
      ))}
      <span class="timeline-note" role="status">
        {said}
      </span>
    </div>
  );
}

const labelOf = ({ target }: Jump, step: Step) => `${step === 1 ? "Next" : "Previous"} ${target}`;

function shortcutsOf(jump: Jump, run: (jump: Jump, step: Step) => void) {
  const { letter } = jump;
  return [
    { key: letter, says: labelOf(jump, 1), run: () => run(jump, 1) },
    { key: letter.toUpperCase(), says: labelOf(jump, -1), run: () => run(jump, -1) },
  ];
}

function JumpButtons({ jump, run }: { jump: Jump; run: (jump: Jump, step: Step) => void }) {
  const button = (step: Step) => (
    <button
      type="button"
      class="icon-button"
      aria-label={labelOf(jump, step)}
      title={jump.missing ?? labelOf(jump, step)}
      disabled={jump.missing !== null}
      onClick={() => run(jump, step)}
    >
      <Icon name={step === 1 ? "forward" : "back"} />
    </button>
  );
  return (
    <span class="jump">
      {button(-1)}
      <span class="jump-name">{jump.name}</span>
      {button(1)}
    </span>
  );
}
