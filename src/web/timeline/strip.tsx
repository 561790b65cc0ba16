// The whole trace in one line, which is also the slider that goes through it.

import { useMemo, useRef } from "preact/hooks";
import { largeStep, positionAt, positionOfKey, xOf } from "./position.js";
import { StripPicture } from "./strip-picture.js";
import { useSize } from "./use-size.js";
import { positionWords } from "./words.js";
import type { TimelineParts } from "./index.js";

export function Strip({ store, open, seeker, matches }: TimelineParts) {
  const strip = useRef<HTMLDivElement>(null);
  const { width } = useSize(strip);
  const { count } = open.trace.operations;
  // The picture stays while the position moves.
  const picture = useMemo(
    () => <StripPicture trace={open.trace} matches={matches} width={width} />,
    [open, matches, width],
  );
  const scrub = (event: PointerEvent) => {
    const element = strip.current;
    if (element === null) return;
    const x = event.clientX - element.getBoundingClientRect().left - element.clientLeft;
    seeker.goTo(positionAt(x, width, count));
  };
  const position = store.operation.value;
  return (
    <div
      ref={strip}
      class="strip"
      role="slider"
      tabIndex={0}
      aria-label="Operation"
      aria-orientation="horizontal"
      aria-valuemin={-1}
      aria-valuemax={count - 1}
      aria-valuenow={position}
      aria-valuetext={positionWords(open, position)}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        scrub(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) scrub(event);
      }}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const to = positionOfKey(event.key, seeker.position, count, largeStep(count));
        if (to === null) return;
        event.preventDefault();
        seeker.goTo(to);
      }}
    >
      {picture}
      <div class="strip-cursor" style={{ transform: `translateX(${xOf(position, width, count).toFixed(1)}px)` }} />
    </div>
  );
}
