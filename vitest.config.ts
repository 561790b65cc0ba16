import { defineConfig } from "vitest/config";

const BROWSER_TESTS = "test/**/*.browser.test.ts";
const RECORDINGS = ["test/trace/**/*.test.ts", "test/timeline/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: [BROWSER_TESTS, ...RECORDINGS],
          // All processors: by itself, vitest leaves one free.
          maxWorkers: "100%",
          // One process for many files: starting one for each took a fifth of the time. No test file changes what another one imports.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // A process for each: they replay for long, and what other files left behind in a process slowed them down by a half.
        extends: true,
        test: {
          name: "recordings",
          include: RECORDINGS,
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
        },
      },
      {
        // One browser for all, when all else is done: it needs the processors for itself. Two files at once, as a visitor waits for a
        // page half of the time; more would only slow each other down.
        extends: true,
        test: {
          name: "browser",
          include: [BROWSER_TESTS],
          globalSetup: "test/web/one-browser.ts",
          // As browsers are tested elsewhere: what happens in one depends on how busy the computer is.
          retry: 2,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
