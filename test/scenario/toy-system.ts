// A system small enough to see through: every page has a frame in a list of words, tables are a flag, and nothing is refused
// that a test does not ask for.

import type { EvidenceLog } from "../../src/consequences/evidence-log.js";
import type { Mark } from "../../src/consequences/evidence.js";
import { stepResult, type StepResult } from "../../src/consequences/result.js";
import type { Action, PageRef } from "../../src/scenario/scenario.js";
import type { PageView, Setup, System, World } from "../../src/scenario/system.js";

interface ToyPage {
  frame: bigint;
  /** Null: the host has the guest's own. */
  hostFrame: bigint | null;
  guestMapped: boolean;
  hostMapped: boolean;
  shared: boolean;
}

/** What a call does, by its name. */
type Trick = (page: ToyPage, world: ToyWorld) => Partial<StepResult> | null;

const NOT_MAPPED: PageView = { mapped: false, frame: null, value: null };

const TRICKS: Readonly<Record<string, Trick>> = {
  // The page is seized and zeroed; its guest loses it.
  process_vm_readv: (page, world) => {
    world.memory.set(page.frame, 0n);
    page.guestMapped = false;
    page.hostMapped = true;
    return { value: 0n, bytes: 64, forceReclaims: 1 };
  },
  // A device reads what is in the frame.
  o_direct_write: (page, world) => ({ value: world.memory.get(page.frame) ?? 0n, bytes: 4096 }),
  // A device writes into the frame.
  o_direct_read: (page, world) => {
    world.memory.set(page.frame, 0xd15cn);
    return { bytes: 4096 };
  },
  map_fixed: (page) => {
    page.hostFrame = page.frame + 0x100000n;
    page.hostMapped = true;
    return {};
  },
  punch_hole: (page, world) => {
    page.guestMapped = false;
    page.frame += 0x200000n;
    world.memory.set(page.frame, 0n);
    return {};
  },
  write: () => null,
};

class ToyWorld implements World {
  readonly memory = new Map<bigint, bigint>();
  readonly #pages = new Map<string, ToyPage>();
  readonly #setup: Setup;
  readonly #log: EvidenceLog;
  readonly #mark: Mark;
  readonly #dead: string[] = [];

  constructor(setup: Setup, log: EvidenceLog, mark: Mark) {
    this.#setup = setup;
    this.#log = log;
    this.#mark = mark;
    for (const { name, count, content } of setup.pages) {
      for (let index = 0; index < count; index++) {
        const frame = BigInt(this.#pages.size + 1) << 12n;
        this.memory.set(frame, content);
        const page = { frame, hostFrame: null, guestMapped: true, hostMapped: false, shared: false };
        this.#pages.set(`${name}[${index}]`, page);
      }
    }
  }

  perform(action: Action): StepResult {
    this.#log.rule({ id: "toy", says: "the toy does it", citation: { page: "toy", section: "1", mark: this.#mark } });
    this.#log.saw("kernel", "a toy");
    switch (action.verb) {
      case "access":
        return this.#access(action);
      case "share":
      case "reclaim":
        for (const ref of action.pages) {
          const page = this.#at(ref);
          page.shared = action.verb === "share";
          page.hostMapped = page.shared;
        }
        return stepResult("ok");
      case "kill":
      case "teardown":
        return this.#end(action.who);
      case "call": {
        const answers = action.pages.map((ref) => TRICKS[action.call]?.(this.#at(ref), this) ?? null);
        return answers[0] === null ? stepResult("EFAULT") : stepResult("ok", answers[0]);
      }
      default:
        return stepResult("no such verb", { why: "toys do not" });
    }
  }

  guestView(ref: PageRef): PageView | null {
    const page = this.#at(ref);
    if (!page.guestMapped) return NOT_MAPPED;
    return { mapped: true, frame: page.frame, value: this.memory.get(page.frame) ?? 0n };
  }

  hostView(ref: PageRef): PageView | null {
    const page = this.#at(ref);
    if (!page.hostMapped) return NOT_MAPPED;
    const frame = page.hostFrame ?? page.frame;
    return { mapped: true, frame, value: this.memory.get(frame) ?? 0n };
  }

  isShared(ref: PageRef): boolean {
    return this.#at(ref).shared;
  }

  deaths(): readonly string[] {
    return this.#dead;
  }

  #access({ page: ref, by, kind, value }: Extract<Action, { verb: "access" }>): StepResult {
    const page = this.#at(ref);
    const role = this.#setup.participants.find(({ name }) => name === by)?.role ?? "kernel";
    if (role === "guest") {
      if (page.frame < 0x200000n && !page.guestMapped) return stepResult("KVM_RUN EFAULT");
      page.guestMapped = true;
    } else if (role === "vmm" && !page.hostMapped) {
      const signal = { name: "SIGSEGV", code: "SEGV_ACCERR", address: 0x7000n };
      return stepResult("SIGSEGV/SEGV_ACCERR", { signal });
    }
    const frame = role === "guest" ? page.frame : (page.hostFrame ?? page.frame);
    if (kind === "store") this.memory.set(frame, value ?? 0n);
    return stepResult("ok", { value: kind === "load" ? (this.memory.get(frame) ?? 0n) : null });
  }

  /** The guest goes with its VMM; private pages are zeroed, shared ones are not. */
  #end(who: string): StepResult {
    const died = who === "vmm" ? ["vmm", "guest"] : [who];
    this.#dead.push(...died);
    for (const page of this.#pages.values()) if (!page.shared) this.memory.set(page.frame, 0n);
    return stepResult("ok", { died });
  }

  #at(ref: PageRef): ToyPage {
    const page = this.#pages.get(`${ref.name}[${ref.index}]`);
    if (page === undefined) throw new Error(`no page ${ref.name}[${ref.index}]`);
    return page;
  }
}

/** A toy under the name of a real system, whose rules have this mark. */
export function toySystem(name = "pkvm", mark: Mark = "S"): System {
  const citation = { page: "toy", section: "2", mark: "M" } as const;
  return {
    name,
    title: "A toy",
    about: "A toy.",
    lacks: new Map([["lend", { reason: "toys are not lent", citation }]]),
    create: (setup, log) => Promise.resolve(new ToyWorld(setup, log, mark)),
  };
}
