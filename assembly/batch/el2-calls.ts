// The host's calls that only searches make (abi/el2-calls.ts): record in, answer out.

import * as Call from "../abi/el2-calls";
import { createPrivateMapping } from "../systems/pkvm/private-range";
import { tracingLoad, tracingUnload } from "../systems/pkvm/tracing";
import { adjustPc, vcpuRun, vgicSaveAprs } from "../systems/pkvm/vcpu-calls";
import { LIMIT_CONTENTS } from "../abi/codes";
import { reachLimit } from "../memory/verdict";
import { loadedVcpu, pushHostListAt } from "../systems/pkvm/vm";
import { a, b, INVALID, operation } from "./operation-record";

export function isEl2Call(op: i32): bool {
  return op >= Call.HCALL_CREATE_PRIVATE_MAPPING && op <= Call.HOST_MEMCACHE_PUSH_AT;
}

export function dispatchEl2Call(rec: usize): i32 {
  switch (operation(rec)) {
    case Call.HCALL_CREATE_PRIVATE_MAPPING:
      return createPrivateMapping(a(rec), b(rec));
    case Call.HCALL_ADJUST_PC:
      adjustPc(a(rec));
      return 0;
    case Call.HCALL_VCPU_RUN:
      return vcpuRun(a(rec));
    case Call.HCALL_VGIC_V3_SAVE_APRS:
      vgicSaveAprs(a(rec));
      return 0;
    case Call.HCALL_TRACING_LOAD:
      return tracingLoad(a(rec), b(rec));
    case Call.HCALL_TRACING_UNLOAD:
      tracingUnload();
      return 0;
    case Call.HOST_MEMCACHE_PUSH_AT:
      if (!pushToLoaded(a(rec))) reachLimit(LIMIT_CONTENTS);
      return 0;
    default:
      return INVALID;
  }
}

function pushToLoaded(pa: u64): bool {
  const vcpu = loadedVcpu();
  return vcpu == null || pushHostListAt(vcpu, pa);
}
