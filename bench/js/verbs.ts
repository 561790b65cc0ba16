// The plain-JavaScript twin: the verbs of the benchmark, checks in EL2's order, then writes. Mirrors bench/c/verbs.h.

import {
  attributesHigh,
  attributesLow,
  E2BIG,
  EBUSY,
  EEXIST,
  EHWPOISON,
  EINVAL,
  ENOENT,
  ENOMEM,
  EPERM,
  ERANGE,
  ID_GUEST,
  ID_HOST,
  ID_HYP,
  isInRange,
  LAST_LEVEL,
  MEMATTR_GUEST,
  MEMATTR_HOST,
  NOPAGE,
  OWNED,
  panic,
  POISON,
  PROT_PX,
  PROT_R,
  PROT_RWX,
  PROT_UX,
  PROT_W,
  PROT_X,
  PTE_VALID,
  SHARED_BORROWED,
  SHARED_OWNED,
  STATE_HIGH,
  STATE_SHIFT,
  TYPE_DONATION,
  type Machine,
  type Vm,
} from "./machine.js";

const BLOCK_PAGES = 512;
const PAGES_AT_LEVEL = [1 << 27, 1 << 18, 512, 1];

function checkHost(m: Machine, pfn: number, state: number): number {
  const refusal = m.checkMemory(pfn, 1);
  if (refusal !== 0) return refusal;
  return m.hostState(pfn) === state ? 0 : -EPERM;
}

function checkMemcache(vm: Vm): number {
  return vm.memcache.count < LAST_LEVEL - vm.table.startLevel ? -ENOMEM : 0;
}

function isPfnInRange(m: Machine, pfn: number, pages: number): boolean {
  return pfn < m.host.frames && m.host.frames - pfn >= pages;
}

/** CHK_SIZE: one page, or one aligned level-2 block. */
function checkSize(pfn: number, gfn: number, pages: number): number {
  if (pages === 1) return 0;
  if (pages !== BLOCK_PAGES) return -EINVAL;
  return (pfn | gfn) & (BLOCK_PAGES - 1) ? -EINVAL : 0;
}

/** GPTE (get_valid_guest_pte): the level-3 leaf of a guest page, or an errno below 0. */
function getValidGuestEntry(m: Machine, vm: Vm, gfn: number): number {
  if (!isInRange(vm.table, gfn >>> 20)) return -ERANGE;
  const entry = m.findLeaf(vm.table, gfn >>> 20, gfn << 12);
  if (m.guestState(entry) === POISON) return -EHWPOISON;
  if (!(m.words[entry]! & PTE_VALID)) return -ENOENT;
  if (m.level !== LAST_LEVEL) return -E2BIG;
  if (m.checkMemory(m.outputPfn(entry), 1) !== 0) panic("get_valid_guest_pte");
  return entry;
}

// ANNOT_HOST and SET_HOST: the host's own leaf and state.

/** `handle` and `gfn` are the metadata of a guest's page, 0 for EL2's. */
function annotateHost(m: Machine, pfn: number, owner: number, handle: number, gfn: number): number {
  if (owner === ID_HOST) return -EINVAL;
  if (!m.isMemory(pfn, 1)) return -EPERM;
  if (owner > 7 || handle > 0xffff) return -EINVAL;
  const high = pfn >>> 20;
  const low = pfn << 12;
  const slot = m.descend(null, m.findLeaf(m.host, high, low), high, low, LAST_LEVEL);
  m.writeEntry(slot, TYPE_DONATION | (gfn >>> 12), (gfn << 20) | (handle << 4) | (owner << 1));
  m.setHostState(pfn, NOPAGE);
  return 0;
}

function mapHostPage(m: Machine, pfn: number): void {
  const high = pfn >>> 20;
  const low = pfn << 12;
  const slot = m.descend(null, m.findLeaf(m.host, high, low), high, low, LAST_LEVEL);
  m.mapEntry(slot, high | attributesHigh(PROT_RWX, OWNED), low | attributesLow(MEMATTR_HOST, PROT_RWX, LAST_LEVEL));
}

