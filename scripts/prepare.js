// npm runs `prepare` after an install in a checkout, and that is when the package is built. It runs it again, silently, at the
// first `npx freehold` there (npx links the checkout into its cache): then the build that is there will do.

import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";

const isNpx = process.env["npm_command"] === "exec";
if (!isNpx || !existsSync("dist/src/cli/main.js") || !existsSync("dist/freehold.wasm")) {
  execSync("npm run --silent build", { stdio: "inherit" });
}
