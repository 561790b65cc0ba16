// What a system must offer to take part in scenarios and in the matrix. A system is a folder under systems/ that exports
// one System, and a row in systems/index.ts.

import type { Citation } from "../consequences/evidence.js";
import type { EvidenceLog } from "../consequences/evidence-log.js";
import type { StepResult } from "../consequences/result.js";
import type { Action, PageDeclaration, PageRef, Participant, Verb } from "./scenario.js";

/** What a world is made from. */
export interface Setup {
  readonly participants: readonly Participant[];
  readonly pages: readonly PageDeclaration[];
}

/** A verb, or a use of one, that a system does not have. */
export interface Lack {
  readonly reason: string;
  readonly citation: Citation;
}

/** What a party finds at a page, looked up without touching anything. */
export interface PageView {
  /** Whether a load would go through now. */
  readonly mapped: boolean;
  /** Physical address of the frame in bytes, null if not mapped. */
  readonly frame: bigint | null;
  /** First 64 bits of the page, null if not mapped. */
  readonly value: bigint | null;
}

/** One machine with its kernel, processes and guests, in the midst of a scenario. */
export interface World {
  /** Runs one action. Never throws for what the modelled systems refuse; that is a result. */
  perform(action: Action): StepResult;
  /** What the guest that the page was declared for sees there; null if the page is no guest's. */
  guestView(page: PageRef): PageView | null;
  /** What the process that backs the page (or whose it is) sees at its own address; null if there is none. */
  hostView(page: PageRef): PageView | null;
  /** Whether the page is shared between its guest and the host now, by agreement: contents are then no secret. */
  isShared(page: PageRef): boolean;
  /** Whether `reader` was given the page by an agreement that no common verb made. */
  mayRead?(page: PageRef, reader: string): boolean;
  /** Who is dead, by name, in the order of their deaths: processes, guests (VMs), `kernel`, `hypervisor`. */
  deaths(): readonly string[];
  /** The run is over and nothing more will be asked: a machine that worlds share need not keep this one's state. */
  release?(): void;
}

export interface System {
  /** By which the command line, scenarios and the matrix know it: `pkvm`, `gunyah-linux-pinned`. */
  readonly name: string;
  /** `pKVM, Linux 7.3`. */
  readonly title: string;
  /** One sentence: what is modelled, which version. */
  readonly about: string;
  /** Verbs it has no word for at all. Finer cases are answered by `perform` with `no such verb`. */
  readonly lacks: ReadonlyMap<Verb, Lack>;
  create(setup: Setup, log: EvidenceLog): Promise<World>;
}
