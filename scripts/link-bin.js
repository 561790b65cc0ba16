// After a build in a checkout, `npx freehold` runs that build. npm itself links a package's commands only where it is a dependency:
// in the package's own checkout npx would install it into its cache first, and build it a second time.

import { chmodSync, existsSync, rmSync, symlinkSync } from "node:fs";
import process from "node:process";

const command = "dist/src/cli/main.js";
const link = "node_modules/.bin/freehold";

chmodSync(command, 0o755);
if (existsSync("node_modules/.bin") && process.platform !== "win32") {
  rmSync(link, { force: true });
  symlinkSync(`../../${command}`, link);
}
