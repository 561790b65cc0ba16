// A VM as it speaks to Gunyah's resource manager: the memory verbs as methods, one message each (reference gunyah section 6).

import * as abi from "../../assembly/abi/gunyah-rm.js";
import {
  encodeAccept,
  encodeAppend,
  encodeCreate,
  encodeNotify,
  encodeReturn,
  messageOperations,
  type AclEntry,
  type AttributeEntry,
  type SglEntry,
} from "./gunyah-messages.js";
import { rmErrorName, type RmErrorName } from "./gunyah-rm-reasons.js";
import type { Machine } from "./machine.js";
import type { Operation } from "./operations.js";
import type { Outcome } from "./outcome.js";

/** The sets of rights that can be given. */
export type Rights = "R" | "RX" | "RW" | "RWX";

const RIGHTS: Readonly<Record<Rights, number>> = {
  R: abi.RIGHT_R,
  RX: abi.RIGHTS_RX,
  RW: abi.RIGHTS_RW,
  RWX: abi.RIGHTS_RWX,
};

/** Memory type that a VM gets: write-back, nGnRE, non-cacheable, write-back. */
export type MemoryAttribute = "NORMAL" | "DEVICE" | "UNCACHED" | "CACHED";

const ATTRIBUTES: Readonly<Record<MemoryAttribute, number>> = {
  NORMAL: abi.ATTR_NORMAL,
  DEVICE: abi.ATTR_DEVICE,
  UNCACHED: abi.ATTR_UNCACHED,
  CACHED: abi.ATTR_CACHED,
};

export interface Member {
  readonly vmid: number;
  readonly rights: Rights;
  /** Default: none is listed, the memory is NORMAL (IO memory: DEVICE). */
  readonly attribute?: MemoryAttribute;
}

/** What a VM gives away. */
export interface ParcelRequest {
  readonly acl: readonly Member[];
  /** In the address space of the VM, in bytes. */
  readonly regions: readonly SglEntry[];
  readonly label?: number;
  /** Zero it before anyone else sees it. */
  readonly sanitize?: boolean;
  /** More regions will be appended. */
  readonly append?: boolean;
  readonly io?: boolean;
}

export interface AcceptRequest {
  readonly transfer: "DONATE" | "LEND" | "SHARE";
  /** Where, in order of the regions; left out: where the resource manager chooses. */
  readonly regions?: readonly SglEntry[];
  /** One range for all regions. */
  readonly contiguous?: boolean;
  /** Zero it before the owner gets it back. */
  readonly sanitize?: boolean;
  /** Default: true. False: only reserve addresses. */
  readonly done?: boolean;
  readonly io?: boolean;
  /** Demand that the parcel has this label, was zeroed at its creation, has exactly these members. */
  readonly validate?: {
    readonly label?: number;
    readonly sanitized?: boolean;
    readonly acl?: readonly Member[];
  };
}

/** What the resource manager answers. */
export interface RmAnswer {
  /** 0, or its error. */
  readonly error: number;
  /** `OK`, `MEM_INUSE`, ... */
  readonly name: RmErrorName;
  /** The handle of a new parcel, or of one that was looked up; null for other answers. */
  readonly handle: number | null;
  /** The same as bigint; of an accept the first region's address, of an allocated VM its VMID. Null for other answers. */
  readonly value: bigint | null;
  readonly outcome: Outcome;
}

/** Runs operations one after the other and gives the last one's outcome. */
export type RunOperations = (operations: readonly Operation[]) => Outcome;

/** One VM of a Gunyah machine, by its VMID. It need not exist. */
export class GunyahVm {
  readonly machine: Machine;
  readonly vmid: number;
  readonly #run: RunOperations;

  /** @param run default: on the machine, with effects recorded */
  constructor(machine: Machine, vmid: number, run?: RunOperations) {
    this.machine = machine;
    this.vmid = vmid;
    this.#run = run ?? ((operations) => machine.applyBatch(operations).at(-1) as Outcome);
  }

