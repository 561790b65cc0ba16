// What the resource manager of Gunyah did beside what the hypervisor did for it: parcels, notifications, VMs
// (assembly/abi/gunyah-rm.ts).

import * as abi from "../../assembly/abi/gunyah-rm.js";
import { parcelStateName, rmMessageName, rmVmStateName, transferName } from "./gunyah-rm-reasons.js";
import { hex, sizeName } from "./names.js";

/** What is known of a parcel at a glance. */
export interface ParcelStatus {
  readonly state: "INIT" | "SHARING" | "SHARED";
  readonly transfer: "DONATE" | "LEND" | "SHARE";
  readonly io: boolean;
  /** Zeroed when it was created; to be zeroed before its owner gets it back. */
  readonly sanitizeCreate: boolean;
  readonly sanitizeReclaim: boolean;
  readonly locked: boolean;
  /** Members that have accepted. */
  readonly shareCount: number;
}

/**
 * `parcel` (null: there is none yet, or no more), `notification` (a message to a VM that did not ask), `accept_reply` (an address
 * that was chosen for a region), `rm_vm` (a VM's state), `reset_stage`.
 */
export type ResourceManagerEffect =
  | {
      readonly kind: "parcel";
      readonly handle: number;
      /** VMID; 0 is nobody. */
      readonly owner: number;
      readonly before: ParcelStatus | null;
      readonly after: ParcelStatus | null;
    }
  | {
      readonly kind: "notification";
      /** VMID of who is told. */
      readonly to: number;
      /** `MEM_SHARED` and so on. */
      readonly what: string;
      readonly handle: number;
      /** VMID of whose doing it is. */
      readonly about: number;
      readonly tag: number;
    }
  | {
      readonly kind: "accept_reply";
      readonly vm: number;
      readonly ipa: bigint;
      readonly size: bigint;
      readonly incomplete: boolean;
    }
  | { readonly kind: "rm_vm"; readonly vm: number; readonly before: string; readonly after: string }
  | { readonly kind: "reset_stage"; readonly vm: number; readonly stage: number };

/** Takes a parcel's word apart; 0 is no parcel. */
export function decodeParcelWord(word: bigint): ParcelStatus | null {
  if (word === 0n) return null;
  const low = Number(word & 0xffffn);
  const flag = (bit: number) => ((low >> bit) & 1) !== 0;
  return {
    state: parcelStateName(low & 15) as ParcelStatus["state"],
    transfer: transferName((low >> abi.PARCEL_WORD_TRANS) & 15) as ParcelStatus["transfer"],
    io: ((low >> abi.PARCEL_WORD_MEM_TYPE) & 15) === abi.MEM_TYPE_IO,
    sanitizeCreate: flag(abi.PARCEL_WORD_SANITIZE_CREATE),
    sanitizeReclaim: flag(abi.PARCEL_WORD_SANITIZE_RECLAIM),
    locked: flag(abi.PARCEL_WORD_LOCKED),
    shareCount: Number(word >> BigInt(abi.PARCEL_WORD_SHARE_COUNT)),
  };
}

/** The fields of an effect record that differ from kind to kind. */
export interface EffectFields {
  readonly level: number;
  readonly owner: number;
  readonly address: bigint;
  readonly before: bigint;
  readonly after: bigint;
  readonly extra: bigint;
}

/** Decodes an effect of the resource manager; undefined for any other kind. */
export function decodeResourceManagerEffect(kind: number, fields: EffectFields): ResourceManagerEffect | undefined {
  const { level, owner, address, before, after, extra } = fields;
  switch (kind) {
    case abi.EFFECT_PARCEL:
      return {
        kind: "parcel",
        handle: Number(address),
        owner,
        before: decodeParcelWord(before),
        after: decodeParcelWord(after),
      };
    case abi.EFFECT_NOTIFICATION: {
      const what = rmMessageName(Number(address)) ?? hex(address);
      return {
        kind: "notification",
        to: owner,
        what,
        handle: Number(before),
        about: Number(after),
        tag: Number(extra),
      };
    }
    case abi.EFFECT_ACCEPT_REPLY:
      return { kind: "accept_reply", vm: owner, ipa: address, size: after, incomplete: extra !== 0n };
    case abi.EFFECT_RM_VM:
      return {
        kind: "rm_vm",
        vm: owner,
        before: rmVmStateName(Number(before)),
        after: rmVmStateName(Number(after)),
      };
    case abi.EFFECT_RESET_STAGE:
      return { kind: "reset_stage", vm: owner, stage: level };
    default:
      return undefined;
  }
}

const STAGES = [
  "begins",
  "virtual devices are destroyed",
  "parcels are released",
  "interrupts are released",
  "address space and owned extents are deleted",
  "cleaned up",
  "completed",
];

/** The effect as a sentence. */
export function resourceManagerSentence(effect: ResourceManagerEffect): string {
  switch (effect.kind) {
    case "parcel": {
      const { handle, owner, before, after } = effect;
      const words = `${parcelWords(before)} -> ${parcelWords(after)}`;
      return `parcel ${hex(handle)} of ${owner === 0 ? "nobody" : `VM ${hex(owner)}`}: ${words}`;
    }
    case "notification":
      return `VM ${hex(effect.to)} is told ${effect.what} of parcel ${hex(effect.handle)} (by VM ${hex(effect.about)})`;
    case "accept_reply":
      return `VM ${hex(effect.vm)}: IPA ${hex(effect.ipa)}, ${sizeName(effect.size)} chosen${effect.incomplete ? ", more to come" : ""}`;
    case "rm_vm":
      return `VM ${hex(effect.vm)}: ${effect.before} -> ${effect.after}`;
    case "reset_stage":
      return `reset of VM ${hex(effect.vm)}: ${STAGES[effect.stage] ?? `stage ${effect.stage}`}`;
  }
}

function parcelWords(status: ParcelStatus | null): string {
  if (status === null) return "none";
  const { state, transfer, io, sanitizeCreate, sanitizeReclaim, locked, shareCount } = status;
  const words = [`${transfer}${io ? " of IO memory" : ""}`, state];
  if (shareCount > 0) words.push(`accepted by ${shareCount}`);
  if (sanitizeCreate) words.push("zeroed at creation");
  if (sanitizeReclaim) words.push("to be zeroed on reclaim");
  if (locked) words.push("locked");
  return words.join(", ");
}
