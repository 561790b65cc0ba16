import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LatestQuestion } from "../../src/web/latest.js";

const REST = 40;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A machine that answers when it is told to. */
function asking() {
  const asked: number[] = [];
  const said: string[] = [];
  let answer: (words: string) => void = () => {};
  let fail: (reason: unknown) => void = () => {};
  const questions = new LatestQuestion<number, string>(
    (question) => {
      asked.push(question);
      return new Promise((resolve, reject) => {
        answer = resolve;
        fail = reject;
      });
    },
    (words, question) => said.push(`${question}: ${words}`),
    (reason, question) => said.push(`${question} failed: ${String(reason)}`),
    REST,
  );
  const settled = () => vi.advanceTimersByTimeAsync(0);
  return {
    ...{ questions, asked, said },
    answer: (words: string) => (answer(words), settled()),
    fail: (reason: string) => (fail(reason), settled()),
    rest: (milliseconds = REST) => vi.advanceTimersByTimeAsync(milliseconds),
  };
}

test("of the questions that come up while one is on its way, only the last is asked", async () => {
  const { questions, asked, said, answer, rest } = asking();
  for (const question of [1, 2, 3, 4]) questions.ask(question);
  expect(asked).toEqual([1]);
  await answer("one");
  await rest(REST - 1);
  expect(asked).toEqual([1]);
  await rest(1);
  expect(asked).toEqual([1, 4]);
  await answer("four");
  expect(said).toEqual(["1: one", "4: four"]);
});

test("a question after a rest is asked at once", async () => {
  const { questions, asked, answer, rest } = asking();
  questions.ask(1);
  await answer("one");
  await rest();
  questions.ask(2);
  expect(asked).toEqual([1, 2]);
});

test("a question that fails is said, and the next one asked", async () => {
  const { questions, said, answer, fail, rest } = asking();
  questions.ask(1);
  questions.ask(2);
  await fail("the worker died");
  await rest();
  await answer("two");
  expect(said).toEqual(["1 failed: the worker died", "2: two"]);
});

test("what is answered after the end is said to nobody", async () => {
  const { questions, asked, said, answer, rest } = asking();
  questions.ask(1);
  questions.ask(2);
  questions.close();
  await answer("one");
  await rest();
  expect(said).toEqual([]);
  expect(asked).toEqual([1]);
});
