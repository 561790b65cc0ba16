// What FF-A calls did, decoded from the packed effect records (layout: assembly/abi/ffa.ts), and in words.

import * as abi from "../../assembly/abi/ffa.js";
import { count, hex } from "./names.js";

/** What a call returns instead of FFA_ERROR (reference ffa, section 1.3). Lengths and offsets in bytes. */
export type FfaReply =
  | {
      readonly fn: "SUCCESS";
      readonly handle?: bigint;
      /** PERM_GET: the permission, and how many pages have it besides the first. */
      readonly perm?: number;
      readonly pages?: number;
    }
  | { readonly fn: "FRAG_RX"; readonly handle: bigint; readonly offset: number; readonly sender?: number }
  | { readonly fn: "RETRIEVE_RESP"; readonly total: number; readonly fragment: number }
  | { readonly fn: "FRAG_TX"; readonly handle: bigint; readonly fragment: number; readonly sender?: number };

/** Who keeps a transaction record. */
export type FfaManager = "hyp" | "spmc";

export type FfaVerb = "donate" | "lend" | "share";

/**
 * `reply`: what the call returned. `mode`: a page's mode in one table of an endpoint (0 `main` or `s`, 1 `ns`). `pas`: a page
 * moved between the physical address spaces. `rx`: an RX buffer became full or free. `record`: a transaction record as it is
 * afterwards; `verb` null: its slot is free.
 */
export type FfaEffect =
  | { readonly kind: "reply"; readonly reply: FfaReply }
  | {
      readonly kind: "mode";
      readonly vm: number;
      readonly table: 0 | 1;
      readonly pa: bigint;
      readonly before: number;
      readonly after: number;
    }
  | { readonly kind: "pas"; readonly pa: bigint; readonly secure: boolean }
  | { readonly kind: "rx"; readonly vm: number; readonly full: boolean }
  | {
      readonly kind: "record";
      readonly manager: FfaManager;
      readonly slot: number;
      readonly handle: bigint;
      readonly sender: number;
      readonly verb: FfaVerb | null;
      readonly complete: boolean;
      readonly protected: boolean;
      readonly pending: boolean;
      readonly fragments: number;
    };

/** The words of a packed effect record. */
export interface EffectWords {
  readonly level: number;
  readonly owner: number;
  readonly address: bigint;
  readonly before: bigint;
  readonly after: bigint;
  readonly extra: bigint;
}

/** Undefined if the effect is none of FF-A's. */
export function decodeFfaEffect(kind: number, words: EffectWords): FfaEffect | undefined {
  const { level, owner, address, before, after } = words;
  switch (kind) {
    case abi.EFFECT_FFA_REPLY:
      return { kind: "reply", reply: decodeReply(words) };
    case abi.EFFECT_FFA_MODE: {
      const modes = { before: Number(before), after: Number(after) };
      return { kind: "mode", vm: owner, table: level === 0 ? 0 : 1, pa: address, ...modes };
    }
    case abi.EFFECT_FFA_PAS:
      return { kind: "pas", pa: address, secure: after !== 0n };
    case abi.EFFECT_FFA_RX:
      return { kind: "rx", vm: owner, full: after !== 0n };
    case abi.EFFECT_FFA_RECORD:
      return { kind: "record", ...decodeRecord(words) };
    default:
      return undefined;
  }
}

function decodeReply({ level, address: handle, before, after, extra }: EffectWords): FfaReply {
  const [low, high] = [Number(before & 0xffff_ffffn), Number(before >> 32n)];
  const sender = after === 0n ? {} : { sender: Number(after) };
  switch (level) {
    case abi.FFA_REPLY_FRAG_RX:
      return { fn: "FRAG_RX", handle, offset: low, ...sender };
    case abi.FFA_REPLY_RETRIEVE_RESP:
      return { fn: "RETRIEVE_RESP", total: low, fragment: high };
    case abi.FFA_REPLY_FRAG_TX:
      return { fn: "FRAG_TX", handle, fragment: high, ...sender };
    default: {
      const carries = Number(extra);
      if (carries === abi.FFA_CARRIES_PERMISSION) return { fn: "SUCCESS", perm: low, pages: high };
      return carries === abi.FFA_CARRIES_HANDLE ? { fn: "SUCCESS", handle } : { fn: "SUCCESS" };
    }
  }
}

const VERBS: ReadonlyMap<number, FfaVerb> = new Map([
  [abi.FFA_MEM_DONATE, "donate"],
  [abi.FFA_MEM_LEND, "lend"],
  [abi.FFA_MEM_SHARE, "share"],
]);

