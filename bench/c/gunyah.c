// A minimal Gunyah in C for the workloads G: HLOS lends parcels of single pages to one VM, which accepts and releases them; HLOS
// reclaims. Real messages, parcels, an owner per page and real stage-2 tables with 36-bit IPAs; every check and state change that
// these verbs need, and nothing else (the ownership database is an array, mapping records are what a parcel remembers).
//
//   cc -O3 gunyah.c -o gunyah; ./gunyah
//
// Commands, one a line, are those of twin.c.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

enum {
  PAGE_SHIFT = 12,
  PAGES = 65536,          // 256 MiB
  CARVEOUT_PAGES = 8192,  // 32 MiB
  FIRST_PFN = 0x48000,    // the first lent page; every second one is lent
  MAX_REGIONS = 512,
  PARCELS = 32,           // in one round
  PARCELS_PER_OWNER = 64,
  MESSAGE_BYTES = 14616,
  ENTRIES = 512,
  HLOS = 3,
  VM = 0x80,
};

#define PAGE_SIZE ((u64)4096)
#define BASE ((u64)0x40000000)
#define IPA_BITS 36
#define IPA_BASE ((u64)1 << 30) // behind the device window
#define ADDRESS_LIMIT ((u64)1 << 44)

#define PTE_VALID ((u64)1)
#define PTE_TABLE ((u64)3)
#define PTE_OA ((u64)0x0000fffffffff000)
#define PTE_COUNT ((u64)0xffc)
#define PTE_RWX ((u64)1 << 10 | (u64)3 << 8 | (u64)3 << 6 | (u64)15 << 2 | PTE_VALID) // AF, SH, S2AP, MemAttr; XN clear

enum { OK = 0, NOMEM = 1, DENIED = 3, MSG_INVALID = 4, ARGUMENT_INVALID = 6, HANDLE_INVALID = 7 };
enum { MAP_FAILED = 9, MEM_INVALID = 10, MEM_INUSE = 11, MEM_RELEASED = 12, VMID_INVALID = 13, NORESOURCE = 2 };
enum { LEND = 1, RWX = 7, ACCEPT_DONE = 128 };
enum { SHARING = 2, SHARED = 3 };

// Who owns a page: HLOS, or the parcel with handle owner - PARCEL.
enum { NOBODY = 0, OWNED = 1, PARCEL = 2 };

struct range {
  u64 base, size;
};

struct region {
  u64 pa, size, ipa;
};

struct parcel {
  bool used;
  u32 handle, owner, state, share_count, label, region_count;
  u16 member;
  u8 rights;
  bool shared, mapped;
  struct region regions[MAX_REGIONS];
  u64 ipas[MAX_REGIONS];
};

static u32 owners[PAGES];
static struct parcel parcels[PARCELS_PER_OWNER];
static u32 next_handle, owned_parcels;
static struct range free_ipas[MAX_REGIONS * PARCELS + 1];
static u32 free_count;

// Tables: pages of the carve-out, kept in a stack. The count of used entries stands in bits 11:2 of the entry above.

static u64 (*tables)[ENTRIES];
static u32 *free_tables, free_table_count;
static u64 hlos_root[ENTRIES], vm_root[ENTRIES];

