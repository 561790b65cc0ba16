// The resource manager when HLOS starts: no parcels, no VMs but HLOS (reference gunyah section 6).

import { reserveParcels } from "./parcel";
import { reserveRmMemory } from "./rm-memory";
import { reserveMessages } from "./rm-message";
import { reserveStart } from "./rm-start";
import { reserveRmVms } from "./rm-vm";

/** Makes its state, behind the hypervisor's. False if linear memory is used up. */
export function createResourceManager(): bool {
  return reserveRmMemory() && reserveMessages() && reserveRmVms() && reserveParcels() && reserveStart();
}
