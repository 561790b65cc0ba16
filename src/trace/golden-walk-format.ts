// The line kinds of a golden recording of walks, checked field by field (golden/walk/README.md).

import { z } from "zod";
import { parseMemoryAttributes } from "../machine/memory-attributes.js";
import type { Access, AccessKind } from "../machine/translation.js";
import type { WalkFeatures, WalkRegisters } from "../machine/walk-machine.js";
import {
  COUNT_MAX,
  fail,
  hex,
  HEX,
  integer,
  list,
  object,
  onlyFields,
  parse,
  shown,
  type Fields,
} from "./golden-fields.js";

/** Walks and regimes that the file has. */
export interface WalkHeader {
  readonly ops: number;
}

/** A new machine. */
export interface WalkConfig {
  readonly i: number;
  readonly registers: WalkRegisters;
  /** What the recording says VTCR_EL2 means. */
  readonly granule: string;
  readonly ipaBits: number;
  readonly startLevel: number;
  readonly words: readonly (readonly [address: bigint, value: bigint])[];
  /** Linux's walker was asked too. */
  readonly hasSecondOpinion: boolean;
}

/** What a line expects, by field, as text: absent fields are expected to be absent. */
export type Expected = ReadonlyMap<string, string>;

export interface Walk {
  readonly i: number;
  readonly ipa: bigint;
  readonly access: Access;
  readonly expected: Expected;
  readonly hasSecondOpinion: boolean;
}

/** One walk over empty memory. */
export interface RegimeWalk {
  readonly i: number;
  readonly registers: WalkRegisters;
  readonly ipa: bigint;
  readonly expected: Expected;
}

export interface WalkCheck {
  readonly i: number;
  readonly mem: string;
}

export type WalkLine =
  | { readonly type: "config"; readonly value: WalkConfig }
  | { readonly type: "walk"; readonly value: Walk }
  | { readonly type: "regime"; readonly value: RegimeWalk }
  | { readonly type: "check"; readonly value: WalkCheck };

const count = z.int().nonnegative().max(COUNT_MAX);

const headerSchema = z.strictObject({
  format: z.literal("freehold-golden"),
  version: count,
  kind: z.string(),
  source: z.string(),
  oracle: z.string(),
  second: z.string(),
  name: z.string(),
  what: z.string(),
  config: z.string(),
  seed: z.int(),
  ops: count,
});

const VERSION = 1;

/** Reads the first line. */
export function parseWalkHeader(value: unknown): WalkHeader {
  const fields = object(value, "header");
  if (fields["format"] !== "freehold-golden") fail("not the header of a golden recording");
  const { version, kind, ops } = parse(headerSchema, fields, "");
  if (version !== VERSION) fail(`version ${version} is not supported, only ${VERSION}`);
  if (kind !== "walk") fail(`kind ${shown(kind)} is not the kind of this recording, "walk"`);
  return { ops };
}

/** Reads a line behind the header. */
export function parseWalkLine(value: unknown): WalkLine {
  const fields = object(value, "line");
  if (Object.hasOwn(fields, "check")) {
    onlyFields(fields, (name) => name === "check", "");
    return { type: "check", value: parse(checkSchema, fields["check"], "check") };
  }
  if (!Object.hasOwn(fields, "op")) fail("neither an operation nor a check");
  switch (fields["op"]) {
    case "config":
      return { type: "config", value: parseConfig(fields) };
    case "walk":
      return { type: "walk", value: parseWalk(fields) };
    case "regime":
      return { type: "regime", value: parseRegime(fields) };
    default:
      return fail(`unknown operation ${shown(fields["op"])}`);
  }
}

const checkSchema = z.strictObject({ i: count, mem: z.string().regex(/^0x[0-9a-f]{16}$/) });

// Values that several lines have.

const flag = z.literal([0, 1]);
const hexString = z
  .string()
  .regex(HEX)
  .transform((text) => BigInt(text));
const paBits = z.literal([32, 36, 40, 42, 44, 48, 52]);

const number = (value: unknown, where: string, min: number, max: number) => String(integer(value, where, min, max));
/** As `hex`, in the recording's own spelling. */
const address = (value: unknown, where: string) => `0x${hex(value, where).toString(16)}`;
const lineNumber = (fields: Fields) => integer(fields["i"], "i", 0, COUNT_MAX);

function known(...names: readonly string[]): (name: string) => boolean {
  return (name) => names.includes(name);
}

// config

