// The digests of a recording's check lines (golden/pkvm/README.md section 7): SHA-256 over the state written as lines of text.

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { eachLeaf, eachPageRun } from "../machine/dumps.js";
import type { VmState } from "../machine/effects.js";
import { levelShift } from "../machine/geometry.js";
import type { Machine } from "../machine/machine.js";
import { pageFields } from "./golden-changes.js";
import type { GoldenCheck } from "./golden-format.js";

/** Hashes lines as they come, in pieces of some tens of kilobytes. */
export class LineDigest {
  readonly #hash = sha256.create();
  readonly #encoder = new TextEncoder();
  #text = "";

  add(line: string): void {
    this.#text += line;
    if (this.#text.length > 32768) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#encoder.encode(this.#text));
    this.#text = "";
  }

  hex(): string {
    this.#flush();
    return bytesToHex(this.#hash.digest());
  }
}

const vmLetters: Readonly<Record<VmState, string>> = { free: "-", reserved: "R", live: "L", dying: "D" };

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The state as a check line would have it. */
export function digestState(machine: Machine): Omit<GoldenCheck, "i"> {
  const digest = new LineDigest();
  const existing = machine.vms().filter(({ state }) => state === "live" || state === "dying");
  const pages = addPages(digest, machine);
  const host_leaves = addLeaves(digest, machine, 0, "H");
  let guest_leaves = 0;
  for (const { vm } of existing) guest_leaves += addLeaves(digest, machine, vm, `G ${hex(vm)}`);
  addVms(digest, machine);
  const tables = new LineDigest();
  let tableCount = addTables(tables, machine, 0);
  for (const { vm } of existing) tableCount += addTables(tables, machine, vm);
  return {
    pages,
    host_leaves,
    guest_leaves,
    tables: tableCount,
    sha256: digest.hex(),
    sha256_tables: tables.hex(),
  };
}

/** P lines: pages differing from `0 3 0 0`. */
function addPages(digest: LineDigest, machine: Machine): number {
  let lines = 0;
  eachPageRun(machine.core, (pfn, word, pages) => {
    const { host, hyp, pins, shares } = pageFields(Number(word & 0xffff_ffffn), Number(word >> 32n));
    if (host === 0 && hyp === 3 && pins === 0 && shares === 0) return;
    const state = `${host} ${hyp} ${pins} ${shares}\n`;
    const first = Number(pfn);
    for (let page = 0; page < Number(pages); page++) digest.add(`P ${hex(first + page)} ${state}`);
    lines += Number(pages);
  });
  return lines;
}

/** H or G lines. */
function addLeaves(digest: LineDigest, machine: Machine, vm: number, prefix: string): number {
  let lines = 0;
  const size = (level: number) => 1n << BigInt(levelShift(machine.pageShift, level));
  eachLeaf(machine.core, vm, size, (ipa, level, descriptor) => {
    digest.add(`${prefix} ${hex(ipa)} ${level} ${hex(descriptor)}\n`);
    lines += 1;
  });
  return lines;
}

/** V lines, then C lines. A reserved slot is `R 0 0`. */
function addVms(digest: LineDigest, machine: Machine): void {
  for (const { vm, state, protected: isProtected, vcpus } of machine.vms()) {
    const rest = state === "reserved" ? "0 0" : `${isProtected ? 1 : 0} ${vcpus}`;
    digest.add(`V ${hex(vm)} ${vmLetters[state]} ${rest}\n`);
  }
  for (const { vm, vcpu, memcache, loaded } of machine.vcpus()) {
    digest.add(`C ${hex(vm)} ${vcpu} ${memcache} ${loaded ? 1 : 0}\n`);
  }
}

/** T lines: every table but roots, by address, then level. */
function addTables(digest: LineDigest, machine: Machine, vm: number): number {
  const tables = machine.tables(vm === 0 ? "host" : vm).filter(({ isRoot }) => !isRoot);
  tables.sort((a, b) => (a.ipa === b.ipa ? a.level - b.level : a.ipa < b.ipa ? -1 : 1));
  for (const { ipa, level } of tables) digest.add(`T ${hex(vm)} ${hex(ipa)} ${level}\n`);
  return tables.length;
}