function setHostOwned(m: Machine, pfn: number): number {
  if (!m.isMemory(pfn, 1)) return -EPERM;
  mapHostPage(m, pfn);
  m.setHostState(pfn, OWNED);
  return 0;
}

/** 3.2 */
export function hostShareHyp(m: Machine, pfn: number): number {
  const refusal = checkHost(m, pfn, OWNED);
  if (refusal !== 0) return refusal;
  if (m.hypState(pfn) !== NOPAGE) return -EPERM;
  m.setHypState(pfn, SHARED_BORROWED);
  m.setHostState(pfn, SHARED_OWNED);
  return 0;
}

/** 3.3 */
export function hostUnshareHyp(m: Machine, pfn: number): number {
  const refusal = checkHost(m, pfn, SHARED_OWNED);
  if (refusal !== 0) return refusal;
  if (m.hypState(pfn) !== SHARED_BORROWED) return -EPERM;
  if (m.refcount(pfn) !== 0) return -EBUSY;
  m.setHypState(pfn, NOPAGE);
  m.setHostState(pfn, OWNED);
  return 0;
}

/** 3.4, one page. Preparation only, so EL2's own stage-1 table is left out. */
export function hostDonateHyp(m: Machine, pfn: number): number {
  if (!isPfnInRange(m, pfn, 1)) return -EINVAL;
  const refusal = checkHost(m, pfn, OWNED);
  if (refusal !== 0) return refusal;
  if (m.hypState(pfn) !== NOPAGE) return -EPERM;
  takeForHyp(m, pfn);
  return 0;
}

/** What EL2 does for a page of its own: a donation's writes, and the carve-out at initialisation (1.7). */
export function takeForHyp(m: Machine, pfn: number): void {
  m.setHypState(pfn, OWNED);
  if (annotateHost(m, pfn, ID_HYP, 0, 0) !== 0) panic("__pkvm_host_donate_hyp");
}

/** 3.6 */
export function hostShareGuest(m: Machine, vm: Vm, pfn: number, gfn: number, pages: number, prot: number): number {
  if (prot & ~PROT_RWX) return -EINVAL;
  if (!isPfnInRange(m, pfn, pages)) return -EINVAL;
  const refusal = checkSize(pfn, gfn, pages) || m.checkMemory(pfn, pages);
  if (refusal !== 0) return refusal;
  if (!isInRange(vm.table, gfn >>> 20)) return -ERANGE;
  const leaf = m.findLeaf(vm.table, gfn >>> 20, gfn << 12);
  const leafLevel = m.level;
  if (m.guestState(leaf) !== NOPAGE) return -EPERM;
  for (let page = pfn; page < pfn + pages; page++) {
    if (m.hostState(page) === OWNED) continue;
    if (m.hostState(page) !== SHARED_OWNED) return -EPERM;
    if (m.shareCount(page) === 0xffffffff) return -EBUSY;
    if (m.shareCount(page) === 0) return -EPERM;
  }
  if (checkMemcache(vm) !== 0) return -ENOMEM;
  for (let page = pfn; page < pfn + pages; page++) {
    m.setHostState(page, SHARED_OWNED);
    m.addShares(page, 1);
  }
  // Without XNX the two execute bits go together (2.3).
  if ((prot & PROT_X) === PROT_PX || (prot & PROT_X) === PROT_UX) panic("__pkvm_host_share_guest");
  const level = pages === 1 ? LAST_LEVEL : LAST_LEVEL - 1;
  m.level = leafLevel;
  const slot = m.descend(vm, leaf, gfn >>> 20, gfn << 12, level);
  const low = (pfn << 12) | attributesLow(MEMATTR_GUEST, prot, level);
  if (m.mapEntry(slot, (pfn >>> 20) | attributesHigh(prot, SHARED_BORROWED), low)) panic("__pkvm_host_share_guest");
  return 0;
}

