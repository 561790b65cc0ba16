// Which FF-A calls of the host EL2's proxy passes on, and which it answers with NOT_SUPPORTED
// (nvhe/ffa.c:ffa_call_supported, do_ffa_features; reference pkvm-el2 section 8.1).

import {
  FFA_CALL_64,
  FFA_MEM_DONATE,
  FFA_MEM_FRAG_RX,
  FFA_MEM_RELINQUISH,
  FFA_MEM_RETRIEVE_REQ,
  FFA_NOT_SUPPORTED,
} from "../../abi/ffa";
import { REASON_PROXY_NOT_MODELLED, REASON_PROXY_NOT_PASSED_ON } from "../../abi/ffa-proxy";
import { refuse } from "../../memory/verdict";

const BASE_32: u32 = 0x8400_0000;
const BASE_64: u32 = 0xc400_0000;
const NUMBER: u32 = 0xff;

// Function numbers, bits 7:0 of a function id.
const FEATURES: u32 = 0x64;
const RXTX_MAP: u32 = 0x66;
const MSG_POLL: u32 = 0x6a;
const MSG_WAIT: u32 = 0x6b;
const MSG_SEND: u32 = 0x6e;
const MSG_SEND_DIRECT_RESP: u32 = 0x70;
const MEM_DONATE: u32 = 0x71;
const MEM_LEND: u32 = 0x72;
const MEM_SHARE: u32 = 0x73;
const MEM_RETRIEVE_REQ: u32 = 0x74;
const MEM_RETRIEVE_RESP: u32 = 0x75;
const MEM_RELINQUISH: u32 = 0x76;
const MEM_OP_PAUSE: u32 = 0x78;
const MEM_OP_RESUME: u32 = 0x79;
const MEM_FRAG_RX: u32 = 0x7a;
const NOTIFICATION_BITMAP_CREATE: u32 = 0x7d;
const NOTIFICATION_INFO_GET: u32 = 0x83;
const CONSOLE_LOG: u32 = 0x8a;
const PARTITION_INFO_GET_REGS: u32 = 0x8b;
const MSG_SEND_DIRECT_REQ2: u32 = 0x8d;
const MSG_SEND_DIRECT_RESP2: u32 = 0x8e;

/** An operation that is a call of its own and that the proxy does not pass on. */
export function refuseCall(op: i32, options: i32): i32 {
  const base = options & FFA_CALL_64 ? BASE_64 : BASE_32;
  return refuse(FFA_NOT_SUPPORTED, REASON_PROXY_NOT_PASSED_ON, (base | numberOf(op)) as u64, 0, 0);
}

function numberOf(op: i32): u32 {
  switch (op) {
    case FFA_MEM_DONATE:
      return MEM_DONATE;
    case FFA_MEM_RETRIEVE_REQ:
      return MEM_RETRIEVE_REQ;
    case FFA_MEM_RELINQUISH:
      return MEM_RELINQUISH;
    case FFA_MEM_FRAG_RX:
      return MEM_FRAG_RX;
    default:
      return RXTX_MAP;
  }
}

/** A call that is no operation of its own: function id and x1. */
export function answerOther(id: u32, x1: u32): i32 {
  if (!isSupported(id)) return refuse(FFA_NOT_SUPPORTED, REASON_PROXY_NOT_PASSED_ON, id, 0, 0);
  return (id & NUMBER) == FEATURES ? answerFeatures(x1) : refuseForwarded(id);
}

// FFA_FEATURES asks for one function: a share and a lend are the proxy's to promise.
function answerFeatures(id: u32): i32 {
  if (!isSupported(id)) return refuse(FFA_NOT_SUPPORTED, REASON_PROXY_NOT_PASSED_ON, id, 0, 0);
  const number = id & NUMBER;
  return number == MEM_SHARE || number == MEM_LEND ? 0 : refuseForwarded(id);
}

// The call reaches the SPMC, of which memory management alone is modelled.
function refuseForwarded(id: u32): i32 {
  return refuse(FFA_NOT_SUPPORTED, REASON_PROXY_NOT_MODELLED, id, 0, 0);
}

// ffa_call_supported.
function isSupported(id: u32): bool {
  const number = id & NUMBER;
  const is64 = (id & ~NUMBER) == BASE_64;
  if (number >= NOTIFICATION_BITMAP_CREATE && number <= NOTIFICATION_INFO_GET) return false;
  switch (number) {
    case RXTX_MAP:
    case MSG_SEND_DIRECT_RESP:
      return is64;
    case MSG_SEND:
    case MSG_POLL:
    case MSG_WAIT:
    case MEM_DONATE:
    case MEM_RETRIEVE_REQ:
    case MEM_RETRIEVE_RESP:
    case MEM_RELINQUISH:
    case MEM_OP_PAUSE:
    case MEM_OP_RESUME:
    case MEM_FRAG_RX:
    case CONSOLE_LOG:
    case PARTITION_INFO_GET_REGS:
    case MSG_SEND_DIRECT_REQ2:
    case MSG_SEND_DIRECT_RESP2:
      return false;
    default:
      return true;
  }
}
