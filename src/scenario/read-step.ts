// One step of a scenario: its verb is the key whose value says what the step is about.

import { HOST_CALL_NAMES, hostCall, needsPages } from "../consequences/host-calls.js";
import { isOfSearches, OPERATIONS, verbNamed } from "../machine/operations.js";
import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import type { Cast, Role } from "./cast.js";
import { checkSystem, readExpectations } from "./read-expectations.js";
import { STEP_SCHEMAS, type StepFile } from "./file-schema.js";
import { LONGEST_RUN, runLength } from "./page-runs.js";
import { isMapping, readPart } from "./part.js";
import { checkPartitionCall, PARTITION_CALLS } from "./partition-calls.js";
import { checkSaved } from "./saved-names.js";
import { type Action, type Instruction, type Step, type Verb, VERBS } from "./scenario.js";
import type { Path, Source } from "./source.js";

/** What a step may refer to. */
export interface StepContext {
  readonly source: Source;
  readonly cast: Cast;
  /** Systems that the scenario is for. */
  readonly systems: readonly string[];
  /** Names that earlier steps saved. */
  readonly saved: Set<string>;
}

/** The fields of a step with this verb, after its schema. */
type Fields<V extends Verb> = Extract<StepFile, Record<V, unknown>>;

const ANYONE: readonly Role[] = ["vmm", "guest", "process", "partition", "kernel", "hypervisor"];
const HOST_PARTIES: readonly Role[] = ["vmm", "process", "kernel"];

/** @throws ScenarioError */
export function readStep(context: StepContext, path: Path, value: unknown): Step {
  const { source, systems } = context;
  const verb = verbOf(source, path, value);
  const { expect, ...rest } = value as Readonly<Record<string, unknown>>;
  const fields = readPart<(typeof STEP_SCHEMAS)[Verb]>(source, path, STEP_SCHEMAS[verb], rest, verb);
  const only = performers(context, path, fields);
  const action = readAction(context, path, verb, fields);
  const expectations = readExpectations(expect, {
    source,
    cast: context.cast,
    path: [...path, "expect"],
    systems: only.length === 0 ? systems : only,
    restriction:
      only.length === 0 ? `the scenario is only for ${systems.join(", ")}` : `the step is only for ${only.join(", ")}`,
  });
  const { id = null, note = null } = fields;
  return { action, id, note, expect: expectations, only, line: source.line(path) };
}

function verbOf(source: Source, path: Path, value: unknown): Verb {
  if (!isMapping(value)) throw source.error(path, `a step is a mapping with one of ${VERBS.join(", ")}`);
  const keys = Object.keys(value);
  const [verb, second] = VERBS.filter((name) => keys.includes(name)).sort((a, b) => keys.indexOf(a) - keys.indexOf(b));
  if (second !== undefined)
    throw source.error([...path, second], `two verbs in one step: ${verb} and ${second}`, "key");
  if (verb !== undefined) return verb;
  const options = new Set(VERBS.flatMap((name) => Object.keys(STEP_SCHEMAS[name].shape)));
  const unknown = keys.find((key) => !options.has(key));
  if (unknown === undefined) throw source.error(path, `the step has no verb: one of ${VERBS.join(", ")}`);
  const hint = suggestion(unknown, VERBS) || `: there are ${VERBS.join(", ")}`;
  throw source.error([...path, unknown], `unknown verb "${excerpt(unknown)}"${hint}`, "key");
}

/** The systems that perform a step; empty: all that the scenario is for. */
function performers({ source, systems }: StepContext, path: Path, { only, except }: StepFile): readonly string[] {
  if (only === undefined && except === undefined) return [];
  if (only !== undefined && except !== undefined) {
    throw source.error([...path, "except"], `"only" and "except" in one step: one of them says it all`, "key");
  }
  const key = only === undefined ? "except" : "only";
  for (const [i, name] of (only ?? except ?? []).entries()) {
    const place = [...path, key, i];
    checkSystem(source, place, name, "value");
    if (!systems.includes(name)) throw source.error(place, `"${name}" is none of the scenario's systems`);
  }
  if (only !== undefined) return only;
  const rest = systems.filter((name) => except?.includes(name) !== true);
  if (rest.length === 0) throw source.error([...path, "except"], "no system performs this step");
  return rest;
}

