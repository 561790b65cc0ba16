// README.md is true: its commands print what it says they print, its scripts run, its links lead somewhere.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { EXIT_CODES_HELP } from "../src/cli/exit-codes.js";
import type { PageState } from "../src/machine/effects.js";
import type { Machine } from "../src/machine/machine.js";
import { pageStateName } from "../src/machine/names.js";
import { replayFile } from "../src/trace/open.js";
import { freehold } from "./cli/captured-terminal.js";

const README = readFileSync("README.md", "utf8");

/** The text of the code blocks in one language. */
function blocks(language: string): string[] {
  return [...README.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map((m) => m[2] ?? "");
}

// --- Commands

interface Session {
  readonly command: string;
  /** What the README shows; the last line may be `...`. */
  readonly shown: string;
}

/** `$` begins a command, `>` goes on with it, everything else is output. */
function sessions(block: string): Session[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [first = "", ...rest] = text.split("\n");
      const more = rest.filter((line) => line.startsWith("> "));
      return {
        command: [first, ...more.map((line) => line.slice(2))].join("\n"),
        shown: rest.slice(more.length).join("\n"),
      };
    });
}

/** Runs a command of the README as a shell does, on the build in dist/. */
function run(command: string): string {
  const npx = `npx() { shift; "${process.execPath}" dist/cli/bundle/main.js "$@"; }`;
  return spawnSync("bash", ["-c", `${npx}\n${command}\n`], { encoding: "utf8" }).stdout;
}

test.each(blocks("console").flatMap(sessions))("$command", ({ command, shown }) => {
  const [expected = "", ellipsis] = shown.split(/^\.\.\.\n/m);
  const printed = run(command);
  expect(ellipsis === undefined ? printed : printed.slice(0, expected.length)).toBe(expected);
});

test("the README has every command and option of the help, and no other", async () => {
  const names = (text: string) => new Set(text.match(/(?<![\w-])--[a-z][a-z0-9-]+/g));
  const general = ["--help", "--version"];
  const helps = await Promise.all(
    ["replay", "explain", "walk", "decode", "run", "compare", "explore", "bugs"].map(
      async (name) => (await freehold(name, "--help")).stdout,
    ),
  );
  const options = names(helps.join("\n"));
  expect([...names(README)].filter((name) => !options.has(name))).toEqual([]);
  expect([...options].filter((name) => !general.includes(name) && !names(README).has(name))).toEqual([]);

  const { stdout } = await freehold("--help");
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[/gm)].map(([, name]) => name).filter((name) => name !== "help");
  const shown = [...README.matchAll(/^### `freehold ([a-z]+) /gm)].map(([, name]) => name);
  expect(shown).toEqual(commands);
});

test("the matrix is what the command prints", () => {
  const [, command = "", shown] = /^<!-- npx (freehold compare .+) -->\n\n(.*?)\n\n<!-- end -->$/ms.exec(README) ?? [];
  expect(shown).toBe(run(`npx ${command}`).trimEnd());
});

test("the README has every exit code of the help", () => {
  const told = [...EXIT_CODES_HELP.matchAll(/^ +(\d+) +(.+)$/gm)].map(([, code, meaning]) => [code, meaning]);
  const rows = [...README.matchAll(/^\| +(\d+) \| (.+?) *\|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(rows).toEqual(told);
});

test("the picture shows what the commands print", () => {
  const picture = execFileSync(process.execPath, ["scripts/picture.js", "-"], { encoding: "utf8" });
  expect(picture === readFileSync("docs/replay.svg", "utf8"), "npm run picture draws it anew").toBe(true);
});

// --- Scripts

const [changedHands = "", drivenDirectly = "", drivenInWorkers = ""] = blocks("js");

/** Runs a script as node does: the package is resolved by its name. */
function runScript(script: string, ...args: string[]): string[] {
  const options = ["--input-type=module", "-", ...args];
  return execFileSync(process.execPath, options, { encoding: "utf8", input: script }).trimEnd().split("\n");
}

/** Owners by address, for pages that are not the host's (reference pkvm-el2 section 1.5). */
function ownersOf(machine: Machine): Map<string, string> {
  const owner = ({ host, hyp }: PageState) =>
    pageStateName(hyp) === "OWNED"
      ? "EL2"
      : ["NOPAGE", "SHARED_BORROWED"].includes(pageStateName(host))
        ? "a guest"
        : "the host";
  const owners = new Map<string, string>();
  for (const run of machine.pages()) {
    if (owner(run) === "the host") continue;
    for (let pfn = run.pfn; pfn < run.pfn + run.pages; pfn++) {
      owners.set(`0x${(pfn << BigInt(machine.pageShift)).toString(16)}`, owner(run));
    }
  }
  return owners;
}

async function ownersAfter(trace: string, at?: number): Promise<Map<string, string>> {
  const { machine } = await replayFile(trace, at === undefined ? {} : { at });
  if (machine === null) throw new Error(`${trace} makes no machine`);
  return ownersOf(machine);
}

test.each([
  ["test/vectors/traces/boot-n1.hyp.txt.gz", [60, 3376]],
  ["test/vectors/traces/pvm-n1.hyp.txt.gz", [10074, 20000]],
  ["test/vectors/pkvm/02-protected-a.jsonl.gz", [72, 175, 176]],
])("the 15-line script follows every page of %s", async (trace, moments) => {
  expect(changedHands.trimEnd().split("\n")).toHaveLength(15);
  const printed = runScript(changedHands, trace);
  const { ops } = (await replayFile(trace)).summary;
  expect(printed.pop()).toBe(`${ops} of ${ops} results match`);

  const owners = await ownersAfter(trace, 0);
  const waiting = [...moments];
  for (const line of printed) {
    const [, operation = "", page = "", from = "", to = ""] =
      /^(\d+): page (0x[0-9a-f]+) goes from (.+) to (.+)$/.exec(line) ?? [];
    while ((waiting[0] ?? Infinity) <= Number(operation))
      expect(owners).toEqual(await ownersAfter(trace, waiting.shift()));
    expect([line, owners.get(page) ?? "the host"]).toEqual([line, from]);
    if (to === "the host") owners.delete(page);
    else owners.set(page, to);
  }
  expect(owners).toEqual(await ownersAfter(trace));
});

const texts = blocks("text");

test("the 15-line script prints what the README shows", () => {
  const [command = "", ...shown] = (texts[0] ?? "").trimEnd().split("\n");
  const printed = runScript(changedHands, command.split(" ").at(-1) ?? "");
  const gap = shown.indexOf("...");
  expect(printed.slice(0, gap)).toEqual(shown.slice(0, gap));
  expect(printed.slice(gap + 1 - shown.length)).toEqual(shown.slice(gap + 1));
});

test("the script that drives a machine prints what the README shows", () => {
  expect(runScript(drivenDirectly)).toEqual((texts[1] ?? "").trimEnd().split("\n"));
});

test("the script that drives two machines in workers prints what the README shows, and ends by itself", () => {
  expect(runScript(drivenInWorkers)).toEqual((texts[2] ?? "").trimEnd().split("\n"));
});

// --- Links

test.each(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/trace-format.md", "docs/hypervisor-events.md"])(
  "the links of %s lead somewhere",
  (document) => {
    const text = readFileSync(document, "utf8");
    const targets = [...text.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)|^\[[^\]]+\]: (\S+)$/gm)].map(
      (m) => m[1] ?? m[2] ?? "",
    );
    const files = targets.filter((target) => !/^https?:/.test(target)).map((target) => join(dirname(document), target));
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  },
);
