// A VM of Linux's Gunyah driver (struct gunyah_vm): whose it is, what is bound, which pages it was given.

import type { Frame } from "../host-memory.js";
import type { Process } from "../processes.js";
import type { Bindings } from "./bindings.js";
import type { GuestExtent, VmObjects } from "./vm-objects.js";

/** A page that the guest was given: one entry of the driver's tree of guest addresses. */
export interface Provided {
  /** Bytes. */
  readonly ipa: bigint;
  readonly frame: Frame;
  readonly lent: boolean;
  /** The guest has told the resource manager that it gives the page back. */
  released: boolean;
}

export class LinuxVm {
  /** The guest's name. */
  readonly name: string;
  /** Whose memory it runs in. */
  readonly vmm: Process;
  readonly objects: VmObjects;
  readonly bindings: Bindings;
  /** What the driver binds without being told otherwise: lent for a VM that the resource manager wants protected. */
  readonly lends: boolean;
  readonly provided = new Map<bigint, Provided>();
  /** False: no vCPU of it runs any more. */
  alive = true;

  constructor(name: string, vmm: Process, objects: VmObjects, bindings: Bindings, lends: boolean) {
    this.name = name;
    this.vmm = vmm;
    this.objects = objects;
    this.bindings = bindings;
    this.lends = lends;
  }

  get vmid(): number {
    return this.objects.vmid;
  }

  /** The pages that a vCPU has been given, in the order of their addresses. */
  get pages(): readonly Provided[] {
    return [...this.provided.values()].sort((a, b) => (a.ipa < b.ipa ? -1 : 1));
  }
}

/** The extent that a page of the guest is in. */
export const extentOf = (lent: boolean): GuestExtent => (lent ? "private" : "shared");
