// Spin on the same protocol: ownership.pml made into a verifier by spin and gcc, run as a process.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SpecificationConfig } from "../../src/explore/specification.js";

/** The model stays where it is; this module runs there in tests, and from dist/bench/spin. */
const places = ["./ownership.pml", "../../../bench/spin/ownership.pml"];
const model = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path))!;

export interface SpinRun {
  readonly states: number;
  readonly transitions: number;
  /** Processor time, user and system. */
  readonly seconds: number;
}

export class SpinVerifier {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static isThere(): boolean {
    return runs("spin", "-V") && runs("gcc", "--version");
  }

  /**
   * Builds the verifier; null without spin or gcc.
   * @throws Error if both are there and one fails
   */
  static build(config: SpecificationConfig & { readonly abandons?: boolean }): SpinVerifier | null {
    if (!SpinVerifier.isThere()) return null;
    const folder = mkdtempSync(join(tmpdir(), "freehold-spin-"));
    const build = (program: string, ...args: string[]) =>
      execFileSync(program, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    build("spin", "-a", ...definitionsOf(config), model);
    build("gcc", "-O2", "-DBFS", "-DSAFETY", "-DNOREDUCE", "-w", "-o", "pan", "pan.c");
    return new SpinVerifier(folder);
  }

  /** Breadth-first over all states. Its table is made for 2 ** `tableBits` of them, so that it does not have to grow. */
  run(tableBits: number): SpinRun {
    // The shell's `times` prints what its children used, in its last line.
    const { stdout } = spawnSync("sh", ["-c", `./pan -w${tableBits}; times`], { cwd: this.#folder, encoding: "utf8" });
    const states = /(\d+) states, stored/.exec(stdout)?.[1];
    const transitions = /(\d+) transitions/.exec(stdout)?.[1];
    const seconds = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(stdout);
    if (states === undefined || transitions === undefined || seconds === null) {
      throw new Error(`Spin's verifier did not report what it saw:\n${stdout}`);
    }
    const [userMinutes, user, systemMinutes, system] = seconds.slice(1).map(Number) as [number, number, number, number];
    return {
      states: Number(states),
      // Spin counts the way into the initial state as one.
      transitions: Number(transitions) - 1,
      seconds: 60 * (userMinutes + systemMinutes) + user + system,
    };
  }

  /** Removes what was built. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function runs(program: string, option: string): boolean {
  return spawnSync(program, [option], { stdio: "ignore" }).status === 0;
}

function definitionsOf(config: SpecificationConfig & { readonly abandons?: boolean }): string[] {
  const values = {
    PAGES: config.pages,
    GUESTS: config.guests.length,
    GFNS: config.gfns,
    PROTECTED: config.guests.reduce((mask, isProtected, guest) => mask | (Number(isProtected) << guest), 0),
    PINS: config.pins,
    SHARES: config.shares,
    ABANDONS: Number(config.abandons ?? false),
  };
  return Object.entries(values).map(([name, value]) => `-D${name}=${value}`);
}
