// The bundled scenarios as a list to choose from: by group, narrowed by words.

/** What is searched and shown of a scenario. */
export interface ListedScenario {
  readonly name: string;
  readonly title: string;
  readonly group: string;
}

export interface ScenarioGroup<Listed extends ListedScenario> {
  readonly name: string;
  readonly scenarios: readonly Listed[];
}

/** Those in which every word occurs, in name, title or group, without regard to case; in their order, by group. */
export function searchScenarios<Listed extends ListedScenario>(
  scenarios: readonly Listed[],
  words: string,
): readonly ScenarioGroup<Listed>[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Listed[]>();
  for (const scenario of scenarios) {
    const text = `${scenario.name} ${scenario.title} ${scenario.group}`.toLowerCase();
    if (!wanted.every((word) => text.includes(word))) continue;
    const group = groups.get(scenario.group) ?? [];
    groups.set(scenario.group, [...group, scenario]);
  }
  return [...groups].map(([name, found]) => ({ name, scenarios: found }));
}