/** Addresses of descriptors have at most 52 bits. */
const ADDRESS_END = 1n << 52n;
/** Every CPU feature beyond those that a line names is absent. */
const configSchema = z.strictObject({
  vtcr: hexString,
  vttbr: hexString,
  hcr: hexString,
  sctlr: hexString,
  granule: z.enum(["4K", "16K", "64K"]),
  ipaBits: count,
  startLevel: z.int(),
  pamax: paBits,
  feat: z.strictObject({
    lpa: flag,
    lpa2: flag,
    xnx: flag,
    hafdbs: flag,
    ttst: flag,
    s2fwb: flag,
    bbm: z.literal([0, 1, 2, 3]),
  }),
  choice: z.strictObject({ contigFault: flag, ntFault: flag }),
  s1attr: z.string(),
  abort: z.tuple([hexString, hexString]).optional(),
  linux: flag,
  mem: z.array(z.tuple([hexString, hexString])),
});

function parseConfig(fields: Fields): WalkConfig {
  onlyFields(fields, known("i", "op", "args", "ret"), "");
  integer(fields["ret"], "ret", 0, 0);
  const args = parse(configSchema, fields["args"], "args");
  for (const [at] of args.mem) {
    if (at % 8n !== 0n || at >= ADDRESS_END) fail(`args.mem: 0x${at.toString(16)} is not the address of a word`);
  }
  const stage1Attributes = parseMemoryAttributes(args.s1attr);
  if (stage1Attributes === null) return fail(`args.s1attr: ${shown(args.s1attr)} are no memory attributes`);
  const { vtcr, vttbr, hcr, sctlr, granule, ipaBits, startLevel } = args;
  const registers: WalkRegisters = {
    ...{ vtcr, vttbr, hcr, sctlr, paBits: args.pamax, features: featuresOf(args.feat), stage1Attributes },
    contiguousFault: args.choice.contigFault === 1,
    ntFault: args.choice.ntFault === 1,
    ...(args.abort === undefined ? {} : { abort: { first: args.abort[0], end: args.abort[1] } }),
  };
  const hasSecondOpinion = args.linux === 1;
  return { i: lineNumber(fields), registers, granule, ipaBits, startLevel, words: args.mem, hasSecondOpinion };
}

function featuresOf({ bbm, ...flags }: z.output<typeof configSchema>["feat"]): WalkFeatures {
  const { lpa, lpa2, xnx, hafdbs, ttst, s2fwb } = flags;
  return {
    ...{ lpa: lpa === 1, lpa2: lpa2 === 1, xnx: xnx === 1, hafdbs: hafdbs === 1, ttst: ttst === 1 },
    ...{ s2fwb: s2fwb === 1, bbm },
  };
}

// walk

const KINDS: Readonly<Record<string, AccessKind>> = {
  r: "read",
  w: "write",
  x: "fetch",
  t: "table_read",
  u: "table_update",
};

function parseAccess(args: Fields): Access {
  const { acc } = args;
  const kind = typeof acc === "string" && Object.hasOwn(KINDS, acc) ? KINDS[acc] : undefined;
  if (kind === undefined) return fail(`args.acc: ${shown(acc)} is no kind of access`);
  const el = integer(args["el"], "args.el", 0, 1) === 0 ? 0 : 1;
  if (el === 0 && kind.startsWith("table")) fail("args.el: stage 1 walks its tables as EL1");
  return { kind, el };
}

function parseWalk(fields: Fields): Walk {
  const args = object(fields["args"], "args");
  onlyFields(args, known("ipa", "acc", "el"), "args: ");
  const isFault = integer(fields["ret"], "ret", 0, 1) === 1;
  return {
    i: lineNumber(fields),
    ipa: hex(args["ipa"], "args.ipa"),
    access: parseAccess(args),
    expected: isFault ? expectedFault(fields) : expectedLeaf(fields),
    hasSecondOpinion: parseSecondOpinion(fields, walkOpinion),
  };
}

const COMMON = ["i", "op", "args", "ret", "linux", "level", "reads"];
const isLeafField = known(...COMMON, "pa", "desc", "s2ap", "xn", "cont", "s2attr", "attr", "changed");
const isFaultField = known(...COMMON, "fault", "fsc", "esr", "hpfar");
/** Five levels and the compare-and-swap of an update. */
const READS_MAX = 6;

