// What a host must keep true of itself, in every state between two system calls (reference bugs.md section 11, checks 5 and 6).

import {
  BREACH_CHARGES,
  BREACH_FIRMWARE,
  BREACH_FREE,
  BREACH_PROGRESS,
  BREACH_REFUSED,
  BREACH_SOURCE,
  HOST_FIRST_GFN,
} from "../../abi/user-calls";
import { isValid, outputAddress } from "../../arch/descriptor";
import { granuleSize, pfnToPa } from "../../arch/geometry";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { findVm } from "../../systems/pkvm/vm";
import { FIRMWARE_PAGE, holdsFirmware } from "./firmware";
import { strangeFreePage } from "./frames";
import { isStuck } from "./guest-abort";
import { isRefused } from "./hypercalls";
import { endOfRecords, findRecord, firstRecord, Kvm, kvmAt, KVMS, recordBehind, recordPages, recordPfn } from "./kvm";
import { BLOCK_PAGES, leaves, lives, lockedVm, mappedAt, mayBeBlocks, PROCESSES } from "./process";

let asked: u32 = 0;
let subject: u64 = 0;

/** What a breach is about; 0: nothing that has an address or a number. */
export function hostBreachAt(): u64 {
  return subject;
}

function isAsked(breach: i32): bool {
  return ((asked >> breach) & 1) != 0;
}

/** What the last system call broke of what is asked for (bit n: BREACH n), BREACH_*; 0: nothing. */
export function brokenByHostStep(breaches: u32): i32 {
  asked = breaches;
  subject = 0;
  if (isRefused && isAsked(BREACH_REFUSED)) return BREACH_REFUSED;
  return isStuck && isAsked(BREACH_PROGRESS) ? BREACH_PROGRESS : 0;
}

/** What is broken in this state, likewise. */
export function brokenInHost(breaches: u32): i32 {
  asked = breaches;
  if (isAsked(BREACH_CHARGES) && isSomebodyChargedWrong()) return BREACH_CHARGES;
  subject = isAsked(BREACH_FREE) ? strangeFreePage() : 0;
  if (subject != 0) return BREACH_FREE;
  for (let vm: u32 = 0; vm < KVMS; vm++) {
    const kvm = kvmAt(vm);
    if (!kvm.isCreated) continue;
    if (isAsked(BREACH_SOURCE) && !kvm.isProtected && !hasSource(kvm)) return BREACH_SOURCE;
    if (isAsked(BREACH_FIRMWARE) && kvm.wantsFirmware && !isFirmwareLoaded(kvm)) return BREACH_FIRMWARE;
  }
  return 0;
}

function isSomebodyChargedWrong(): bool {
  for (let process: u32 = 0; process < PROCESSES; process++) {
    subject = process;
    if (lives(process) && lockedVm(process) != pinnedFor(process)) return true;
  }
  return false;
}

// What a guest that is not protected has is what the VMM has there, and nothing else: every page of every leaf.
function hasSource(kvm: Kvm): bool {
  const vm = findVm(kvm.handle);
  const pages = mayBeBlocks() ? BLOCK_PAGES : leaves;
  for (let page: u32 = 0; page < pages && vm != null; page++) {
    subject = pfnToPa((HOST_FIRST_GFN as u64) + (page as u64));
    getLeaf(vm.table, subject);
    const inLeaf = subject & (granuleSize(leafLevel) - 1);
    if (isValid(leaf) && outputAddress(leaf) + inLeaf != pfnToPa(mappedAt(page))) return false;
  }
  return true;
}

function isFirmwareLoaded(kvm: Kvm): bool {
  const record = findRecord(kvm, FIRMWARE_PAGE);
  if (record == 0) return true;
  subject = pfnToPa(recordPfn(record));
  return holdsFirmware(recordPfn(record));
}

// Pages of guests that the process has to pay for.
function pinnedFor(process: u32): i32 {
  let pages: u32 = 0;
  for (let vm: u32 = 0; vm < KVMS; vm++) {
    const kvm = kvmAt(vm);
    if (!kvm.exists || !kvm.isProtected || kvm.mm != process) continue;
    for (let at = firstRecord(kvm); at != endOfRecords(kvm); at = recordBehind(at)) pages += recordPages(at);
  }
  return pages as i32;
}
