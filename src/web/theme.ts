// Light or dark: as the system is, unless somebody chose. The choice is kept in this browser.

import { computed, effect, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "freehold-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(system.matches);
system.addEventListener("change", ({ matches }) => (systemIsDark.value = matches));

export const theme = signal<Theme>(savedTheme());

/** For what CSS does not reach: a canvas. */
export const isDark = computed(() => (theme.value === "system" ? systemIsDark.value : theme.value === "dark"));

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  save(theme.value);
}

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

/** A browser may forbid a page to keep anything. */
function savedTheme(): Theme {
  try {
    const saved = localStorage.getItem(KEY);
    return THEMES.find((name) => name === saved) ?? "system";
  } catch {
    return "system";
  }
}

function save(name: Theme): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It holds for this visit.
  }
}
