// An answer of the machine's worker, kept up to date while its question changes. The last answer stays until the next is there.

import { useEffect, useRef, useState } from "preact/hooks";
import { LatestQuestion } from "./latest.js";

/** Milliseconds between two answers while somebody scrubs: fast enough to be followed, and frames in between stay free. */
const REST = 40;

interface Answered<Question, Answer> {
  readonly question: Question;
  readonly answer: Answer | null;
  readonly problem: string | null;
}

/**
 * Asks whenever `question` is another one (===). `of`: what the questions are about; when that changes, the answers to it are
 * forgotten.
 */
export function useAnswer<Question, Answer>(
  ask: (question: Question) => Promise<Answer>,
  question: Question,
  of: readonly unknown[],
): { readonly answer: Answer | null; readonly isWaiting: boolean; readonly problem: string | null } {
  const [answered, setAnswered] = useState<Answered<Question, Answer> | null>(null);
  const asker = useRef<LatestQuestion<Question, Answer> | null>(null);
  useEffect(() => {
    const latest = new LatestQuestion(
      ask,
      (answer: Answer, asked) => setAnswered({ question: asked, answer, problem: null }),
      (reason, asked) => setAnswered({ question: asked, answer: null, problem: problemOf(reason) }),
      REST,
    );
    asker.current = latest;
    return () => {
      latest.close();
      setAnswered(null);
    };
  }, of);
  useEffect(() => asker.current?.ask(question), [question, ...of]);
  return {
    answer: answered?.answer ?? null,
    isWaiting: answered?.question !== question,
    problem: answered?.problem ?? null,
  };
}

function problemOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : "The machine did not answer.";
}
