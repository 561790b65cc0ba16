// Stands in the page for node:fs/promises (vite.config.ts).

export function readFile(): Promise<never> {
  return Promise.reject(new Error("a page reads no files by path"));
}
