// A host under pKVM that lends memory to secure partitions: a scenario's guests are partitions, and what is declared as theirs
// is lent to them by a driver of the host, and retrieved, before the first step.

import { MODE_ABSENT, MODE_INVALID, MODE_SHARED } from "../../../../assembly/abi/ffa.js";
import type { El2 } from "../../../consequences/kvm/el2.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { Action, PageRef, Participant, Rights, Verb } from "../../scenario.js";
import type { PageView } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { LinuxWorld, noSuchVerb, type LinuxWorldParts, type TransferAction } from "../linux/linux-world.js";
import type { PageAllocator } from "../linux/page-allocator.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { RawOperations } from "../linux/raw-operations.js";
import { viewOf, walked } from "../linux/stage2-views.js";
import type { HeldPage, LendingDriver, Loan, SecurePartition } from "./driver.js";
import { PARTITIONS } from "./machine.js";
import { RULES } from "./rules.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;
type Sending = ActionOf<"lend"> | ActionOf<"share"> | ActionOf<"donate">;

/** Together with a partition's id: its non-secure table. */
const NON_SECURE = 0x4000;

export interface LenderWorldParts extends LinuxWorldParts {
  readonly hold: MachineHold;
  readonly el2: El2;
  readonly driver: LendingDriver;
  readonly allocator: PageAllocator;
}

export class LenderWorld extends LinuxWorld<SecurePartition> {
  readonly #hold: MachineHold;
  readonly #el2: El2;
  readonly #driver: LendingDriver;
  readonly #allocator: PageAllocator;
  readonly #raw: RawOperations;
  /** What each loan was sent with. */
  readonly #rights = new WeakMap<Loan, Rights>();
  /** The frame that was behind a page when it was sent, in bytes. */
  readonly #sent = new Map<PlacedPage, bigint>();
  #created = 0;

