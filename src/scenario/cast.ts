// Who takes part in a scenario and which pages there are, by name: declared in the file's head, looked up by its steps.

import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import { MOST_GUESTS, MOST_PAGES, nameSchema, PAGE_SIZE, pagesSchema, PARTICIPANT_SCHEMAS } from "./file-schema.js";
import { isMapping, mappingAt, readPart } from "./part.js";
import type { PageDeclaration, PageRef, Participant } from "./scenario.js";
import type { Path, Source } from "./source.js";

export type Role = Participant["role"] | "kernel" | "hypervisor";

/** Scenarios that declare nobody have one VMM and one protected guest. */
const DEFAULT_PARTICIPANTS = { vmm: { role: "vmm" }, guest: { role: "guest" } };

/** Names with a meaning of their own. */
const RESERVED = ["kernel", "host", "hypervisor", "all"];

/** `secret`, `secret[4]`, `secret[0..3]`. */
const PAGE_PATTERN = /^([A-Za-z][A-Za-z0-9_-]*)(?:\[([0-9]{1,6})(?:\.\.([0-9]{1,6}))?\])?$/;

/** The declared participants and pages. */
export class Cast {
  readonly participants: readonly Participant[];
  readonly pages: readonly PageDeclaration[];
  readonly #source: Source;

  constructor(source: Source, participants: unknown, pages: unknown) {
    this.#source = source;
    this.participants = readParticipants(source, participants);
    this.pages = Object.entries(mappingAt(source, ["pages"], pages)).map(([name, value]) =>
      this.#readPages(name, value),
    );
    this.#checkCount();
    this.#checkAddresses();
  }

  /** What a name stands for; null if for nobody. */
  roleOf(name: string): Role | null {
    if (name === "kernel" || name === "hypervisor") return name;
    return this.participants.find((participant) => participant.name === name)?.role ?? null;
  }

  /**
   * The participant that a field names, `host` as `kernel`.
   *
   * @throws ScenarioError if there is no such participant, or none of `roles` is its role
   */
  party(path: Path, name: string, roles: readonly Role[]): string {
    const known = name === "host" ? "kernel" : name;
    const role = this.roleOf(known);
    if (role === null) {
      const names = [...this.participants.map((participant) => participant.name), "kernel", "hypervisor"];
      throw this.#source.error(path, `unknown participant "${excerpt(name)}"${suggestion(name, names)}`);
    }
    if (!roles.includes(role)) {
      throw this.#source.error(path, `"${name}" is a ${role}, and here only ${wordList(roles)} can stand`);
    }
    return known;
  }

  /** The pages that a field names: one text or a list. The bare name of several pages is all of them. */
  pageList(path: Path, value: string | readonly string[]): PageRef[] {
    if (typeof value === "string") return this.#pageRun(path, value);
    return value.flatMap((text, i) => this.#pageRun([...path, i], text));
  }

  /** The one page that a field names. The bare name of several pages is the first. */
  onePage(path: Path, text: string): PageRef {
    const [first, ...more] = this.#pageRun(path, text);
    if (first === undefined || (more.length > 0 && text.includes(".."))) {
      throw this.#source.error(path, `"${excerpt(text)}" is several pages, and here only one can stand`);
    }
    return first;
  }

  #pageRun(path: Path, text: string): PageRef[] {
    const match = PAGE_PATTERN.exec(text);
    if (match === null) {
      throw this.#source.error(path, `"${excerpt(text)}" is no page: secret, secret[4] or secret[0..3]`);
    }
    const [, name = "", firstText, lastText] = match;
    const declared = this.pages.find((pages) => pages.name === name);
    if (declared === undefined) {
      const names = this.pages.map((pages) => pages.name);
      throw this.#source.error(path, `unknown page "${excerpt(name)}"${suggestion(name, names)}`);
    }
    const first = Number(firstText ?? 0);
    const last = Number(lastText ?? firstText ?? declared.count - 1);
    if (last < first) throw this.#source.error(path, `"${text}" runs backwards`);
    if (last >= declared.count) {
      const there = declared.count === 1 ? `${name} is one page` : `${name} is ${name}[0..${declared.count - 1}]`;
      throw this.#source.error(path, `there is no page "${text}": ${there}`);
    }
    return Array.from({ length: last - first + 1 }, (_, i) => ({ name, index: first + i }));
  }

  #readPages(name: string, value: unknown): PageDeclaration {
    const path = ["pages", name];
    checkName(this.#source, path, name);
    const declared = readPart(this.#source, path, pagesSchema, value, `page "${name}"`);
    const owners: readonly Role[] = ["guest", "vmm", "process", "partition", "kernel", "hypervisor"];
    const of = this.party([...path, "of"], declared.of, owners);
    const role = this.roleOf(of);
    const refuse = (field: string, sentence: string) => this.#source.error([...path, field], `${field}: ${sentence}`);
    if (role !== "guest" && declared.ipa !== null) throw refuse("ipa", `${of} is no guest, and only guests have one`);
    if (role !== "guest" && !declared.slot) throw refuse("slot", `${of} is no guest, and only guests have memslots`);
    if ((role === "kernel" || role === "hypervisor" || role === "partition") && declared.backing !== null) {
      throw refuse("backing", `memory of the ${role} has none`);
    }
    const field = (["rights", "device", "secure"] as const).find((key) => declared[key] !== undefined);
    if (role !== "partition" && field !== undefined) throw refuse(field, `${of} is no partition`);
    return { ...declared, name, of };
  }

  #checkCount(): void {
    let count = 0;
    for (const pages of this.pages) {
      count += pages.count;
      if (count <= MOST_PAGES) continue;
      throw this.#source.error(["pages", pages.name], `a scenario has at most ${MOST_PAGES} pages`, "key");
    }
  }

