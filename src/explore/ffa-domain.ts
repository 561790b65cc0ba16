// Small machines of FF-A partition managers to search: pages that change hands between endpoints, and every call that these
// can make about them, with all flags and rights that mean something.

import { FFA_NON_SECURE_TABLE, MODE_NS, MODE_R, MODE_W, MODE_X } from "../../assembly/abi/ffa.js";
import { resolveFfaConfig, type FfaConfig } from "../machine/ffa-config.js";
import type { DataAccess, InstructionAccess } from "../machine/ffa-endpoint.js";
import { FfaEndpoint } from "../machine/ffa-endpoint.js";
import type { FfaVerb } from "../machine/ffa-effects.js";
import type { Machine } from "../machine/machine.js";
import { count } from "../machine/names.js";
import { secretOf } from "./contents.js";
import {
  acquireStep,
  deathStep,
  fragmentStep,
  permissionStep,
  reclaimStep,
  releaseStep,
  relinquishStep,
  retrieveStep,
  sendStep,
  unmapBuffersStep,
  writeStep,
  type Caller,
  type FfaStep,
} from "./ffa-calls.js";
import { FFA_RULES, FfaWatch } from "./ffa-rules.js";
import type { SystemDomain } from "./system-domain.js";

/** How large a machine is, and what is tried on it. */
export interface FfaSizes {
  /**
   * A hypervisor with VMs; an SPMC with secure partitions before which the normal world stands; or both, where the hypervisor
   * forwards what its VMs send to partitions.
   */
  readonly flavour: "hypervisor" | "spmc" | "both";
  /** VMs, or secure partitions where there is no hypervisor. */
  readonly endpoints: number;
  /** Beside VMs. Default: 1 in flavour `both`. */
  readonly partitions?: number;
  /** Pages that change hands, all the first endpoint's: the normal world's where there is one. */
  readonly pages: number;
  /** Page numbers of each range that a message may name. Default: each page by itself. */
  readonly ranges?: readonly (readonly { readonly page: number; readonly pages: number }[])[];
  readonly transactions: number;
  /** Receivers that a message names, at most. Default: 1. */
  readonly receivers?: 1 | 2;
  readonly verbs?: readonly FfaVerb[];
  /** What is sent. Default: RW alone. */
  readonly data?: readonly DataAccess[];
  readonly instruction?: readonly InstructionAccess[];
  /** Whether pages are also wiped. */
  readonly clear?: boolean;
  /** Whether endpoints write what is theirs into their pages. */
  readonly writes?: boolean;
  /** Whether messages also come in two fragments. */
  readonly fragments?: boolean;
  /** Whether endpoints die. */
  readonly deaths?: boolean;
  /** Whether some messages contradict themselves. */
  readonly malformed?: boolean;
  /** Firmware moves pages to the secure physical address space. */
  readonly protect?: boolean;
  /** The second partition is an S-EL0 one that still initialises, and sets permissions. */
  readonly el0?: boolean;
  /** The pages are the first partition's, not the normal world's. */
  readonly secureOwner?: boolean;
  /** What RX holds is part of a state. */
  readonly mailboxes?: boolean;
  /** Whether endpoints unmap buffers, and the normal world acquires RX buffers: their own and others'. */
  readonly buffers?: boolean;
}

/** Two pages, which a message can name in a fragment each, and the first alone. */
const HALVES = [
  [
    { page: 0, pages: 1 },
    { page: 1, pages: 1 },
  ],
  [{ page: 0, pages: 1 }],
];

/** The sizes by name. */
export const FFA_PRESETS = {
  tiny: { flavour: "hypervisor", endpoints: 2, pages: 1, transactions: 1, clear: true, writes: true },
  small: {
    ...{ flavour: "hypervisor", endpoints: 3, pages: 1, transactions: 2, receivers: 2, clear: true, writes: true },
    ...{ data: ["RO", "RW"], malformed: true },
  },
  /** Messages in two fragments. */
  fragments: {
    ...{ flavour: "hypervisor", endpoints: 2, pages: 2, transactions: 2, fragments: true },
    ranges: HALVES,
  },
  /** Endpoints die. */
  deaths: { flavour: "hypervisor", endpoints: 3, pages: 1, transactions: 2, receivers: 2, writes: true, deaths: true },
  /** Endpoints die with messages half sent. */
  "half-sent": {
    ...{ flavour: "hypervisor", endpoints: 2, pages: 2, transactions: 1, fragments: true, deaths: true },
    ranges: HALVES,
  },
  /** Secure partitions. */
  secure: {
    ...{ flavour: "spmc", endpoints: 2, pages: 1, transactions: 2, clear: true, writes: true, protect: true },
    ...{ deaths: true },
  },
  /** Partitions' buffers, and those of the normal world before them. */
  buffers: { flavour: "spmc", endpoints: 2, pages: 1, transactions: 1, verbs: ["lend"], buffers: true },
  /** A VM and a partition: the hypervisor forwards, and handles come again while it remembers them. */
  worlds: { flavour: "both", endpoints: 1, pages: 2, transactions: 2, writes: true },
  /** The same, and they die. */
  "worlds-deaths": { flavour: "both", endpoints: 1, pages: 1, transactions: 1, writes: true, deaths: true },
} as const satisfies Readonly<Record<string, FfaSizes>>;

