// The calls of `operation` steps (partition-calls.ts): words made values, every field of a message open to be stated.

import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { AccessDescriptor, Constituent, TransactionDescriptor } from "../../../machine/ffa-descriptor.js";
import {
  permissionsByte,
  type DataAccess,
  type FfaEndpoint,
  type FfaRegion,
  type MessageOverrides,
  type NamedReceiver,
} from "../../../machine/ffa-endpoint.js";
import {
  PARTITION_CALLS,
  parseConstituents,
  parseReceivers,
  type ConstituentWords,
  type PartitionCall,
  type ReceiverWords,
} from "../../partition-calls.js";
import type { Action } from "../../scenario.js";
import type { EndpointPlace, PlacedPages } from "./layout.js";
import { answerResult, fragmentResult, noSuchVerb, permissionResult, responseResult } from "./results.js";
import { strangeRegion, type Transactions } from "./transactions.js";

type Operation = Extract<Action, { readonly verb: "operation" }>;

/** What names stand for. */
export interface Names {
  endpoint(name: string): EndpointPlace | null;
  /** Null: it is dead. */
  caller(place: EndpointPlace): FfaEndpoint | null;
  pages(name: string): PlacedPages | null;
}

const PAGE_SIZE = 4096n;
const DATA: readonly DataAccess[] = ["unspecified", "RO", "RW", "RW"];
const CLEAR = 1n;

export class Calls {
  readonly #transactions: Transactions;
  readonly #names: Names;
  readonly #saved = new Map<string, bigint>();

  constructor(transactions: Transactions, names: Names) {
    this.#transactions = transactions;
    this.#names = names;
  }

  run({ op, args, save }: Operation): StepResult {
    if (!Object.hasOwn(PARTITION_CALLS, op)) return noSuchVerb(`partition managers have no operation ${op}`);
    const by = this.#names.endpoint(String(args["by"]));
    if (by === null) return noSuchVerb(`${String(args["by"])} makes no calls`);
    const caller = this.#names.caller(by);
    if (caller === null) return stepResult("not run");
    const call = new Arguments(args, this.#names, this.#saved);
    return this.#make(op as PartitionCall, caller, call, save);
  }

  #make(op: PartitionCall, caller: FfaEndpoint, call: Arguments, save: string | null): StepResult {
    switch (op) {
      case "mem_donate":
        return this.#send("donate", caller, call, save);
      case "mem_lend":
        return this.#send("lend", caller, call, save);
      case "mem_share":
        return this.#send("share", caller, call, save);
      case "mem_retrieve":
        return this.#retrieve(caller, call);
      case "mem_frag_tx": {
        const region = this.#region(call.handle, caller.id);
        const { fragment, sender } = call.numbers("fragment", "sender");
        const options = { ...call.faults, ...stated({ fragment, sender }) };
        return answerResult(caller.fragTx(region, call.constituents, options));
      }
      case "mem_frag_rx":
        return fragmentResult(caller.fragRx(call, call.number("offset") ?? 0, call.number("sender")));
      case "mem_relinquish": {
        const { endpoints } = call;
        const options = { clear: call.isClear, ...call.faults, ...stated({ endpoints, count: call.number("count") }) };
        return answerResult(caller.relinquish(call, options));
      }
      case "mem_reclaim":
        return answerResult(caller.reclaim(call, { clear: call.isClear, ...call.faults }));
      case "mem_perm_get":
        return permissionResult(caller.permGet(call.base, call.number("count") ?? 1));
      case "mem_perm_set":
        return answerResult(caller.permSet(call.base, call.number("count") ?? 1, call.number("permission") ?? 0));
      case "rx_release":
        return answerResult(caller.releaseRx());
      case "rx_fill":
        return answerResult(caller.fillRx());
    }
  }

  #send(verb: "donate" | "lend" | "share", caller: FfaEndpoint, call: Arguments, save: string | null) {
    const usual = permissionsByte(verb === "donate" ? "unspecified" : "RW", "unspecified");
    const receivers = call.receivers.map(({ id, permissions }) => ({ id, permissions: permissions ?? usual }));
    const { constituents } = call;
    const pageCount = call.number("page_count") ?? constituents.reduce((sum, { pages }) => sum + pages, 0);
    const constituentCount = call.number("constituent_count") ?? constituents.length;
    const answer = caller[verb]({
      to: receivers.map(({ id, permissions }): NamedReceiver => ({ id, data: DATA[permissions & 3] ?? "RW" })),
      constituents,
      ...stated({ tag: call.word("tag"), attributes: call.number("attributes"), firstFragment: call.number("first") }),
      ...call.overrides({
        receivers: receivers.map((receiver) => call.access(receiver)),
        composite: { pageCount, constituentCount },
      }),
    });
    const { region } = answer;
    if (region === null) return answerResult(answer);
    this.#transactions.add({ region, pages: constituents.flatMap(pagesOf), executable: false });
    if (save !== null) this.#saved.set(save, region.handle);
    return { ...answerResult(answer), value: region.handle };
  }

  #retrieve(caller: FfaEndpoint, call: Arguments): StepResult {
    const region = this.#region(call.handle, caller.id);
    const isStated = region.verb === "donate" || (region.verb === "lend" && region.receivers.length === 1);
    const usual = (id: number): number => {
      const sent = region.receivers.find((receiver) => receiver.id === id)?.data ?? "RW";
      return permissionsByte(region.verb === "donate" ? "RW" : sent, isStated ? "NX" : "unspecified");
    };
    const named = call.states("to") ? call.receivers : region.receivers.map(({ id }) => ({ id, permissions: null }));
    const receivers = named.map(({ id, permissions }) => {
      return { offset: 0, ...call.access({ id, permissions: permissions ?? usual(id) }) };
    });
    const options = call.overrides({ receivers, ...stated({ tag: call.word("tag") }) });
    const answer = call.flag("keep") ? caller.retrieve(region, options) : caller.retrieveAll(region, options);
    return responseResult(answer, call.flag("keep"));
  }

  #region(handle: bigint, caller: number): FfaRegion {
    return this.#transactions.withHandle(handle)?.region ?? strangeRegion(handle, caller);
  }
}

