// Small machines with realms to search: granules that change hands between the host and RMM, and every call that the host can make
// about them and a realm's REC can make about its addresses (reference cca sections 6 and 7).

import * as abi from "../../assembly/abi/cca.js";
import { HOST_DATA } from "../../assembly/abi/explore.js";
import { resolveCcaConfig } from "../machine/cca-config.js";
import type { Machine } from "../machine/machine.js";
import { count } from "../machine/names.js";
import type { Operation } from "../machine/operations.js";
import { CCA_RULES, CcaWatch, type CcaCall, type CcaStep, type CcaSubject } from "./cca-rules.js";
import { secretOf } from "./contents.js";
import type { SystemDomain } from "./system-domain.js";

/** What is tried. */
export type CcaMoves =
  /** Granules go to the Realm world and come back. */
  | "delegate"
  /** Realms are made, activated and destroyed. */
  | "realm"
  /** Tables below the roots are made, folded and destroyed, in both halves. */
  | "tables"
  /** Granules become data and go. */
  | "data"
  /** The host maps its own memory in the upper half. */
  | "unprotected"
  /** Addresses become RAM before the realm is active. */
  | "init"
  /** A REC is made and destroyed, runs and is interrupted. */
  | "rec"
  /** The realm asks for another RIPAS, and the host does as much as it likes. */
  | "ripas"
  /** The realm and the host write what is theirs. */
  | "writes";

/** How large a machine is, and what is tried on it. */
export interface CcaSizes {
  /** Granules that change hands. */
  readonly granules: number;
  readonly realms: 1 | 2;
  readonly moves: readonly CcaMoves[];
  /** Planes of each realm beside the first. Default: 0. */
  readonly planes?: number;
  /** The first realm is there, with a level-3 table in each half; active or not yet, with a REC or not. Default: nothing is. */
  readonly first?: { readonly active: boolean; readonly rec: boolean };
  /** Pages of the protected half, and of the unprotected one. Default: 1. */
  readonly pages?: number;
}

export const CCA_PRESETS = {
  tiny: { granules: 1, realms: 1, moves: ["delegate", "realm"] },
  small: {
    ...{ granules: 1, realms: 1, first: { active: false, rec: true } },
    moves: ["delegate", "realm", "tables", "data", "unprotected", "init", "rec", "ripas", "writes"],
  },
  "two-realms": {
    ...{ granules: 1, realms: 2, pages: 2, first: { active: false, rec: true } },
    moves: ["delegate", "realm", "data", "init", "rec", "ripas", "writes"],
  },
} as const satisfies Readonly<Record<string, CcaSizes>>;

const PAGE = 0x1000n;
const RAM = 0x8000_0000n;
const RAM_PAGES = 40n;
/** What firmware keeps. */
const SECURE = 0x9000_0000n;
/** The realm's addresses: 32 bits, of which the upper half is unprotected; four root tables, of level 2. */
const IPA_BITS = 32;
const ROOT_LEVEL = 2n;
const ROOTS = 4;
const VMIDS = 8;
/** Where the halves begin, each with a level-3 table of its own. */
const PROTECTED = 0x4000_0000n;
const UNPROTECTED = 0x8000_0000n;
const LEAVES = 3;
/** Word of a page that tells whose contents it holds. */
const TRACER = 0xc00n;
const SOURCE_DATA = 0x5c0fn;
/** Normal Write-Back, and rights. */
const WRITE_BACK = 6n << 2n;
const READ_WRITE = 0xc0n;

const at = (page: number): bigint => RAM + BigInt(page) * PAGE;
const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

// Where things are, by page: root tables of each realm, what its REC is made of, the host's pages, granules that change hands.
const root = (realm: number): bigint => at(ROOTS * realm);
const rd = (realm: number): bigint => at(8 + realm);
const params = (realm: number): bigint => at(10 + realm);
const REC = at(12);
const AUX = [at(13), at(14)] as const;
const REC_PARAMS = at(16);
const RUN = at(17);
const SOURCE = at(18);
const SHARED = at(19);
const TABLES = [at(20), at(21)] as const;
const granule = (index: number): bigint => at(24 + index);

/** Where a domain made of this one finds things. */
export const PLACES = {
  ...{ rd: rd(0), rec: REC, tables: TABLES, granule: granule(0), tracer: TRACER },
  ...{ protectedIpa: PROTECTED, unprotectedIpa: UNPROTECTED },
} as const;

