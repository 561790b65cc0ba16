// Which systems are compared.

import type { Store } from "../store.js";
import type { CompareState } from "./compare-state.js";

export function SystemsChoice({ store, state }: { store: Store; state: CompareState }) {
  const chosen = store.systems.value;
  const all = state.systems.value;
  const choose = (names: readonly string[]) => {
    // In the order of the matrix, in whatever order they were ticked.
    store.systems.value = all.map(({ name }) => name).filter((name) => names.includes(name));
  };
  return (
    <fieldset class="systems-choice">
      <legend class="spoken">Systems</legend>
      <div class="systems-list">
        {all.map(({ name, title }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={({ currentTarget }) =>
                choose(currentTarget.checked ? [...chosen, name] : chosen.filter((other) => other !== name))
              }
            />
            {title}
          </label>
        ))}
      </div>
      <button type="button" onClick={() => choose(all.map(({ name }) => name))}>
        All
      </button>{" "}
      <button type="button" onClick={() => choose([])}>
        None
      </button>
    </fieldset>
  );
}
