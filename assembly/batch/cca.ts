// The operations of a machine with the Confidential Compute Architecture. Layout of their records: abi/operations.ts, abi/cca.ts.

import * as Op from "../abi/cca";
import { beginLocks } from "../systems/cca/lock-order";
import { beginAnswer, recordAnswer } from "../systems/cca/refusal";
import { granuleDelegate, granuleUndelegate } from "../systems/cca/rmi-granule";
import { dataCreate, dataCreateUnknown, dataDestroy } from "../systems/cca/rmi-data";
import { rttFold } from "../systems/cca/rmi-fold";
import { recAuxCount, recCreate, recDestroy } from "../systems/cca/rmi-rec";
import { rttInitRipas, rttSetRipas } from "../systems/cca/rmi-ripas";
import { rttCreate, rttDestroy, rttReadEntry } from "../systems/cca/rmi-rtt";
import { rttMapUnprotected, rttUnmapUnprotected } from "../systems/cca/rmi-unprotected";
import {
  psciSystemOff,
  realmAbort,
  recEnter,
  recInterrupt,
  rsiHostCall,
  rsiIpaStateGet,
  rsiIpaStateSet,
} from "../systems/cca/run";
import { realmActivate, realmCreate, realmDestroy } from "../systems/cca/rmi-realm";
import { a, b, c, d, INVALID, operation, vcpuField } from "./operation-record";

export function dispatchCca(rec: usize): i32 {
  beginAnswer();
  beginLocks();
  const ret = dispatch(rec);
  recordAnswer();
  return ret;
}

function dispatch(rec: usize): i32 {
  switch (operation(rec)) {
    case Op.RMI_GRANULE_DELEGATE:
      return granuleDelegate(a(rec));
    case Op.RMI_GRANULE_UNDELEGATE:
      return granuleUndelegate(a(rec));
    case Op.RMI_REALM_CREATE:
      return realmCreate(a(rec), b(rec));
    case Op.RMI_REALM_ACTIVATE:
      return realmActivate(a(rec));
    case Op.RMI_REALM_DESTROY:
      return realmDestroy(a(rec));
    case Op.RMI_REC_AUX_COUNT:
      return recAuxCount(a(rec));
    case Op.RMI_REC_CREATE:
      return recCreate(a(rec), b(rec), c(rec));
    case Op.RMI_REC_DESTROY:
      return recDestroy(a(rec));
    case Op.RMI_REC_ENTER:
      return recEnter(a(rec), b(rec));
    default:
      return operation(rec) >= Op.RSI_IPA_STATE_SET ? dispatchRealm(rec) : dispatchTables(rec);
  }
}

function dispatchTables(rec: usize): i32 {
  switch (operation(rec)) {
    case Op.RMI_RTT_CREATE:
      return rttCreate(a(rec), b(rec), c(rec), d(rec));
    case Op.RMI_RTT_DESTROY:
      return rttDestroy(a(rec), b(rec), c(rec));
    case Op.RMI_RTT_FOLD:
      return rttFold(a(rec), b(rec), c(rec));
    case Op.RMI_RTT_READ_ENTRY:
      return rttReadEntry(a(rec), b(rec), c(rec));
    case Op.RMI_RTT_MAP_UNPROTECTED:
      return rttMapUnprotected(a(rec), b(rec), c(rec), d(rec));
    case Op.RMI_RTT_UNMAP_UNPROTECTED:
      return rttUnmapUnprotected(a(rec), b(rec), c(rec));
    case Op.RMI_RTT_INIT_RIPAS:
      return rttInitRipas(a(rec), b(rec), c(rec));
    case Op.RMI_RTT_SET_RIPAS:
      return rttSetRipas(a(rec), b(rec), c(rec), d(rec));
    case Op.RMI_DATA_CREATE:
      return dataCreate(a(rec), b(rec), c(rec), d(rec), vcpuField(rec));
    case Op.RMI_DATA_CREATE_UNKNOWN:
      return dataCreateUnknown(a(rec), b(rec), c(rec));
    case Op.RMI_DATA_DESTROY:
      return dataDestroy(a(rec), b(rec));
    default:
      return INVALID;
  }
}

// What a running REC does.
function dispatchRealm(rec: usize): i32 {
  switch (operation(rec)) {
    case Op.RSI_IPA_STATE_SET:
      return rsiIpaStateSet(a(rec), b(rec), c(rec), d(rec), vcpuField(rec));
    case Op.RSI_IPA_STATE_GET:
      return rsiIpaStateGet(a(rec), b(rec));
    case Op.RSI_HOST_CALL:
      return rsiHostCall(a(rec));
    case Op.PSCI_SYSTEM_OFF:
      return psciSystemOff(a(rec));
    case Op.REALM_ABORT:
      return realmAbort(a(rec), b(rec), vcpuField(rec) == Op.REALM_FETCH);
    case Op.REC_INTERRUPT:
      return recInterrupt(a(rec));
    default:
      return INVALID;
  }
}