/** The readers of actions, by verb. */
type Readers = { readonly [V in Verb]: (context: StepContext, path: Path, fields: Fields<V>) => Action };

function readAction<V extends Verb>(context: StepContext, path: Path, verb: V, fields: StepFile): Action {
  return READERS[verb](context, path, fields as Fields<V>);
}

const READERS: Readers = {
  donate: ({ cast }, path, fields) => ({
    verb: "donate",
    pages: cast.pageList([...path, "donate"], fields.donate),
    from: cast.party([...path, "from"], fields.from, ANYONE),
    to: cast.party([...path, "to"], fields.to, ANYONE),
  }),
  lend: (context, path, fields) => ({ verb: "lend", ...loan(context, path, "lend", fields.lend, fields) }),
  share: (context, path, fields) => ({ verb: "share", ...loan(context, path, "share", fields.share, fields) }),
  accept: (context, path, fields) => ({
    verb: "accept",
    ...giveOrTake(context, path, "accept", fields.accept, fields),
  }),
  relinquish: (context, path, fields) => ({
    verb: "relinquish",
    ...giveOrTake(context, path, "relinquish", fields.relinquish, fields),
  }),
  reclaim: (context, path, fields) => ({
    verb: "reclaim",
    ...giveOrTake(context, path, "reclaim", fields.reclaim, fields),
    force: fields.force,
  }),
  access: readAccess,
  call: ({ source, cast }, path, { call, by, pages }) => {
    const known = hostCall(call);
    if (known === undefined) {
      throw source.error([...path, "call"], `unknown call "${excerpt(call)}"${suggestion(call, HOST_CALL_NAMES)}`);
    }
    if (pages === undefined && needsPages(known)) throw source.error(path, `call ${call} needs "pages"`);
    return {
      verb: "call",
      call,
      by: cast.party([...path, "by"], by, HOST_PARTIES),
      pages: pages === undefined ? [] : cast.pageList([...path, "pages"], pages),
    };
  },
  kill: ({ cast }, path, { kill }) => ({
    verb: "kill",
    who: cast.party([...path, "kill"], kill, ["vmm", "process", "guest", "partition"]),
  }),
  teardown: ({ cast }, path, { teardown }) => ({
    verb: "teardown",
    who: cast.party([...path, "teardown"], teardown, ["guest", "partition"]),
  }),
  operation: readOperation,
  walk: readWalk,
};

type Loan = Pick<Fields<"lend">, "from" | "to" | "rights" | "sanitize">;

function loan({ cast }: StepContext, path: Path, key: string, pages: string | string[], fields: Loan) {
  const { from, to, rights, sanitize } = fields;
  const receivers = typeof to === "string" ? [{ name: to, at: [...path, "to"] }] : named(to, [...path, "to"]);
  return {
    pages: cast.pageList([...path, key], pages),
    from: cast.party([...path, "from"], from, ANYONE),
    to: receivers.map(({ name, at }) => cast.party(at, name, ANYONE)),
    rights,
    sanitize,
  };
}

const named = (names: readonly string[], path: Path) => names.map((name, i) => ({ name, at: [...path, i] }));

type GiveOrTake = Pick<Fields<"accept">, "by" | "sanitize">;

function giveOrTake({ cast }: StepContext, path: Path, key: string, pages: string | string[], fields: GiveOrTake) {
  return {
    pages: cast.pageList([...path, key], pages),
    by: cast.party([...path, "by"], fields.by, ANYONE),
    sanitize: fields.sanitize,
  };
}

