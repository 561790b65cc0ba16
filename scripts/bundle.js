// The command as few files: node takes longer to find and load the modules of a small program than to run it. What the package
// exports stays as it is; the bundle lies as deep as src/cli/ does, so that it finds the core and package.json by the same paths.
// Its workers are started from node-worker.js beside it, as those of the package are from the file of that name.

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "rolldown";
import "./bundle-scenarios.js"; // before the bundle, which holds them too

await build({
  input: { main: "dist/src/cli/main.js", "node-worker": "dist/src/workers/node-worker.js" },
  platform: "node",
  output: {
    dir: "dist/cli/bundle",
    format: "esm",
    minify: true,
    cleanDir: true,
    comments: { legal: true, annotation: false, jsdoc: false },
  },
});

// npx and `npm link` lead to the file itself, which runs only if it may be executed.
chmodSync("dist/cli/bundle/main.js", 0o755);

// Their licenses ask that the notice goes wherever the code goes.
const notices = ["comlink", "commander", "yaml", "zod", "@noble/hashes"].map((name) => {
  return `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8")}`;
});
writeFileSync("dist/cli/bundle/LICENSES.txt", notices.join("\n\n"));
