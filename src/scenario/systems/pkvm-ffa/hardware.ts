// A pKVM host's CPUs and devices beside a secure world: what was lent is still in the host's stage 2, so that only the
// hardware's check of physical address spaces can stop an access, where there is one.

import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer } from "../../../consequences/hardware.js";
import type { El2 } from "../../../consequences/kvm/el2.js";
import { MODE_INVALID, MODE_SHARED } from "../../../../assembly/abi/ffa.js";
import { FfaState } from "../../../machine/ffa-state.js";
import { hex } from "../../../machine/names.js";
import { PkvmHardware } from "../pkvm/hardware.js";
import { RULES } from "./rules.js";

const NORMAL_WORLD = 0;
const NON_SECURE_TABLE = 1;

export class LenderHardware extends PkvmHardware {
  readonly #el2: El2;
  readonly #state: FfaState;

  constructor(el2: El2) {
    super(el2, el2.log);
    this.#el2 = el2;
    this.#state = new FfaState(el2.machine);
  }

  override access(access: CpuAccess): CpuAnswer {
    const answer = super.access(access);
    if (answer.kind === "done" && this.#isLent(access.pa)) this.#el2.log.rule(RULES.open);
    return answer;
  }

  /** Whether the SPMC holds the page as lent away or shared by the normal world. */
  #isLent(pa: bigint): boolean {
    const page = pa - (pa % BigInt(this.#el2.machine.pageSize));
    return (this.#state.mode(NORMAL_WORLD, NON_SECURE_TABLE, page) & (MODE_INVALID | MODE_SHARED)) !== 0;
  }

  override dma(access: DmaAccess): DmaAnswer {
    const { log } = this.#el2;
    if (!this.#isLent(access.pa)) return super.dma(access);
    if (!this.#state.isSecure(access.pa)) {
      log.rule(RULES.dmaOpen);
      return super.dma(access);
    }
    log.rule(RULES.dmaGranule);
    log.transfer(`${access.kind} by a device, PA ${hex(access.pa)}, secure`, "blocked");
    return { kind: "blocked" };
  }
}
