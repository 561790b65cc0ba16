// The page in src/web: static files that run under any path of any server, and ask no other one for anything.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** What the page may load: its own files. Nothing that a trace or a link says can become a script. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The built page only: the development server puts scripts of its own into the page. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
    ],
  };
}

/**
 * A page cannot read the files that src/scenario/bundled/index.ts reads. It gets the module that the package has in that place,
 * which holds the scenarios ready (scripts/bundle-scenarios.js).
 */
function bundledScenarios(): Plugin {
  const made = path("dist/src/scenario/bundled/index.js");
  return {
    name: "bundled-scenarios",
    enforce: "pre",
    load(id) {
      if (!id.endsWith("/src/scenario/bundled/index.ts")) return null;
      if (!existsSync(made)) this.error("dist/ has no bundled scenarios: npm run build:js makes them");
      return { code: readFileSync(made, "utf8"), moduleType: "js" };
    },
  };
}

export default defineConfig({
  root: path("src/web"),
  base: "./",
  // Made by scripts/web-public.js.
  publicDir: path("dist/web-public"),
  // In node, the core is read from a file; a page hands it over (src/web/core.ts).
  resolve: { alias: { "node:fs/promises": path("src/web/no-files.ts") } },
  plugins: [contentSecurityPolicy(), bundledScenarios()],
  build: {
    outDir: path("dist/web"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The scenarios and their texts, for those who compare.
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      input: [path("src/web/index.html"), path("src/web/bench.html")],
      checks: { bundlerTimings: false },
    },
  },
  worker: { format: "es", plugins: () => [bundledScenarios()] },
  server: { fs: { allow: [path(".")] } },
});
