// "Host user space writes here: what happens on each system": a page in the state in which the map shows it, and one access,
// as a scenario. Each system reaches the state by its own calls; where one of them is refused or has no word for it, the
// state cannot be expressed there, and the answer of that call is the reason.

import { type Mark, weakest } from "../../consequences/evidence.js";
import type { ScenarioFile } from "../../scenario/file-schema.js";
import type { RunReport, StepReport } from "../../scenario/run-scenario.js";
import type { PageSide } from "../../timeline/timeline.js";

/** How a page is, whatever the system calls it. */
export type PageSituation =
  | "host"
  | "hypervisor"
  | "guest"
  | "shared-by-guest"
  | "shared-with-guest"
  | "of-normal-guest"
  | "shared-with-hypervisor"
  | "lent"
  | "seized";

/** Who touches it, and by which way. */
export type Accessor = "user" | "uaccess" | "direct-map" | "dma" | "iommu" | "guest";

export type AccessKind = "load" | "store" | "fetch";

export const SITUATION_WORDS: Readonly<Record<PageSituation, string>> = {
  host: "the host's own page, memory of the VMM",
  hypervisor: "a page of the hypervisor",
  guest: "a page of a protected guest, not shared",
  "shared-by-guest": "a page that its protected guest shares with the host",
  "shared-with-guest": "a page of the host, shared with a protected guest",
  "of-normal-guest": "a page of a normal VM, owned by the host",
  "shared-with-hypervisor": "a page that the host shares with the hypervisor",
  lent: "a page that the host has lent",
  seized: "a page that the host seized from its guest",
};

export const ACCESSOR_WORDS: Readonly<Record<Accessor, string>> = {
  user: "host user space (the VMM)",
  uaccess: "host kernel for user space (uaccess)",
  "direct-map": "host kernel, direct map",
  dma: "device, O_DIRECT, no IOMMU",
  iommu: "device behind a stage-2 IOMMU",
  guest: "the guest",
};

/** What it is called in a sentence: `host user space writes here`. */
export const KIND_WORDS: Readonly<Record<AccessKind, string>> = {
  load: "reads here",
  store: "writes here",
  fetch: "executes here",
};

/** Devices and the kernel's copies fetch no instructions. */
export function kindsOf(accessor: Accessor): readonly AccessKind[] {
  return accessor === "user" || accessor === "guest" ? ["load", "store", "fetch"] : ["load", "store"];
}

type Step = ScenarioFile["steps"][number];

/** What stands in the page at first, and what a store of the test writes: two values that tell who was heard. */
const CONTENT = 0xa004n;
const STORED = 0xb004n;

/** All that a guest of these has is shared with the host from the start (host-and-vmm 7.1, columns GS and GM): nothing to do. */
const SHARED_FROM_THE_START = ["gunyah-linux-share", "kvm-gmem-shared"];

/** Whose the page is at first, and the calls by which it gets into the state. */
interface Preparation {
  readonly of: string;
  readonly steps: readonly Step[];
  readonly normalGuest?: true;
}

const GUEST_WRITES: Step = { access: "page", by: "guest", kind: "store", value: CONTENT };

const PREPARATIONS: Readonly<Record<PageSituation, Preparation>> = {
  host: { of: "vmm", steps: [] },
  hypervisor: { of: "hypervisor", steps: [] },
  guest: { of: "guest", steps: [GUEST_WRITES] },
  "shared-by-guest": {
    of: "guest",
    steps: [
      GUEST_WRITES,
      { share: "page", from: "guest", to: "kernel", rights: "RW", except: SHARED_FROM_THE_START },
      { accept: "page", by: "kernel", except: SHARED_FROM_THE_START },
    ],
  },
  "shared-with-guest": {
    of: "vmm",
    steps: [
      { share: "page", from: "vmm", to: "guest", rights: "RW" },
      { accept: "page", by: "guest" },
    ],
  },
  "of-normal-guest": { of: "guest", steps: [GUEST_WRITES], normalGuest: true },
  "shared-with-hypervisor": { of: "vmm", steps: [{ share: "page", from: "vmm", to: "hypervisor", rights: "RW" }] },
  lent: {
    of: "vmm",
    steps: [
      { lend: "page", from: "vmm", to: "guest", rights: "RW" },
      { accept: "page", by: "guest" },
    ],
  },
  seized: { of: "guest", steps: [GUEST_WRITES, { reclaim: "page", by: "kernel", force: true }] },
};