export function hostUnshareGuest(m: Machine, vm: Vm, gfn: number, pages: number): number {
  if (checkSize(0, gfn, pages) !== 0) return -EINVAL;
  if (!isInRange(vm.table, gfn >>> 20)) return -ERANGE;
  const leaf = m.findLeaf(vm.table, gfn >>> 20, gfn << 12);
  if (!(m.words[leaf]! & PTE_VALID)) return -ENOENT;
  if (PAGES_AT_LEVEL[m.level] !== pages) return -E2BIG;
  if (m.guestState(leaf) !== SHARED_BORROWED) return -EPERM;
  const pfn = m.outputPfn(leaf);
  if (m.checkMemory(pfn, pages) !== 0) panic("__pkvm_host_unshare_guest");
  for (let page = pfn; page < pfn + pages; page++) {
    if (m.hostState(page) !== SHARED_OWNED) return -EPERM;
    if (m.shareCount(page) === 0) panic("__pkvm_host_unshare_guest");
  }
  m.unmapEntry(vm.table, vm, leaf, gfn >>> 20, gfn << 12);
  for (let page = pfn; page < pfn + pages; page++) {
    m.addShares(page, -1);
    if (m.shareCount(page) === 0) m.setHostState(page, OWNED);
  }
  return 0;
}

/** 3.7 */
export function hostDonateGuest(m: Machine, vm: Vm, pfn: number, gfn: number): number {
  const refusal = checkHost(m, pfn, OWNED);
  if (refusal !== 0) return refusal;
  if (!isInRange(vm.table, gfn >>> 20)) return -ERANGE;
  const leaf = m.findLeaf(vm.table, gfn >>> 20, gfn << 12);
  const leafLevel = m.level;
  if (m.guestState(leaf) !== NOPAGE) return -EPERM;
  if (checkMemcache(vm) !== 0) return -ENOMEM;
  if (annotateHost(m, pfn, ID_GUEST, vm.handle, gfn) !== 0) panic("__pkvm_host_donate_guest");
  m.level = leafLevel;
  const slot = m.descend(vm, leaf, gfn >>> 20, gfn << 12, LAST_LEVEL);
  const low = (pfn << 12) | attributesLow(MEMATTR_GUEST, PROT_RWX, LAST_LEVEL);
  if (m.mapEntry(slot, (pfn >>> 20) | attributesHigh(PROT_RWX, OWNED), low)) panic("__pkvm_host_donate_guest");
  return 0;
}

function writeGuestState(m: Machine, slot: number, state: number): void {
  m.writeEntry(slot, (m.words[slot + 1]! & ~STATE_HIGH) | (state << STATE_SHIFT), m.words[slot]!);
}

/** 3.8 */
export function guestShareHost(m: Machine, vm: Vm, gfn: number): number {
  const leaf = getValidGuestEntry(m, vm, gfn);
  if (leaf < 0) return leaf;
  const pfn = m.outputPfn(leaf);
  if (m.guestState(leaf) !== OWNED || checkHost(m, pfn, NOPAGE) !== 0) return -EPERM;
  writeGuestState(m, leaf, SHARED_OWNED);
  mapHostPage(m, pfn);
  m.setHostState(pfn, SHARED_BORROWED);
  return 0;
}

export function guestUnshareHost(m: Machine, vm: Vm, gfn: number): number {
  const leaf = getValidGuestEntry(m, vm, gfn);
  if (leaf < 0) return leaf;
  const pfn = m.outputPfn(leaf);
  if (m.guestState(leaf) !== SHARED_OWNED || checkHost(m, pfn, SHARED_BORROWED) !== 0) return -EPERM;
  if (annotateHost(m, pfn, ID_GUEST, vm.handle, gfn) !== 0) panic("__pkvm_guest_unshare_host");
  writeGuestState(m, leaf, OWNED);
  return 0;
}

