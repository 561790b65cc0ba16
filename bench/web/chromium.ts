// Finds the browser in which the page is tested, measured and photographed: an installed Chrome, Chromium or Edge. Nothing is
// downloaded but Debian's package, and only by root.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix, win32 } from "node:path";

/** Names the browser to use, whatever else there is. */
export const BROWSER_VARIABLE = "FREEHOLD_BROWSER";

/**
 * Without the flags against background networking the browser looks up hosts of its maker at every start. Root has no sandbox to
 * offer it, and a test machine no GPU.
 */
export const CHROMIUM_FLAGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What of the computer decides where a browser is. */
export interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
}

export type Browser = { readonly path: string } | { readonly problem: string };

const here: Surroundings = { platform: process.platform, env: process.env, exists: existsSync };

/** The browser of this computer; installed where that may be done, else a sentence that says what to do. */
export function browser(): Browser {
  const found = findBrowser(here);
  if ("path" in found || here.env[BROWSER_VARIABLE] !== undefined || !isDebianRoot()) return found;
  console.error("There is no Chrome or Chromium here: installing Debian's package chromium ...");
  return installChromium() ?? findBrowser(here);
}

export function findBrowser({ platform, env, exists }: Surroundings): Browser {
  const chosen = env[BROWSER_VARIABLE];
  if (chosen !== undefined && chosen !== "") {
    return exists(chosen) ? { path: chosen } : { problem: `${BROWSER_VARIABLE} names ${chosen}, which is not there.` };
  }
  const path = [...onPath(platform, env), ...usualPlaces(platform, env)].find(exists);
  return path === undefined ? { problem: howToInstall(platform) } : { path };
}

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"];

function onPath(platform: NodeJS.Platform, env: Surroundings["env"]): string[] {
  const paths = platform === "win32" ? win32 : posix;
  const folders = (env["PATH"] ?? env["Path"] ?? "").split(paths.delimiter).filter((folder) => folder !== "");
  const names = platform === "win32" ? ["chrome.exe", "chromium.exe", "msedge.exe"] : NAMES;
  return names.flatMap((name) => folders.map((folder) => paths.join(folder, name)));
}

/** Where installers put it without a word on PATH. */
function usualPlaces(platform: NodeJS.Platform, env: Surroundings["env"]): string[] {
  if (platform === "win32") {
    const roots = [env["ProgramFiles"], env["ProgramFiles(x86)"], env["LocalAppData"]];
    const programs = ["Google\\Chrome\\Application\\chrome.exe", "Chromium\\Application\\chrome.exe"];
    programs.push("Microsoft\\Edge\\Application\\msedge.exe");
    return programs.flatMap((program) =>
      roots.filter((root) => root !== undefined).map((root) => win32.join(root, program)),
    );
  }
  if (platform === "darwin") {
    const folders = ["/Applications", ...(env["HOME"] === undefined ? [] : [posix.join(env["HOME"], "Applications")])];
    return ["Google Chrome", "Chromium", "Microsoft Edge"].flatMap((name) =>
      folders.map((folder) => posix.join(folder, `${name}.app/Contents/MacOS/${name}`)),
    );
  }
  return ["/usr/bin/chromium", "/usr/bin/google-chrome", "/opt/google/chrome/chrome", "/snap/bin/chromium"];
}

function howToInstall(platform: NodeJS.Platform): string {
  const how =
    platform === "linux"
      ? "install Chromium (Debian: sudo apt-get install chromium)"
      : "install Google Chrome, Chromium or Microsoft Edge";
  return `The tests of the page need a browser and found none: ${how}, or set ${BROWSER_VARIABLE} to one's path.`;
}

// --- Installing

/** On Ubuntu the package of this name wants the snap service, which a container does not run. */
function isDebianRoot(): boolean {
  return (
    process.getuid?.() === 0 &&
    existsSync("/etc/os-release") &&
    /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"))
  );
}

/** Null: it is installed. */
function installChromium(): Browser | null {
  const steps = [["update"], ["install", "-y", "--no-install-recommends", "chromium"]];
  for (const args of steps) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const { status, stderr } = spawnSync("apt-get", ["-qq", ...args], { encoding: "utf8", env });
    if (status === 0) continue;
    const reason = stderr.trim().split("\n").at(-1) ?? "";
    return { problem: `${howToInstall("linux")} (apt-get ${args.join(" ")} failed: ${reason})` };
  }
  return null;
}
