// A cell opened: what every renderer says of it, as text without any markup.

import { PARTIES, type Citation, type Evidence } from "../consequences/evidence.js";
import { hex } from "../machine/names.js";
import { actionWords } from "./action-in-words.js";
import { failuresOf, lackOf, MARK_WORDS, sawInCell, type Run } from "./matrix.js";
import type { RunReport } from "./run-scenario.js";

/** What was seen by whom, or what was asked and its answer. */
export interface Fact {
  readonly name: string;
  readonly text: string;
}

/** One piece of evidence. */
export interface EvidenceLine {
  readonly kind: Evidence["kind"];
  readonly text: string;
  /** What belongs to it: effects, a descriptor, a citation. */
  readonly below: readonly string[];
}

/** The step's number (from 1), what was done, and how it ended. */
export interface StepLines {
  readonly number: number;
  readonly isShown: boolean;
  readonly action: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly evidence: readonly EvidenceLine[];
}

/** Who saw what in the step that the cell shows, then what became of the data and of everyone. */
export function cellFacts(run: Run): Fact[] {
  const { secret, intact, split, died, mark } = run.report;
  const saw = sawInCell(run);
  const facts: Fact[] = PARTIES.flatMap((party) => {
    const sentences = saw.get(party);
    return sentences === undefined ? [] : [{ name: party, text: sentences.join("; ") }];
  });
  const lack = lackOf(run);
  if (lack !== null) facts.push({ name: "has no such verb", text: lack });
  facts.push({ name: "secret", text: yesOrNo(secret) }, { name: "intact", text: yesOrNo(intact) });
  if (split) facts.push({ name: "split", text: "guest and VMM go on with different frames" });
  facts.push({ name: "died", text: died.length === 0 ? "nobody" : died.join(", ") });
  facts.push({ name: "known by", text: MARK_WORDS[mark] });
  return facts;
}

function yesOrNo(answer: boolean | null): string {
  return answer === null ? "not applicable" : answer ? "yes" : "no";
}

export function stepLines({ scenario, report }: Run): StepLines[] {
  return report.steps.map((step, index) => ({
    number: index + 1,
    isShown: index === scenario.cell,
    action: actionWords(step.step.action),
    outcome: outcomeWords(step),
    note: step.step.note,
    evidence: step.evidence.map(evidenceLine),
  }));
}

/** `step 2: expected result SIGSEGV/SEGV_ACCERR, found ok`. */
export function failureLines(run: Run): string[] {
  return failuresOf(run).map(({ step, field, expected, found }) => {
    const where = step === null ? "at the end" : `step ${step}`;
    return `${where}: expected ${field} ${expected}, found ${found}`;
  });
}

/** `SIGSEGV/SEGV_ACCERR at 0x7f0000; vmm died`. */
function outcomeWords({ result }: RunReport["steps"][number]): string {
  const { value, signal, bytes, forceReclaims, died, why } = result;
  const address = signal?.address ?? null;
  return [
    result.result + (address === null ? "" : ` at ${hex(address)}`) + (why === null ? "" : `: ${why}`),
    ...(value === null ? [] : [`value ${hex(value)}`]),
    ...(bytes === null ? [] : [`${bytes} bytes`]),
    ...(forceReclaims === 0 ? [] : [`${forceReclaims} ${forceReclaims === 1 ? "page" : "pages"} seized`]),
    ...(died.length === 0 ? [] : [`${died.join(", ")} died`]),
  ].join("; ");
}

function evidenceLine(evidence: Evidence): EvidenceLine {
  const { kind } = evidence;
  switch (kind) {
    case "operation":
      return { kind, text: `${evidence.text}: ${evidence.result}`, below: evidence.effects };
    case "access": {
      const { text, result, descriptor } = evidence;
      return { kind, text: `${text}: ${result}`, below: descriptor === null ? [] : [descriptor] };
    }
    case "syndrome":
      return { kind, text: `${evidence.register} ${evidence.value}: ${evidence.words}`, below: [] };
    case "rule":
      return {
        kind,
        text: evidence.rule.says,
        below: [`${evidence.rule.id}; ${citationWords(evidence.rule.citation)}`],
      };
    case "saw":
      return { kind, text: `${evidence.party}: ${evidence.text}`, below: [] };
  }
}

/** `host-and-vmm 1.3, mm/fault.c:do_page_fault, read from source`. */
export function citationWords({ page, section, where, mark }: Citation): string {
  return [`${page} ${section}`, ...(where === undefined ? [] : [where]), MARK_WORDS[mark]].join(", ");
}
