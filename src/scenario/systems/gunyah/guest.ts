// A VM of a Gunyah scenario beside HLOS: its VMID, its VMM, and where it has pages that were not declared for it.

import type { Process } from "../../../consequences/processes.js";
import type { PlacedPage } from "../linux/placed-page.js";

export class GunyahGuest {
  readonly name: string;
  readonly vmid: number;
  /** The process that started it and ends with it. */
  readonly vmm: Process;
  /** Its memory is lent to it; else shared with it, and HLOS keeps its access. */
  readonly isProtected: boolean;
  /** False when it has exited and was reset. */
  alive = true;
  readonly addresses = new Map<PlacedPage, bigint>();

  constructor(name: string, vmid: number, vmm: Process, isProtected: boolean) {
    this.name = name;
    this.vmid = vmid;
    this.vmm = vmm;
    this.isProtected = isProtected;
  }
}
