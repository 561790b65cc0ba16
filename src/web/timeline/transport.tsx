// Step, play and go to: the buttons and fields that move through the trace.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useShortcuts } from "../shortcuts.js";
import { Icon, type IconName } from "./icon.js";
import type { TimelineParts } from "./index.js";
import { DEFAULT_SPEED, Player, SPEEDS } from "./player.js";
import { typedPosition } from "./position.js";
import type { Seeker } from "./seeker.js";
import { numberWords } from "./words.js";

export function Transport({ store, open, seeker }: TimelineParts) {
  const { count } = open.trace.operations;
  const [speed, setSpeed] = useState<number>(DEFAULT_SPEED);
  const { isPlaying, toggle } = usePlaying(seeker, count, speed);
  useShortcuts(
    useMemo(
      () => [
        { key: ",", says: "One operation back", run: () => seeker.goTo(seeker.position - 1) },
        { key: ".", says: "One operation forward", run: () => seeker.goTo(seeker.position + 1) },
        { key: "k", says: "Play or pause", run: toggle },
      ],
      [seeker, toggle],
    ),
  );
  const position = store.operation.value;
  const [isFirst, isLast] = [position < 0, position >= count - 1];
  return (
    <div class="transport" role="group" aria-label="Move through the trace">
      <IconButton icon="first" says="Before the first operation" disabled={isFirst} run={() => seeker.goTo(-1)} />
      <IconButton icon="back" says="One operation back" disabled={isFirst} run={() => seeker.goTo(position - 1)} />
      <IconButton
        icon={isPlaying ? "pause" : "play"}
        says={isPlaying ? "Pause" : "Play"}
        disabled={false}
        run={toggle}
      />
      <IconButton icon="forward" says="One operation forward" disabled={isLast} run={() => seeker.goTo(position + 1)} />
      <IconButton icon="last" says="Last operation" disabled={isLast} run={() => seeker.goTo(count - 1)} />
      <select
        aria-label="Speed, in operations a second"
        title="Speed"
        value={String(speed)}
        onChange={(event) => setSpeed(Number(event.currentTarget.value))}
      >
        {SPEEDS.map((each) => (
          <option key={each} value={String(each)}>
            {speedWords(each)}
          </option>
        ))}
      </select>
      <GoTo seeker={seeker} count={count} position={position} />
    </div>
  );
}

/** `100/s`, `10k/s`. */
const speedWords = (speed: number) => `${speed < 1000 ? speed : `${speed / 1000}k`}/s`;

function IconButton(props: { icon: IconName; says: string; disabled: boolean; run: () => void }) {
  const { icon, says, disabled, run } = props;
  return (
    <button type="button" class="icon-button" aria-label={says} title={says} disabled={disabled} onClick={run}>
      <Icon name={icon} />
    </button>
  );
}

/** Goes forward with every frame while it plays; from the end it starts again. */
function usePlaying(seeker: Seeker, count: number, speed: number) {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    const player = new Player(speed);
    let frame = 0;
    const play = (now: number) => {
      const steps = player.advance(now);
      if (steps > 0) seeker.goTo(seeker.position + steps);
      if (seeker.position >= count - 1) setPlaying(false);
      else frame = requestAnimationFrame(play);
    };
    frame = requestAnimationFrame(play);
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, seeker, count, speed]);
  const toggle = useMemo(
    () => () => {
      setPlaying((was) => !was);
      if (seeker.position >= count - 1) seeker.goTo(-1);
    },
    [seeker, count],
  );
  return { isPlaying, toggle };
}

function GoTo({ seeker, count, position }: { seeker: Seeker; count: number; position: number }) {
  const field = useRef<HTMLInputElement>(null);
  /** Null: nobody types; the field shows where one is. */
  const [text, setText] = useState<string | null>(null);
  const number = text === null ? position : typedPosition(text, count);
  const isWrong = number === null && text !== "";
  useShortcuts(
    useMemo(() => [{ key: "g", says: "Go to an operation by its number", run: () => field.current?.select() }], []),
  );
  const go = () => {
    if (number !== null && text !== null) seeker.goTo(number);
    if (number !== null) setText(null);
  };
  return (
    <form
      class="timeline-field"
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      <label for="timeline-go-to">No.</label>
      <input
        ref={field}
        id="timeline-go-to"
        inputMode="numeric"
        autocomplete="off"
        size={Math.max(6, numberWords(count).length)}
        value={text ?? (position < 0 ? "" : numberWords(position))}
        aria-label="Go to operation number"
        title="Go to an operation: type its number and press Enter"
        placeholder={position < 0 ? "start" : ""}
        aria-invalid={isWrong}
        aria-describedby="timeline-go-to-says"
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={() => setText(null)}
      />
      <span id="timeline-go-to-says" class="timeline-wrong" role="status">
        {isWrong ? `0 to ${numberWords(count - 1)}` : ""}
      </span>
    </form>
  );
}