  /** Gives memory to one VM for good. Answers the handle. */
  donate(request: ParcelRequest): RmAnswer {
    return this.#create(abi.MEM_DONATE, request);
  }

  /** Gives memory away until it is reclaimed. Answers the handle. */
  lend(request: ParcelRequest): RmAnswer {
    return this.#create(abi.MEM_LEND, request);
  }

  /** Shares memory; the VM itself is in the ACL, with the rights that it keeps. Answers the handle. */
  share(request: ParcelRequest): RmAnswer {
    return this.#create(abi.MEM_SHARE, request);
  }

  #create(message: number, request: ParcelRequest): RmAnswer {
    const { acl, regions, label = 0, sanitize = false, append = false, io = false } = request;
    const flags = (sanitize ? abi.CREATE_SANITIZE : 0) | (append ? abi.CREATE_APPEND : 0);
    const lists = { acl: aclOf(acl), sgl: regions, attributes: attributesOf(acl) };
    return this.send(message, encodeCreate({ memType: memTypeOf(io), flags, label, ...lists }));
  }

  /** Adds memory to a parcel that was created for it; `done`: it is complete. */
  append(handle: number, regions: readonly SglEntry[], done = true): RmAnswer {
    return this.send(abi.MEM_APPEND, encodeAppend({ handle, flags: done ? abi.APPEND_DONE : 0, sgl: regions }));
  }

  /** Takes a parcel into the VM's address space. Answers where its first region is. */
  accept(handle: number, request: AcceptRequest): RmAnswer {
    const { transfer, regions = [], contiguous = false, sanitize = false, done = true, io = false } = request;
    const { label, sanitized = false, acl } = request.validate ?? {};
    const flags =
      (sanitized ? abi.ACCEPT_VALIDATE_SANITIZED : 0) |
      (acl !== undefined ? abi.ACCEPT_VALIDATE_ACL_ATTR : 0) |
      (label !== undefined ? abi.ACCEPT_VALIDATE_LABEL : 0) |
      (contiguous ? abi.ACCEPT_MAP_CONTIGUOUS : 0) |
      (sanitize ? abi.ACCEPT_SANITIZE : 0) |
      (done ? abi.ACCEPT_DONE : 0);
    const lists = { acl: aclOf(acl ?? []), sgl: regions, attributes: attributesOf(acl ?? []) };
    const types = { memType: memTypeOf(io), transType: abi[`TRANS_${transfer}`] };
    return this.send(
      abi.MEM_ACCEPT,
      encodeAccept({ handle, ...types, flags, label: label ?? 0, mapVmid: 0, ...lists }),
    );
  }

  /** Gives an accepted parcel back; `sanitize`: zero it before the owner gets it. */
  release(handle: number, sanitize = false): RmAnswer {
    return this.send(abi.MEM_RELEASE, encodeReturn({ handle, flags: sanitize ? abi.RELEASE_SANITIZE : 0 }));
  }

  /** Takes back what nobody holds; `sanitize`: zeroed. */
  reclaim(handle: number, sanitize = false): RmAnswer {
    return this.send(abi.MEM_RECLAIM, encodeReturn({ handle, flags: sanitize ? abi.RECLAIM_SANITIZE : 0 }));
  }

  /** Tells others of a parcel: members (SHARED, RECALL), or its owner (ACCEPTED, RELEASED). */
  notify(
    handle: number,
    what: "SHARED" | "RELEASED" | "ACCEPTED" | "RECALL",
    vmids: readonly number[] = [],
    tag = 0,
  ): RmAnswer {
    return this.send(abi.MEM_NOTIFY, encodeNotify({ handle, flags: abi[`NOTIFY_${what}`], tag, vmids }));
  }

  /** Finds a parcel of the VM that waits for its members. Answers its handle. */
  lookup({ acl, regions, label = 0, io = false }: ParcelRequest): RmAnswer {
    const lists = { acl: aclOf(acl), sgl: regions, attributes: attributesOf(acl) };
    return this.send(abi.MEM_QCOM_LOOKUP_SGL, encodeCreate({ memType: memTypeOf(io), flags: 0, label, ...lists }));
  }

  /** Sends any message. */
  send(message: number, bytes: Uint8Array): RmAnswer {
    return answerOf(this.#run(messageOperations(this.vmid, message, bytes)), message !== abi.MEM_ACCEPT);
  }

  /**
   * Has the resource manager make a VM.
   *
   * @param vmid 0: the lowest dynamic VMID that is free
   */
  allocVm(vmid = 0, { direct = false } = {}): RmAnswer {
    const flags = direct ? abi.VM_MEM_MAP_DIRECT : 0;
    return this.#ask({ op: "rm_vm_alloc", vm: this.vmid, vmid: BigInt(vmid), flags: BigInt(flags) });
  }

  /** What `vmid` starts from: a lent parcel, mapped in one piece at `ipa`. */
  configImage(vmid: number, handle: number, ipa: bigint, { mayStayUnsanitised = false } = {}): RmAnswer {
    const flags = BigInt(mayStayUnsanitised ? abi.IMAGE_MAY_STAY_UNSANITISED : 0);
    const image = { vmid: BigInt(vmid), handle: BigInt(handle), ipa, flags };
    return this.#ask({ op: "rm_vm_config_image", vm: this.vmid, ...image });
  }

  configFirmware(vmid: number, handle: number, ipa: bigint): RmAnswer {
    const firmware = { vmid: BigInt(vmid), handle: BigInt(handle), ipa };
    return this.#ask({ op: "rm_vm_config_firmware", vm: this.vmid, ...firmware });
  }

  /** A device of `vmid` whose memory is the parcel with this label. */
  configDevice(vmid: number, label: number, ipa: bigint, { io = false } = {}): RmAnswer {
    const device = { vmid: BigInt(vmid), label: BigInt(label), ipa, flags: BigInt(io ? abi.DEVICE_IO : 0) };
    return this.#ask({ op: "rm_vm_config_device", vm: this.vmid, ...device });
  }

  initVm(vmid: number): RmAnswer {
    return this.#ask({ op: "rm_vm_init", vm: this.vmid, vmid: BigInt(vmid) });
  }

  startVm(vmid: number): RmAnswer {
    return this.#ask({ op: "rm_vm_start", vm: this.vmid, vmid: BigInt(vmid) });
  }

  /** The VM itself stops, or has crashed. */
  exit(): RmAnswer {
    return this.#ask({ op: "rm_vm_exit", vm: this.vmid });
  }

  resetVm(vmid: number): RmAnswer {
    return this.#ask({ op: "rm_vm_reset", vm: this.vmid, vmid: BigInt(vmid) });
  }

  deallocVm(vmid: number): RmAnswer {
    return this.#ask({ op: "rm_vm_dealloc", vm: this.vmid, vmid: BigInt(vmid) });
  }

  #ask(operation: Operation): RmAnswer {
    return answerOf(this.#run([operation]), false);
  }
}

function answerOf(outcome: Outcome, isHandle: boolean): RmAnswer {
  const error = outcome.ret;
  const name = rmErrorName(error);
  if (name === null) throw new Error(`the resource manager answered ${error}`);
  const value = outcome.details.answer ?? null;
  return { error, name, handle: isHandle && value !== null ? Number(value) : null, value, outcome };
}

function memTypeOf(io: boolean): number {
  return io ? abi.MEM_TYPE_IO : abi.MEM_TYPE_NORMAL;
}

function aclOf(acl: readonly Member[]): AclEntry[] {
  return acl.map(({ vmid, rights }) => ({ vmid, rights: RIGHTS[rights] }));
}

function attributesOf(acl: readonly Member[]): AttributeEntry[] {
  return acl.flatMap(({ vmid, attribute }) => (attribute === undefined ? [] : [{ attr: ATTRIBUTES[attribute], vmid }]));
}
