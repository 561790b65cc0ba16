// What endpoints find when they touch memory: their own stage 2 as the managers keep it, then the physical address space.

import { FFA_NON_SECURE_TABLE, MODE_ABSENT, MODE_NS } from "../../../../assembly/abi/ffa.js";
import type { Party } from "../../../consequences/evidence.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { FfaState } from "../../../machine/ffa-state.js";
import type { Machine } from "../../../machine/machine.js";
import { hex } from "../../../machine/names.js";
import type { AccessKind } from "../../../machine/translation.js";
import type { Action } from "../../scenario.js";
import type { PageView } from "../../system.js";
import type { EndpointPlace } from "./layout.js";
import { FFA_RULES } from "./rules.js";

type Touch = Pick<Extract<Action, { readonly verb: "access" }>, "kind" | "value">;

const KINDS = { load: "read", store: "write", fetch: "fetch" } as const satisfies Record<Touch["kind"], AccessKind>;
const NOT_MAPPED: PageView = { mapped: false, frame: null, value: null };

export class EndpointMemory {
  readonly #machine: Machine;
  readonly #state: FfaState;
  readonly #log: EvidenceLog;

  constructor(machine: Machine, state: FfaState, log: EvidenceLog) {
    this.#machine = machine;
    this.#state = state;
    this.#log = log;
  }

  /** One touch at an address in bytes. */
  touch(endpoint: EndpointPlace, address: bigint, touch: Touch): StepResult {
    if (!endpoint.hasStage2) return this.#physical(endpoint.name, address, touch, FFA_RULES.normalWorld);
    if (endpoint.hasTwoTables) this.#log.rule(FFA_RULES.twoTables);
    this.#log.rule(FFA_RULES.access);
    const stage2 = this.stage2(endpoint, address);
    const kind = KINDS[touch.kind];
    const el = endpoint.el0 ? 0 : 1;
    const isOtherSpace = this.#state.isSecure(address) !== this.#isSecureOutput(endpoint, address);
    if (isOtherSpace && this.#machine.translate(stage2, address, { kind, el })?.fault === null) {
      return this.#otherSpace(endpoint.name, address);
    }
    const access = { stage2, ipa: address, kind, el, ...(touch.value === null ? {} : { value: touch.value }) } as const;
    const answer = this.#machine.access(stage2, address, kind, access);
    this.#log.access(this.#machine, access, answer);
    if (answer.status === "fault") {
      this.#log.rule(FFA_RULES.fault);
      this.#log.saw("hypervisor", `${endpoint.name} faults at stage 2, IPA ${hex(address)}`);
      return stepResult("fault");
    }
    return stepResult("ok", { value: touch.kind === "store" ? null : answer.value });
  }

  /** A master on the bus of the normal world. */
  dma(name: string, primary: EndpointPlace | null, address: bigint, touch: Touch): StepResult {
    if (primary === null) return this.#physical(name, address, touch, FFA_RULES.dma);
    this.#log.rule(FFA_RULES.dmaIommu);
    const answer = this.touch(primary, address, touch);
    return answer.result === "ok" ? answer : stepResult("I/O error");
  }

  /** An access that no stage 2 translates. */
  #physical(name: string, address: bigint, touch: Touch, rule: (typeof FFA_RULES)["dma"]): StepResult {
    this.#log.rule(rule);
    if (this.#state.isSecure(address)) return this.#otherSpace(name, address);
    const page = this.#machine.readPage(address);
    const offset = Number(address & BigInt(this.#machine.pageSize - 1));
    const found = new DataView(page.buffer).getBigUint64(offset, true);
    if (touch.value !== null) this.#machine.writePage(address, wordBytes(touch.value), offset);
    this.#log.transfer(
      `${touch.kind} by ${name}, PA ${hex(address)}, no stage 2 on the way`,
      `${hex(found)} was there`,
    );
    return stepResult("ok", { value: touch.kind === "store" ? null : found });
  }

  /** The page is in the other physical address space than the access. */
  #otherSpace(name: string, address: bigint): StepResult {
    const { protect } = this.#state.config;
    const [rule, result] = protect ? [FFA_RULES.granule, "GPF"] : [FFA_RULES.filter, "external abort"];
    this.#log.rule(rule);
    this.#log.transfer(`access by ${name}, PA ${hex(address)}`, protect ? "granule protection fault" : result);
    this.#log.saw(partyOf(name), `${name} is stopped at PA ${hex(address)}: ${result}`);
    return stepResult(result);
  }

  /** What a load would find, looked up without touching anything. */
  view(endpoint: EndpointPlace, address: bigint): PageView {
    if (!this.#reaches(endpoint, address)) return NOT_MAPPED;
    const value = new DataView(this.#machine.readPage(address).buffer).getBigUint64(0, true);
    return { mapped: true, frame: address, value };
  }

  #reaches(endpoint: EndpointPlace, address: bigint): boolean {
    if (!endpoint.hasStage2) return !this.#state.isSecure(address);
    if (this.#state.isSecure(address) !== this.#isSecureOutput(endpoint, address)) return false;
    const stage2 = this.stage2(endpoint, address);
    return this.#machine.translate(stage2, address, { kind: "read" })?.fault === null;
  }

  /** The table that answers for an address: the non-secure one only where the page is absent from the secure one. */
  stage2({ id, hasTwoTables }: EndpointPlace, address: bigint): number {
    const isOther = hasTwoTables && this.#state.mode(id, 0, address) === MODE_ABSENT;
    return isOther ? id | FFA_NON_SECURE_TABLE : id;
  }

  #isSecureOutput({ id, isSecure }: EndpointPlace, address: bigint): boolean {
    return isSecure && (this.#state.lookUp(id, address) & MODE_NS) === 0;
  }
}

/** Who notices what befalls an endpoint. */
export function partyOf(name: string): Party {
  return name === "kernel" ? "kernel" : "guest";
}

const wordBytes = (word: bigint) => new Uint8Array(new BigUint64Array([word]).buffer);
