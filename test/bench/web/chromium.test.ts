// How the browser for the tests of the page is found.

import { expect, test } from "vitest";
import { findBrowser, type Surroundings } from "../../../bench/web/chromium.js";

const CHROME_X86 = "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe";
const CHROME_APP = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
const EDGE = "C:\\Program Files\\Microsoft\\Edge\\Application\\msedge.exe";

// prettier-ignore
test.each<[NodeJS.Platform, Surroundings["env"], string[], string]>([
  // platform  environment                                  what is there                              found
  ["linux",  { PATH: "/bin:/opt/bin" },                     ["/opt/bin/chrome"],                       "/opt/bin/chrome"],
  ["linux",  { PATH: "/bin:/opt/bin" },                     ["/bin/google-chrome", "/opt/bin/chromium"], "/opt/bin/chromium"],
  ["linux",  {},                                            ["/usr/bin/chromium"],                     "/usr/bin/chromium"],
  ["linux",  { FREEHOLD_BROWSER: "/x", PATH: "/bin" },      ["/x", "/bin/chromium"],                   "/x"],
  ["linux",  { FREEHOLD_BROWSER: "", PATH: "/bin" },        ["/bin/chromium"],                         "/bin/chromium"],
  ["darwin", { PATH: "/bin", HOME: "/Users/me" },           [CHROME_APP],                              CHROME_APP],
  ["darwin", { HOME: "/Users/me" },                         [`/Users/me${CHROME_APP}`],                `/Users/me${CHROME_APP}`],
  ["win32",  { "ProgramFiles(x86)": "C:\\Program Files (x86)" }, [CHROME_X86],                         CHROME_X86],
  ["win32",  { Path: "C:\\a;D:\\b" },                       ["D:\\b\\chrome.exe"],                     "D:\\b\\chrome.exe"],
  ["win32",  { ProgramFiles: "C:\\Program Files" },         [EDGE],                                    EDGE],
])("%s, %j, %j: %s", (platform, env, files, path) => {
  expect(findBrowser({ platform, env, exists: (file) => files.includes(file) })).toEqual({ path });
});

// prettier-ignore
test.each<[NodeJS.Platform, Surroundings["env"], RegExp]>([
  ["linux",  { PATH: "/bin" },                           /found none: install Chromium \(Debian: .+\), or set FREEHOLD_BROWSER/],
  ["darwin", {},                                         /found none: install Google Chrome, .+, or set FREEHOLD_BROWSER/],
  ["linux",  { PATH: "/bin", FREEHOLD_BROWSER: "/gone" }, /^FREEHOLD_BROWSER names \/gone, which is not there\.$/],
])("%s, %j, no browser: one sentence", (platform, env, sentence) => {
  const found = findBrowser({ platform, env, exists: () => false });
  expect("problem" in found && found.problem).toMatch(sentence);
});
