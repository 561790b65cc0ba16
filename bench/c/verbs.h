// The plain-C twin: the verbs of the benchmark (reference pkvm-el2, section 3 and 4), checks in EL2's order, then writes.
// A verb walks each table once and keeps the entry for its writes.
#ifndef FREEHOLD_BENCH_VERBS_H
#define FREEHOLD_BENCH_VERBS_H

#include "machine.h"

static int check_host(u64 pa, int state) {
  int refusal = check_memory(pa, pa + PAGE_SIZE);
  if (refusal) return refusal;
  return host_state(pa) == state ? 0 : -EPERM;
}

static int check_hyp(u64 pa, int state) { return hyp_state(pa) == state ? 0 : -EPERM; }

static int check_guest(const struct vm *vm, u64 ipa, int state, struct entry *entry) {
  if (!ipa_in_range(&vm->table, ipa)) return -ERANGE;
  *entry = find_leaf(&vm->table, ipa);
  return guest_state(*entry->slot) == state ? 0 : -EPERM;
}

static int check_memcache(const struct vm *vm) {
  return vm->memcache.count < (u32)(LAST_LEVEL - vm->table.start_level) ? -ENOMEM : 0;
}

static bool pfn_in_range(u64 pfn, u64 pages) {
  u64 limit = (u64)1 << (machine.host.ia_bits - PAGE_SHIFT);
  return pfn < limit && limit - pfn >= pages;
}

// CHK_SIZE: one page, or one aligned level-2 block.
static int check_size(u64 pa, u64 ipa, u64 pages, u64 *size) {
  *size = pages << PAGE_SHIFT;
  if (pages == 1) return 0;
  if (pages != 512) return -EINVAL;
  return (pa | ipa) & (*size - 1) ? -EINVAL : 0;
}

// GPTE (get_valid_guest_pte): the level-3 leaf of a guest page and what it maps.
static int get_valid_guest_entry(const struct vm *vm, u64 ipa, struct entry *entry, u64 *pa) {
  if (!ipa_in_range(&vm->table, ipa)) return -ERANGE;
  *entry = find_leaf(&vm->table, ipa);
  u64 pte = *entry->slot;
  if (guest_state(pte) == POISON) return -EHWPOISON;
  if (!(pte & PTE_VALID)) return -ENOENT;
  if (entry->level != LAST_LEVEL) return -E2BIG;
  *pa = pte & PTE_OA;
  if (check_memory(*pa, *pa + PAGE_SIZE)) panic("get_valid_guest_pte");
  return 0;
}

// ANNOT_HOST and SET_HOST: the host's own leaf and state.

static u64 donation(int owner, u64 meta) { return TYPE_DONATION | meta << 4 | (u64)owner << 1; }

static u64 gfn_meta(const struct vm *vm, u64 gfn) { return (gfn << 16 | vm->handle) & (((u64)1 << 56) - 1); }

static int annotate_host(u64 pa, int owner, u64 meta) {
  if (owner == ID_HOST) return -EINVAL;
  if (!range_is_memory(pa, pa + PAGE_SIZE)) return -EPERM;
  if (owner > 7 || meta >> 56) return -EINVAL;
  struct entry entry = descend(&machine.host, find_leaf(&machine.host, pa), pa, LAST_LEVEL);
  write_entry(entry.slot, donation(owner, meta));
  set_host_state(pa, NOPAGE);
  return 0;
}

static void map_host_page(u64 pa) {
  struct entry entry = find_leaf(&machine.host, pa);
  map_entry(&machine.host, entry, pa, LAST_LEVEL, pa | leaf_attributes(MEMATTR_HOST, PROT_RWX, OWNED, LAST_LEVEL));
}

static int set_host_owned(u64 pa) {
  if (!range_is_memory(pa, pa + PAGE_SIZE)) return -EPERM;
  map_host_page(pa);
  set_host_state(pa, OWNED);
  return 0;
}

// 3.2
static int host_share_hyp(u64 pfn) {
  u64 pa = pfn << PAGE_SHIFT;
  int refusal = check_host(pa, OWNED);
  if (!refusal) refusal = check_hyp(pa, NOPAGE);
  if (refusal) return refusal;
  set_hyp_state(pa, SHARED_BORROWED);
  set_host_state(pa, SHARED_OWNED);
  return 0;
}

// 3.3
static int host_unshare_hyp(u64 pfn) {
  u64 pa = pfn << PAGE_SHIFT;
  int refusal = check_host(pa, SHARED_OWNED);
  if (!refusal) refusal = check_hyp(pa, SHARED_BORROWED);
  if (!refusal && refcount(pa)) refusal = -EBUSY;
  if (refusal) return refusal;
  set_hyp_state(pa, NOPAGE);
  set_host_state(pa, OWNED);
  return 0;
}

