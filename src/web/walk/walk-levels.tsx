// The way through the tables: at each level the entry that was read, its bits, and its fields in words.

import { useMemo, useState } from "preact/hooks";
import { hex } from "../../machine/names.js";
import type { WalkLevel } from "../../timeline/timeline.js";
import { bitRows } from "./descriptor-bits.js";

export function WalkLevels({ levels, faults }: { levels: readonly WalkLevel[]; faults: boolean }) {
  if (levels.length === 0) return <p class="walk-note">No table is read: the address is refused before.</p>;
  return (
    <ol class="walk-levels">
      {levels.map((level, i) => (
        <Level key={level.level} level={level} isLast={i === levels.length - 1} faults={faults} />
      ))}
    </ol>
  );
}

/** A table that leads on is told in a line; the entry that ends the walk is taken apart. */
function Level({ level, isLast, faults }: { level: WalkLevel; isLast: boolean; faults: boolean }) {
  const { fields } = level;
  return (
    <li class={isLast && faults ? "walk-level faults" : "walk-level"}>
      {fields.length === 0 ? (
        <Entry level={level} />
      ) : (
        <details open={isLast}>
          <summary>
            <Entry level={level} />
          </summary>
          <Fields level={level} />
        </details>
      )}
    </li>
  );
}

function Entry({ level: { level, index, entry, descriptor, words } }: { level: WalkLevel }) {
  return (
    <>
      <strong>Level {level}</strong>{" "}
      <span class="walk-note">
        {index}, entry at {hex(entry)}
      </span>
      <span class="walk-entry">
        <code>{`0x${descriptor.toString(16).padStart(16, "0")}`}</code> {words}
      </span>
    </>
  );
}

function Fields({ level: { descriptor, fields } }: { level: WalkLevel }) {
  /** The field under the pointer, in the bits or in the table. */
  const [lit, setLit] = useState<string | null>(null);
  const rows = useMemo(() => bitRows(descriptor, fields), [descriptor, fields]);
  return (
    <div onPointerLeave={() => setLit(null)}>
      <div class="walk-bits" aria-hidden="true">
        {rows.map((runs, i) => (
          <div key={i}>
            {runs.map(({ msb, lsb, digits, field }) => (
              <span
                key={msb}
                class={field === null ? "none" : field === lit ? "lit" : ""}
                title={`${field ?? "not used"} [${msb === lsb ? msb : `${msb}:${lsb}`}]`}
                onPointerEnter={() => setLit(field)}
              >
                {digits}
              </span>
            ))}
          </div>
        ))}
      </div>
      <table class="walk-fields">
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Bits</th>
            <th scope="col">Value</th>
            <th scope="col">Meaning</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(({ name, bits, value, words }) => (
            <tr key={name} class={name === lit ? "lit" : ""} onPointerEnter={() => setLit(name)}>
              <th scope="row">{name}</th>
              <td>{bits}</td>
              <td>{value}</td>
              <td>{words}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
