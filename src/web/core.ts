// The compiled core: fetched and compiled once, then handed to every worker.

import address from "../../dist/freehold.wasm?url";

let compiled: Promise<WebAssembly.Module> | undefined;

/** @throws Error if it cannot be loaded; the next call tries again */
export function compiledCore(): Promise<WebAssembly.Module> {
  compiled ??= compile().catch((error: unknown) => {
    compiled = undefined;
    throw new Error(
      `the simulator's core could not be loaded (${error instanceof Error ? error.message : String(error)})`,
    );
  });
  return compiled;
}

/** Compiles while it loads, where the server says that it is WebAssembly. Some static servers do not know. */
async function compile(): Promise<WebAssembly.Module> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  if (answer.headers.get("content-type")?.startsWith("application/wasm")) return WebAssembly.compileStreaming(answer);
  return WebAssembly.compile(await answer.arrayBuffer());
}