// 3.4, one page. Preparation only, so EL2's own stage-1 table is left out.
static int host_donate_hyp(u64 pfn) {
  u64 pa = pfn << PAGE_SHIFT;
  if (!pfn_in_range(pfn, 1)) return -EINVAL;
  int refusal = check_host(pa, OWNED);
  if (!refusal) refusal = check_hyp(pa, NOPAGE);
  if (refusal) return refusal;
  set_hyp_state(pa, OWNED);
  if (annotate_host(pa, ID_HYP, 0)) panic("__pkvm_host_donate_hyp");
  return 0;
}

// 3.6
static int host_share_guest(struct vm *vm, u64 pfn, u64 gfn, u64 pages, u32 prot) {
  u64 pa = pfn << PAGE_SHIFT, ipa = gfn << PAGE_SHIFT, size;
  struct entry entry;
  if (prot & ~(u32)PROT_RWX) return -EINVAL;
  if (!pfn_in_range(pfn, pages)) return -EINVAL;
  int refusal = check_size(pa, ipa, pages, &size);
  if (!refusal) refusal = check_memory(pa, pa + size);
  if (!refusal) refusal = check_guest(vm, ipa, NOPAGE, &entry);
  if (refusal) return refusal;
  for (u64 page = pa; page < pa + size; page += PAGE_SIZE) {
    if (host_state(page) == OWNED) continue;
    if (host_state(page) != SHARED_OWNED) return -EPERM;
    if (share_count(page) == UINT32_MAX) return -EBUSY;
    if (share_count(page) == 0) return -EPERM;
  }
  if (check_memcache(vm)) return -ENOMEM;
  for (u64 page = pa; page < pa + size; page += PAGE_SIZE) {
    set_host_state(page, SHARED_OWNED);
    *word_of(page) += (u64)1 << 32;
  }
  // Without XNX the two execute bits go together (2.3).
  if ((prot & PROT_X) == PROT_PX || (prot & PROT_X) == PROT_UX) panic("__pkvm_host_share_guest");
  int level = pages == 1 ? LAST_LEVEL : LAST_LEVEL - 1;
  u64 pte = pa | leaf_attributes(MEMATTR_GUEST, prot, SHARED_BORROWED, level);
  if (map_entry(&vm->table, entry, ipa, level, pte)) panic("__pkvm_host_share_guest");
  return 0;
}

static int host_unshare_guest(struct vm *vm, u64 gfn, u64 pages) {
  u64 ipa = gfn << PAGE_SHIFT, size;
  if (check_size(0, ipa, pages, &size)) return -EINVAL;
  if (!ipa_in_range(&vm->table, ipa)) return -ERANGE;
  struct entry entry = find_leaf(&vm->table, ipa);
  u64 pte = *entry.slot;
  if (!(pte & PTE_VALID)) return -ENOENT;
  if ((u64)1 << shift_of(entry.level) != size) return -E2BIG;
  if (guest_state(pte) != SHARED_BORROWED) return -EPERM;
  u64 pa = pte & PTE_OA;
  if (check_memory(pa, pa + size)) panic("__pkvm_host_unshare_guest");
  for (u64 page = pa; page < pa + size; page += PAGE_SIZE) {
    if (host_state(page) != SHARED_OWNED) return -EPERM;
    if (share_count(page) == 0) panic("__pkvm_host_unshare_guest");
  }
  unmap_entry(&vm->table, entry, ipa);
  for (u64 page = pa; page < pa + size; page += PAGE_SIZE) {
    *word_of(page) -= (u64)1 << 32;
    if (share_count(page) == 0) set_host_state(page, OWNED);
  }
  return 0;
}

// 3.7
static int host_donate_guest(struct vm *vm, u64 pfn, u64 gfn) {
  u64 pa = pfn << PAGE_SHIFT, ipa = gfn << PAGE_SHIFT;
  struct entry entry;
  int refusal = check_host(pa, OWNED);
  if (!refusal) refusal = check_guest(vm, ipa, NOPAGE, &entry);
  if (!refusal) refusal = check_memcache(vm);
  if (refusal) return refusal;
  u64 pte = pa | leaf_attributes(MEMATTR_GUEST, PROT_RWX, OWNED, LAST_LEVEL);
  if (annotate_host(pa, ID_GUEST, gfn_meta(vm, gfn)) || map_entry(&vm->table, entry, ipa, LAST_LEVEL, pte))
    panic("__pkvm_host_donate_guest");
  return 0;
}

