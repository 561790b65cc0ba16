// Which scenario is compared: a bundled one, found by words, or the editor's.

import { useSignal } from "@preact/signals";
import type { Store } from "../store.js";
import { type CompareState, FIRST_SCENARIO } from "./compare-state.js";
import { searchScenarios } from "./scenario-list.js";

/** The value of the editor's entry; no scenario can have this name. */
const EDITED = "*";

export function ScenarioChoice({ store, state }: { store: Store; state: CompareState }) {
  const words = useSignal("");
  const edited = state.edited.value;
  const isEdited = edited !== null && state.compared.value === edited;
  const groups = searchScenarios(state.bundled.value ?? [], words.value);
  const found = groups.reduce((sum, { scenarios }) => sum + scenarios.length, 0);
  const choose = (name: string) => {
    state.prefersEdited.value = name === EDITED;
    store.scenario.value = name === EDITED ? (edited?.name ?? null) : name;
  };
  return (
    <fieldset class="scenario-choice">
      <legend class="spoken">Scenario</legend>
      <label>
        Find{" "}
        <input
          type="search"
          autocomplete="off"
          placeholder="name, title or group"
          value={words.value}
          onInput={({ currentTarget }) => (words.value = currentTarget.value)}
        />
      </label>
      <span class="muted" role="status">
        {found === 0 ? "no scenario has these words" : `${found} of ${state.bundled.value?.length ?? 0}`}
      </span>
      <select
        size={9}
        aria-label="Scenario"
        value={isEdited ? EDITED : (store.scenario.value ?? FIRST_SCENARIO)}
        onChange={({ currentTarget }) => choose(currentTarget.value)}
      >
        {edited !== null && (
          <optgroup label="From the editor">
            <option value={EDITED}>{edited.title}</option>
          </optgroup>
        )}
        {groups.map(({ name, scenarios }) => (
          <optgroup key={name} label={name}>
            {scenarios.map((scenario) => (
              <option key={scenario.name} value={scenario.name} title={scenario.name}>
                {scenario.title}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </fieldset>
  );
}
