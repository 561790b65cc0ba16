// A pKVM machine with a secure world: the host's FF-A calls pass EL2's proxy to the SPMC, the partitions' go straight to it.
// Two systems meet here; neither knows the other (reference pkvm-el2 section 8, ffa section 19).

import * as Ffa from "../abi/ffa";
import { FFA_CALL_64, FFA_DENIED, FFA_REPLY_FRAG_RX, FFA_REPLY_FRAG_TX, FFA_REPLY_SUCCESS } from "../abi/ffa";
import * as Proxy from "../abi/ffa-proxy";
import { FFA_RX_NEVER_RELEASED, FFA_VERSION_NOT_NEGOTIATED } from "../abi/mutations";
import { OPERATION_A } from "../abi/operations";
import { ensureFrame } from "../memory/dram";
import { isMutated } from "../memory/mutation";
import { expected, found, reason, refuse, subject } from "../memory/verdict";
import { memFragRx, memFragTx, memReclaim, memRetrieveReq, memSend, rxFill, rxRelease } from "../systems/ffa/calls";
import { Endpoint, findEndpoint, NORMAL_WORLD } from "../systems/ffa/endpoint";
import { falsify } from "../systems/ffa/false-answer";
import { permGet, permSet } from "../systems/ffa/permissions";
import { clearReply, recordReply, replyDone, replyKind, replyValue } from "../systems/ffa/reply";
import { answerOther, refuseCall } from "../systems/pkvm/ffa-calls";
import {
  checkNegotiated,
  ffaVersion,
  HOST_FFA_ID,
  mapMailbox,
  negotiateVersion,
  unmapMailbox,
  writeHostTx,
} from "../systems/pkvm/ffa-mailbox";
import {
  checkResponse,
  missFragment,
  shareFragment,
  shareMessage,
  takeFragment,
  takeResponse,
  unshareMessage,
  writeRetrieveRequest,
} from "../systems/pkvm/ffa-proxy";
import { dispatchFfa } from "./ffa";
import { a, b, c, d, handle, INVALID, operation, vcpuField } from "./operation-record";

/** Runs one record of FF-A. */
export function dispatchSecureWorld(rec: usize): i32 {
  const op = operation(rec);
  const isSetUp = op == Ffa.FFA_ENDPOINT || op == Ffa.FFA_SET_MODE || op == Ffa.FFA_SET_SECURE;
  if (isSetUp || handle(rec) != HOST_FFA_ID) return dispatchFfa(rec);
  const world = findEndpoint(NORMAL_WORLD);
  return world == null ? INVALID : dispatchHost(op, rec, world);
}

function dispatchHost(op: i32, rec: usize, world: Endpoint): i32 {
  switch (op) {
    case Proxy.FFA_VERSION:
      return version(a(rec) as u32, world);
    case Ffa.FFA_TX:
      return writeHostTx(vcpuField(rec), rec + OPERATION_A) ? 0 : INVALID;
    case Ffa.FFA_RX_FILL:
      return rxFill(world);
    case Ffa.FFA_ABORT:
      return INVALID;
    default: {
      const early = checkNegotiated();
      if (early != 0) return early;
      clearReply();
      const ret = dispatchCall(op, rec, world);
      if (ret == 0) recordReply();
      return ret;
    }
  }
}

function version(asked: u32, world: Endpoint): i32 {
  const ret = negotiateVersion(asked);
  world.version = isMutated(FFA_VERSION_NOT_NEGOTIATED) && ret > 0 ? ret : ffaVersion();
  return ret;
}