/** 3.10 */
export function hostReclaimPageGuest(m: Machine, vm: Vm, gfn: number): number {
  const leaf = getValidGuestEntry(m, vm, gfn);
  if (leaf < 0) return leaf === -EHWPOISON ? 0 : leaf;
  const pfn = m.outputPfn(leaf);
  const state = m.guestState(leaf);
  if (state === OWNED) {
    if (m.hostState(pfn) !== NOPAGE) panic("__pkvm_host_reclaim_page_guest");
    m.wipe(pfn);
  } else if (state === SHARED_OWNED) {
    if (m.hostState(pfn) !== SHARED_BORROWED) panic("__pkvm_host_reclaim_page_guest");
  } else {
    return -EPERM;
  }
  m.unmapEntry(vm.table, vm, leaf, gfn >>> 20, gfn << 12);
  if (setHostOwned(m, pfn) !== 0) panic("__pkvm_host_reclaim_page_guest");
  return 0;
}

/** 4.2: what the host may reach it gets, at the largest granule that fits under the entry where the walk ends. */
function hostStage2Idmap(m: Machine, pfn: number): number {
  m.findMemRange(pfn);
  const isMemory = m.rangeFlags !== -1;
  const prot = isMemory ? PROT_RWX : PROT_R | PROT_W;
  const high = pfn >>> 20;
  if (!isInRange(m.host, high)) return -ERANGE;
  const leaf = m.findLeaf(m.host, high, pfn << 12);
  if (m.words[leaf]! & PTE_VALID) return -EEXIST;
  if ((m.words[leaf]! | m.words[leaf + 1]!) !== 0) {
    if (isMemory && m.hostState(pfn) !== NOPAGE) panic("host_stage2_adjust_range");
    return -EPERM;
  }
  for (let level = m.level; ; level++) {
    const pages = PAGES_AT_LEVEL[level]!;
    const start = (pfn & ~(pages - 1)) >>> 0;
    const fits = level >= 1 && start >= m.rangeStart && start + pages <= m.rangeEnd;
    if (!fits && level !== LAST_LEVEL) continue;
    const slot = m.descend(null, leaf, high, start << 12, level);
    const low = (start << 12) | attributesLow(MEMATTR_HOST, prot, level);
    m.mapEntry(slot, (start >>> 20) | attributesHigh(prot, OWNED), low);
    return 0;
  }
}

function isTranslationFault(esr: number): boolean {
  return (esr & 0x3c) === 0x04 || (esr & 0x3f) === 0x2b;
}

/** Whether HPFAR_EL2 holds the address (4.1): translation, access flag, address size, or permission with S1PTW. */
function isHpfarValid(esr: number): boolean {
  const kind = esr & 0x3c;
  if (isTranslationFault(esr) || kind === 0x08 || kind === 0x00 || (esr & 0x3f) === 0x29) return true;
  return kind === 0x0c && (esr & 0x80) !== 0;
}

/** 4.4 */
function hostInjectMemAbort(m: Machine, esr: number, spsr: number, far: number): void {
  const ec = esr >>> 26;
  if (ec !== 0x24 && ec !== 0x20) panic("host_inject_mem_abort");
  // From EL1: the class of the same exception level.
  const esrEl1 = spsr & 0xf ? esr + (1 << 26) : esr;
  m.esrEl1 = esrEl1 | 0x80;
  if (isTranslationFault(esr)) m.farEl1 = far;
}

/** Result of the identity map: 0 mapped, -EEXIST spurious, -EPERM injected. `hpfar` below 2^32. */
export function hostAbort(m: Machine, esr: number, spsr: number, far: number, hpfar: number): number {
  if (!isHpfarValid(esr)) panic("handle_host_mem_abort: the twin does not model AT");
  const ret = hostStage2Idmap(m, hpfar >>> 4);
  if (ret === -EPERM) hostInjectMemAbort(m, esr, spsr, far);
  else if (ret !== 0 && ret !== -EEXIST) panic("handle_host_mem_abort");
  return ret;
}