/** The machine and what is tried on it. */
export function ccaDomain(sizes: CcaSizes): SystemDomain<CcaStep> {
  const { granules, realms, moves, pages = 1 } = sizes;
  const subject: CcaSubject = {
    rds: indices(realms).map(rd),
    rec: REC,
    ipas: indices(pages).map((page) => PROTECTED + BigInt(page) * PAGE),
    unprotected: indices(pages).map((page) => UNPROTECTED + BigInt(page) * PAGE),
    granules: indices(granules).map(granule),
    tracer: TRACER,
  };
  return {
    system: "cca",
    config: resolveCcaConfig({
      regions: [
        { base: RAM, size: RAM_PAGES * PAGE },
        { base: SECURE, size: PAGE, nomap: true },
      ],
      ipa_bits: IPA_BITS,
      vmids: VMIDS,
    }),
    bounds: boundsOf(sizes),
    warmUp: (machine) => {
      warmUp(machine, sizes);
    },
    setUp: setUpOf(sizes),
    steps: moves.flatMap((move) => STEPS[move](sizes)),
    rules: CCA_RULES,
    watch: (machine, _marks, asked) => new CcaWatch(machine, subject, asked),
  };
}

function boundsOf({ granules, realms, pages = 1, first }: CcaSizes): string {
  const made =
    first === undefined
      ? ""
      : `, the first there from the start with ${first.rec ? "a REC and " : ""}a table in each half`;
  const changing = `${count(granules, "granule")} that ${granules === 1 ? "changes" : "change"} hands, ${count(pages, "page")} in each half`;
  return `${changing}, ${count(realms, "realm")} of 32 bits${made}`;
}

// All pages have frames, and the host has written what RMM reads.
function warmUp(machine: Machine, { realms, planes = 0 }: CcaSizes): void {
  indices(Number(RAM_PAGES)).forEach((page) => machine.core.exports.frameForWrite(at(page)));
  indices(realms).forEach((realm) => {
    const first = 1 + realm * (planes + 1);
    write(machine, params(realm), abi.PARAMS_S2SZ, IPA_BITS);
    write(machine, params(realm), abi.PARAMS_VMID, first);
    write(machine, params(realm), abi.PARAMS_RTT_BASE, root(realm));
    write(machine, params(realm), abi.PARAMS_RTT_LEVEL_START, ROOT_LEVEL);
    write(machine, params(realm), abi.PARAMS_RTT_NUM_START, ROOTS);
    write(machine, params(realm), abi.PARAMS_NUM_AUX_PLANES, planes);
    indices(planes).forEach((plane) => {
      write(machine, params(realm), abi.PARAMS_AUX_VMID + 8 * plane, first + 1 + plane);
    });
  });
  write(machine, REC_PARAMS, abi.REC_PARAMS_FLAGS, abi.REC_RUNNABLE);
  write(machine, REC_PARAMS, abi.REC_PARAMS_NUM_AUX, AUX.length);
  AUX.forEach((aux, index) => {
    write(machine, REC_PARAMS, abi.REC_PARAMS_AUX + 8 * index, aux);
  });
  write(machine, SOURCE, Number(TRACER), SOURCE_DATA);
}

function write(machine: Machine, page: bigint, offset: number, value: bigint | number): void {
  machine.writePage(page, new Uint8Array(BigUint64Array.of(BigInt(value)).buffer), offset);
}

const delegate = (address: bigint): Operation => ({ op: "rmi_granule_delegate", granule: address });
const undelegate = (address: bigint): Operation => ({ op: "rmi_granule_undelegate", granule: address });
const createRealm = (realm: number): Operation => ({ op: "rmi_realm_create", rd: rd(realm), params: params(realm) });
const activate = (realm: number): Operation => ({ op: "rmi_realm_activate", rd: rd(realm) });
const createRec: Operation = { op: "rmi_rec_create", rd: rd(0), rec: REC, params: REC_PARAMS };
const createTable = (rtt: bigint, ipa: bigint): Operation => ({
  ...{ op: "rmi_rtt_create", rd: rd(0), rtt, ipa, level: LEAVES },
});

function setUpOf({ realms, first }: CcaSizes): Operation[] {
  const granules = indices(realms).flatMap((realm) => [
    rd(realm),
    ...indices(ROOTS).map((index) => root(realm) + BigInt(index) * PAGE),
  ]);
  const delegated = [...granules, ...AUX, REC].map(delegate);
  if (first === undefined) return delegated;
  return [
    ...delegated,
    createRealm(0),
    ...TABLES.flatMap((table, half) => [delegate(table), createTable(table, half === 0 ? PROTECTED : UNPROTECTED)]),
    ...(first.rec ? [createRec] : []),
    ...(first.active ? [activate(0)] : []),
  ];
}