const BASE = 0x1000_0000n;
const PAGE = 0x1000n;
const TRACER = 0xc00;
const RWX = MODE_R | MODE_W | MODE_X;
const HYPERVISOR_HANDLE = 1n << 63n;
/** The normal world at the SPMC, and the VM that it speaks for. */
const NORMAL_WORLD: Caller = { id: 0, speaksFor: 1 };

/** No VM has this id. */
const NOBODY = 9;

const at = (page: number): bigint => BASE + BigInt(page) * PAGE;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Who calls: VMs 1, 2, ..., the normal world where they are not there one by one, and partitions 0x8001, 0x8002, ... */
function callersOf({ flavour, endpoints, partitions = 1 }: FfaSizes): Caller[] {
  const vms = flavour === "spmc" ? [NORMAL_WORLD] : numbers(endpoints).map((index) => ({ id: index + 1 }));
  const secure = flavour === "spmc" ? endpoints : flavour === "both" ? partitions : 0;
  return [...vms, ...numbers(secure).map((index) => ({ id: 0x8001 + index }))];
}

/** With those that call for nobody by themselves. */
const endpointsOf = (sizes: FfaSizes): Caller[] => [
  ...callersOf(sizes),
  ...(sizes.flavour === "both" ? [NORMAL_WORLD] : []),
];

// Behind the pages that change hands each endpoint has one for each table that it keeps, so that its tables stay.
function configOf(sizes: FfaSizes): FfaConfig {
  const { flavour, transactions, fragments = false, receivers = 1, protect = false } = sizes;
  return {
    ...{ flavour, base: BASE, pages: pageCount(sizes), protect },
    limits: { transactions, fragments: fragments ? 2 : 1, recipients: receivers, buffer_pages: 1 },
    endpoints: endpointsOf(sizes).map(({ id }, index) => ({
      ...{ id, version: 0x10002, modes: modesOf(sizes, id, index) },
      ...(isEl0(sizes, id) ? { el0: true, init: true } : {}),
    })),
  };
}

/** Pages that change hands, and behind them two of each endpoint's. */
const pageCount = (sizes: FfaSizes): number => sizes.pages + 2 * endpointsOf(sizes).length;
const keptPage = (sizes: FfaSizes, index: number): number => sizes.pages + 2 * index;

function modesOf(sizes: FfaSizes, id: number, index: number) {
  const { flavour, pages } = sizes;
  const kept = keptPage(sizes, index);
  if ((flavour !== "spmc" && isVm(id)) || isEl0(sizes, id)) {
    const own = { table: "main", page: kept, n: 1, mode: RWX } as const;
    return index === 0 ? [{ table: "main", page: 0, n: pages, mode: RWX } as const, own] : [own];
  }
  const nonSecure = { table: "ns", page: kept, n: 1, mode: RWX | MODE_NS } as const;
  const secure = { table: "s", page: kept + 1, n: 1, mode: RWX } as const;
  const moving = { table: id === 0 ? "ns" : "s", page: 0, n: pages, mode: id === 0 ? RWX | MODE_NS : RWX } as const;
  return id === firstOwner(sizes) ? [moving, nonSecure, secure] : [nonSecure, secure];
}

/** Which endpoint has the pages at the SPMC at first. */
const firstOwner = ({ secureOwner = false }: FfaSizes): number => (secureOwner ? 0x8001 : NORMAL_WORLD.id);

const isVm = (id: number): boolean => id > NORMAL_WORLD.id && id < 0x8000;

const isEl0 = ({ el0 = false }: FfaSizes, id: number): boolean => el0 && id === 0x8002;

