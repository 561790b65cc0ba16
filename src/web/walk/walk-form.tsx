// What is walked: which table, which address, which access.

import { useState } from "preact/hooks";
import { hex } from "../../machine/names.js";
import type { AccessKind } from "../../machine/translation.js";
import { typedHex } from "../hex-field.js";
import type { ShownWalk } from "../store.js";
import { inTable, tableChoices, type WalkAnswer } from "./walk-question.js";

const KINDS: readonly (readonly [AccessKind, string])[] = [
  ["read", "read"],
  ["write", "write"],
  ["fetch", "execute"],
  ["atomic", "atomic"],
];

interface WalkFormProps {
  readonly walk: ShownWalk;
  readonly answer: WalkAnswer | null;
  /** Nobody asked for an address: it is the one of the page that is looked at. */
  readonly follows: boolean;
  readonly pfn: bigint;
  /** Null: follow the page again. */
  readonly show: (walk: ShownWalk | null) => void;
}

export function WalkForm({ walk, answer, follows, pfn, show }: WalkFormProps) {
  const places = answer?.question.pfn === pfn ? answer.places : [];
  const tables = tableChoices(answer?.tables ?? [], walk.table);
  const tableOf = (name: string) => tables.find(({ table }) => String(table) === name)?.table ?? "host";
  return (
    <form class="walk-form" aria-label="What is walked" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Table</span>
        <select
          value={String(walk.table)}
          onChange={({ currentTarget }) => show(inTable(walk, tableOf(currentTarget.value), places))}
        >
          {tables.map(({ table, name }) => (
            <option key={String(table)} value={String(table)}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <IpaField ipa={walk.ipa} set={(ipa) => show({ ...walk, ipa })} />
      <label>
        <span>Access</span>
        <select
          value={walk.kind}
          onChange={({ currentTarget }) => show({ ...walk, kind: KINDS[currentTarget.selectedIndex]?.[0] ?? "read" })}
        >
          {KINDS.map(([kind, words]) => (
            <option key={kind} value={kind}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>From</span>
        <select
          value={String(walk.el)}
          onChange={({ currentTarget }) => show({ ...walk, el: currentTarget.value === "0" ? 0 : 1 })}
        >
          <option value="1">kernel (EL1)</option>
          <option value="0">user space (EL0)</option>
        </select>
      </label>
      <button type="button" disabled={follows} onClick={() => show(null)}>
        Follow the page
      </button>
      <Places walk={walk} places={places} pfn={pfn} show={show} />
    </form>
  );
}

function IpaField({ ipa, set }: { ipa: bigint; set: (ipa: bigint) => void }) {
  /** What is typed; null: the field shows the address. */
  const [text, setText] = useState<string | null>(null);
  const isWrong = text !== null && typedHex(text) === null;
  const type = (typed: string) => {
    const address = typedHex(typed);
    setText(typed);
    if (address !== null) set(address);
  };
  return (
    <label>
      <span>IPA</span>
      <input
        class="walk-ipa"
        size={14}
        autocomplete="off"
        spellcheck={false}
        value={text ?? hex(ipa)}
        aria-invalid={isWrong}
        aria-describedby="walk-ipa-says"
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={() => setText(null)}
      />
      <span id="walk-ipa-says" class="walk-wrong" role="status">
        {isWrong ? "Not an address in hexadecimal." : ""}
      </span>
    </label>
  );
}

interface PlacesProps extends Pick<WalkFormProps, "walk" | "pfn" | "show"> {
  readonly places: WalkAnswer["places"];
}

/** By which addresses the tables have the page: each is a walk to choose. */
function Places({ walk, places, pfn, show }: PlacesProps) {
  return (
    <p class="walk-places">
      <span>Page {hex(pfn)}:</span>
      {places.length === 0 ? <span class="walk-note">no table has an entry of it</span> : null}
      {places.map(({ table, name, ipa }) => (
        <button
          key={`${table} ${ipa}`}
          type="button"
          aria-pressed={walk.table === table && walk.ipa === ipa}
          onClick={() => show({ ...walk, table, ipa })}
        >
          {name}, <code>{hex(ipa)}</code>
        </button>
      ))}
    </p>
  );
}