function expectedLeaf(fields: Fields): Expected {
  onlyFields(fields, isLeafField, "");
  const expected = new Map([
    ["ret", "0"],
    ["pa", address(fields["pa"], "pa")],
    ["level", number(fields["level"], "level", -1, 3)],
    ["desc", address(fields["desc"], "desc")],
    ["s2ap", number(fields["s2ap"], "s2ap", 0, 3)],
    ["xn", number(fields["xn"], "xn", 0, 3)],
    ["cont", number(fields["cont"], "cont", 0, 1)],
    ["s2attr", attributes(fields["s2attr"], "s2attr")],
    ["attr", attributes(fields["attr"], "attr")],
    ["reads", number(fields["reads"], "reads", 0, READS_MAX)],
  ]);
  if (fields["changed"] !== undefined) expected.set("changed.mem", changedWords(fields["changed"]));
  return expected;
}

function expectedFault(fields: Fields): Expected {
  onlyFields(fields, isFaultField, "");
  const fault = parse(faultName, fields["fault"], "fault");
  const expected = new Map([
    ["ret", "1"],
    ["fault", fault],
    ["level", number(fields["level"], "level", -1, 3)],
    ["fsc", number(fields["fsc"], "fsc", 0, 0x3f)],
    ["esr", address(fields["esr"], "esr")],
    ["reads", number(fields["reads"], "reads", 0, READS_MAX)],
  ]);
  if (fields["hpfar"] !== undefined) expected.set("hpfar", address(fields["hpfar"], "hpfar"));
  return expected;
}

const faultName = z.enum(["translation", "addrsize", "access", "permission", "extabort"]);

function attributes(value: unknown, where: string): string {
  if (typeof value !== "string" || parseMemoryAttributes(value) === null) {
    return fail(`${where}: ${shown(value)} are no memory attributes`);
  }
  return value;
}

/** `changed.mem` as it is compared: `[0x1000 0x1 0x401]`, a bracket for each word. */
export function changeText(changes: readonly { address: bigint; before: bigint; after: bigint }[]): string {
  const words = changes.map(({ address, before, after }) =>
    [address, before, after].map((word) => `0x${word.toString(16)}`),
  );
  return words.map((word) => `[${word.join(" ")}]`).join(" ");
}

function changedWords(value: unknown): string {
  const changed = object(value, "changed");
  onlyFields(changed, known("mem"), "changed: ");
  const words = list(changed["mem"], "changed.mem").map((entry) => {
    const word = list(entry, "changed.mem").map((part) => hex(part, "changed.mem"));
    if (word.length !== 3) fail("changed.mem: not [address, old, new]");
    return { address: word[0] as bigint, before: word[1] as bigint, after: word[2] as bigint };
  });
  return changeText(words);
}

// `linux`: what Linux's walker answered where it differs. Well-formed, but nothing to compare with.

const why = z.enum(["ipa-range", "small-input", "4k-level3", "contig-oa", "contig-fault", "ptw-device"]);
const answer = z.int();
const walkOpinion = z.union([
  z.strictObject({ why, ret: answer, fsc: count }),
  z.strictObject({ why, ret: answer, pa: hexString, level: z.int() }),
]);
const regimeOpinion = z.strictObject({ ret: answer, fsc: count, raw: answer });

function parseSecondOpinion(fields: Fields, schema: z.ZodType): boolean {
  if (fields["linux"] === undefined) return false;
  parse(schema, fields["linux"], "linux");
  return true;
}

// regime

const regimeSchema = z.strictObject({
  vtcr: hexString,
  vttbr: hexString,
  pamax: paBits,
  lpa: flag,
  lpa2: flag,
  ttst: flag,
  ipa: hexString,
});
const isRegimeField = known("i", "op", "args", "ret", "level", "fsc", "trace", "linux");

function parseRegime(fields: Fields): RegimeWalk {
  onlyFields(fields, isRegimeField, "");
  const { vtcr, vttbr, pamax, ipa, lpa, lpa2, ttst } = parse(regimeSchema, fields["args"], "args");
  const features = featuresOf({ lpa, lpa2, ttst, xnx: 1, hafdbs: 1, s2fwb: 1, bbm: 0 });
  parseSecondOpinion(fields, regimeOpinion);
  const trace = list(fields["trace"], "trace").map((read) => address(read, "trace"));
  return {
    i: lineNumber(fields),
    registers: { vtcr, vttbr, paBits: pamax, features },
    ipa,
    expected: new Map([
      ["ret", number(fields["ret"], "ret", 0, 1)],
      ["level", number(fields["level"], "level", -1, 3)],
      ["fsc", number(fields["fsc"], "fsc", 0, 0x3f)],
      ["trace", trace.join(" ")],
    ]),
  };
}