/** The scenario whose last step is the access. */
export function scenarioOfAccess(situation: PageSituation, accessor: Accessor, kind: AccessKind): ScenarioFile {
  const { of, steps, normalGuest } = PREPARATIONS[situation];
  return {
    scenario: `${accessor}-${kind}s-${situation}`,
    title: `${ACCESSOR_WORDS[accessor]} ${KIND_WORDS[kind]}: ${SITUATION_WORDS[situation]}`,
    participants: {
      vmm: { role: "vmm" },
      guest: { role: "guest", protected: normalGuest !== true },
      disk: { role: "device", iommu: "none" },
      guarded: { role: "device", iommu: "stage2" },
    },
    // Content of a guest's page is what the guest wrote: only then is it a secret of the guest.
    pages: { page: of === "guest" ? { of } : { of, content: CONTENT } },
    steps: [...steps, accessStep(accessor, kind)],
  };
}

function accessStep(accessor: Accessor, kind: AccessKind): Step {
  // What is written to a disk is read from memory.
  if (accessor === "dma")
    return { call: kind === "store" ? "o_direct_read" : "o_direct_write", by: "vmm", pages: "page" };
  const by = { user: "vmm", uaccess: "vmm", "direct-map": "kernel", iommu: "guarded", guest: "guest" }[accessor];
  const how = accessor === "uaccess" || accessor === "direct-map" ? { how: accessor } : {};
  return { access: "page", by, kind, ...how, ...(kind === "store" ? { value: STORED } : {}) };
}

/** What came out of the access on one system. */
export type AccessAnswer =
  | { readonly expressible: false; readonly reason: string; readonly mark: Mark }
  | {
      readonly expressible: true;
      readonly result: string;
      /** In the codes of the matrix. */
      readonly shows: string;
      readonly value: bigint | null;
      readonly signal: string | null;
      /** In the access, and what follows from it. */
      readonly died: readonly string[];
      /** The signal is one that a process may handle and live. */
      readonly mayBeHandled: boolean;
      readonly mark: Mark;
    };

/** @param report of a run of {@link scenarioOfAccess} */
export function answerOf(report: RunReport): AccessAnswer {
  const preparation = report.steps.slice(0, -1).filter((step) => !isNeedless(step));
  const access = report.steps.at(-1);
  const obstacle = preparation.find(({ result }) => result.result !== "ok");
  const last = obstacle ?? access;
  const mark = weakest([...preparation, ...(last === undefined ? [] : [last])].map((step) => step.mark));
  if (last === undefined || obstacle !== undefined || last.result.result === "no such verb") {
    return { expressible: false, reason: reasonOf(last), mark };
  }
  const { result, value, signal, died } = last.result;
  const name = signal?.name ?? null;
  return {
    ...{
      expressible: true,
      result,
      shows: report.shows,
      value,
      signal: signal === null ? null : `${name}, ${signal.code}`,
    },
    ...{ died, mayBeHandled: name === "SIGSEGV" || name === "SIGBUS", mark },
  };
}

/** Where the sender's call maps both sides there is nothing to accept, and no obstacle. */
function isNeedless({ step, skipped, result }: StepReport): boolean {
  return skipped || (step.action.verb === "accept" && result.result === "no such verb");
}

function reasonOf(step: StepReport | undefined): string {
  if (step === undefined) return "nothing was run";
  const { result, why } = step.result;
  if (result === "no such verb") return why ?? "no such verb";
  return `the page does not get into this state: ${step.step.action.verb} ends with ${result}`;
}

/**
 * The situation of a page that the map shows; null: none fits (not memory, or owned by nobody).
 *
 * @param sides what each component says of the page ({@link PageSide}); those that say nothing of it are absent
 * @param isSeized its class is PAGE_POISONED
 */
export function situationOf(sides: readonly PageSide[], isSeized = false): PageSituation | null {
  if (isSeized) return "seized";
  const stateOf = (isParty: (party: string) => boolean) =>
    sides.filter(({ party }) => isParty(party)).map(({ state }) => state);
  const host = stateOf((party) => party === "host");
  const hypervisor = stateOf((party) => party === "hypervisor");
  const guests = stateOf((party) => party.startsWith("VM "));
  if (guests.includes("SHARED_OWNED")) return "shared-by-guest";
  if (guests.includes("OWNED")) return "guest";
  if (hypervisor.includes("OWNED")) return "hypervisor";
  if (host.includes("SHARED_OWNED")) return whoBorrows(hypervisor, guests);
  return host.includes("OWNED") ? "host" : null;
}

/** A page that the host has given and neither hypervisor nor a VM holds is the secure world's; EL2 keeps lent and shared alike. */
function whoBorrows(hypervisor: readonly string[], guests: readonly string[]): PageSituation {
  if (guests.includes("SHARED_BORROWED")) return "of-normal-guest";
  return hypervisor.includes("SHARED_BORROWED") ? "shared-with-hypervisor" : "lent";
}
