// What is wrong with a scenario, where: one sentence.

/** A scenario that cannot be read. `message` is `run.yaml:12:5: the sentence`. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
  /** The file; for scenarios made by a program, the scenario's name and the field: `touch: steps[2].by`. */
  readonly file: string;
  /** From 1; 0 if no line is to blame. */
  readonly line: number;
  /** From 1; 0 if no column is to blame. */
  readonly column: number;
  readonly sentence: string;

  constructor(file: string, line: number, column: number, sentence: string) {
    super(`${[file, line, column].filter((part) => part !== 0).join(":")}: ${sentence}`);
    this.file = file;
    this.line = line;
    this.column = column;
    this.sentence = sentence;
  }
}
