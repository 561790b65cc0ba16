// Builds the plain-C twin with the system's compiler and talks to it over a pipe: one command line, one answer line.

import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PhaseOutcome, RoundsOutcome, Runner } from "../definitions.js";

/** The sources stay where they are; this module runs from dist/bench/c. */
const sources = new URL("../../../bench/c/", import.meta.url);

function hasCompiler(): boolean {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export class CTwin implements Runner {
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #reader: Interface;
  readonly #answers: AsyncIterator<string>;

  private constructor(folder: string, program: string, args: readonly string[]) {
    this.#folder = folder;
    this.#child = spawn(program, args);
    this.#child.stderr.pipe(process.stderr);
    this.#reader = createInterface(this.#child.stdout);
    this.#answers = this.#reader[Symbol.asyncIterator]();
  }

  /**
   * Compiles and starts the twin; null without a C compiler.
   * @throws Error if there is a compiler and it fails
   */
  static start(source = "twin.c", ...args: string[]): CTwin | null {
    if (!hasCompiler()) return null;
    const folder = mkdtempSync(join(tmpdir(), "freehold-bench-"));
    const program = join(folder, "twin");
    execFileSync("cc", ["-O3", "-o", program, fileURLToPath(new URL(source, sources))], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    return new CTwin(folder, program, args);
  }

  async setup(id: string): Promise<void> {
    await this.#ask(`setup ${id}`);
  }

  async phase(index: number): Promise<PhaseOutcome> {
    const [refused, digest] = await this.#ask(`phase ${index}`);
    return { refused: Number(refused), digest: Number(digest) };
  }

  async rounds(count: number): Promise<RoundsOutcome> {
    const [nanoseconds, refused] = await this.#ask(`rounds ${count}`);
    return { nanoseconds: Number(nanoseconds), refused: Number(refused) };
  }

  /** Ends the process and removes what was built. */
  stop(): void {
    this.#child.stdin.end();
    this.#reader.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask(command: string): Promise<string[]> {
    this.#child.stdin.write(`${command}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`the C twin stopped at "${command}"`);
    return answer.value.split(" ");
  }
}