/** The machine and what is tried on it. */
export function ffaDomain(sizes: FfaSizes): SystemDomain<FfaStep> {
  const { pages, protect = false, mailboxes = false } = sizes;
  const given = configOf(sizes);
  const subject = { pages: numbers(pages).map(at), tracer: TRACER, protect, mailboxes, graves: gravesOf(sizes) };
  return {
    system: "ffa",
    config: resolveFfaConfig(given),
    given: { system: "ffa", config: given },
    bounds: boundsOf(sizes),
    warmUp: (machine) => {
      warmUp(machine, sizes);
    },
    setUp: [],
    steps: stepsOf(sizes),
    keepMailboxes: mailboxes,
    rules: FFA_RULES,
    watch: (machine, marks, asked) => new FfaWatch(machine, marks, subject, asked),
  };
}

/** Who is dead is noted in a page that is the endpoint's own, and does not change hands. The normal world does not die. */
function gravesOf(sizes: FfaSizes): ReadonlyMap<number, bigint> {
  const mortals = [...endpointsOf(sizes).entries()].filter(([, { id }]) => id !== NORMAL_WORLD.id);
  return new Map(mortals.map(([index, { id }]) => [id, at(keptPage(sizes, index)) + BigInt(TRACER)]));
}

function boundsOf(sizes: FfaSizes): string {
  const { transactions, fragments = false, deaths = false, pages } = sizes;
  const messages = fragments ? "messages of two fragments at most" : "messages of one fragment";
  const sent = `${count(transactions, "transaction")} at once, ${messages}`;
  const ends = deaths ? "endpoints die" : "no endpoint dies";
  return `${count(pages, "page")}, ${count(callersOf(sizes).length, "endpoint")}, ${sent}; ${ends}`;
}

// Buffers and pages have frames, and there are blocks for as many fragments as can be kept at once: half-sent messages take
// them, and a last fragment that is refused gives them back.
function warmUp(machine: Machine, sizes: FfaSizes): void {
  const { exports } = machine.core;
  numbers(pageCount(sizes)).forEach((page) => exports.frameForWrite(at(page)));
  for (const { id } of endpointsOf(sizes)) {
    exports.frameForWrite(exports.ffaRxAddress(id));
    new FfaEndpoint(machine, id).relinquish({ handle: 0n });
  }
  const callers = callersOf(sizes);
  const speaker = ({ id, speaksFor = id }: Caller) => new FfaEndpoint(machine, id, { speaksFor });
  const [first] = callers.map(speaker);
  if (first === undefined) return;
  const constituents = [at(0), at(1), at(2)].map((address) => ({ address, pages: 1 }));
  const to = callers.at(-1)?.id ?? 0;
  const regions = numbers(sizes.transactions).flatMap(
    () => first.share({ to, constituents, firstFragment: 1 }).region ?? [],
  );
  // What the hypervisor refuses by itself the SPMC goes on waiting for: the normal world ends it there.
  const senders = sizes.flavour === "both" ? [first, speaker(NORMAL_WORLD)] : [first];
  for (const sender of senders) {
    for (const more of constituents.slice(1)) for (const region of regions) sender.fragTx(region, [more]);
  }
}

function stepsOf(sizes: FfaSizes): FfaStep[] {
  const callers = callersOf(sizes);
  return [
    ...callers.flatMap((caller) => sendSteps(caller, sizes)),
    ...callers.flatMap((caller) => handlesOf(sizes).flatMap((handle) => holderSteps(caller, handle, sizes))),
    ...callers.map(releaseStep),
    ...(sizes.buffers === true ? callers.flatMap((caller) => bufferSteps(caller, sizes)) : []),
    ...(sizes.deaths === true ? callers.filter(({ id }) => id !== NORMAL_WORLD.id).map(deathStep) : []),
    ...(sizes.malformed === true ? callers.flatMap((caller) => malformedSteps(caller, sizes)) : []),
    ...(sizes.writes === true ? callers.flatMap((caller) => writeSteps(caller, sizes)) : []),
    ...(sizes.el0 === true ? permissionSteps(sizes) : []),
  ];
}

/** Its own, every other endpoint's, and those of a VM that there is none of. */
function bufferSteps(caller: Caller, sizes: FfaSizes): FfaStep[] {
  const others = endpointsOf(sizes).filter(({ id }) => id !== caller.id);
  return [
    ...[0, ...others.map(({ id }) => id)].map((id) => unmapBuffersStep(caller, id)),
    ...[NORMAL_WORLD.id, NOBODY].map((id) => acquireStep(caller, id)),
  ];
}

/** A handle is the number of a slot, and says whose. */
function handlesOf({ flavour, endpoints, transactions }: FfaSizes): bigint[] {
  const slots = numbers(transactions).map(BigInt);
  const isAmongVms = flavour === "hypervisor" || (flavour === "both" && endpoints > 1);
  return [
    ...(isAmongVms ? slots.map((slot) => slot | HYPERVISOR_HANDLE) : []),
    ...(flavour === "hypervisor" ? [] : slots),
  ];
}

