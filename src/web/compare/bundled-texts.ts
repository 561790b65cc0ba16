/// <reference types="vite/client" />

// The bundled scenarios as their files have them, for the editor: loaded when somebody edits one.

const FILES = import.meta.glob<string>("../../scenario/bundled/**/*.yaml", {
  query: "?raw",
  import: "default",
  eager: true,
});

const texts = new Map(Object.entries(FILES).map(([path, text]) => [nameOf(path), text]));

/** A file is named as its scenario. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.yaml$/, "");
}

/** The text of a bundled scenario; null if there is none of that name. */
export function bundledText(name: string): string | null {
  return texts.get(name) ?? null;
}
