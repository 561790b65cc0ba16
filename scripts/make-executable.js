// A link to the command, as npx and `npm link` make one, runs only if the file it leads to may be executed; tsc writes a plain one.

import { chmodSync } from "node:fs";

chmodSync("dist/src/cli/main.js", 0o755);