// Reference 8.1: who answers which call.
function dispatchCall(op: i32, rec: usize, world: Endpoint): i32 {
  const options = vcpuField(rec) as i32;
  switch (op) {
    case Proxy.FFA_RXTX_MAP:
      // The 32-bit call cannot say where pages above 4 GiB are.
      return options & FFA_CALL_64 ? done(mapMailbox(a(rec), b(rec), c(rec) as u32)) : refuseCall(op, options);
    case Proxy.FFA_RXTX_UNMAP:
      return done(unmapMailbox(a(rec) as u32));
    case Ffa.FFA_MEM_LEND:
    case Ffa.FFA_MEM_SHARE:
      return send(op, rec, world, options);
    case Ffa.FFA_MEM_FRAG_TX:
      return fragTx(a(rec), b(rec) as u32, c(rec) as u32, world, options);
    case Ffa.FFA_MEM_RECLAIM:
      return reclaim(a(rec), b(rec) as u32, world, options);
    case Ffa.FFA_RX_RELEASE:
      return rxRelease(world);
    case Ffa.FFA_MEM_PERM_GET:
      return permGet(world, a(rec), b(rec) as u32);
    case Ffa.FFA_MEM_PERM_SET:
      return permSet(world, a(rec), b(rec) as u32, c(rec) as u32);
    case Proxy.FFA_SMC:
      return done(answerOther(a(rec) as u32, b(rec) as u32));
    default:
      return refuseCall(op, options);
  }
}

function done(ret: i32): i32 {
  if (ret == 0) replyDone();
  return ret;
}

/** EL2's own buffers, which the SPMC knows as the normal world's: one page each. */
function hypTx(world: Endpoint): usize {
  world.txUsed = 4096;
  return ensureFrame(world.tx);
}

// Section 8.3: the ranges are shared first, and only the answer that was to be expected leaves them so.
function send(op: i32, rec: usize, world: Endpoint, options: i32): i32 {
  const total = a(rec) as u32;
  const fragment = b(rec) as u32;
  const shared = shareMessage(hypTx(world), total, fragment, c(rec), d(rec));
  if (shared != 0) return shared;
  const ret = memSend(op, world, total, fragment, 0, 0, options | FFA_CALL_64);
  const isTaken = fragment == total ? replyKind == FFA_REPLY_SUCCESS : isNextAsked(fragment);
  if (ret != 0 || !isTaken) unshareMessage();
  return ret;
}

function isNextAsked(offset: u32): bool {
  return replyKind == FFA_REPLY_FRAG_RX && replyValue == (offset as u64);
}

// Section 8.5: what fails here leaves the pages of earlier fragments shared for ever.
function fragTx(region: u64, fragment: u32, sender: u32, world: Endpoint, options: i32): i32 {
  const shared = shareFragment(hypTx(world), fragment);
  if (shared == -FFA_DENIED) return abandon(region, world);
  if (shared != 0) return shared;
  const ret = memFragTx(world, region, fragment, sender, options);
  if (ret != 0) unshareMessage();
  return ret;
}

// A range was refused: the SPMC is asked to reclaim the transaction. EL2 asserts that it does; a manager that reclaims only
// what was fully sent (Hafnium: ffa section 9, row 1) keeps its half of it instead.
function abandon(region: u64, world: Endpoint): i32 {
  const why = reason;
  const what = subject;
  const want = expected;
  const have = found;
  memReclaim(world, region, 0, 0);
  return refuse(FFA_DENIED, why, what, want, have);
}

// Section 8.4: the SPMC tells which pages they are, gives them back, and only then they are the host's alone.
function reclaim(region: u64, flags: u32, world: Endpoint, options: i32): i32 {
  let ret = retrieve(region, world);
  if (ret == 0) ret = memReclaim(world, region, flags, options);
  if (ret == 0) unshareMessage();
  return ret;
}

function retrieve(region: u64, world: Endpoint): i32 {
  const request = writeRetrieveRequest(hypTx(world), region);
  const asked = memRetrieveReq(world, request, request, 0, 0, FFA_CALL_64);
  if (asked != 0) return asked;
  const rx = ensureFrame(world.rx);
  const total = replyValue as u32;
  let offset = (replyValue >> 32) as u32;
  if (isDefined(EXPLORING)) falsify(rx, world.version == Ffa.FFA_VERSION_1_0 ? 32 : (load<u32>(rx, 32) as usize));
  let ret = takeResponse(rx, total, offset);
  if (!isMutated(FFA_RX_NEVER_RELEASED)) rxRelease(world);
  while (ret == 0 && offset < total) {
    const next = memFragRx(world, region, offset, HOST_FFA_ID);
    if (next != 0 || replyKind != FFA_REPLY_FRAG_TX) return missFragment(offset);
    const fragment = (replyValue >> 32) as u32;
    ret = takeFragment(rx, offset, fragment);
    offset += fragment;
    rxRelease(world);
  }
  return ret != 0 ? ret : checkResponse(total);
}
