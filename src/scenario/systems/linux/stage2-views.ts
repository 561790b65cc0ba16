// Looks into a machine's stage 2 and memory that touch nothing: what a party finds at a page, where an address leads.

import type { El2 } from "../../../consequences/kvm/el2.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { Stage2 } from "../../../machine/accesses.js";
import { isValid, outputAddress } from "../../../machine/describe.js";
import type { Machine } from "../../../machine/machine.js";
import type { PageView } from "../../system.js";

const NOT_MAPPED: PageView = { mapped: false, frame: null, value: null };

/** What is in the frame at a physical address in bytes; null: there is none. */
export function viewOf(el2: El2, frame: bigint | null): PageView {
  return frame === null ? NOT_MAPPED : { mapped: true, frame, value: el2.word(frame) };
}

/** The frame that a leaf maps, in bytes; null if it maps none. */
export function frameBehind(descriptor: bigint, pageShift: number): bigint | null {
  return isValid(descriptor) ? outputAddress(descriptor, pageShift) : null;
}

/** The `walk` verb: where a load at `address` (bytes) would end. */
export function walked(machine: Machine, stage2: Stage2, address: bigint): StepResult {
  const translation = machine.translate(stage2, address, { kind: "read" });
  if (translation === null) return stepResult("not run", { why: "there is no such stage 2 yet, or no more" });
  const { pa, fault } = translation;
  return fault === null ? stepResult("ok", { value: pa }) : stepResult(`${fault.kind.replace("_", " ")} fault`);
}
