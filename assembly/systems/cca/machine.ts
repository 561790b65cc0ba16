// A machine with Arm's Confidential Compute Architecture: the host runs without a stage 2, EL3's granule protection table keeps
// it out of what is not Non-secure, and a Realm Management Monitor owns what is Realm (reference cca section 1).

import { CONFIG_CCA_VMIDS, GPT_SECURE, GRANULE_RD } from "../../abi/cca";
import { CREATE_OK, CREATE_TOO_LARGE, MEMBLOCK_NOMAP } from "../../abi/codes";
import { pageShift } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { memoryPageOf, Region, regionAt, regionCount } from "../../memory/regions";
import { setRoot, Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";
import { granuleState, setGpt } from "./granule";
import { isNonSecure, isRealm } from "./gpt";
import { reserveLockOrder } from "./lock-order";
import { reserveAnswer } from "./refusal";
import { rootTable, vmidCount, vmidOf } from "./realm";
import { isNs } from "./rtt-entry";
import { reserveVmids } from "./vmid";

/** The registers with which a realm's vCPU runs, as a table: filled anew for each access. */
let running: Stage2 = changetype<Stage2>(0);

/** Builds the machine in fresh memory; regions, granules' words and frames are there. CREATE_*. */
export function createCca(config: usize): i32 {
  const registers = reserve(STAGE2_BYTES);
  if (registers == 0 || !reserveVmids(load<u32>(config, CONFIG_CCA_VMIDS))) return CREATE_TOO_LARGE;
  running = changetype<Stage2>(registers);
  if (!reserveAnswer() || !reserveLockOrder()) return CREATE_TOO_LARGE;
  for (let i = 0; i < regionCount; i++) {
    if (regionAt(i).flags & MEMBLOCK_NOMAP) keepSecure(regionAt(i));
  }
  return CREATE_OK;
}

// What firmware keeps is the Secure world's.
function keepSecure(region: Region): void {
  for (let i: u64 = 0; i < region.pages; i++) setGpt(region.words + ((i as usize) << 3), GPT_SECURE);
}

/** Where the registers lie, which are no part of a state. */
export function registersAddress(): usize {
  return changetype<usize>(running);
}

/** Calls `visit` for every realm descriptor, until it answers false. */
export function eachRealm(visit: (rd: usize) => bool): void {
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    const end = region.words + ((region.pages as usize) << 3);
    for (let granule = region.words; granule < end; granule += 8) {
      if (granuleState(granule) == GRANULE_RD && !visit(granule)) return;
    }
  }
}

let wantedVmid: u32 = 0;
let foundRealm: usize = 0;

function hasVmid(rd: usize): bool {
  for (let i: u32 = 0; i < vmidCount(rd); i++) {
    if (vmidOf(rd, i) == wantedVmid) foundRealm = rd;
  }
  return foundRealm == 0;
}

/** The realm that runs with this VMID, or 0. */
function realmWithVmid(vmid: u32): usize {
  wantedVmid = vmid;
  foundRealm = 0;
  eachRealm(hasVmid);
  return foundRealm;
}

/** The stage 2 that a vCPU with this VMID runs with; null if no realm has it. */
export function tableWithVmid(vmid: u32): Stage2 | null {
  const rd = realmWithVmid(vmid);
  if (rd == 0) return null;
  setRoot(running, rootTable(rd, 0));
  running.vmid = vmid;
  running.vm = vmid;
  return running;
}

/**
 * The granule protection check: the host reaches Non-secure granules, a realm its Realm ones, and through leaves marked NS
 * Non-secure ones. What is no memory is no granule.
 */
export function isReached(vmid: u32, pa: u64, leaf: u64): bool {
  const granule = memoryPageOf(pa >> pageShift);
  if (granule == 0) return true;
  return vmid == 0 || isNs(leaf) ? isNonSecure(granule) : isRealm(granule);
}