/** Whom a caller can name: each other by itself, and two of them. The normal world is no receiver here. */
function receiversFor({ id }: Caller, sizes: FfaSizes): number[][] {
  const others = callersOf(sizes)
    .map((each) => each.id)
    .filter((each) => each !== id && each !== 0);
  const pairs = others.flatMap((one, index) => others.slice(index + 1).map((other) => [one, other]));
  return [...others.map((each) => [each]), ...(sizes.receivers === 2 ? pairs : [])];
}

function rangesOf({ pages, ranges }: FfaSizes) {
  const named = ranges ?? numbers(pages).map((page) => [{ page, pages: 1 }]);
  return named.map((list) => list.map(({ page, pages: count }) => ({ address: at(page), pages: count })));
}

function sendSteps(caller: Caller, sizes: FfaSizes): FfaStep[] {
  const { verbs = ["share", "lend", "donate"], data: rights = ["RW"], clear = false, fragments = false } = sizes;
  return rangesOf(sizes).flatMap((ranges) =>
    receiversFor(caller, sizes).flatMap((to) =>
      verbs
        .filter((verb) => verb !== "donate" || to.length === 1)
        .flatMap((verb) => {
          const plain = (verb === "donate" ? rights.slice(0, 1) : rights).map((data) => ({ verb, to, ranges, data }));
          const cleared = clear && verb !== "share" ? plain.map((send) => ({ ...send, clear: true })) : [];
          const halves = fragments && ranges.length > 1 ? plain.map((send) => ({ ...send, first: 1 })) : [];
          return [...plain, ...cleared, ...halves].map((send) => sendStep(caller, send));
        }),
    ),
  );
}

/** What a caller can do with a handle: as owner, or as one of its receivers. */
function holderSteps(caller: Caller, handle: bigint, sizes: FfaSizes): FfaStep[] {
  const { instruction = ["unspecified", "NX"], clear = false, fragments = false } = sizes;
  const flags = clear ? [false, true] : [false];
  const rest = fragments
    ? rangesOf(sizes)
        .filter((list) => list.length > 1)
        .map((list) => list.slice(1))
    : [];
  const reclaims = flags.map((each) => reclaimStep(caller, handle, each));
  const more = rest.map((ranges) => fragmentStep(caller, handle, ranges));
  if (caller.id === 0) return [...reclaims, ...more];
  const retrieves = callersOf(sizes)
    .filter(({ id }) => id !== caller.id)
    .flatMap((sender) =>
      receiversFor(sender, sizes)
        .filter((to) => to.includes(caller.id))
        .flatMap((receivers) =>
          instruction.map((each) =>
            retrieveStep(caller, { handle, sender: sender.speaksFor ?? sender.id, receivers, instruction: each }),
          ),
        ),
    );
  return [...retrieves, ...flags.map((each) => relinquishStep(caller, handle, each)), ...reclaims, ...more];
}

/** The same page twice; a page count that is not the ranges'; more ranges than there are. */
function malformedSteps(caller: Caller, sizes: FfaSizes): FfaStep[] {
  const range = { address: at(0), pages: 1 };
  const to = receiversFor(caller, sizes)[0] ?? [];
  const send = { verb: "lend", to, malformed: true } as const;
  return [
    sendStep(caller, { ...send, ranges: [range, range] }),
    sendStep(caller, { ...send, ranges: [range], instead: { composite: { pageCount: 2, constituentCount: 1 } } }),
    sendStep(caller, {
      ...send,
      ranges: [range],
      instead: { composite: { pageCount: 1, constituentCount: 0xffff_ffff } },
    }),
  ];
}

function writeSteps(caller: Caller, { pages }: FfaSizes): FfaStep[] {
  const tables = isVm(caller.id) ? [caller.id] : [caller.id, caller.id | FFA_NON_SECURE_TABLE];
  const value = secretOf(caller.id);
  return numbers(pages).flatMap((page) => tables.map((table) => writeStep(caller.id, table, at(page), TRACER, value)));
}

const READ_ONLY = 7;
const READ_WRITE = 5;

function permissionSteps({ pages }: FfaSizes): FfaStep[] {
  const caller = { id: 0x8002 };
  const settings = numbers(pages).flatMap((page) =>
    [READ_ONLY, READ_WRITE].map((perm) => permissionStep(caller, at(page), 1, perm)),
  );
  return [...settings, permissionStep(caller, at(0), 0, READ_ONLY)];
}
