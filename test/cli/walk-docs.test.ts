// docs/walk.md is true: its commands print what it says they print, and its options are those of the help.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { freehold } from "./captured-terminal.js";

const DOCS = readFileSync("docs/walk.md", "utf8");
const { bin } = JSON.parse(readFileSync("package.json", "utf8")) as { bin: { freehold: string } };

const examples = [...DOCS.matchAll(/^```console\n\$ (.*)\n([^]*?)^```$/gm)].map(([, command = "", shown = ""]) => ({
  command,
  shown,
}));

test.each(examples)("$command", ({ command, shown }) => {
  const npx = `npx() { shift; "${process.execPath}" "${bin.freehold}" "$@"; }`;
  expect(spawnSync("bash", ["-c", `${npx}\n${command}\n`], { encoding: "utf8" }).stdout).toBe(shown);
});

test("every option of both commands, and no other", async () => {
  const names = (text: string) => new Set(text.match(/(?<![\w-])--[a-z][a-z0-9-]+/g));
  const helps = await Promise.all(["walk", "decode"].map(async (name) => (await freehold(name, "--help")).stdout));
  const options = names(helps.join("\n"));
  options.delete("--help");
  expect(names(DOCS)).toEqual(options);
});
