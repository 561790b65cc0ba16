// A scenario: who takes part, which pages there are, what happens in which order, and what each system is expected to
// answer. This is its form after validation (read-scenario.ts reads files and objects into it).

import type { Backing } from "../consequences/backing.js";
import type { Instruction } from "../consequences/instruction.js";

export { BACKINGS, type Backing } from "../consequences/backing.js";
export { INSTRUCTIONS, type Instruction } from "../consequences/instruction.js";

/** A participant. `kernel` (the host's) and `hypervisor` are there without being declared. */
export type Participant =
  | {
      readonly role: "vmm";
      readonly name: string;
      /** Signals it handles and survives. */
      readonly handlers: readonly string[];
      /** RLIMIT_MEMLOCK in bytes; null: may lock what it likes (CAP_IPC_LOCK). */
      readonly memlock: number | null;
      /** What it does when its run ioctl fails: exit as kvmtool does, or stay and let the vCPU be. */
      readonly onRunFailure: "exit" | "stay";
    }
  | {
      readonly role: "guest";
      readonly name: string;
      /** The VMM that runs it. */
      readonly vmm: string;
      readonly protected: boolean;
      readonly vcpus: number;
    }
  | { readonly role: "process"; readonly name: string; readonly handlers: readonly string[] }
  | { readonly role: "device"; readonly name: string; readonly iommu: "none" | "stage2" }
  /** An FF-A endpoint: a VM of the normal world's hypervisor, or a secure partition of the SPMC. */
  | {
      readonly role: "partition";
      readonly name: string;
      readonly world: "normal" | "secure";
      /** The FF-A version that it speaks: "1.0" to "1.3". */
      readonly version: string;
      /** Pages of its RX and of its TX buffer; 0: it has registered none. */
      readonly bufferPages: number;
      /** A secure partition at S-EL0. */
      readonly el0: boolean;
      /** Still in its initialisation phase. */
      readonly init: boolean;
    };

/** `count` pages under one name: `name[0]` and on; the bare name is the first, or all of them where a step takes several. */
export interface PageDeclaration {
  readonly name: string;
  readonly count: number;
  /** Whose it is at first: a guest (its RAM, backed by memory of its VMM), a process, `kernel` or `hypervisor`. */
  readonly of: string;
  /** Null: what the system's VMM uses by default. `none`: no host memory behind it. */
  readonly backing: Backing | null;
  /** The pages' guest physical address in bytes; null: assigned. */
  readonly ipa: bigint | null;
  /** False: no memslot (or binding) covers the guest addresses. */
  readonly slot: boolean;
  /** First 64 bits of every page before the first step. */
  readonly content: bigint;
  /** Of partitions: what their own table lets them do at first. Left out: everything. */
  readonly rights?: Rights | undefined;
  /** Of partitions: device memory. */
  readonly device?: boolean | undefined;
  /** Of partitions: in the secure physical address space. Left out: if they are a secure partition's. */
  readonly secure?: boolean | undefined;
}

/** One page: a declared name and an index. */
export interface PageRef {
  readonly name: string;
  readonly index: number;
}

export const VERBS = [
  "donate",
  "lend",
  "share",
  "accept",
  "relinquish",
  "reclaim",
  "access",
  "call",
  "kill",
  "teardown",
  "operation",
  "walk",
] as const;
export type Verb = (typeof VERBS)[number];

/** Rights that a lend or share gives. */
export const RIGHTS = ["R", "RX", "RW", "RWX"] as const;
export type Rights = (typeof RIGHTS)[number];

