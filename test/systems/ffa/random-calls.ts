// Random calls that know the state: mostly good ones, aimed at what is shared, lent or half sent at the moment; some with one
// thing wrong. Made from numbers, so that fast-check can shrink a sequence.

import { FfaEndpoint, type FfaRegion, type NamedReceiver } from "../../../src/machine/ffa-endpoint.js";
import type { FfaVerb } from "../../../src/machine/ffa-effects.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import type { Machine } from "../../../src/machine/machine.js";
import { at, run } from "./ffa-machines.js";

/** What a random call is made of. */
export interface Choice {
  readonly kind: number;
  readonly who: number;
  readonly page: number;
  readonly pages: number;
  readonly data: number;
  readonly odd: number;
}

const VERBS: readonly FfaVerb[] = ["share", "lend", "donate"];
const DATA = ["RW", "RO", "RW", "unspecified"] as const;
const pick = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

/** A transaction, with what is left to send. */
interface Known {
  region: FfaRegion;
  readonly owner: FfaEndpoint;
  rest: { address: bigint; pages: number }[];
}

/** Endpoints of one machine that call each other. */
export class RandomCalls {
  readonly #machine: Machine;
  readonly #state: FfaState;
  readonly #endpoints: FfaEndpoint[];
  readonly #dead = new Set<number>();
  #known: Known[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#state = new FfaState(machine);
    this.#endpoints = this.#state.config.endpoints
      .filter(({ id, buffer_pages }) => id !== 0x8000 && buffer_pages > 0)
      .filter(({ id }) => id !== 0 || this.#state.config.flavour === "spmc")
      .flatMap(({ id }) => (id === 0 ? [1, 2].map((speaksFor) => new FfaEndpoint(machine, 0, { speaksFor })) : [new FfaEndpoint(machine, id)])); // prettier-ignore
  }

  /** Makes one call. */
  make(choice: Choice): void {
    const living = this.#endpoints.filter(({ id }) => !this.#dead.has(id));
    if (living.length === 0) return;
    const caller = pick(living, choice.who);
    const known = this.#known.length === 0 ? undefined : pick(this.#known, choice.page);
    switch (choice.kind % 12) {
      case 0:
      case 1:
      case 2:
        this.#send(caller, choice);
        return;
      case 3:
      case 4:
      case 5:
        if (known !== undefined) this.#retrieve(known.region, choice);
        return;
      case 6:
        if (known !== undefined)
          caller.relinquish(known.region, { clear: choice.odd % 2 === 1, wipeFail: choice.odd === 3 });
        return;
      case 7:
        if (known !== undefined) this.#relinquish(known.region, choice);
        return;
      case 8:
        if (known !== undefined)
          this.#owner(known, choice).reclaim(known.region, { clear: choice.odd % 3 === 1, wipeFail: choice.odd === 4 });
        return;
      case 9:
        if (known !== undefined) this.#continue(known, choice);
        return;
      case 10:
        caller.fragRx(known?.region ?? { handle: 0n }, choice.odd * 16);
        caller.releaseRx();
        return;
      default:
        this.#rare(caller, choice);
    }
  }