// 3.8
static int guest_share_host(struct vm *vm, u64 gfn) {
  u64 pa;
  struct entry entry;
  int refusal = get_valid_guest_entry(vm, gfn << PAGE_SHIFT, &entry, &pa);
  if (refusal) return refusal;
  if (guest_state(*entry.slot) != OWNED || check_host(pa, NOPAGE)) return -EPERM;
  write_entry(entry.slot, (*entry.slot & ~PTE_STATE) | (u64)SHARED_OWNED << PTE_STATE_SHIFT);
  map_host_page(pa);
  set_host_state(pa, SHARED_BORROWED);
  return 0;
}

static int guest_unshare_host(struct vm *vm, u64 gfn) {
  u64 pa;
  struct entry entry;
  int refusal = get_valid_guest_entry(vm, gfn << PAGE_SHIFT, &entry, &pa);
  if (refusal) return refusal;
  if (guest_state(*entry.slot) != SHARED_OWNED || check_host(pa, SHARED_BORROWED)) return -EPERM;
  if (annotate_host(pa, ID_GUEST, gfn_meta(vm, gfn))) panic("__pkvm_guest_unshare_host");
  write_entry(entry.slot, (*entry.slot & ~PTE_STATE) | (u64)OWNED << PTE_STATE_SHIFT);
  return 0;
}

// 3.10
static int host_reclaim_page_guest(struct vm *vm, u64 gfn) {
  u64 ipa = gfn << PAGE_SHIFT, pa;
  struct entry entry;
  int refusal = get_valid_guest_entry(vm, ipa, &entry, &pa);
  if (refusal == -EHWPOISON) return 0;
  if (refusal) return refusal;
  int state = guest_state(*entry.slot);
  if (state == OWNED) {
    if (host_state(pa) != NOPAGE) panic("__pkvm_host_reclaim_page_guest");
    wipe(pa);
  } else if (state == SHARED_OWNED) {
    if (host_state(pa) != SHARED_BORROWED) panic("__pkvm_host_reclaim_page_guest");
  } else {
    return -EPERM;
  }
  unmap_entry(&vm->table, entry, ipa);
  if (set_host_owned(pa)) panic("__pkvm_host_reclaim_page_guest");
  return 0;
}

// 4.2: what the host may reach it gets, at the largest granule that fits under the entry where the walk ends.
static int host_stage2_idmap(u64 ipa) {
  struct range range = find_mem_range(ipa);
  u32 prot = range.region ? PROT_RWX : PROT_R | PROT_W;
  if (!ipa_in_range(&machine.host, ipa)) return -ERANGE;
  struct entry entry = find_leaf(&machine.host, ipa);
  if (*entry.slot & PTE_VALID) return -EEXIST;
  if (*entry.slot) {
    if (range.region && host_state(ipa) != NOPAGE) panic("host_stage2_adjust_range");
    return -EPERM;
  }
  for (int level = entry.level;; level++) {
    u64 granule = (u64)1 << shift_of(level), start = ipa & ~(granule - 1);
    bool fits = level >= 1 && start >= range.start && start + granule <= range.end;
    if (!fits && level != LAST_LEVEL) continue;
    map_entry(&machine.host, entry, start, level, start | leaf_attributes(MEMATTR_HOST, prot, OWNED, level));
    return 0;
  }
}

static bool is_translation_fault(u64 esr) { return (esr & 0x3c) == 0x04 || (esr & 0x3f) == 0x2b; }

// Whether HPFAR_EL2 holds the address (4.1): translation, access flag, address size, or permission with S1PTW.
static bool hpfar_valid(u64 esr) {
  u64 kind = esr & 0x3c;
  if (is_translation_fault(esr) || kind == 0x08 || kind == 0x00 || (esr & 0x3f) == 0x29) return true;
  return kind == 0x0c && esr >> 7 & 1;
}

// 4.4
static void host_inject_mem_abort(u64 esr, u64 spsr, u64 far) {
  u64 ec = esr >> 26 & 0x3f;
  if (ec != 0x24 && ec != 0x20) panic("host_inject_mem_abort");
  if (spsr & 0xf) esr += (u64)1 << 26; // from EL1: the class of the same exception level
  machine.esr_el1 = esr | 1 << 7;
  if (is_translation_fault(esr)) machine.far_el1 = far;
}

// Result of the identity map: 0 mapped, -EEXIST spurious, -EPERM injected.
static int host_abort(u64 esr, u64 spsr, u64 far, u64 hpfar) {
  if (!hpfar_valid(esr)) panic("handle_host_mem_abort: the twin does not model AT");
  int ret = host_stage2_idmap((hpfar & 0xffffffffff0) << 8);
  if (ret == -EPERM) host_inject_mem_abort(esr, spsr, far);
  else if (ret && ret != -EEXIST) panic("handle_host_mem_abort");
  return ret;
}

#endif