  constructor(parts: LenderWorldParts) {
    super(parts);
    this.#hold = parts.hold;
    this.#el2 = parts.el2;
    this.#driver = parts.driver;
    this.#allocator = parts.allocator;
    this.#raw = new RawOperations(parts.el2, {
      handleOf: (name) => (this.#isPartition(name) ? this.guest(name).id : null),
      hasPage: (page) => this.hasPage(page),
      frameOf: (page) => this.frameOf(this.page(page)),
      ipaOf: (page) => this.frameOf(this.page(page)),
    });
    this.populate(parts.setup, parts.backing);
  }

  override perform(action: Action): StepResult {
    this.#hold.resume();
    if (action.verb === "access" && !this.#isPartition(action.by)) {
      const pa = this.frameOf(this.page(action.page));
      if (pa !== null) this.#driver.lookedAt(pa);
    }
    return super.perform(action);
  }

  /** A partition runs when the host's kernel calls it, whatever became of the process whose memory it uses. */
  protected override callerOf(): "kernel" {
    return "kernel";
  }

  protected createGuest({ name }: Extract<Participant, { role: "guest" }>): SecurePartition {
    const id = PARTITIONS[this.#created++];
    if (id === undefined) throw new MachineLimit(`${name}: there are more guests than secure partitions`);
    return this.#driver.createPartition(name, id);
  }

  protected ownPage(of: "kernel" | "hypervisor", content: bigint): bigint {
    const pa = this.#allocator.take(1);
    this.#el2.machine.writePage(pa, new Uint8Array(new BigUint64Array([content]).buffer));
    const pfn = pa >> BigInt(this.#el2.machine.pageShift);
    if (of === "hypervisor") this.#el2.apply({ op: "host_donate_hyp", pfn, nr: 1 });
    return pa;
  }

  /** Lent and retrieved, where the process has anything there. */
  protected bindPage(partition: SecurePartition, _ipa: bigint, _va: bigint, page: PlacedPage): void {
    if (page.host === null || page.declaration.backing === "none") return;
    this.host.step("kernel", () => {
      const sent = this.#send([page], { verb: "lend", to: [partition], rights: "RW", clear: false });
      const loan = this.#loanOf(page);
      return sent.result !== "ok" || loan === null ? sent : this.#driver.retrieve(partition, loan, "RW");
    });
  }

  protected isAlive(partition: SecurePartition): boolean {
    const { deaths } = this.host;
    return partition.alive && !deaths.includes("kernel") && !deaths.includes("hypervisor");
  }

  protected endGuest(partition: SecurePartition): void {
    this.#driver.end(partition);
  }

  protected touch(
    partition: SecurePartition,
    page: PlacedPage,
    { kind, value, offset }: ActionOf<"access">,
  ): StepResult {
    // What has no frame is looked for where the page was declared: nothing is there.
    const address = this.frameOf(page) ?? page.guest?.ipa ?? 0n;
    const { fault, value: found } = this.#el2.touch(this.#tableOf(partition, address), {
      ipa: address + BigInt(offset),
      kind,
      value: value ?? 0n,
    });
    if (fault === null) {
      this.host.log.rule(RULES.retrieved);
      return stepResult("ok", { value: kind === "store" ? null : found });
    }
    this.host.log.rule(RULES.partitionFault);
    this.#driver.end(partition);
    return stepResult("guest abort");
  }

  /** Non-secure memory is in a partition's second table. */
  #tableOf({ id }: SecurePartition, pa: bigint): number {
    const { state } = this.#driver;
    const isSecond = state.mode(id, 0, pa) === MODE_ABSENT && state.mode(id, 1, pa) !== MODE_ABSENT;
    return isSecond ? id | NON_SECURE : id;
  }

  protected transfer(action: TransferAction): StepResult {
    switch (action.verb) {
      case "lend":
      case "share":
      case "donate":
        return this.#sendBy(action);
      case "accept":
        return this.#byPartition(action, (partition, loan) =>
          this.#driver.retrieve(partition, loan, this.#rights.get(loan) ?? "RW"),
        );
      case "relinquish":
        return this.#byPartition(action, (partition, loan) =>
          this.#driver.relinquish(partition, loan, action.sanitize),
        );
      case "reclaim":
        return this.#reclaim(action);
      case "operation":
        return this.#raw.run(action);
      case "walk":
        return this.#walk(action);
    }
  }

  #sendBy(action: Sending): StepResult {
    const pages = action.pages.map((ref) => this.page(ref));
    if (this.#isPartition(action.from)) return this.#sendBack(this.guest(action.from), pages);
    const names = [action.to].flat();
    const stranger = names.find((name) => !this.#isPartition(name));
    if (stranger !== undefined) return noSuchVerb(`FF-A reaches partitions, not ${stranger}`);
    const to = names.map((name) => this.guest(name));
    const { rights, clear } =
      action.verb === "donate"
        ? { rights: "RW" as const, clear: false }
        : { rights: action.rights, clear: action.sanitize };
    return this.#send(pages, { verb: action.verb, to, rights, clear });
  }

  #send(pages: readonly PlacedPage[], request: Parameters<LendingDriver["send"]>[1]): StepResult {
    const held: HeldPage[] = [];
    for (const page of pages) {
      const one = this.#heldPage(page);
      if (typeof one === "string") return stepResult(one);
      held.push(one);
    }
    const result = this.#driver.send(held, request);
    if (result.result !== "ok") return result;
    pages.forEach((page, index) => this.#sent.set(page, held[index]?.pa ?? 0n));
    const loan = pages[0] === undefined ? null : this.#loanOf(pages[0]);
    if (loan !== null) this.#rights.set(loan, request.rights);
    return result;
  }

  /** What is lent already, or is not of a process, is named as it is: whose it is the checks below say. */
  #heldPage(page: PlacedPage): HeldPage | string {
    const pa = this.frameOf(page);
    const isLent = pa !== null && this.#driver.loanOf(pa) !== null;
    if (page.host !== null && page.host.process !== null && !isLent) return this.#driver.pin(page.host);
    return pa === null ? "EFAULT" : { pa, pin: null };
  }

  /** Borrowed memory is not the borrower's to send on: the manager says so. */
  #sendBack(partition: SecurePartition, pages: readonly PlacedPage[]): StepResult {
    if (!this.isAlive(partition)) return stepResult("not run");
    const pa = pages[0] === undefined ? null : this.frameOf(pages[0]);
    return pa === null ? noSuchVerb("the page has no frame") : this.#driver.shareBack(partition, pa);
  }

  #byPartition(
    { by, pages }: ActionOf<"accept"> | ActionOf<"relinquish">,
    run: (partition: SecurePartition, loan: Loan) => StepResult,
  ): StepResult {
    if (!this.#isPartition(by)) return noSuchVerb("only a partition retrieves and relinquishes");
    const partition = this.guest(by);
    if (!this.isAlive(partition)) return stepResult("not run");
    return this.#eachLoan(pages, (loan) => run(partition, loan));
  }

  #reclaim({ by, pages, sanitize }: ActionOf<"reclaim">): StepResult {
    if (this.#isPartition(by)) return noSuchVerb("a borrower relinquishes, the lender reclaims");
    return this.#eachLoan(pages, (loan) => this.#driver.reclaim(loan, sanitize));
  }

  /** Transaction by transaction, until one is refused. */
  #eachLoan(pages: readonly PageRef[], run: (loan: Loan) => StepResult): StepResult {
    const loans = new Set(pages.flatMap((ref) => this.#loanOf(this.page(ref)) ?? []));
    if (loans.size === 0) return noSuchVerb("the page is in no transaction");
    let result = stepResult("ok");
    for (const loan of loans) {
      result = run(loan);
      if (result.result !== "ok") break;
    }
    return result;
  }

  #walk({ of, ipa, page }: ActionOf<"walk">): StepResult {
    const asked = typeof ipa === "string" ? this.#raw.saved(ipa) : ipa;
    const address = asked ?? (page === null ? null : this.frameOf(this.page(page)));
    if (address === null) return noSuchVerb("the page has no address there");
    const stage2 = this.#isPartition(of) ? this.#tableOf(this.guest(of), address) : "host";
    return walked(this.#el2.machine, stage2, address);
  }

  #isPartition(name: string): boolean {
    return this.participants.get(name)?.role === "guest";
  }

  #loanOf(page: PlacedPage): Loan | null {
    const pa = this.#sent.get(page);
    return pa === undefined ? null : this.#driver.loanOf(pa);
  }

  /** The frame that was lent, as long as the partition has it. */
  protected guestFrame(page: PlacedPage): bigint | null {
    const pa = this.#sent.get(page);
    if (page.guest === null || pa === undefined) return null;
    const mode = this.#driver.state.lookUp(this.guest(page.guest.name).id, pa);
    return (mode & MODE_INVALID) === 0 ? pa : null;
  }

  guestView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const page = this.page(ref);
    return page.guest === null ? null : viewOf(this.#el2, this.guestFrame(page));
  }

  hostView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const { host } = this.page(ref);
    if (host === null || host.process === null) return null;
    const pa = host.frame?.pa ?? null;
    return viewOf(this.#el2, pa !== null && !this.#driver.state.isSecure(pa) ? pa : null);
  }

  isShared(ref: PageRef): boolean {
    this.#hold.resume();
    const page = this.page(ref);
    const pa = this.guestFrame(page);
    if (pa === null || page.guest === null) return false;
    return (this.#driver.state.lookUp(this.guest(page.guest.name).id, pa) & MODE_SHARED) !== 0;
  }

  release(): void {
    this.#hold.release();
  }
}
