// Questions to a machine behind a worker, asked while a finger moves: one at a time is on its way, and of those that come up
// meanwhile only the last is asked.

export class LatestQuestion<Question, Answer> {
  readonly #ask: (question: Question) => Promise<Answer>;
  readonly #answered: (answer: Answer, question: Question) => void;
  readonly #failed: (reason: unknown, question: Question) => void;
  readonly #rest: number;
  #waiting: { readonly question: Question } | null = null;
  #isAsking = false;
  #isClosed = false;

  /** `rest`: milliseconds from an answer to the next question, for the page to draw in. */
  constructor(
    ask: (question: Question) => Promise<Answer>,
    answered: (answer: Answer, question: Question) => void,
    failed: (reason: unknown, question: Question) => void,
    rest: number,
  ) {
    this.#ask = ask;
    this.#answered = answered;
    this.#failed = failed;
    this.#rest = rest;
  }

  ask(question: Question): void {
    this.#waiting = { question };
    if (!this.#isAsking) void this.#askAll();
  }

  /** No answer is wanted any more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = null;
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    for (let next = this.#take(); next !== null; next = this.#take()) {
      const { question } = next;
      try {
        const answer = await this.#ask(question);
        if (!this.#isClosed) this.#answered(answer, question);
      } catch (reason) {
        if (!this.#isClosed) this.#failed(reason, question);
      }
      await new Promise((resolve) => setTimeout(resolve, this.#rest));
    }
    this.#isAsking = false;
  }

  #take(): { readonly question: Question } | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }
}
