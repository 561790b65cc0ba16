// What a scenario file may say, part by part, as zod schemas: files and objects are checked with them, and editors get them
// as a JSON Schema. How the parts hang together (names, pages, expectations) is checked in read-scenario.ts and its neighbours.

import { z } from "zod";
import { MARKS } from "../consequences/evidence.js";
import { COUNTING } from "./page-runs.js";
import { BACKINGS, INSTRUCTIONS, RIGHTS, type Verb } from "./scenario.js";

const U64_END = 1n << 64n;
const NO_NUMBER = "is no whole number from 0 to 0xffffffffffffffff";

/** A number as a string: decimal, or hexadecimal behind 0x. */
export const NUMBER_TEXT = "^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$";

/** Numbers of a text arrive as bigint; JSON and programs may also write them as strings. */
const number = () =>
  z
    .union(
      [z.bigint(), z.int(NO_NUMBER).nonnegative(NO_NUMBER), z.string().regex(new RegExp(NUMBER_TEXT), NO_NUMBER)],
      NO_NUMBER,
    )
    .transform((value) => BigInt(value))
    .refine((value) => value >= 0n && value < U64_END, NO_NUMBER);

const u64 = number().meta({ id: "u64", description: 'A number of up to 64 bits: 4096, 0x1000 or "0x1000".' });

const numberTo = (first: number, last: number) =>
  number()
    .refine((value) => value >= BigInt(first) && value <= BigInt(last), `is no whole number from ${first} to ${last}`)
    .transform(Number);

const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const NO_NAME = "is no name: a letter, then letters, digits, - and _";
export const nameSchema = z.string().regex(NAME, NO_NAME);

/** What the smallest of the simulated machines holds easily. */
export const MOST_PAGES = 4096;
export const MOST_GUESTS = 12;
const MOST_VCPUS = 8;
export const PAGE_SIZE = 4096;

const flag = z.boolean();
const text = z.string().min(1);
const note = text.meta({ id: "note", description: "One sentence for the reader." });
const party = nameSchema.meta({ id: "party", description: "A participant, `kernel` (or `host`) or `hypervisor`." });
const parties = z.union([party, z.array(party).min(1)]);
const page = z.string().meta({ id: "page", description: "`secret`, or one of several: `secret[4]`." });
const pages = z
  .union([page, z.array(page).min(1)])
  .meta({ id: "pages", description: "One name (all of its pages), `secret[4]`, `secret[0..3]`, or a list of these." });

const SIGNALS = ["SIGSEGV", "SIGBUS"] as const;
const handlers = z.array(z.enum(SIGNALS)).default([]);

export const PARTICIPANT_SCHEMAS = {
  vmm: z.strictObject({
    role: z.literal("vmm"),
    handlers: handlers.meta({ description: "Signals that it handles and survives." }),
    memlock: u64.nullable().default(null).meta({ description: "RLIMIT_MEMLOCK in bytes; default: no limit." }),
    onRunFailure: z
      .enum(["exit", "stay"])
      .default("exit")
      .meta({ description: "What it does when its run ioctl fails: exit as kvmtool does, or stay." }),
  }),
  guest: z.strictObject({
    role: z.literal("guest"),
    vmm: nameSchema.optional().meta({ description: "Who runs it; default: the only VMM." }),
    protected: flag.default(true),
    vcpus: numberTo(1, MOST_VCPUS).default(1),
  }),
  process: z.strictObject({ role: z.literal("process"), handlers }),
  device: z.strictObject({
    role: z.literal("device"),
    iommu: z.enum(["none", "stage2"]).default("none").meta({ description: "What is in front of it on the bus." }),
  }),
  partition: z.strictObject({
    role: z.literal("partition"),
    world: z.enum(["normal", "secure"]).default("normal").meta({ description: "A VM, or a secure partition." }),
    version: z
      .string()
      .regex(/^1\.[0-3]$/, 'is no FF-A version: "1.0" to "1.3"')
      .default("1.3")
      .meta({ description: 'The FF-A version that it speaks: "1.0" to "1.3".' }),
    bufferPages: numberTo(0, 4).default(1).meta({ description: "Pages of RX and of TX; 0: none registered." }),
    el0: flag.default(false).meta({ description: "At S-EL0." }),
    init: flag.default(false).meta({ description: "Still in its initialisation phase." }),
  }),
} as const;

