// A static server as small as one can be: what the page may count on when it is put anywhere.

import { createReadStream, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, resolve, sep } from "node:path";

export interface StaticServerOptions {
  /** Path under which the folder appears; begins and ends with a slash. */
  readonly under?: string;
  /** `plain`: knows no types but the ones without which no page runs, as the simplest servers do. */
  readonly types?: "all" | "plain";
  /** Says of `.gz` files that they are encoded, so that the browser unpacks them on the way. */
  readonly gzipIsEncoding?: boolean;
}

export interface StaticServer {
  /** Address of the folder, with a slash at the end. */
  readonly url: string;
  /** Paths that were asked for and do not exist. */
  readonly missing: readonly string[];
  close(): Promise<void>;
}

const PLAIN_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

const TYPES: Readonly<Record<string, string>> = {
  ...PLAIN_TYPES,
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".gz": "application/gzip",
  ".txt": "text/plain; charset=utf-8",
};

/** Serves `folder` on a free port of this computer. */
export async function startStaticServer(folder: string, options: StaticServerOptions = {}): Promise<StaticServer> {
  const { under = "/" } = options;
  const missing: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = fileOf(folder, under, pathname);
    if (file === null) {
      missing.push(pathname);
      response.writeHead(404).end();
    } else {
      send(file, options, response);
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${under}`,
    missing,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections(); // a browser keeps them open
      }),
  };
}

/** Null: there is no such file in the folder. */
function fileOf(folder: string, under: string, pathname: string): string | null {
  if (!pathname.startsWith(under)) return null;
  const path = decoded(pathname.slice(under.length));
  if (path === null) return null;
  const file = resolve(folder, path === "" || path.endsWith("/") ? `${path}index.html` : path);
  if (!file.startsWith(resolve(folder) + sep)) return null;
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? file : null;
}

function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

function send(file: string, { types, gzipIsEncoding }: StaticServerOptions, response: ServerResponse): void {
  const extension = extname(file);
  const type = (types === "plain" ? PLAIN_TYPES : TYPES)[extension] ?? "application/octet-stream";
  const encoded = gzipIsEncoding === true && extension === ".gz";
  response.writeHead(200, {
    "content-type": type,
    "content-length": statSync(file).size,
    "cache-control": "no-cache",
    ...(encoded ? { "content-encoding": "gzip" } : {}),
  });
  createReadStream(file).pipe(response);
}
