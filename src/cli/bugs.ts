// `freehold bugs`: the catalogue of known bugs, and which search finds each.

import { Command } from "commander";
import { BUGS, hasSearch, isUnmended, type Bug, type BugClass, type FoundBug } from "../explore/bugs/index.js";
import { suggestion } from "../trace/spelling.js";
import { FINE } from "./exit-codes.js";
import { coloured, table, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface BugsCommandOptions {
  readonly class?: BugClass;
  readonly json?: boolean;
}

/** What the letters of the classes stand for. */
const CLASSES: Readonly<Record<BugClass, string>> = {
  S: "a sequence of calls shows it",
  "S*": "a sequence of calls shows the same mistake",
  I: "two CPUs show it",
  T: "a TLB shows it",
  D: "a device shows it",
  X: "beyond this simulator",
};

export function bugsCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command = new Command("bugs");
  return command
    .description("List the known bugs of isolation code that freehold explore can be given, and how it finds each.")
    .argument("[name...]", "only these, with all that is known of them")
    .option("--class <class>", `only bugs of this class: ${Object.keys(CLASSES).join(", ")}`, bugClass(command))
    .option("--json", "JSON Lines on standard output: an object for each bug")
    .action((names: string[], options: BugsCommandOptions) => {
      const unknown = names.find((name) => !BUGS.some((bug) => bug.name === name));
      if (unknown !== undefined) {
        const known = BUGS.map(({ name }) => name);
        command.error(`error: unknown bug "${unknown}"${suggestion(unknown, known)}`);
      }
      finish(bugs(names, options, terminal));
    });
}

function bugClass(command: Command): (text: string) => BugClass {
  const isClass = (text: string): text is BugClass => Object.hasOwn(CLASSES, text);
  return (text) =>
    isClass(text) ? text : command.error(`error: unknown class "${text}": ${Object.keys(CLASSES).join(", ")}`);
}

/** Prints the bugs with these names, all without names. */
export function bugs(names: readonly string[], options: BugsCommandOptions, terminal: Terminal): number {
  const { stdout } = terminal;
  const asked = BUGS.filter((bug) => names.length === 0 || names.includes(bug.name));
  const shown = asked.filter(({ classes }) => options.class === undefined || classes.includes(options.class));
  if (options.json === true) for (const bug of shown) writeJson(stdout, jsonOf(bug));
  else if (names.length > 0) for (const bug of shown) printBug(bug, terminal);
  else printTable(shown, terminal);
  return FINE;
}

/** The rule that the search sees broken. */
function foundBy(bug: Bug): string {
  return hasSearch(bug) ? (bug.search.rule ?? bug.search.kind) : "not searched";
}

function printTable(bugs: readonly Bug[], { stdout }: Terminal): void {
  const rows = bugs.map((bug) => [bug.name, bug.classes.join(" "), foundBy(bug), bug.breaks, bug.source]);
  const [head = "", ...lines] = table([["NAME", "CLASS", "FOUND BY", "BREAKS", "SOURCE"], ...rows]);
  writeLine(stdout, coloured("bold", head, stdout));
  for (const line of lines) writeLine(stdout, line);
  const searched = bugs.filter(hasSearch).length;
  writeLine(stdout, "");
  writeLine(
    stdout,
    `${bugs.length} bugs, ${searched} found by a search: freehold explore --bug NAME; why not the others: freehold bugs NAME`,
  );
}

/** Sections are those of the reference page about bugs, or name another page. */
function sectionOf({ section }: Bug): string {
  const [page = "", ofPage] = section.split(".md ");
  return ofPage === undefined ? `reference bugs, section ${section}` : `reference ${page}, section ${ofPage}`;
}

function printBug(bug: Bug, { stdout }: Terminal): void {
  const facts = [
    ["mistake", bug.mistake],
    ["breaks", bug.breaks],
    ["source", `${bug.source} (${sectionOf(bug)})`],
    ["class", bug.classes.map((name) => `${name}: ${CLASSES[name]}`).join("; ")],
    hasSearch(bug)
      ? ["found by", `freehold explore --bug ${bug.name}: the rule "${foundBy(bug)}"${unmendedText(bug)}`]
      : ["why not", bug.whyNot],
  ];
  writeLine(stdout, coloured("bold", bug.name, stdout));
  for (const line of table(facts.map(([name = "", text = ""]) => [`  ${name}`, text]))) writeLine(stdout, line);
  writeLine(stdout, "");
}

function unmendedText(bug: FoundBug): string {
  return isUnmended(bug) ? "; nothing is switched on, as the code of this version does it" : "";
}

/** For programs; docs/explore.md describes the fields. */
function jsonOf(bug: Bug): object {
  const { name, section, classes, source, mistake, breaks } = bug;
  const search = hasSearch(bug)
    ? {
        kind: bug.search.kind,
        rule: bug.search.rule ?? null,
        cpus: bug.search.cpus ?? 1,
        command: `freehold explore --bug ${name}`,
        unmended: isUnmended(bug),
      }
    : null;
  return { name, section, classes, source, mistake, breaks, search, whyNot: hasSearch(bug) ? null : bug.whyNot };
}