export const pagesSchema = z.strictObject({
  of: party.meta({ description: "Whose they are at first: a guest, a process, `kernel` or `hypervisor`." }),
  count: numberTo(1, MOST_PAGES).default(1),
  backing: z.enum(BACKINGS).nullable().default(null).meta({ description: "Default: what the system's VMM uses." }),
  ipa: number()
    .refine((ipa) => ipa % BigInt(PAGE_SIZE) === 0n, "is not aligned to 4096 bytes")
    .nullable()
    .default(null)
    .meta({ description: "Guest physical address of the first; default: assigned." }),
  slot: flag.default(true).meta({ description: "False: no memslot or binding covers them." }),
  content: u64.default(0n).meta({ description: "First 64 bits of each before the first step." }),
  rights: z.enum(RIGHTS).optional().meta({ description: "Of partitions: what their table allows at first." }),
  device: flag.optional().meta({ description: "Of partitions: device memory." }),
  secure: flag.optional().meta({ description: "Of partitions: secure at first; default: a secure partition's are." }),
});

/** What a system is expected to answer to a step; a text alone is the result. */
const expectationFields = {
  result: text.optional().meta({ description: "`ok`, `SIGSEGV/SEGV_ACCERR`, `EFAULT`, `oops`, `KVM_RUN EFAULT`, ..." }),
  value: u64.optional().meta({ description: "First 64 bits that were read." }),
  forceReclaims: numberTo(0, 0xffff_ffff).optional().meta({ description: "Pages seized in this step." }),
  died: z.array(party).optional().meta({ description: "Who died in this step." }),
  bytes: numberTo(0, 0xffff_ffff).optional().meta({ description: "Bytes that a system call answered with." }),
};
export const expectationSchema = z.strictObject(expectationFields).meta({ id: "expectation" });

export const finalSchema = z
  .strictObject({
    secret: flag.optional().meta({ description: "Nobody but the guest read what it wrote." }),
    intact: flag.optional().meta({ description: "The guest still has what it wrote." }),
    died: z.array(party).optional().meta({ description: "Everyone who is dead at the end." }),
    shows: text
      .optional()
      .meta({ description: "The cell's text: ok, SEGV, OBJ, ADR, KILL, EFAULT, OOPS, TAKE, SPLIT, ..." }),
    mark: z.enum(MARKS).optional().meta({ description: "Measured, read from source, posted, unverified." }),
  })
  .meta({ id: "final-expectation" });

const systems = z.array(z.string()).min(1).meta({ id: "systems" });
const expectations = z.record(z.string(), z.union([text, expectationSchema])).meta({
  id: "expectations",
  description: "By system, several with commas between them; `all` is every system, and a named one overrides it.",
});
const finalExpectations = z.record(z.string(), finalSchema).meta({ id: "finally" });

/** Keys that any step may have. */
const ABOUT_STEP = {
  id: nameSchema.optional().meta({ description: "The name by which `cell` refers to the step." }),
  note: note.optional(),
  expect: expectations.optional(),
  only: systems.optional().meta({ description: "Systems that perform this step; default: all." }),
  except: systems.optional().meta({ description: "Systems that leave this step out." }),
};

const rights = z.enum(RIGHTS).default("RWX");
const sanitize = flag.default(false).meta({ description: "Zero it first." });
const argument = z.union([u64, flag, z.string()]);

