import { expect, test } from "vitest";
import { barText, progressBar } from "../../src/cli/progress.js";
import { CapturedStream } from "./captured-terminal.js";

/** A bar whose clock stands at the given milliseconds, one for each call. */
function drawAt(isTTY: boolean, times: number[]): string {
  const stderr = new CapturedStream(isTTY);
  let clock = 0;
  const bar = progressBar("trace", { stdout: new CapturedStream(), stderr }, () => clock);
  for (const time of times) {
    clock = time;
    bar.update(time * 1e6, 4e9);
  }
  bar.clear();
  return stderr.text;
}

test("nothing is drawn unless standard error is a terminal", () => {
  expect(drawAt(false, [500, 1500, 3000])).toBe("");
});

test("nothing is drawn in the first second", () => {
  expect(drawAt(true, [10, 500, 999])).toBe("");
});

test("drawn at most ten times a second, and removed at the end", () => {
  const text = drawAt(true, [1000, 1050, 1100]);
  expect(text.split("\r\x1b[K")).toHaveLength(4);
  expect(text.endsWith("\r\x1b[K")).toBe(true);
});

test.each([
  [1e9, 4e9, 2, 100, "t [########......................]  25 %  500 MB/s  6 s left"],
  [4e9, 4e9, 8, 100, "t [##############################] 100 %  500 MB/s  0 s left"],
  [1e9, null, 2, 100, "t  1000 MB  500 MB/s"],
  [1e9, 4e9, 2, 12, "t [########"],
])("%d of %s bytes in %d s, %d columns", (read, size, seconds, columns, text) => {
  expect(barText("t", read, size, seconds, columns)).toBe(text);
});