static void panic(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static u64 *table_at(u64 entry) { return tables[((entry & PTE_OA) - BASE) >> PAGE_SHIFT]; }

static u64 allocate_table(void) {
  if (!free_table_count) panic("no table page");
  u32 index = free_tables[--free_table_count];
  memset(tables[index], 0, PAGE_SIZE);
  return BASE + ((u64)index << PAGE_SHIFT) + PTE_TABLE;
}

static void free_table(u64 entry) { free_tables[free_table_count++] = (u32)(((entry & PTE_OA) - BASE) >> PAGE_SHIFT); }

static bool is_table(u64 entry) { return (entry & PTE_TABLE) == PTE_TABLE; }

static void count(u64 *entry, int change) { *entry += (u64)(int64_t)(change * 4); }

// The level-2 entry for an IPA, with its table; NULL if there is none and none is to be made.
static u64 *level2_entry(u64 *root, u64 ipa, bool make) {
  u64 *entry = &root[ipa >> 30];
  if (!*entry) {
    if (!make) return NULL;
    *entry = allocate_table();
  }
  return &table_at(*entry)[ipa >> 21 & (ENTRIES - 1)];
}

// A 2 MiB block becomes a table of pages.
static void split(u64 *entry) {
  u64 block = *entry, table = allocate_table();
  u64 *pages = table_at(table);
  for (u64 i = 0; i < ENTRIES; i++) pages[i] = (block + (i << PAGE_SHIFT)) | 2;
  *entry = table | (u64)ENTRIES << 2;
}

static bool map_page(u64 *root, u64 ipa, u64 pa) {
  if (ipa >> IPA_BITS) return false;
  u64 *entry = level2_entry(root, ipa, true);
  if (!*entry) {
    *entry = allocate_table();
    count(&root[ipa >> 30], 1);
  } else if (!is_table(*entry)) {
    split(entry);
  }
  u64 *page = &table_at(*entry)[ipa >> 12 & (ENTRIES - 1)];
  if (!*page) count(entry, 1);
  *page = pa | PTE_RWX | 2;
  return true;
}

// Only a leaf that leads to `pa` is removed; tables that become empty go.
static void unmap_page(u64 *root, u64 ipa, u64 pa) {
  u64 *entry = level2_entry(root, ipa, false);
  if (!entry || !*entry) return;
  if (!is_table(*entry)) split(entry);
  u64 *page = &table_at(*entry)[ipa >> 12 & (ENTRIES - 1)];
  if (!(*page & PTE_VALID) || (*page & PTE_OA) != pa) return;
  *page = 0;
  count(entry, -1);
  if (*entry & PTE_COUNT) return;
  free_table(*entry);
  *entry = 0;
  u64 *top = &root[ipa >> 30];
  count(top, -1);
  if (*top & PTE_COUNT) return;
  free_table(*top);
  *top = 0;
}

// Where HLOS's page leads; false if nowhere.
static bool look_up(u64 ipa, u64 *pa) {
  if (ipa >> IPA_BITS) return false;
  u64 *entry = level2_entry(hlos_root, ipa, false);
  if (!entry || !*entry) return false;
  if (!is_table(*entry)) {
    *pa = (*entry & PTE_OA) + (ipa & (((u64)1 << 21) - 1));
    return true;
  }
  u64 page = table_at(*entry)[ipa >> 12 & (ENTRIES - 1)];
  *pa = page & PTE_OA;
  return page & PTE_VALID;
}

// The VM's free addresses: ascending ranges.

static u64 take_ipa(u64 size) {
  for (u32 i = 0; i < free_count; i++) {
    if (free_ipas[i].size < size) continue;
    u64 ipa = free_ipas[i].base;
    free_ipas[i].base += size;
    free_ipas[i].size -= size;
    if (!free_ipas[i].size) memmove(&free_ipas[i], &free_ipas[i + 1], (--free_count - i) * sizeof *free_ipas);
    return ipa;
  }
  return 0;
}

static void give_ipa(u64 ipa, u64 size) {
  u32 i = 0;
  while (i < free_count && free_ipas[i].base < ipa) i++;
  bool before = i > 0 && free_ipas[i - 1].base + free_ipas[i - 1].size == ipa;
  bool after = i < free_count && free_ipas[i].base == ipa + size;
  if (before && after) {
    free_ipas[i - 1].size += size + free_ipas[i].size;
    memmove(&free_ipas[i], &free_ipas[i + 1], (--free_count - i) * sizeof *free_ipas);
  } else if (before) {
    free_ipas[i - 1].size += size;
  } else if (after) {
    free_ipas[i].base = ipa;
    free_ipas[i].size += size;
  } else {
    memmove(&free_ipas[i + 1], &free_ipas[i], (free_count++ - i) * sizeof *free_ipas);
    free_ipas[i] = (struct range){ipa, size};
  }
}

// Messages (6.1): the fixed part, then lists of u16 count, u16 reserved, entries.

struct list {
  const u8 *entries;
  u32 count;
};

static u16 u16_at(const u8 *at) { return (u16)(at[0] | at[1] << 8); }

static u32 u32_at(const u8 *at) {
  u32 value;
  memcpy(&value, at, 4);
  return value;
}

static u64 u64_at(const u8 *at) {
  u64 value;
  memcpy(&value, at, 8);
  return value;
}

static int read_list(const u8 *message, u32 bytes, u32 *cursor, u32 entry, u32 following, struct list *list) {
  list->count = u16_at(message + *cursor);
  list->entries = message + *cursor + 4;
  if (list->count > 512) return NORESOURCE;
  if (list->count * entry > bytes - *cursor - 4 - 4 * following) return MSG_INVALID;
  *cursor += 4 + list->count * entry;
  return OK;
}

static int read_lists(const u8 *message, u32 bytes, u32 cursor, struct list *acl, struct list *sgl, struct list *attributes) {
  int ret;
  if (bytes < cursor + 12) return MSG_INVALID;
  if ((ret = read_list(message, bytes, &cursor, 4, 2, acl))) return ret;
  if ((ret = read_list(message, bytes, &cursor, 16, 1, sgl))) return ret;
  if ((ret = read_list(message, bytes, &cursor, 4, 0, attributes))) return ret;
  return cursor == bytes ? OK : MSG_INVALID;
}

static struct parcel *find_parcel(u32 handle) {
  struct parcel *parcel = &parcels[handle % PARCELS_PER_OWNER];
  return parcel->used && parcel->handle == handle ? parcel : NULL;
}

static u32 *owner_of(u64 pa) {
  u64 page = (pa - BASE) >> PAGE_SHIFT;
  return page < PAGES ? &owners[page] : NULL;
}

static void give_back(struct parcel *parcel) {
  while (parcel->region_count > 0) {
    struct region *region = &parcel->regions[--parcel->region_count];
    *owner_of(region->pa) = OWNED;
    map_page(hlos_root, region->ipa, region->pa);
  }
}

static int take_page(struct parcel *parcel, u64 ipa, u64 size) {
  u64 pa;
  u32 *owner;
  if ((ipa | size) & (PAGE_SIZE - 1) || size != PAGE_SIZE || ipa >= ADDRESS_LIMIT) return ARGUMENT_INVALID;
  if (!look_up(ipa, &pa) || !(owner = owner_of(pa)) || *owner != OWNED) return MEM_INVALID;
  *owner = PARCEL + parcel->handle;
  unmap_page(hlos_root, ipa, pa);
  if (parcel->region_count == MAX_REGIONS) return NOMEM;
  parcel->regions[parcel->region_count++] = (struct region){pa, size, ipa};
  return OK;
}

static int lend(u32 caller, const u8 *message, u32 bytes, u32 *handle) {
  struct list acl, sgl, attributes;
  int ret = read_lists(message, bytes, 8, &acl, &sgl, &attributes);
  if (ret) return ret;
  if (!acl.count || !sgl.count) return ARGUMENT_INVALID;
  if (owned_parcels >= PARCELS_PER_OWNER) return DENIED;
  struct parcel *parcel = &parcels[next_handle % PARCELS_PER_OWNER];
  if (parcel->used) return NOMEM;
  parcel->handle = next_handle++;
  parcel->owner = caller;
  parcel->member = u16_at(acl.entries);
  parcel->rights = acl.entries[2];
  parcel->label = u32_at(message + 4);
  parcel->share_count = parcel->region_count = 0;
  parcel->shared = parcel->mapped = false;
  if (acl.count > 1 || attributes.count || parcel->member != VM || parcel->rights != RWX) return ARGUMENT_INVALID;
  for (u32 i = 0; i < sgl.count && !ret; i++) ret = take_page(parcel, u64_at(sgl.entries + 16 * i), u64_at(sgl.entries + 16 * i + 8));
  if (ret) {
    give_back(parcel);
    return ret;
  }
  parcel->used = true;
  parcel->state = SHARING;
  owned_parcels++;
  *handle = parcel->handle;
  return OK;
}

static int accept(u32 caller, const u8 *message, u32 bytes) {
  struct list acl, sgl, attributes;
  int ret = read_lists(message, bytes, 12, &acl, &sgl, &attributes);
  if (ret) return ret;
  struct parcel *parcel = find_parcel(u32_at(message));
  if (!parcel) return HANDLE_INVALID;
  if (message[4] != 0 || message[5] != LEND || message[6] != ACCEPT_DONE || sgl.count) return ARGUMENT_INVALID;
  if (caller != parcel->member) return VMID_INVALID;
  if (caller == parcel->owner || parcel->mapped) return DENIED;
  for (u32 i = 0; i < parcel->region_count; i++)
    if (!(parcel->ipas[i] = take_ipa(parcel->regions[i].size))) return NORESOURCE;
  for (u32 i = 0; i < parcel->region_count; i++)
    if (!map_page(vm_root, parcel->ipas[i], parcel->regions[i].pa)) return MAP_FAILED;
  parcel->mapped = parcel->shared = true;
  parcel->share_count++;
  parcel->state = SHARED;
  return OK;
}

static int release(u32 caller, const u8 *message, u32 bytes) {
  if (bytes != 8) return MSG_INVALID;
  struct parcel *parcel = find_parcel(u32_at(message));
  if (!parcel || caller != parcel->member) return HANDLE_INVALID;
  if (caller == parcel->owner) return DENIED;
  if (!parcel->shared) return MEM_RELEASED;
  for (u32 i = 0; i < parcel->region_count; i++) unmap_page(vm_root, parcel->ipas[i], parcel->regions[i].pa);
  for (u32 i = parcel->region_count; i > 0; i--) give_ipa(parcel->ipas[i - 1], parcel->regions[i - 1].size);
  parcel->mapped = parcel->shared = false;
  if (--parcel->share_count == 0) parcel->state = SHARING;
  return OK;
}

static int reclaim(u32 caller, const u8 *message, u32 bytes) {
  if (bytes != 8) return MSG_INVALID;
  struct parcel *parcel = find_parcel(u32_at(message));
  if (!parcel) return HANDLE_INVALID;
  if (caller != parcel->owner) return DENIED;
  if (parcel->state == SHARED) return MEM_INUSE;
  for (u32 i = 0; i < parcel->region_count; i++) {
    struct region *region = &parcel->regions[i];
    if (*owner_of(region->pa) != PARCEL + parcel->handle) return MEM_INVALID;
    *owner_of(region->pa) = OWNED;
    map_page(hlos_root, region->ipa, region->pa);
  }
  parcel->used = false;
  owned_parcels--;
  return OK;
}

// The workload: messages made once; only handles change from round to round.

static u32 region_pages;
static u8 lends[PARCELS][MESSAGE_BYTES];
static u32 lend_bytes, handles[PARCELS];

static void put(u8 *at, u64 value, u32 bytes) { memcpy(at, &value, bytes); }

static void make_lends(void) {
  for (u32 i = 0; i < PARCELS; i++) {
    u8 *message = memset(lends[i], 0, MESSAGE_BYTES);
    put(message + 8, 1, 2);
    put(message + 12, VM | (u64)RWX << 16, 4);
    put(message + 16, region_pages, 2);
    for (u32 page = 0; page < region_pages; page++) {
      put(message + 20 + 16 * page, (u64)(FIRST_PFN + 2 * (i * region_pages + page)) << PAGE_SHIFT, 8);
      put(message + 28 + 16 * page, PAGE_SIZE, 8);
    }
    lend_bytes = 24 + 16 * region_pages;
  }
}

static u32 lend_all(void) {
  u32 refused = 0;
  for (u32 i = 0; i < PARCELS; i++) refused += lend(HLOS, lends[i], lend_bytes, &handles[i]) != OK;
  return refused;
}

static u32 accept_all(void) {
  u32 refused = 0;
  for (u32 i = 0; i < PARCELS; i++) {
    u8 message[24] = {0};
    put(message, handles[i], 4);
    message[5] = LEND;
    message[6] = ACCEPT_DONE;
    refused += accept(VM, message, sizeof message) != OK;
  }
  return refused;
}

static u32 return_all(u32 caller, int (*verb)(u32, const u8 *, u32)) {
  u32 refused = 0;
  for (u32 i = 0; i < PARCELS; i++) {
    u8 message[8] = {0};
    put(message, handles[i], 4);
    refused += verb(caller, message, sizeof message) != OK;
  }
  return refused;
}

static u32 release_all(void) { return return_all(VM, release); }
static u32 reclaim_all(void) { return return_all(HLOS, reclaim); }

static u32 (*const phases[])(void) = {lend_all, accept_all, release_all, reclaim_all};

static void setup(u32 pages) {
  region_pages = pages;
  memset(parcels, 0, sizeof parcels);
  memset(hlos_root, 0, sizeof hlos_root);
  memset(vm_root, 0, sizeof vm_root);
  tables = aligned_alloc(PAGE_SIZE, CARVEOUT_PAGES * PAGE_SIZE);
  free_tables = malloc(CARVEOUT_PAGES * sizeof *free_tables);
  if (!tables || !free_tables) panic("no memory");
  for (free_table_count = 0; free_table_count < CARVEOUT_PAGES; free_table_count++) free_tables[free_table_count] = free_table_count;
  next_handle = owned_parcels = 0;
  free_count = 1;
  free_ipas[0] = (struct range){IPA_BASE, ((u64)1 << IPA_BITS) - IPA_BASE};
  for (u32 page = 0; page < PAGES; page++) owners[page] = page < CARVEOUT_PAGES ? NOBODY : OWNED;
  for (u64 pa = BASE + CARVEOUT_PAGES * PAGE_SIZE; pa < BASE + PAGES * PAGE_SIZE; pa += (u64)1 << 21) {
    u64 *entry = level2_entry(hlos_root, pa, true);
    *entry = pa | PTE_RWX;
    count(&hlos_root[pa >> 30], 1);
  }
  make_lends();
}

// Digest: FNV-1a over 32-bit words of the pages' owners and the leaves of both tables.

static u32 digest;

static void add(u64 value) {
  digest = (digest ^ (u32)value) * 0x01000193;
  digest = (digest ^ (u32)(value >> 32)) * 0x01000193;
}

static void add_leaves(u64 *root, u64 from, u64 to) {
  for (u64 ipa = from; ipa < to;) {
    u64 *entry = level2_entry(root, ipa, false);
    bool table = entry && is_table(*entry);
    u64 leaf = !entry ? 0 : table ? table_at(*entry)[ipa >> 12 & (ENTRIES - 1)] : *entry;
    if (leaf) {
      add(ipa);
      add(leaf);
    }
    ipa += table ? PAGE_SIZE : (u64)1 << 21;
  }
}

static u32 state_digest(void) {
  u64 pages = 2 * PARCELS * region_pages;
  u64 first = (u64)FIRST_PFN << PAGE_SHIFT;
  digest = 0x811c9dc5;
  for (u64 pa = first; pa < first + pages * PAGE_SIZE; pa += PAGE_SIZE) add(*owner_of(pa));
  add_leaves(hlos_root, first, first + pages * PAGE_SIZE);
  add_leaves(vm_root, IPA_BASE, IPA_BASE + pages * PAGE_SIZE);
  return digest;
}

static u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

int main(void) {
  char command[16], argument[16];
  while (scanf("%15s %15s", command, argument) == 2) {
    if (strcmp(command, "setup") == 0) {
      setup((u32)atoi(strchr(argument, '-') + 1));
      puts("ok");
    } else if (strcmp(command, "phase") == 0) {
      u32 refused = phases[atoi(argument)]();
      printf("%u %u\n", refused, state_digest());
    } else if (strcmp(command, "rounds") == 0) {
      u64 start = now();
      u32 refused = 0;
      for (int round = atoi(argument); round > 0; round--)
        for (int k = 0; k < 4; k++) refused += phases[k]();
      printf("%llu %u\n", (unsigned long long)(now() - start), refused);
    }
    fflush(stdout);
  }
  return 0;
}
