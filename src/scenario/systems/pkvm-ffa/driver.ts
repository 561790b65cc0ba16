// A host driver that lends its process's memory to secure partitions, and the partitions: pages are pinned, named in a
// transaction and kept until it is reclaimed (reference host-and-vmm 6A; verbs: reference ffa).

import type { El2 } from "../../../consequences/kvm/el2.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import type { Frame, HostPage } from "../../../consequences/host-memory.js";
import type { LinuxHost } from "../../../consequences/linux-host.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { VmDriver } from "../../../consequences/vm-driver.js";
import {
  FfaEndpoint,
  type FfaAnswer,
  type FfaEndpointOptions,
  type FfaRegion,
  type SendAnswer,
} from "../../../machine/ffa-endpoint.js";
import { FfaState } from "../../../machine/ffa-state.js";
import type { Rights } from "../../scenario.js";
import { linuxErrno, RULES } from "./rules.js";

/** A secure partition. Its addresses are physical ones. */
export interface SecurePartition {
  readonly name: string;
  readonly id: number;
  readonly endpoint: FfaEndpoint;
  alive: boolean;
}

/** A page as the driver holds it. */
export interface HeldPage {
  /** Bytes. */
  readonly pa: bigint;
  /** Null: it was not pinned for this. */
  readonly pin: { readonly process: Process; readonly frame: Frame } | null;
}

/** Pages that went out in one transaction. */
export interface Loan {
  readonly region: FfaRegion;
  readonly pages: readonly HeldPage[];
}

export interface LoanRequest {
  readonly verb: "lend" | "share" | "donate";
  readonly to: readonly SecurePartition[];
  readonly rights: Rights;
  readonly clear: boolean;
}

const NORMAL_WORLD = 0;

export class LendingDriver implements VmDriver {
  readonly state: FfaState;
  readonly #el2: El2;
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #endpoint: FfaEndpoint;
  readonly #loans = new Set<Loan>();
  /** Loans that outlived the process whose memory they are. */
  readonly #orphans = new WeakSet<Loan>();

  constructor(el2: El2, host: LinuxHost) {
    this.#el2 = el2;
    this.#host = host;
    this.#log = host.log;
    this.state = new FfaState(el2.machine);
    this.#endpoint = this.#endpointOf(NORMAL_WORLD);
  }

  createPartition(name: string, id: number): SecurePartition {
    return { name, id, endpoint: this.#endpointOf(id), alive: true };
  }

  #endpointOf(id: number): FfaEndpoint {
    const onCall: NonNullable<FfaEndpointOptions["onCall"]> = (call, _message, { outcome }) => {
      this.#log.operation(this.#el2.machine, call, outcome);
    };
    return new FfaEndpoint(this.#el2.machine, id, { onCall });
  }

  /** The loan that a page is in, null if it is in none. */
  loanOf(pa: bigint): Loan | null {
    return [...this.#loans].find(({ pages }) => pages.some((page) => page.pa === pa)) ?? null;
  }

  /** get_user_pages for the time of the loan. A string: the errno. */
  pin(page: HostPage): HeldPage | string {
    const pinned = this.#host.pin(page);
    if (pinned.errno !== null) return pinned.errno;
    const { pa, frame } = pinned;
    return { pa, pin: page.process === null ? null : { process: page.process, frame } };
  }

  /** FFA_MEM_LEND, SHARE or DONATE through EL2's proxy. */
  send(pages: readonly HeldPage[], { verb, to, rights, clear }: LoanRequest): StepResult {
    const data = rights.includes("W") ? "RW" : "RO";
    const answer: SendAnswer = this.#endpoint[verb]({
      to: to.map(({ id }) => (verb === "donate" ? { id } : { id, data })),
      constituents: pages.map(({ pa }) => ({ address: pa, pages: 1 })),
      clear,
    });
    if (answer.error !== null || answer.region === null) {
      for (const page of pages) this.#unpin(page);
      return this.#failed(answer);
    }
    this.#loans.add({ region: answer.region, pages });
    this.#log.rule(RULES.keepsMapping);
    if (pages.some(({ pa }) => this.state.isSecure(pa))) this.#log.rule(RULES.moved);
    return stepResult("ok");
  }

  #failed({ error, outcome }: FfaAnswer): StepResult {
    const code = error ?? outcome.status;
    const errno = linuxErrno(code);
    if (errno !== null) {
      this.#log.rule(RULES.errno);
      this.#log.saw("kernel", `FF-A: ${code}, -${errno}`);
    }
    return stepResult(code);
  }

  #unpin({ pin }: HeldPage): void {
    if (pin !== null) this.#host.unpin(pin.process, pin.frame);
  }

  /** FFA_MEM_RETRIEVE_REQ by the partition. */
  retrieve({ endpoint }: SecurePartition, { region }: Loan, rights: Rights): StepResult {
    const answer = endpoint.retrieveAll(region, rights.includes("X") ? { instruction: "X" } : {});
    return stepResult(answer.error ?? "ok");
  }

  /** FFA_MEM_RELINQUISH by the partition. */
  relinquish({ endpoint }: SecurePartition, { region }: Loan, clear: boolean): StepResult {
    return stepResult(endpoint.relinquish(region, { clear }).error ?? "ok");
  }

  /** FFA_MEM_RECLAIM through EL2's proxy: the whole transaction, or nothing. */
  reclaim(loan: Loan, clear: boolean): StepResult {
    const answer = this.#endpoint.reclaim(loan.region, { clear });
    if (answer.error !== null) {
      if (answer.outcome.reason === "ffa_still_retrieved") this.#log.rule(RULES.stillHeld);
      return this.#failed(answer);
    }
    this.#log.rule(RULES.clears);
    this.#loans.delete(loan);
    for (const page of loan.pages) this.#unpin(page);
    return stepResult("ok");
  }

  /** The partition ends; its manager cleans up, and the driver takes back what it can. */
  end(partition: SecurePartition): void {
    this.#log.rule(RULES.partitionCrash);
    partition.endpoint.abort();
    partition.alive = false;
    this.#host.noteDeath(partition.name);
    const isItsOwn = ({ region }: Loan) => region.receivers.some(({ id }) => id === partition.id);
    for (const loan of [...this.#loans].filter(isItsOwn)) this.reclaim(loan, false);
  }

  /** A partition's SHARE of what it has borrowed. */
  shareBack({ endpoint }: SecurePartition, pa: bigint): StepResult {
    this.#log.rule(RULES.notBack);
    const answer = endpoint.share({ to: NORMAL_WORLD, constituents: [{ address: pa, pages: 1 }] });
    return stepResult(answer.error ?? "ok");
  }

  invalidate(page: HostPage): void {
    if (page.frame !== null && this.loanOf(page.frame.pa) !== null) this.#log.rule(RULES.notThroughVa);
  }

  invalidateFile(): void {
    // The driver has pinned the frame and keeps no file of its own.
  }

  /** What a partition still holds stays lent. */
  exit(process: Process): void {
    for (const loan of [...this.#loans].filter(({ pages }) => pages.some(({ pin }) => pin?.process === process))) {
      if (this.reclaim(loan, false).result === "ok") this.#log.rule(RULES.driverRelease);
      else this.#orphans.add(loan);
    }
  }

  /** Somebody of the host looks at a page: what became of memory whose process is gone is not known for sure. */
  lookedAt(pa: bigint): void {
    const loan = this.loanOf(pa);
    if (loan !== null && this.#orphans.has(loan)) this.#log.rule(RULES.driverRelease);
  }

  /** A borrower has no memslots that could change. */
  memslot(): null {
    return null;
  }
}
