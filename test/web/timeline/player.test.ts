import { expect, test } from "vitest";
import { Player } from "../../../src/web/timeline/player.js";

/** Operations played in each of these frames. */
const play = (speed: number, ...frames: number[]) => {
  const player = new Player(speed);
  return frames.map((now) => player.advance(now));
};

// prettier-ignore
test.each<[string, number, number[], number[]]>([
  // operations a second          frames (ms)             operations
  ["slower than frames",     20,  [0, 20, 40, 60, 110],   [0, 0, 0, 1, 1]],
  ["faster than frames",   1000,  [0, 16, 32, 48],        [0, 16, 16, 16]],
  ["no part is lost",       150,  [0, 10, 20, 30, 40],    [0, 1, 2, 1, 2]],
  ["after a long pause",   1000,  [0, 60_000, 60_010],    [0, 100, 10]],
  ["a clock that stands",  1000,  [5, 5, 4],              [0, 0, 0]],
])("%s", (_, speed, frames, operations) => {
  expect(play(speed, ...frames)).toEqual(operations);
});
