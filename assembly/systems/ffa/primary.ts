// The primary: VM 1 of the hypervisor, the normal world of the SPMC. Its own tables are not asked before it retrieves
// (reference ffa, sections 1.4 and 3.1).

import { Endpoint, NORMAL_WORLD } from "./endpoint";
import { Manager, SPMC } from "./transaction";

const PRIMARY_VM: u32 = 1;

export function isPrimary(manager: Manager, endpoint: Endpoint): bool {
  return endpoint.id == (manager.which == SPMC ? NORMAL_WORLD : PRIMARY_VM);
}
