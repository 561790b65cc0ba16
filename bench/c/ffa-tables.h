// The plain-C twin of the workloads FFA: stage-2 tables as a partition manager keeps them, identity maps whose entries carry
// ownership (reference ffa, section 3). 4 KiB granule, 48-bit addresses, four levels.
#ifndef FREEHOLD_BENCH_FFA_TABLES_H
#define FREEHOLD_BENCH_FFA_TABLES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define PAGE_SHIFT 12
#define PAGE_SIZE ((u64)1 << PAGE_SHIFT)
#define BLOCK_SIZE ((u64)1 << 21) // what a level-3 table covers
#define IA_BITS 48

#define PTE_VALID ((u64)1)
#define PTE_TABLE ((u64)3)
#define PTE_OA ((u64)0x0000fffffffff000)
#define PTE_S2AP_R ((u64)0x40)
#define PTE_S2AP_W ((u64)0x80)
#define PTE_NORMAL ((u64)15 << 2)
#define PTE_DEVICE ((u64)1 << 2)
#define PTE_MEMATTR ((u64)15 << 2)
#define PTE_XN ((u64)2 << 53)
#define PTE_OWNED ((u64)1 << 55)
#define PTE_EXCLUSIVE ((u64)1 << 56)
#define PTE_NON_SECURE ((u64)1 << 57)
// Type bit 1, access flag, inner shareable: in every page entry, also in one that is not valid.
#define PTE_PAGE ((u64)2 | (u64)0x700)

// What an entry says besides its address is the page's mode; an all-zero entry is the absent one.
#define ABSENT ((u64)0)
#define STATE (PTE_VALID | PTE_OWNED | PTE_EXCLUSIVE)
#define OWNED_EXCLUSIVE STATE

static void panic(const char *what) {
  fprintf(stderr, "twin panicked: %s\n", what);
  exit(1);
}

static void *fresh(u64 bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) panic("mmap");
  return memory;
}

// Table pages: each has a count of its entries that are not zero. Free ones are all zeros, and stacked.

enum { TABLE_PAGES = 1024 };

static struct {
  u8 *pages;
  u16 entries[TABLE_PAGES];
  u32 free[TABLE_PAGES];
  u32 free_count;
} pool;

#define POOL_BASE ((u64)0xffff00000000) // simulated address of the first one

static void create_pool(void) {
  if (pool.pages) munmap(pool.pages, TABLE_PAGES * PAGE_SIZE);
  memset(&pool, 0, sizeof pool);
  pool.pages = fresh(TABLE_PAGES * PAGE_SIZE);
  for (u32 i = TABLE_PAGES; i-- > 0;) pool.free[pool.free_count++] = i;
}

static u64 *table_at(u64 pa) { return (u64 *)(pool.pages + (pa - POOL_BASE)); }

static u32 page_number(const u64 *entry) { return (u32)(((const u8 *)entry - pool.pages) >> PAGE_SHIFT); }

static u64 *take_table(void) {
  if (pool.free_count == 0) panic("no table page");
  return (u64 *)(pool.pages + ((u64)pool.free[--pool.free_count] << PAGE_SHIFT));
}

static u64 index_of(u64 pa, int level) { return pa >> (12 + 9 * (3 - level)) & 511; }

static void write_entry(u64 *slot, u64 pte) {
  u64 old = *slot;
  *slot = pte;
  if (!old && pte) pool.entries[page_number(slot)]++;
  if (old && !pte) pool.entries[page_number(slot)]--;
}

// The level-3 table for an address, NULL if there is none.
static u64 *find_table(u64 *root, u64 pa) {
  u64 *table = root;
  for (int level = 0; level < 3; level++) {
    u64 entry = table[index_of(pa, level)];
    if ((entry & PTE_TABLE) != PTE_TABLE) return NULL;
    table = table_at(entry & PTE_OA);
  }
  return table;
}

static u64 *make_table(u64 *root, u64 pa) {
  u64 *table = root;
  for (int level = 0; level < 3; level++) {
    u64 *slot = &table[index_of(pa, level)];
    if (!*slot) write_entry(slot, (POOL_BASE + ((u64)page_number(take_table()) << PAGE_SHIFT)) | PTE_TABLE);
    table = table_at(*slot & PTE_OA);
  }
  return table;
}

// Frees the tables above an address that have become empty; the root stays.
static void drop_tables(u64 *root, u64 pa) {
  u64 *slots[3], *table = root;
  for (int level = 0; level < 3; level++) {
    slots[level] = &table[index_of(pa, level)];
    table = table_at(*slots[level] & PTE_OA);
  }
  for (int level = 2; level >= 0; level--) {
    u32 page = page_number(table_at(*slots[level] & PTE_OA));
    if (pool.entries[page]) return;
    write_entry(slots[level], 0);
    pool.free[pool.free_count++] = page;
  }
}

static u64 block_end(u64 pa, u64 end) {
  u64 block = (pa & ~(BLOCK_SIZE - 1)) + BLOCK_SIZE;
  return block < end ? block : end;
}

static u64 mode_at(u64 *root, u64 pa) {
  const u64 *table = find_table(root, pa);
  return table ? table[index_of(pa, 3)] & ~PTE_OA : ABSENT;
}

// Whether all pages of a range have a mode. One walk for each level-3 table.
static bool have_mode(u64 *root, u64 start, u64 end, u64 mode) {
  for (u64 pa = start; pa < end;) {
    const u64 *table = find_table(root, pa);
    u64 stop = block_end(pa, end);
    if (!table && mode != ABSENT) return false;
    if (table)
      for (u64 page = pa; page < stop; page += PAGE_SIZE)
        if ((table[index_of(page, 3)] & ~PTE_OA) != mode) return false;
    pa = stop;
  }
  return true;
}

// Gives all pages of a range a mode, entry by entry.
static void set_mode(u64 *root, u64 start, u64 end, u64 mode) {
  for (u64 pa = start; pa < end;) {
    u64 stop = block_end(pa, end);
    u64 *table = mode == ABSENT ? find_table(root, pa) : make_table(root, pa);
    if (table) {
      for (u64 page = pa; page < stop; page += PAGE_SIZE)
        write_entry(&table[index_of(page, 3)], mode == ABSENT ? 0 : mode | page);
      if (!pool.entries[page_number(table)]) drop_tables(root, pa);
    }
    pa = stop;
  }
}

#endif
