// The plain-C twin: DRAM, hyp vmemmap, page pools and stage-2 tables of a pKVM host (reference pkvm-el2, sections 1 and 2).
// 4 KiB granule, FWB, no XNX. Only what the benchmark's verbs need; every check they make is here.
#ifndef FREEHOLD_BENCH_MACHINE_H
#define FREEHOLD_BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

enum { EPERM = 1, ENOENT = 2, E2BIG = 7, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EEXIST = 17, EINVAL = 22, ERANGE = 34, EHWPOISON = 133 };
enum { OWNED, SHARED_OWNED, SHARED_BORROWED, NOPAGE, POISON };
enum { ID_HOST, ID_HYP, ID_GUEST };
enum { PROT_PX = 1, PROT_UX = 2, PROT_X = 3, PROT_W = 4, PROT_R = 8, PROT_RWX = 15 };
enum { MEMBLOCK_NOMAP = 4 };
enum { LAST_LEVEL = 3 };

#define PAGE_SHIFT 12
#define PAGE_SIZE ((u64)1 << PAGE_SHIFT)
#define HOST_IA_BITS_MAX 48

// Descriptors (reference 1.6).
#define PTE_VALID ((u64)1)
#define PTE_TABLE ((u64)2)
#define PTE_OA ((u64)0x0000fffffffff000)
#define PTE_SH_AF ((u64)0x700)
#define PTE_S2AP_R ((u64)0x40)
#define PTE_S2AP_W ((u64)0x80)
#define PTE_XN_SHIFT 53
#define PTE_PERMS ((u64)3 << PTE_XN_SHIFT | PTE_S2AP_W | PTE_S2AP_R)
#define PTE_STATE_SHIFT 55
#define PTE_STATE ((u64)3 << PTE_STATE_SHIFT)
#define PTE_TYPE_SHIFT 60
#define MEMATTR_HOST ((u64)7 << 2)
#define MEMATTR_GUEST ((u64)6 << 2)
#define TYPE_DONATION ((u64)2 << PTE_TYPE_SHIFT)
#define TYPE_POISONED ((u64)3 << PTE_TYPE_SHIFT)

// EL2 stops at a broken assertion (reference 0.2); so does the twin.
static void panic(const char *what) {
  fprintf(stderr, "twin panicked: %s\n", what);
  exit(1);
}

struct region {
  u64 base, size;
  u32 flags;
};

// Table pages at rest, by physical address.
struct pool {
  u64 *pages;
  u32 count;
};

struct table {
  u64 *root;
  int start_level;
  int ia_bits;
  bool host;
};

struct vm {
  struct table table;
  struct pool pool;     // tables that emptied
  struct pool memcache; // of its vCPU
  u32 handle;
};

struct machine {
  struct region regions[8];
  int region_count;
  u64 base, size;  // of all memory
  u8 *dram;        // contents
  u64 *vmemmap;    // one word per page (reference 1.3)
  u8 *written;     // one byte per page: has contents to wipe
  struct table host;
  struct pool host_pool;
  struct vm vm;
  u64 esr_el1, far_el1; // what the last injected abort showed to the host
};

static struct machine machine;

// DRAM and the vmemmap.

static u64 *page_at(u64 pa) { return (u64 *)(machine.dram + (pa - machine.base)); }

static u64 pa_of(const u64 *entry) { return machine.base + (u64)((const u8 *)entry - machine.dram); }

static u64 *word_of(u64 pa) { return &machine.vmemmap[(pa - machine.base) >> PAGE_SHIFT]; }

static int host_state(u64 pa) { return (int)(*word_of(pa) >> 24 & 15); }

static void set_host_state(u64 pa, int state) {
  u64 *word = word_of(pa);
  *word = (*word & ~((u64)15 << 24)) | (u64)state << 24;
}

// The state is kept as its complement, so that zeroed memory means NOPAGE.
static int hyp_state(u64 pa) { return (int)((*word_of(pa) >> 28 & 15) ^ NOPAGE); }

static void set_hyp_state(u64 pa, int state) {
  u64 *word = word_of(pa);
  *word = (*word & ~((u64)15 << 28)) | (u64)(state ^ NOPAGE) << 28;
}

static u32 refcount(u64 pa) { return (u32)(*word_of(pa) & 0xffff); }

static void get_page(u64 pa) {
  if (refcount(pa) == 0xffff) panic("hyp_page_ref_inc");
  *word_of(pa) += 1;
}

// Returns the references that are left.
static u32 put_page(u64 pa) {
  if (refcount(pa) == 0) panic("hyp_page_ref_dec");
  *word_of(pa) -= 1;
  return refcount(pa);
}

static u32 share_count(u64 pa) { return (u32)(*word_of(pa) >> 32); }

static void write_contents(u64 pa, int byte) {
  memset(page_at(pa), byte, PAGE_SIZE);
  machine.written[(pa - machine.base) >> PAGE_SHIFT] = 1;
}

// A page that was never written is zero already.
static void wipe(u64 pa) {
  if (machine.written[(pa - machine.base) >> PAGE_SHIFT]) memset(page_at(pa), 0, PAGE_SIZE);
}

// Memory regions (reference 1.2).

struct range {
  u64 start, end;
  const struct region *region; // null: a gap
};

