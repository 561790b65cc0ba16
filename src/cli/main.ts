#!/usr/bin/env node
// The `freehold` command.

import { BUG } from "./exit-codes.js";
import { run } from "./program.js";

// A reader of our output that goes away (`| head`) is no error: what was found still decides the exit code.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.exitCode = BUG;
});

process.exitCode = await run(process.argv.slice(2), process);