const call = (operation: CcaCall): CcaStep => ({ calls: [operation] });

const STEPS: Readonly<Record<CcaMoves, (sizes: CcaSizes) => CcaStep[]>> = {
  delegate: ({ granules, moves }) =>
    [...indices(granules).map(granule), rd(0), ...(moves.includes("rec") ? [AUX[1]] : []), SECURE].flatMap((each) => [
      call(delegate(each)),
      call(undelegate(each)),
    ]),
  realm: ({ realms }) =>
    indices(realms).flatMap((realm) => [
      call(createRealm(realm)),
      call(activate(realm)),
      call({ op: "rmi_realm_destroy", rd: rd(realm) }),
    ]),
  tables: ({ granules }) => [
    ...[PROTECTED, UNPROTECTED].flatMap((ipa) => [
      ...indices(granules).map((index) => call(createTable(granule(index), ipa))),
      call({ op: "rmi_rtt_destroy", rd: rd(0), ipa, level: LEAVES }),
      call({ op: "rmi_rtt_fold", rd: rd(0), ipa, level: LEAVES }),
    ]),
  ],
  data: dataSteps,
  unprotected: ({ pages = 1 }) =>
    indices(pages).flatMap((page) => {
      const place = { rd: rd(0), ipa: UNPROTECTED + BigInt(page) * PAGE, level: LEAVES };
      return [
        call({ op: "rmi_rtt_map_unprotected", ...place, desc: SHARED | WRITE_BACK | READ_WRITE }),
        call({ op: "rmi_rtt_unmap_unprotected", ...place }),
      ];
    }),
  init: ({ pages = 1 }) => rangesOf(pages).map((range) => call({ op: "rmi_rtt_init_ripas", rd: rd(0), ...range })),
  rec: () => [
    call(createRec),
    call({ op: "rmi_rec_destroy", rec: REC }),
    call({ op: "rmi_rec_enter", rec: REC, run: RUN }),
    call({ op: "rec_interrupt", rec: REC }),
  ],
  ripas: ({ pages = 1 }) => [
    ...[abi.RIPAS_EMPTY, abi.RIPAS_RAM].flatMap((ripas) =>
      [0, abi.RSI_CHANGE_DESTROYED].map((flags) =>
        call({
          ...{ op: "rsi_ipa_state_set", rec: REC, base: PROTECTED, top: PROTECTED + BigInt(pages) * PAGE },
          ...{ ripas: BigInt(ripas), flags },
        }),
      ),
    ),
    ...rangesOf(pages).map((range) => call({ op: "rmi_rtt_set_ripas", rd: rd(0), rec: REC, ...range })),
  ],
  writes: ({ granules, pages = 1 }) => [
    ...indices(pages).map((page) => {
      const ipa = PROTECTED + BigInt(page) * PAGE + TRACER;
      return call({ op: "access", access: { stage2: 1, ipa, kind: "write", value: secretOf(1) } });
    }),
    ...indices(granules).map((index) => {
      const ipa = granule(index) + TRACER;
      return call({ op: "access", access: { stage2: "host", ipa, kind: "write", value: BigInt(HOST_DATA) } });
    }),
  ],
};

/** Each page, half a page and nothing. */
function rangesOf(pages: number): { base: bigint; top: bigint }[] {
  return [
    ...indices(pages).map((page) => ({ base: PROTECTED, top: PROTECTED + BigInt(page + 1) * PAGE })),
    { base: PROTECTED, top: PROTECTED + PAGE / 2n },
    { base: PROTECTED, top: PROTECTED },
  ];
}

function dataSteps({ granules, pages = 1 }: CcaSizes): CcaStep[] {
  const realm = rd(0);
  return indices(pages).flatMap((page) => {
    const ipa = PROTECTED + BigInt(page) * PAGE;
    // The realm descriptor as well: one granule for two arguments.
    const datas = [...indices(granules).map(granule), realm];
    return [
      ...datas.flatMap((data) => [
        call({ op: "rmi_data_create", rd: realm, data, ipa, src: SOURCE, flags: 0 }),
        call({ op: "rmi_data_create_unknown", rd: realm, data, ipa }),
      ]),
      call({ op: "rmi_data_destroy", rd: realm, ipa }),
    ];
  });
}