static struct range find_mem_range(u64 pa) {
  struct range range = {0, ~(u64)0, NULL};
  int low = 0, high = machine.region_count;
  while (low < high) {
    int middle = (low + high) >> 1;
    const struct region *region = &machine.regions[middle];
    u64 end = region->base + region->size;
    if (pa < region->base) {
      high = middle;
      range.end = region->base;
    } else if (pa >= end) {
      low = middle + 1;
      range.start = end;
    } else {
      return (struct range){region->base, end, region};
    }
  }
  return range;
}

static bool range_is_memory(u64 start, u64 end) {
  struct range range = find_mem_range(start);
  return range.region && end - 1 >= range.start && end - 1 < range.end;
}

// CHK_MEM (check_range_allowed_memory).
static int check_memory(u64 start, u64 end) {
  struct range range = find_mem_range(start);
  if (end - 1 < range.start || end - 1 >= range.end) return -EINVAL;
  if (!range.region || range.region->flags & MEMBLOCK_NOMAP) return -EPERM;
  return 0;
}

// Page pools.

static void pool_put(struct pool *pool, u64 pa) { pool->pages[pool->count++] = pa; }

// The host's tables come from its pool, a guest's from what the VM freed, then from its memcache.
static u64 *alloc_table(const struct table *table) {
  struct pool *pool = table->host ? &machine.host_pool : machine.vm.pool.count ? &machine.vm.pool : &machine.vm.memcache;
  if (pool->count == 0) panic("no table page");
  u64 pa = pool->pages[--pool->count];
  get_page(pa);
  return memset(page_at(pa), 0, PAGE_SIZE);
}

static void free_table(const struct table *table, u64 pa) {
  put_page(pa);
  pool_put(table->host ? &machine.host_pool : &machine.vm.pool, pa);
}

// Stage-2 tables (reference 2). A table page's refcount is 1 + its non-zero descriptors.

static int shift_of(int level) { return 9 * (4 - level) + 3; }

static bool is_table(u64 pte, int level) { return level != LAST_LEVEL && (pte & 3) == (PTE_VALID | PTE_TABLE); }

static bool ipa_in_range(const struct table *table, u64 ipa) { return ipa >> table->ia_bits == 0; }

struct entry {
  u64 *slot;
  int level;
};

// The entry at which the walk for an IPA ends. The root may be several pages, so its index has more bits.
static struct entry find_leaf(const struct table *table, u64 ipa) {
  int level = table->start_level;
  u64 *slot = &table->root[ipa >> shift_of(level)];
  while (is_table(*slot, level)) {
    level++;
    slot = &page_at(*slot & PTE_OA)[ipa >> shift_of(level) & 511];
  }
  return (struct entry){slot, level};
}

static void write_entry(u64 *slot, u64 pte) {
  u64 old = *slot;
  *slot = pte;
  if (!old && pte) get_page(pa_of(slot));
  if (old && !pte) put_page(pa_of(slot));
}

// Puts tables under an entry until it stands at the given level. A block on the way is dropped as a whole.
static struct entry descend(const struct table *table, struct entry entry, u64 ipa, int level) {
  while (entry.level < level) {
    u64 *child = alloc_table(table);
    write_entry(entry.slot, pa_of(child) | PTE_TABLE | PTE_VALID);
    entry.level++;
    entry.slot = &child[ipa >> shift_of(entry.level) & 511];
  }
  return entry;
}

// Maps one granule. -EAGAIN, and nothing written: a valid leaf that differs in permissions at most.
static int map_entry(const struct table *table, struct entry entry, u64 ipa, int level, u64 pte) {
  entry = descend(table, entry, ipa, level);
  u64 old = *entry.slot;
  if (old & pte & PTE_VALID && !((old ^ pte) & ~PTE_PERMS)) return -EAGAIN;
  write_entry(entry.slot, pte);
  return 0;
}

// Frees the tables above a cleared entry that have become empty; the root stays.
static void free_empty_tables(const struct table *table, u64 ipa) {
  u64 *slots[LAST_LEVEL + 1];
  int level = table->start_level;
  slots[level] = &table->root[ipa >> shift_of(level)];
  while (is_table(*slots[level], level)) {
    slots[level + 1] = &page_at(*slots[level] & PTE_OA)[ipa >> shift_of(level + 1) & 511];
    level++;
  }
  for (; level > table->start_level; level--) {
    u64 pa = pa_of(slots[level]) & ~(PAGE_SIZE - 1);
    if (refcount(pa) != 1) break;
    write_entry(slots[level - 1], 0);
    free_table(table, pa);
  }
}

static void unmap_entry(const struct table *table, struct entry entry, u64 ipa) {
  write_entry(entry.slot, 0);
  if (refcount(pa_of(entry.slot)) == 1) free_empty_tables(table, ipa);
}

// Leaf attributes (reference 2.3), without the output address.
static u64 leaf_attributes(u64 memattr, u32 prot, int state, int level) {
  u64 xn = prot & PROT_X ? 0 : 2;
  u64 attributes = PTE_VALID | memattr | PTE_SH_AF | xn << PTE_XN_SHIFT | (u64)state << PTE_STATE_SHIFT;
  if (prot & PROT_R) attributes |= PTE_S2AP_R;
  if (prot & PROT_W) attributes |= PTE_S2AP_W;
  return level == LAST_LEVEL ? attributes | PTE_TABLE : attributes;
}

static int guest_state(u64 pte) {
  if (pte & PTE_VALID) return (int)(pte >> PTE_STATE_SHIFT & 3);
  return pte >> PTE_TYPE_SHIFT == TYPE_POISONED >> PTE_TYPE_SHIFT ? POISON : NOPAGE;
}

#endif
