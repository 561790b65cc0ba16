// A world of partition managers: the common verbs as the FF-A calls that endpoints make about their pages.

import { FFA_VERSION_1_0 } from "../../../../assembly/abi/ffa.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { Constituent } from "../../../machine/ffa-descriptor.js";
import { stateName } from "../../../machine/ffa-effects.js";
import { FfaEndpoint, type FfaAnswer } from "../../../machine/ffa-endpoint.js";
import type { FfaState } from "../../../machine/ffa-state.js";
import type { Machine } from "../../../machine/machine.js";
import type { Action, PageRef, Participant, Rights, Verb } from "../../scenario.js";
import type { PageView, Setup, World } from "../../system.js";
import { Calls } from "./calls.js";
import type { EndpointPlace, Layout } from "./layout.js";
import { EndpointMemory, partyOf } from "./memory.js";
import { messageWords } from "./messages-in-words.js";
import { answerResult, noSuchVerb } from "./results.js";
import { FFA_RULES } from "./rules.js";
import { Transactions, type Transaction } from "./transactions.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;
type Send = ActionOf<"donate" | "lend" | "share">;

export interface FfaWorldParts {
  readonly machine: Machine;
  readonly state: FfaState;
  readonly layout: Layout;
  readonly setup: Setup;
  readonly log: EvidenceLog;
  /** The machine is needed no longer. */
  readonly release: () => void;
}

const PAGE_SIZE = 4096n;
const AS_A_WHOLE = "a transaction is retrieved, relinquished and reclaimed as a whole";
const NO_ENDPOINT = "the partition manager itself sends and takes no pages";

export class FfaWorld implements World {
  readonly #machine: Machine;
  readonly #state: FfaState;
  readonly #layout: Layout;
  readonly #log: EvidenceLog;
  readonly #release: () => void;
  readonly #participants: ReadonlyMap<string, Participant>;
  readonly #memory: EndpointMemory;
  readonly #transactions = new Transactions();
  readonly #calls: Calls;
  readonly #dead: string[] = [];