/** A step by its verb, whose key's value is what the verb is about. */
export const STEP_SCHEMAS = {
  donate: z.strictObject({ donate: pages, from: party, to: party, ...ABOUT_STEP }),
  lend: z.strictObject({ lend: pages, from: party, to: parties, rights, sanitize, ...ABOUT_STEP }),
  share: z.strictObject({ share: pages, from: party, to: parties, rights, sanitize, ...ABOUT_STEP }),
  accept: z.strictObject({ accept: pages, by: party, sanitize, ...ABOUT_STEP }),
  relinquish: z.strictObject({ relinquish: pages, by: party, sanitize, ...ABOUT_STEP }),
  reclaim: z.strictObject({ reclaim: pages, by: party, force: flag.default(false), sanitize, ...ABOUT_STEP }),
  access: z.strictObject({
    access: page,
    by: party,
    kind: z.enum(["load", "store", "fetch"]).default("load"),
    how: z.enum(INSTRUCTIONS).optional().meta({ description: "With which instruction the host does it." }),
    vcpu: numberTo(0, MOST_VCPUS - 1).optional(),
    value: u64.optional().meta({ description: "What a store writes." }),
    offset: numberTo(0, PAGE_SIZE - 8)
      .refine((offset) => offset % 8 === 0, "is not a multiple of 8")
      .default(0)
      .meta({ description: "Bytes from the page's start." }),
    ...ABOUT_STEP,
  }),
  call: z.strictObject({ call: z.string().meta({ id: "call" }), by: party, pages: pages.optional(), ...ABOUT_STEP }),
  kill: z.strictObject({ kill: party, ...ABOUT_STEP }),
  teardown: z.strictObject({ teardown: party, ...ABOUT_STEP }),
  operation: z.strictObject({
    operation: z.string().meta({ id: "operation" }),
    with: z.record(z.string(), argument).default({}),
    save: nameSchema.optional().meta({ description: "Keeps the answer as `$name`." }),
    ...ABOUT_STEP,
  }),
  walk: z.strictObject({
    walk: z.string().meta({ description: "A participant, or `$name` of an address space." }),
    ipa: z.union([u64, z.string()]).optional(),
    page: page.optional(),
    ...ABOUT_STEP,
  }),
} as const satisfies Record<Verb, z.ZodObject>;

const ABOUT_SCENARIO = {
  $schema: z.string().optional(),
  scenario: nameSchema.meta({ description: "Its name." }),
  title: text.optional(),
  source: text.optional().meta({ description: "Where the situation is written down." }),
  group: text.optional().meta({ description: "The heading under which the matrix lists it." }),
  systems: systems.optional().meta({ description: "Systems that it is for; default: all." }),
  cell: nameSchema.optional().meta({ description: "Id of the step that the matrix shows; default: the last." }),
};

const participantSchema = z.discriminatedUnion("role", [
  PARTICIPANT_SCHEMAS.vmm,
  PARTICIPANT_SCHEMAS.guest,
  PARTICIPANT_SCHEMAS.process,
  PARTICIPANT_SCHEMAS.device,
  PARTICIPANT_SCHEMAS.partition,
]);

const stepSchema = z.union([
  STEP_SCHEMAS.donate,
  STEP_SCHEMAS.lend,
  STEP_SCHEMAS.share,
  STEP_SCHEMAS.accept,
  STEP_SCHEMAS.relinquish,
  STEP_SCHEMAS.reclaim,
  STEP_SCHEMAS.access,
  STEP_SCHEMAS.call,
  STEP_SCHEMAS.kill,
  STEP_SCHEMAS.teardown,
  STEP_SCHEMAS.operation,
  STEP_SCHEMAS.walk,
]);

/** An access to each of several pages, as it stands in a file (page-runs.ts). */
const countingValue = z.union([u64, z.string().regex(COUNTING, NO_NUMBER)]).meta({
  id: "counting-value",
  description: "A number, or `0xa000+i` for one that counts with the page's index.",
});
const countingExpectation = z
  .strictObject({ ...expectationFields, value: countingValue.optional() })
  .meta({ id: "counting-expectation" });
const accessRunSchema = STEP_SCHEMAS.access.extend({
  access: z
    .string()
    .regex(/\[[0-9]+\.\.[0-9]+\]$/)
    .meta({ description: "`ram[0..15]`: one access to each, in order." }),
  value: countingValue.optional(),
  expect: z
    .record(z.string(), z.union([text, countingExpectation]))
    .meta({ id: "counting-expectations" })
    .optional(),
});

/** A whole file, for editors and for programs' types. */
export const fileSchema = z.strictObject({
  ...ABOUT_SCENARIO,
  participants: z.record(nameSchema, participantSchema).optional(),
  pages: z.record(nameSchema, pagesSchema).optional(),
  steps: z.array(z.union([...stepSchema.options, accessRunSchema])).min(1),
  finally: finalExpectations.optional(),
});

/** A scenario as files and programs write it. */
export type ScenarioFile = z.input<typeof fileSchema>;

/** The outline alone: each part is then read with its own schema, so that what is said of it names that part. */
export const outlineSchema = z.strictObject({
  ...ABOUT_SCENARIO,
  participants: z.record(z.string(), z.unknown()).optional(),
  pages: z.record(z.string(), z.unknown()).optional(),
  steps: z.array(z.unknown()),
  finally: z.record(z.string(), z.unknown()).optional(),
});

export type StepFile = z.output<typeof stepSchema>;