  #send(caller: FfaEndpoint, { kind, who, page, pages, data, odd }: Choice): void {
    const verb = pick(VERBS, kind);
    const ids = this.#state.config.endpoints.map(({ id }) => id).filter((id) => id !== 0x8000 && id !== 0);
    const names = ids.includes(1) ? ids : [1, 2, ...ids];
    const to = pick(names, who + data + 1);
    const receivers: NamedReceiver[] = [{ id: to, ...(verb === "donate" ? {} : { data: pick(DATA, data) }) }];
    if (verb !== "donate" && data % 3 === 0) receivers.push({ id: pick(names, who + data + 2) });
    const constituents = [run(page, 1 + (pages % 2)), ...(pages > 2 ? [run((page + 5) % 46)] : [])];
    const firstFragment = pages === 5 && constituents.length > 1 ? { firstFragment: 1 } : {};
    const options = { to: receivers, constituents, tag: BigInt(odd % 2), clear: odd % 4 === 1 && verb !== "share" };
    const { region } = caller[verb]({ ...options, ...firstFragment, wipeFail: odd === 5 });
    if (region === null) return;
    const rest = firstFragment.firstFragment === undefined ? [] : constituents.slice(1);
    this.#known = [
      ...this.#known.filter((each) => each.region.handle !== region.handle),
      { region, owner: caller, rest },
    ];
  }

  #retrieve(region: FfaRegion, { who, data, odd }: Choice): void {
    const id = pick(region.receivers, who).id;
    const receiver = this.#living(id);
    if (receiver === undefined) return;
    const instruction = odd % 3 === 1 ? ({ instruction: odd % 2 === 0 ? "X" : "NX" } as const) : {};
    const access = data === 3 ? ({ data: pick(DATA, odd) } as const) : {};
    const flags = odd === 4 ? { flags: 4 } : {};
    receiver.retrieve(odd === 5 ? { ...region, tag: 5n } : region, { ...instruction, ...access, ...flags });
    if (odd !== 2) receiver.releaseRx();
  }

  #relinquish(region: FfaRegion, { who, odd }: Choice): void {
    const receiver = this.#living(pick(region.receivers, who).id);
    receiver?.relinquish(region, { clear: odd === 1 });
    receiver?.releaseRx();
  }

  #owner({ owner }: Known, { odd }: Choice): FfaEndpoint {
    return odd === 5 || this.#dead.has(owner.id) ? pick(this.#endpoints, odd) : owner;
  }

  #continue(known: Known, { odd, page }: Choice): void {
    if (this.#dead.has(known.owner.id)) return;
    const rest = odd === 3 ? [{ address: at(page), pages: 1 }] : known.rest;
    if (rest.length === 0) return;
    known.owner.fragTx(known.region, rest);
    known.rest = [];
  }

  // A VM's calls as a borrower at the SPMC go through the normal world.
  #living(id: number): FfaEndpoint | undefined {
    const receiver = this.#endpoints.find((endpoint) => endpoint.id === id);
    const normalWorld = this.#state.config.flavour === "spmc" && id < 0x8000 ? this.#endpoints[id - 1] : undefined;
    const found = receiver ?? normalWorld;
    return found === undefined || this.#dead.has(found.id) ? undefined : found;
  }

  #rare(caller: FfaEndpoint, { odd, page, data }: Choice): void {
    if (odd === 0 && data === 0 && caller.id !== 0 && !this.#isDelivering(caller.id)) {
      this.#dead.add(caller.id);
      caller.abort();
    } else if (odd === 1) caller.fillRx();
    else if (odd === 2) this.#permSet(page, data);
    else caller.releaseRx();
  }

  // What a partition has borrowed it would change beyond what it was granted: nothing that section 17 speaks of.
  #permSet(page: number, data: number): void {
    const el0 = this.#endpoints.find(({ id }) => id === 0x8003);
    if (el0 === undefined || this.#dead.has(el0.id) || (this.#state.lookUp(el0.id, at(page)) & 0x20) !== 0) return;
    el0.permSet(at(page), 1, pick([7, 5, 3], data));
  }

  // The death of a borrower part way through a donate, or with a half-sent transaction, is not modelled by any recording.
  #isDelivering(id: number): boolean {
    return this.#state.records().some(({ complete, verb, sender, receivers }) => {
      if (!complete) return sender === id;
      return verb === "donate" && receivers.some((receiver) => receiver.retrieved > 0);
    });
  }

  /** So that wiped pages can be told. */
  markPages(): void {
    for (let page = 0; page < this.#state.config.pages; page++) this.#machine.writePage(at(page), Uint8Array.of(0x5a));
  }
}