  constructor({ machine, state, layout, setup, log, release }: FfaWorldParts) {
    this.#machine = machine;
    this.#state = state;
    this.#layout = layout;
    this.#log = log;
    this.#release = release;
    this.#participants = new Map(setup.participants.map((participant) => [participant.name, participant]));
    this.#memory = new EndpointMemory(machine, state, log);
    this.#calls = new Calls(this.#transactions, {
      endpoint: (name) => this.#endpoint(name),
      caller: (place) => (this.#isDead(place) ? null : this.#caller(place)),
      pages: (name) => layout.pages.get(name) ?? null,
    });
    this.#fill();
  }

  /** Content of the pages before the first step. */
  #fill(): void {
    for (const { declaration, address } of this.#layout.pages.values()) {
      if (declaration.content === 0n) continue;
      const word = new Uint8Array(new BigUint64Array([declaration.content]).buffer);
      for (let page = 0; page < declaration.count; page++) {
        this.#machine.writePage(address + BigInt(page) * PAGE_SIZE, word);
      }
    }
  }

  perform(action: Action): StepResult {
    switch (action.verb) {
      case "donate":
      case "lend":
      case "share":
        return this.#send(action);
      case "accept":
        return this.#eachSend(action, FFA_RULES.retrieve, (caller, sent) => this.#retrieve(caller, sent, action));
      case "relinquish":
        return this.#eachSend(action, FFA_RULES.relinquish, (caller, { region }) => {
          if (action.sanitize) this.#log.rule(FFA_RULES.clearAtRelinquish);
          return caller.relinquish(region, { clear: action.sanitize });
        });
      case "reclaim":
        return this.#reclaim(action);
      case "access":
        return this.#access(action);
      case "kill":
      case "teardown":
        return this.#end(action.who);
      case "operation":
        return this.#calls.run(action);
      case "walk":
        return this.#walk(action);
      case "call":
        return noSuchVerb("partition managers know endpoints, and no kernel's calls");
    }
  }

  #send(action: Send): StepResult {
    const from = this.#endpoint(action.from);
    const receivers = [action.to].flat().map((name) => this.#endpoint(name));
    if (from === null || receivers.includes(null)) return noSuchVerb(NO_ENDPOINT);
    if (this.#isDead(from)) return stepResult("not run");
    this.#log.rule(FFA_RULES[action.verb]);
    const rights = action.verb === "donate" ? null : action.rights;
    const sanitize = action.verb !== "donate" && action.sanitize;
    if (sanitize) this.#log.rule(FFA_RULES.clearAtSend);
    const pages = action.pages.map((page) => this.#address(page));
    const to = receivers.flatMap((place) => (place === null ? [] : [receiver(place.id, rights)]));
    const answer = this.#caller(from)[action.verb]({ to, constituents: runs(pages), clear: sanitize });
    const { region } = answer;
    if (region !== null) this.#transactions.add({ region, pages, executable: rights?.endsWith("X") ?? false });
    return answerResult(answer);
  }

  #retrieve(caller: FfaEndpoint, { region, executable }: Transaction, { sanitize }: ActionOf<"accept">): FfaAnswer {
    if (sanitize) this.#log.rule(FFA_RULES.clearAtRetrieve);
    const mayExecute = region.verb === "lend" && region.receivers.length === 1 && executable;
    return caller.retrieveAll(region, {
      flags: sanitize ? 1 : 0,
      ...(mayExecute ? { instruction: "X" as const } : {}),
    });
  }

  #reclaim(action: ActionOf<"reclaim">): StepResult {
    if (action.force) return noSuchVerb("an owner cannot take pages back that a borrower holds");
    return this.#eachSend(action, FFA_RULES.reclaim, (caller, { region }) => {
      if (action.sanitize) this.#log.rule(FFA_RULES.clearAtReclaim);
      return caller.reclaim(region, { clear: action.sanitize });
    });
  }

  /** Pages in words of their transactions, of which each is one call. */
  #eachSend(
    { by, pages }: ActionOf<"accept" | "relinquish" | "reclaim">,
    rule: (typeof FFA_RULES)["retrieve"],
    call: (caller: FfaEndpoint, sent: Transaction) => FfaAnswer,
  ): StepResult {
    const place = this.#endpoint(by);
    if (place === null) return noSuchVerb(NO_ENDPOINT);
    if (this.#isDead(place)) return stepResult("not run");
    const sends = this.#transactions.behind(
      pages.map((page) => this.#address(page)),
      place.id,
    );
    if (sends.some(({ sent, named }) => sent.pages.length > named.length)) return noSuchVerb(AS_A_WHOLE);
    this.#log.rule(rule);
    for (const { sent } of sends) {
      const answer = call(this.#caller(place), sent);
      if (answer.error !== null) return stepResult(answer.error);
    }
    return stepResult("ok");
  }

  #access({ by, page, kind, value, offset }: ActionOf<"access">): StepResult {
    const address = this.#address(page) + BigInt(offset);
    const participant = this.#participants.get(by);
    if (participant?.role === "device") {
      const primary = participant.iommu === "stage2" ? this.#endpoint("kernel") : null;
      return this.#memory.dma(by, primary, address, { kind, value });
    }
    const endpoint = this.#endpoint(by);
    if (endpoint === null) return noSuchVerb("a partition manager touches endpoints' pages to wipe them, and else not");
    return this.#isDead(endpoint) ? stepResult("not run") : this.#memory.touch(endpoint, address, { kind, value });
  }

  /** An endpoint, or a process of the host: with a VMM end the VMs that it runs. */
  #end(who: string): StepResult {
    if (this.#dead.includes(who)) return stepResult("not run");
    const before = this.#dead.length;
    const participant = this.#participants.get(who);
    if (participant?.role === "vmm" || participant?.role === "process") {
      this.#log.rule(FFA_RULES.processDeath);
      this.#dead.push(who);
      for (const guest of this.#participants.values()) {
        if (guest.role === "guest" && guest.vmm === who && !this.#dead.includes(guest.name)) this.#abort(guest.name);
      }
    } else {
      this.#abort(who);
    }
    return stepResult("ok", { died: this.#dead.slice(before) });
  }

  #abort(who: string): void {
    const place = this.#endpoint(who);
    if (place === null) return;
    this.#log.rule(FFA_RULES.death);
    this.#caller(place).abort();
    this.#dead.push(who);
  }

  #walk({ of, ipa, page }: ActionOf<"walk">): StepResult {
    const endpoint = this.#endpoint(of);
    if (endpoint === null || typeof ipa === "string") return noSuchVerb("only endpoints have a stage 2");
    if (!endpoint.hasStage2) return noSuchVerb(FFA_RULES.normalWorld.says);
    const address = page === null ? (ipa ?? 0n) : this.#address(page);
    const translation = this.#machine.translate(this.#memory.stage2(endpoint, address), address, { kind: "read" });
    if (translation === null) return stepResult("not run");
    const { pa, fault } = translation;
    return fault === null ? stepResult("ok", { value: pa }) : stepResult(`${fault.kind.replace("_", " ")} fault`);
  }

  /** A VMM, a process and the host's kernel are the primary. Null: nobody that makes calls. */
  #endpoint(name: string): EndpointPlace | null {
    return this.#layout.endpoints.get(name) ?? null;
  }

  #caller({ id, name }: EndpointPlace): FfaEndpoint {
    const version = this.#state.config.endpoints.find((endpoint) => endpoint.id === id)?.version ?? FFA_VERSION_1_0;
    return new FfaEndpoint(this.#machine, id, {
      onCall: (call, message, answer) => {
        this.#log.operation(this.#machine, call, answer.outcome, () => messageWords(version, call, message, answer));
        if (answer.error !== null) this.#log.saw(partyOf(name), `${name} is answered with FFA_ERROR ${answer.error}`);
      },
    });
  }

  #isDead({ name }: EndpointPlace): boolean {
    return this.#dead.includes(name);
  }

  #address({ name, index }: PageRef): bigint {
    const placed = this.#layout.pages.get(name);
    if (placed === undefined) throw new RangeError(`the world has no page ${name}`);
    return placed.address + BigInt(index) * PAGE_SIZE;
  }

  guestView(page: PageRef): PageView | null {
    const owner = this.#layout.pages.get(page.name)?.owner ?? null;
    return owner === null ? null : this.#memory.view(owner, this.#address(page));
  }

  hostView(page: PageRef): PageView | null {
    const host = this.#endpoint("kernel");
    return host === null ? null : this.#memory.view(host, this.#address(page));
  }

  isShared(page: PageRef): boolean {
    const owner = this.#layout.pages.get(page.name)?.owner ?? null;
    if (owner === null) return false;
    return stateName(this.#state.lookUp(owner.id, this.#address(page))).endsWith("O-SA");
  }

  mayRead(page: PageRef, reader: string): boolean {
    const endpoint = this.#endpoint(reader);
    return endpoint !== null && this.#transactions.wasGiven(this.#address(page), endpoint.id);
  }

  deaths(): readonly string[] {
    return this.#dead;
  }

  release(): void {
    this.#release();
  }
}

/** Rights of a donation are the receiver's to choose; of a lend or share it is told what data access it gets. */
function receiver(id: number, rights: Rights | null) {
  if (rights === null) return { id };
  return { id, data: rights.includes("W") ? ("RW" as const) : ("RO" as const) };
}

/** Consecutive pages as one constituent. */
function runs(pages: readonly bigint[]): Constituent[] {
  const constituents: { address: bigint; pages: number }[] = [];
  for (const address of pages) {
    const last = constituents.at(-1);
    if (last !== undefined && last.address + BigInt(last.pages) * PAGE_SIZE === address) last.pages += 1;
    else constituents.push({ address, pages: 1 });
  }
  return constituents;
}