/** The arguments of one call as values. */
class Arguments {
  readonly #args: Operation["args"];
  readonly #names: Names;
  readonly #saved: ReadonlyMap<string, bigint>;

  constructor(args: Operation["args"], names: Names, saved: ReadonlyMap<string, bigint>) {
    this.#args = args;
    this.#names = names;
    this.#saved = saved;
  }

  states(name: string): boolean {
    return this.#args[name] !== undefined;
  }

  /** A number, or an endpoint's; undefined if it is left out. */
  word(name: string): bigint | undefined {
    const value = this.#args[name];
    if (typeof value === "string") return BigInt(this.#endpointId(value));
    return typeof value === "bigint" || typeof value === "number" ? BigInt(value) : undefined;
  }

  /** What fits 32 bits. */
  number(name: string): number | undefined {
    const word = this.word(name);
    return word === undefined ? undefined : Number(BigInt.asUintN(32, word));
  }

  numbers<Name extends string>(...names: readonly Name[]): Record<Name, number | undefined> {
    return Object.fromEntries(names.map((name) => [name, this.number(name)])) as Record<Name, number | undefined>;
  }

  flag(name: string): boolean {
    return this.#args[name] === true;
  }

  get isClear(): boolean {
    return ((this.word("flags") ?? 0n) & CLEAR) !== 0n;
  }

  get faults() {
    return { txFault: this.flag("tx_fault"), wipeFail: this.flag("wipe_fail") };
  }

  /** `$name` of a send that failed stands for no transaction. */
  get handle(): bigint {
    const value = this.#args["handle"];
    if (typeof value === "string") return this.#saved.get(value.replace(/^\$/, "")) ?? (1n << 64n) - 1n;
    return this.word("handle") ?? 0n;
  }

  get receivers(): { readonly id: number; readonly permissions: number | null }[] {
    return this.#receivers("to").map(({ endpoint, permissions }) => ({ id: this.#endpointId(endpoint), permissions }));
  }

  /** Undefined if they are left out. */
  get endpoints(): number[] | undefined {
    if (!this.states("endpoints")) return undefined;
    return this.#receivers("endpoints").map(({ endpoint }) => this.#endpointId(endpoint));
  }

  #receivers(name: string): ReceiverWords[] {
    return parseReceivers(String(this.#args[name] ?? "")) ?? [];
  }

  #endpointId(name: string): number {
    return this.#names.endpoint(name)?.id ?? Number(BigInt.asUintN(16, BigInt(name)));
  }

  get constituents(): Constituent[] {
    const words = parseConstituents(String(this.#args["pages"] ?? "")) ?? [];
    return words.flatMap((word) => this.#constituents(word));
  }

  get base(): bigint {
    const value = this.#args["base"];
    if (typeof value !== "string") return this.word("base") ?? 0n;
    const [first] = (parseConstituents(value) ?? []).flatMap((word) => this.#constituents(word));
    return first?.address ?? 0n;
  }

  #constituents({ page, offset, count, each }: ConstituentWords): Constituent[] {
    if (page === null) return [{ address: offset, pages: count ?? 1 }];
    const placed = this.#names.pages(page.name);
    if (placed === null) return [];
    const { first, last } = page;
    const from = first ?? 0;
    const pages = (last ?? placed.declaration.count - 1) - from + 1;
    const address = BigInt.asUintN(64, placed.address + BigInt(from) * PAGE_SIZE + offset);
    if (!each) return [{ address, pages: count ?? pages }];
    return Array.from({ length: pages }, (_, i) => ({ address: address + BigInt(i) * PAGE_SIZE, pages: count ?? 1 }));
  }

  /** An access descriptor with what the call states of all of them. */
  access({ id, permissions }: { readonly id: number; readonly permissions: number }): AccessDescriptor {
    const word = this.word("impdef");
    return {
      ...{ id, permissions },
      ...stated({
        offset: this.number("composite_offset"),
        reserved: this.word("entry_reserved"),
        impdef: word === undefined ? undefined : ([word, word] as const),
      }),
    };
  }

  overrides(parts: Partial<TransactionDescriptor>): MessageOverrides {
    const registers = {
      ...this.numbers("total", "fragment"),
      page_count: this.number("count"),
      address: this.word("address"),
    };
    return {
      ...this.faults,
      descriptor: {
        ...parts,
        ...stated(this.numbers("sender", "flags", "attributes")),
        ...stated({
          accessSize: this.number("entry_size"),
          receiversOffset: this.number("receivers_offset"),
          receiverCount: this.number("receiver_count"),
          reserved: this.number("header_reserved"),
        }),
      },
      registers: stated(registers),
    };
  }
}

/** The fields that have a value. */
function stated<Fields extends object>(fields: Fields): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
}

function pagesOf({ address, pages }: Constituent): bigint[] {
  const start = address & ~(PAGE_SIZE - 1n);
  return Array.from({ length: Math.min(pages, 4096) }, (_, i) => start + BigInt(i) * PAGE_SIZE);
}
