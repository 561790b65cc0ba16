#!/usr/bin/env node
// The `freehold` command.

import { REFUSED } from "./exit-codes.js";
import { run } from "./program.js";

let isLost = false;

// A reader of our output that goes away (`| head`) is no error: what was found still decides the exit code.
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || isLost) return;
  isLost = true;
  process.exitCode = REFUSED;
  process.stderr.write(`standard output: cannot be written (${code ?? "unknown error"})\n`);
});

const exitCode = await run(process.argv.slice(2), process);
if (!isLost) process.exitCode = exitCode;