/** Fields that say nothing about this party or kind are refused rather than ignored. */
function readAccess({ source, cast }: StepContext, path: Path, fields: Fields<"access">): Action {
  const { kind, how, vcpu, value = null, offset } = fields;
  const by = cast.party([...path, "by"], fields.by, [...HOST_PARTIES, "guest", "partition", "device"]);
  const role = cast.roleOf(by) ?? "kernel";
  const refuse = (field: string, sentence: string) => source.error([...path, field], `${field}: ${sentence}`, "key");
  if (kind === "store" && value === null) throw source.error(path, `access needs "value": what the store writes`);
  if (kind !== "store" && value !== null) throw refuse("value", `a ${kind} writes nothing`);
  if (role === "device" && kind === "fetch") throw refuse("kind", "a device fetches no instructions");
  if (role !== "guest" && vcpu !== undefined) throw refuse("vcpu", `${by} is no guest`);
  if (!["vmm", "process", "kernel", "hypervisor"].includes(role) && how !== undefined)
    throw refuse("how", `says how the host does it, not ${by}`);
  if (role === "kernel" && how === "user") throw refuse("how", "the kernel is not user space");
  const vcpus = cast.participants.find((participant) => participant.name === by && participant.role === "guest");
  if (vcpus?.role === "guest" && (vcpu ?? 0) >= vcpus.vcpus) {
    throw source.error([...path, "vcpu"], `vcpu: ${by} has ${vcpus.vcpus}, from 0 on`);
  }
  const usual: Instruction = role === "kernel" ? "direct-map" : "user";
  if (runLength(fields.access) > LONGEST_RUN) {
    throw source.error([...path, "access"], `"${fields.access}" is longer than ${LONGEST_RUN} pages`);
  }
  const page = cast.onePage([...path, "access"], fields.access);
  return { verb: "access", page, by, kind, how: how ?? usual, vcpu: vcpu ?? 0, value, offset };
}

function readOperation({ source, cast, saved }: StepContext, path: Path, fields: Fields<"operation">): Action {
  const { operation: op, with: args } = fields;
  const save = fields.save ?? null;
  if (Object.hasOwn(PARTITION_CALLS, op)) {
    checkPartitionCall({ source, cast, saved }, path, op, args);
    if (save !== null) saved.add(save);
    return { verb: "operation", op, args, save };
  }
  const verb = isOfSearches(op) ? undefined : verbNamed(op);
  if (verb === undefined) {
    const names = Object.keys(OPERATIONS).filter((name) => !isOfSearches(name));
    const hint = suggestion(op, [...names, ...Object.keys(PARTITION_CALLS)]);
    throw source.error([...path, "operation"], `unknown operation "${excerpt(op)}"${hint}`);
  }
  const known = Object.keys(verb.args);
  for (const [name, value] of Object.entries(args)) {
    const place = [...path, "with", name];
    if (!known.includes(name)) {
      const hint =
        suggestion(name, known) || (known.length === 0 ? ", which has none" : `, which has ${known.join(", ")}`);
      throw source.error(place, `unknown argument "${excerpt(name)}" of ${op}${hint}`, "key");
    }
    if (typeof value !== "string") continue;
    if (value.startsWith("$")) checkSaved(source, place, value, saved);
    else if (cast.roleOf(value) === null) cast.onePage(place, value);
  }
  if (save !== null) saved.add(save);
  return { verb: "operation", op, args, save };
}

function readWalk({ source, cast, saved }: StepContext, path: Path, fields: Fields<"walk">): Action {
  const { walk, ipa = null, page = null } = fields;
  if ((ipa === null) === (page === null)) throw source.error(path, `walk needs either "ipa" or "page"`);
  const place = [...path, "walk"];
  if (walk.startsWith("$")) checkSaved(source, place, walk, saved);
  if (typeof ipa === "string") checkSaved(source, [...path, "ipa"], ipa, saved);
  return {
    verb: "walk",
    of: walk.startsWith("$") ? walk : cast.party(place, walk, ["guest", "partition", "kernel", "hypervisor"]),
    ipa,
    page: page === null ? null : cast.onePage([...path, "page"], page),
  };
}
