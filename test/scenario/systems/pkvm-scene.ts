// A VMM with a guest, under pKVM if not said otherwise, as the recorded host programs had them, and the verbs in short.

import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import type { StepResult } from "../../../src/consequences/result.js";
import type { Action, Instruction, PageDeclaration, PageRef, Participant } from "../../../src/scenario/scenario.js";
import type { System, World } from "../../../src/scenario/system.js";
import { pkvm } from "../../../src/scenario/systems/pkvm/index.js";

type VmmOptions = Partial<Pick<Extract<Participant, { role: "vmm" }>, "handlers" | "memlock" | "onRunFailure">>;

/** A VMM that handles SIGSEGV and SIGBUS and lets a failed vCPU be, if not said otherwise. */
export function vmm(options: VmmOptions = {}, name = "vmm"): Participant {
  return { role: "vmm", name, handlers: ["SIGSEGV", "SIGBUS"], memlock: null, onRunFailure: "stay", ...options };
}

export function guest(options: { protected?: boolean; vcpus?: number } = {}, name = "guest"): Participant {
  return { role: "guest", name, vmm: "vmm", protected: true, vcpus: 2, ...options };
}

export function pages(name: string, count = 1, more: Partial<PageDeclaration> = {}): PageDeclaration {
  return { name, count, of: "guest", backing: null, ipa: null, slot: true, content: 0n, ...more };
}

/** `ram[4]`, `ram`. */
export function ref(text: string): PageRef {
  const [name = "", index = "0"] = text.split(/[[\]]/);
  return { name, index: Number(index) };
}

export class Scene {
  readonly log: EvidenceLog;
  readonly world: World;

  private constructor(log: EvidenceLog, world: World) {
    this.log = log;
    this.world = world;
  }

  static async of(
    participants: readonly Participant[],
    declared: readonly PageDeclaration[],
    system: System = pkvm,
  ): Promise<Scene> {
    const log = new EvidenceLog();
    return new Scene(log, await system.create({ participants, pages: declared }, log));
  }

  do(action: Action): StepResult {
    return this.world.perform(action);
  }

  load(by: string, page: string, more: { how?: Instruction; vcpu?: number } = {}): StepResult {
    const access = { verb: "access", page: ref(page), by, kind: "load", value: null, offset: 0 } as const;
    return this.do({ ...access, how: "user", vcpu: 0, ...more });
  }

  store(by: string, page: string, value: bigint, more: { how?: Instruction; vcpu?: number } = {}): StepResult {
    const access = { verb: "access", page: ref(page), by, kind: "store", value, offset: 0 } as const;
    return this.do({ ...access, how: "user", vcpu: 0, ...more });
  }

  fetch(by: string, page: string, how: Instruction = "user"): StepResult {
    return this.do({ verb: "access", page: ref(page), by, kind: "fetch", value: null, offset: 0, how, vcpu: 0 });
  }

  call(call: string, ...on: readonly string[]): StepResult {
    return this.do({ verb: "call", call, by: "vmm", pages: on.map(ref) });
  }

  /** MEM_SHARE and MEM_UNSHARE. */
  share(page: string): StepResult {
    const share = { verb: "share", pages: [ref(page)], from: "guest", to: ["kernel"] } as const;
    return this.do({ ...share, rights: "RW", sanitize: false });
  }

  unshare(page: string): StepResult {
    return this.do({ verb: "reclaim", pages: [ref(page)], by: "guest", force: false, sanitize: false });
  }

  /** An operation of EL2, by name. */
  operation(op: string, args: Record<string, string | number | bigint | boolean>): StepResult {
    return this.do({ verb: "operation", op, args, save: null });
  }
}

/** The recorded program of section 2: 16 pages written by the guest, four more touched, some never touched. */
export async function privatePages(options: VmmOptions = {}, more: readonly PageDeclaration[] = []): Promise<Scene> {
  const scene = await Scene.of([vmm(options), guest()], [pages("ram", 20), pages("later", 2), ...more]);
  for (let i = 0; i < 16; i++) scene.store("guest", `ram[${i}]`, valueOf(i));
  for (let i = 16; i < 20; i++) scene.load("guest", `ram[${i}]`);
  return scene;
}

/** What the guest wrote to page i. */
export const valueOf = (i: number): bigint => 0xa000n + BigInt(i);
