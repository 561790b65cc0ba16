// npm runs `prepare` after an install in a checkout and before it packs: that is when all is built, from nothing, so that no file
// of an earlier build gets into the package. It runs it again, silently, at the first `npx freehold` in a checkout (npx links the
// checkout into its cache): then the build that is there will do.

import { execSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import process from "node:process";

const isNpx = process.env["npm_command"] === "exec";
const isBuilt = existsSync("dist/cli/bundle/main.js") && existsSync("dist/freehold.wasm");

if (!isNpx || !isBuilt) {
  rmSync("dist", { recursive: true, force: true });
  execSync("npm run --silent build", { stdio: "inherit" });
}