  /** No two pages of one guest at one address, none beyond the last. */
  #checkAddresses(): void {
    const placed = this.pages.flatMap((pages) => (pages.ipa === null ? [] : [{ ...pages, ipa: pages.ipa }]));
    for (const [i, pages] of placed.entries()) {
      if (endOf(pages) > ADDRESSES) {
        throw this.#source.error(["pages", pages.name, "ipa"], `ipa: "${pages.name}" ends beyond 64 address bits`);
      }
      const clash = placed.slice(0, i).find((other) => other.of === pages.of && overlap(other, pages));
      if (clash !== undefined) {
        throw this.#source.error(["pages", pages.name, "ipa"], `ipa: "${clash.name}" of ${pages.of} is there already`);
      }
    }
  }
}

interface Placed {
  readonly ipa: bigint;
  readonly count: number;
}

const ADDRESSES = 1n << 64n;
const endOf = ({ ipa, count }: Placed) => ipa + BigInt(count * PAGE_SIZE);
const overlap = (a: Placed, b: Placed) => a.ipa < endOf(b) && b.ipa < endOf(a);

function readParticipants(source: Source, value: unknown): Participant[] {
  const declared = Object.entries(mappingAt(source, ["participants"], value ?? DEFAULT_PARTICIPANTS));
  const vmms = declared.filter(([, part]) => isMapping(part) && part["role"] === "vmm").map(([name]) => name);
  const participants = declared.map(([name, part]) => readParticipant(source, name, part, vmms));
  const excess = participants.filter(({ role }) => role === "guest")[MOST_GUESTS];
  if (excess === undefined) return participants;
  throw source.error(["participants", excess.name], `a scenario has at most ${MOST_GUESTS} guests`, "key");
}

function readParticipant(source: Source, name: string, value: unknown, vmms: readonly string[]): Participant {
  const path = ["participants", name];
  checkName(source, path, name);
  const role = roleIn(source, path, value);
  const what = `${role} "${name}"`;
  if (role === "vmm") {
    const { handlers, memlock, onRunFailure } = readPart(source, path, PARTICIPANT_SCHEMAS.vmm, value, what);
    return { role, name, handlers, memlock: memlock === null ? null : Number(memlock), onRunFailure };
  }
  if (role === "process") return { name, ...readPart(source, path, PARTICIPANT_SCHEMAS.process, value, what) };
  if (role === "device") return { name, ...readPart(source, path, PARTICIPANT_SCHEMAS.device, value, what) };
  if (role === "partition") return readPartition(source, name, path, value);
  const guest = readPart(source, path, PARTICIPANT_SCHEMAS.guest, value, what);
  const vmm = guest.vmm ?? (vmms.length === 1 ? vmms[0] : undefined);
  if (vmm === undefined) throw source.error(path, `${what} needs "vmm", because there are ${vmms.length} of them`);
  if (!vmms.includes(vmm)) {
    throw source.error([...path, "vmm"], `vmm: unknown VMM "${excerpt(vmm)}"${suggestion(vmm, vmms)}`);
  }
  return { role, name, vmm, protected: guest.protected, vcpus: guest.vcpus };
}

function readPartition(source: Source, name: string, path: Path, value: unknown): Participant {
  const partition = readPart(source, path, PARTICIPANT_SCHEMAS.partition, value, `partition "${name}"`);
  const { world, el0, init } = partition;
  if (world === "normal" && (el0 || init)) {
    throw source.error(
      [...path, el0 ? "el0" : "init"],
      `only secure partitions are at S-EL0 or still initialise`,
      "key",
    );
  }
  return { name, ...partition };
}

function roleIn(source: Source, path: Path, value: unknown): Participant["role"] {
  const roles = Object.keys(PARTICIPANT_SCHEMAS) as Participant["role"][];
  const role = isMapping(value) ? value["role"] : undefined;
  const known = roles.find((candidate) => candidate === role);
  if (known !== undefined) return known;
  const name = String(path.at(-1));
  if (role === undefined) throw source.error(path, `participant "${name}" needs "role": ${roles.join(", ")}`);
  const text = typeof role === "string" ? role : typeof role;
  throw source.error(
    [...path, "role"],
    `role: "${excerpt(text)}" is none of ${roles.join(", ")}${suggestion(text, roles)}`,
  );
}

function checkName(source: Source, path: Path, name: string): void {
  const { error } = nameSchema.safeParse(name);
  if (error !== undefined) throw source.error(path, `"${excerpt(name)}" ${error.issues[0]?.message}`, "key");
  if (RESERVED.includes(name)) throw source.error(path, `"${name}" has a meaning of its own`, "key");
}

/** `a`, `a or b`, `a, b or c`. */
function wordList(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