/** The verb behind the operation code of a send; null: none. */
export function sendVerb(code: number): FfaVerb | null {
  return VERBS.get(code) ?? null;
}

function decodeRecord({ level, owner, address, before, after }: EffectWords) {
  const flags = Number((after >> 16n) & 0xffffn);
  return {
    manager: level === 0 ? "hyp" : "spmc",
    slot: Number(address),
    handle: before,
    sender: owner,
    verb: sendVerb(Number(after & 0xffffn)),
    complete: (flags & abi.FFA_RECORD_COMPLETE) !== 0,
    protected: (flags & abi.FFA_RECORD_PROTECTED) !== 0,
    pending: (flags & abi.FFA_RECORD_PENDING) !== 0,
    fragments: Number(after >> 32n),
  } as const;
}

/** `VM 0x1`, `SP 0x8001`, `the normal world`. */
export function endpointName(id: number): string {
  if (id === 0) return "the normal world";
  if (id === 0x8000) return "the channel to the SPMC";
  return `${id < 0x8000 ? "VM" : "SP"} ${hex(id)}`;
}

const STATE = abi.MODE_INVALID | abi.MODE_UNOWNED | abi.MODE_SHARED;

/** A page's state as the reference writes it: `O-EA`, `O-SA`, `O-NA`, `!O-EA`, `!O-SA`, `!O-NA` (section 3). */
export function stateName(mode: number): string {
  const state = mode & STATE;
  if ((state & abi.MODE_INVALID) !== 0) return (state & abi.MODE_UNOWNED) === 0 ? "O-NA" : "!O-NA";
  const access = (state & abi.MODE_SHARED) === 0 ? "EA" : "SA";
  return (state & abi.MODE_UNOWNED) === 0 ? `O-${access}` : `!O-${access}`;
}

/** `RWX O-EA, non-secure`; `absent`. */
export function modeWords(mode: number): string {
  if ((mode & (abi.MODE_INVALID | abi.MODE_UNOWNED)) === (abi.MODE_INVALID | abi.MODE_UNOWNED)) return "absent";
  const letter = (bit: number, name: string) => ((mode & bit) === 0 ? "-" : name);
  const access = letter(abi.MODE_R, "R") + letter(abi.MODE_W, "W") + letter(abi.MODE_X, "X");
  const words = [`${access} ${stateName(mode)}`];
  if ((mode & abi.MODE_D) !== 0) words.push("device");
  if ((mode & abi.MODE_NS) !== 0) words.push("non-secure");
  return words.join(", ");
}

type SingleFfaEffect = Exclude<FfaEffect, { readonly kind: "mode" | "pas" }>;

/** An effect that stands for itself as a sentence. */
export function ffaSentence(effect: SingleFfaEffect): string {
  switch (effect.kind) {
    case "reply":
      return `answered with ${replyWords(effect.reply)}`;
    case "rx":
      return `RX of ${endpointName(effect.vm)} ${effect.full ? "holds a message" : "is free"}`;
    case "record":
      return recordSentence(effect);
  }
}

function replyWords(reply: FfaReply): string {
  switch (reply.fn) {
    case "SUCCESS":
      if (reply.perm !== undefined) {
        return `FFA_SUCCESS, permission ${reply.perm} for ${count((reply.pages ?? 0) + 1, "page")}`;
      }
      return reply.handle === undefined ? "FFA_SUCCESS" : `FFA_SUCCESS, handle ${hex(reply.handle)}`;
    case "FRAG_RX":
      return `FFA_MEM_FRAG_RX, handle ${hex(reply.handle)}: the fragment from offset ${reply.offset} on is wanted`;
    case "RETRIEVE_RESP":
      return `FFA_MEM_RETRIEVE_RESP: ${reply.fragment} of ${reply.total} bytes are in RX`;
    case "FRAG_TX":
      return `FFA_MEM_FRAG_TX, handle ${hex(reply.handle)}: ${reply.fragment} bytes are in RX`;
  }
}

function recordSentence(effect: Extract<FfaEffect, { readonly kind: "record" }>): string {
  const { manager, slot, verb, sender, handle } = effect;
  const head = `transaction ${slot} of the ${manager === "hyp" ? "hypervisor" : "SPMC"}`;
  if (verb === null) return `${head}: freed`;
  const state = effect.complete ? "fully sent" : `${count(effect.fragments, "fragment")} received`;
  const words = [`${verb} by ${endpointName(sender)}`, `handle ${hex(handle)}`, state];
  if (effect.protected) words.push("protected");
  if (effect.pending) words.push("reclaim pending");
  return `${head}: ${words.join(", ")}`;
}
