// The command line: which commands there are, and what becomes of errors. Only the code of the command that was named is loaded.

import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { BUG, EXIT_CODES_HELP, FINE, USAGE } from "./exit-codes.js";
import { type Terminal, writeLine } from "./terminal.js";

type CommandFactory = (terminal: Terminal, finish: (exitCode: number) => void) => Command;

const COMMANDS: ReadonlyMap<string, () => Promise<CommandFactory>> = new Map([
  ["replay", async () => (await import("./replay.js")).replayCommand],
  ["explain", async () => (await import("./explain.js")).explainCommand],
  ["run", async () => (await import("./run.js")).runCommand],
  ["compare", async () => (await import("./compare.js")).compareCommand],
  ["walk", async () => (await import("./walk.js")).walkCommand],
  ["explore", async () => (await import("./explore.js")).exploreCommand],
  ["bugs", async () => (await import("./bugs.js")).bugsCommand],
  ["decode", async () => (await import("./decode.js")).decodeCommand],
]);

/**
 * Runs one command line.
 *
 * @param args without node and the script: `["replay", "trace.gz", "--json"]`
 * @returns the exit code
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = FINE;
  const factories = await Promise.all(neededFor(args).map((load) => load()));
  const commands = factories.map((create) => create(terminal, (code) => (exitCode = code)));
  const program = createProgram(commands, terminal);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? FINE : USAGE;
    reportBug(error, terminal);
    return BUG;
  }
}

/** The one command that was named, none for the version, all of them for help and for mistakes. */
function neededFor(args: readonly string[]): (() => Promise<CommandFactory>)[] {
  const [first = ""] = args;
  if (first === "--version") return [];
  const named = COMMANDS.get(first);
  return named === undefined ? [...COMMANDS.values()] : [named];
}

function createProgram(commands: readonly Command[], terminal: Terminal): Command {
  const program = new Command("freehold")
    .description("Replays memory-isolation traces of arm64 hypervisors exactly, and tells why a call was refused.")
    .version(packageVersion(), "--version", "print the version")
    .helpOption("-h, --help", "show this help");
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands]) {
    command
      .exitOverride()
      .showHelpAfterError("(--help shows what there is)")
      .addHelpText("after", EXIT_CODES_HELP)
      .configureOutput({
        writeOut: (text) => terminal.stdout.write(text),
        writeErr: (text) => terminal.stderr.write(text),
        getOutHelpWidth: () => terminal.stdout.columns ?? 100,
        getErrHelpWidth: () => terminal.stderr.columns ?? 100,
      });
  }
  return program;
}

/** The package refers to itself by name, so that this works from the sources and from dist/. */
function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("freehold/package.json") as { version: string };
  return version;
}

/** Everything that input or usage can cause is handled where it occurs; what arrives here is ours. */
function reportBug(error: unknown, terminal: Terminal): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeLine(
    terminal.stderr,
    "freehold: this is a bug in Freehold, please report it with the command, the input and these lines:",
  );
  writeLine(terminal.stderr, text);
}