/** What a step does. Pages are given by name, participants by name; both are known to exist. */
export type Action =
  /** The owner changes for good. */
  | { readonly verb: "donate"; readonly pages: readonly PageRef[]; readonly from: string; readonly to: string }
  /** The owner keeps its title and loses access (until `reclaim`). */
  | {
      readonly verb: "lend";
      readonly pages: readonly PageRef[];
      readonly from: string;
      readonly to: readonly string[];
      readonly rights: Rights;
      /** Zero before the receiver sees it. */
      readonly sanitize: boolean;
    }
  /** Both have access. */
  | {
      readonly verb: "share";
      readonly pages: readonly PageRef[];
      readonly from: string;
      readonly to: readonly string[];
      readonly rights: Rights;
      readonly sanitize: boolean;
    }
  /** The receiver takes what was donated, lent or shared. */
  | { readonly verb: "accept"; readonly pages: readonly PageRef[]; readonly by: string; readonly sanitize: boolean }
  /** The receiver gives it back. */
  | { readonly verb: "relinquish"; readonly pages: readonly PageRef[]; readonly by: string; readonly sanitize: boolean }
  /** The owner takes it back: ends a lend or its own share. `force`: without the receiver's consent. */
  | {
      readonly verb: "reclaim";
      readonly pages: readonly PageRef[];
      readonly by: string;
      readonly force: boolean;
      readonly sanitize: boolean;
    }
  /** One touch. `vcpu` counts for guests, `how` for everyone else but devices. */
  | {
      readonly verb: "access";
      readonly page: PageRef;
      readonly by: string;
      readonly kind: "load" | "store" | "fetch";
      readonly how: Instruction;
      readonly vcpu: number;
      /** What a store writes; null for a load or fetch. */
      readonly value: bigint | null;
      /** Bytes from the page's start. */
      readonly offset: number;
    }
  /** A system call or other ordinary operation of the host kernel on behalf of `by` (consequences/host-calls.ts). */
  | { readonly verb: "call"; readonly call: string; readonly by: string; readonly pages: readonly PageRef[] }
  | { readonly verb: "kill"; readonly who: string }
  /** The VM ends: its guest powered off, its descriptors are closed, its memory goes back. */
  | { readonly verb: "teardown"; readonly who: string }
  /** One operation of the machine below, by its own name. Values may be `$name`, a result saved before. */
  | {
      readonly verb: "operation";
      readonly op: string;
      readonly args: Readonly<Record<string, string | number | bigint | boolean>>;
      /** Keeps what the operation answers (a handle, a capability) under this name. */
      readonly save: string | null;
    }
  /**
   * Looks where an address leads in the stage 2 of `of` (a participant, or `$name` saved before); touches nothing.
   * Either `ipa` (a number, or `$name`) or `page` is given, the other is null.
   */
  | {
      readonly verb: "walk";
      readonly of: string;
      readonly ipa: bigint | string | null;
      readonly page: PageRef | null;
    };

/** What a system is expected to answer to a step. Absent fields are not compared. */
export interface Expectation {
  readonly result?: string;
  readonly value?: bigint;
  readonly forceReclaims?: number;
  readonly died?: readonly string[];
  readonly bytes?: number;
}

/** What is expected of a whole run. Absent fields are not compared. */
export interface FinalExpectation {
  /** Nobody but the guest saw what it wrote. */
  readonly secret?: boolean;
  /** The guest still has what it wrote. */
  readonly intact?: boolean;
  readonly died?: readonly string[];
  /** The cell's short text in the matrix. */
  readonly shows?: string;
  readonly mark?: "M" | "S" | "P" | "U";
}

export interface Step {
  readonly action: Action;
  /** Name by which `cell` refers to it. */
  readonly id: string | null;
  /** One sentence for the reader. */
  readonly note: string | null;
  /** By system name. */
  readonly expect: ReadonlyMap<string, Expectation>;
  /** The systems that perform this step (others get there by another way, or not at all). Empty: all. */
  readonly only: readonly string[];
  /** 1-based line in the file; 0 for scenarios made by a program. */
  readonly line: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Where the situation is written down: `host-and-vmm 7.2`. */
  readonly source: string;
  /** The heading under which the matrix lists it. */
  readonly group: string;
  /** Systems it is for; empty: all. */
  readonly systems: readonly string[];
  readonly participants: readonly Participant[];
  readonly pages: readonly PageDeclaration[];
  readonly steps: readonly Step[];
  /** Index of the step that the matrix's cell shows. */
  readonly cell: number;
  /** By system name. */
  readonly finally: ReadonlyMap<string, FinalExpectation>;
  /** Line of `finally` in the file, from 1; 0 without a file. */
  readonly finallyLine: number;
  /** File it was read from, for messages. */
  readonly file: string;
}
