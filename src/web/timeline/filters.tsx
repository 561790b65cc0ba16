// Which operations are listed: by verb, VM, page, and whether they were refused; all that is set must hold.

import { useMemo, useState } from "preact/hooks";
import { hex } from "../../machine/names.js";
import type { Ownership } from "../../timeline/ownership.js";
import { typedHex } from "../hex-field.js";
import { NO_FILTER, type Filter } from "../store.js";
import type { TimelineParts } from "./index.js";
import { vmsOf } from "./matches.js";
import { countWords, numberWords } from "./words.js";

interface FilterProps extends TimelineParts {
  readonly isSearching: boolean;
  /** How many operations of the trace were refused. */
  readonly refused: number;
}

export function Filters({ store, open, matches, isSearching, refused }: FilterProps) {
  const filter = store.filter.value;
  const set = (part: Partial<Filter>) => (store.filter.value = { ...filter, ...part });
  const vms = useMemo(() => vmsOf(open.trace.operations), [open]);
  const verbs = useMemo(() => [...open.trace.verbs].sort(), [open]);
  return (
    <form class="filters" aria-label="Filter operations" onSubmit={(event) => event.preventDefault()}>
      <Choice
        name="Verb"
        all="all verbs"
        value={filter.verb}
        options={withValue(verbs, filter.verb)}
        choose={(verb) => set({ verb })}
      />
      <Choice
        name="VM"
        all="all VMs"
        value={filter.vm === null ? null : hex(filter.vm)}
        options={withValue(vms, filter.vm).map(hex)}
        choose={(vm) => set({ vm: vm === null ? null : Number(vm) })}
      />
      <PageField
        page={filter.page}
        set={(page) => set({ page })}
        selected={store.page.value}
        ownership={open.ownership}
      />
      <label class="timeline-check">
        <input
          type="checkbox"
          checked={filter.refusedOnly}
          onChange={(event) => set({ refusedOnly: event.currentTarget.checked })}
        />
        <span>
          Refused only <span class="timeline-note">({numberWords(refused)})</span>
        </span>
      </label>
      <button type="button" disabled={isNoFilter(filter)} onClick={() => (store.filter.value = NO_FILTER)}>
        Show all
      </button>
      <span class="timeline-note" role="status">
        {isSearching ? "Searching…" : foundWords(matches.count, open.trace.operations.count)}
      </span>
    </form>
  );
}

const isNoFilter = ({ verb, vm, page, refusedOnly }: Filter) =>
  verb === null && vm === null && page === null && !refusedOnly;

const foundWords = (found: number, all: number) =>
  found === all ? countWords(all, "operation") : `${numberWords(found)} of ${countWords(all, "operation")}`;

/** A link may ask for what this trace does not have: it is shown all the same, and finds nothing. */
const withValue = <T,>(values: readonly T[], value: T | null): readonly T[] =>
  value === null || values.includes(value) ? values : [...values, value];

interface ChoiceProps {
  readonly name: string;
  /** What the choice of none is called. */
  readonly all: string;
  readonly value: string | null;
  readonly options: readonly string[];
  readonly choose: (value: string | null) => void;
}

function Choice({ name, all, value, options, choose }: ChoiceProps) {
  return (
    <label class="timeline-field">
      <span>{name}</span>
      <select
        value={value ?? ""}
        onChange={({ currentTarget }) => choose(currentTarget.value === "" ? null : currentTarget.value)}
      >
        <option value="">{all}</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

interface PageFieldProps {
  readonly page: bigint | null;
  readonly set: (page: bigint | null) => void;
  /** The page that is selected on the map. */
  readonly selected: bigint | null;
  readonly ownership: Ownership;
}

function PageField({ page, set, selected, ownership }: PageFieldProps) {
  /** What is typed while it is no page yet; null: the field shows the filter. */
  const [text, setText] = useState<string | null>(null);
  const problem = text === null ? null : pageProblem(text, ownership);
  const type = (typed: string) => {
    const isPage = pageProblem(typed, ownership) === null;
    setText(typed);
    if (typed.trim() === "") set(null);
    else if (isPage) set(typedHex(typed));
  };
  return (
    <span class="timeline-field">
      <label for="timeline-page">Page</label>
      <input
        id="timeline-page"
        class="hex"
        size={8}
        placeholder="any"
        autocomplete="off"
        spellcheck={false}
        title="Frame number in hexadecimal, as in 0x41000"
        value={text ?? (page === null ? "" : hex(page))}
        aria-invalid={problem !== null}
        aria-describedby="timeline-page-says"
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={() => setText(null)}
      />
      <button
        type="button"
        disabled={selected === null || selected === page}
        title={selected === null ? "No page is selected." : `Only operations on page ${hex(selected)}`}
        onClick={() => set(selected)}
      >
        Selected
      </button>
      <span id="timeline-page-says" class="timeline-wrong" role="status">
        {problem}
      </span>
    </span>
  );
}

/** Why no operation can be found by this text; null: it is a page, or empty. */
function pageProblem(text: string, ownership: Ownership): string | null {
  if (text.trim() === "") return null;
  const pfn = typedHex(text);
  if (pfn === null) return "Not a frame number in hexadecimal.";
  return ownership.pageOf(pfn) === null ? `Page ${hex(pfn)} is no memory.` : null;
}
