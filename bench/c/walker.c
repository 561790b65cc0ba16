// A minimal stage-2 walker in C for the workloads X1: 4 KiB granule, 48-bit IPAs, four levels, read accesses. Every check such
// an access needs, and nothing else: IPA size, table addresses within the simulated memory, valid and table bits, AF, S2AP.
//
//   cc -O3 walker.c -o walker; ./walker naive|prefetch
//
// Commands, one a line, are those of twin.c.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef uint64_t u64;
typedef uint32_t u32;

enum { ENTRIES = 512, REQUESTS = 1 << 20, CHAIN = 1 << 16, AHEAD = 16 };

#define PAGE_SIZE ((u64)4096)
#define IPA_BASE ((u64)1 << 40)
#define PA_BASE ((u64)1 << 39)
#define POOL_BASE ((u64)0x40000000) // simulated address of the first table

#define PTE_VALID ((u64)1)
#define PTE_TABLE ((u64)3)
#define PTE_OA ((u64)0x0000fffffffff000)
#define PTE_AF ((u64)1 << 10)
#define PTE_S2AP_R ((u64)1 << 6)
#define PTE_PAGE (PTE_TABLE | PTE_AF | (u64)3 << 8 | (u64)3 << 6 | (u64)15 << 2)

// Answers: the PA, or bit 63, level << 8 and fault.
#define FAULT ((u64)1 << 63)
enum { TRANSLATION = 1, ACCESS_FLAG = 3, PERMISSION = 4, ABORT_ON_WALK = 5 };

static char *pool;
static u64 pool_size, pool_used;
static u64 ipas[REQUESTS], answers[REQUESTS];

static inline u64 fault(u64 kind, u64 level) { return FAULT | level << 8 | kind; }

static u64 allocate_table(void) {
  u64 pa = POOL_BASE + pool_used;
  pool_used += PAGE_SIZE;
  return pa;
}

static u64 *table_at(u64 pa) { return (u64 *)(pool + (pa - POOL_BASE)); }

// Maps one page, with tables on the way.
static void map_page(u64 ipa, u64 pa) {
  u64 table = POOL_BASE;
  for (int shift = 39; shift > 12; shift -= 9) {
    u64 *entry = &table_at(table)[ipa >> shift & (ENTRIES - 1)];
    if (!*entry) *entry = allocate_table() | PTE_TABLE;
    table = *entry & PTE_OA;
  }
  table_at(table)[ipa >> 12 & (ENTRIES - 1)] = pa | PTE_PAGE;
}

static void map_all(u64 size) {
  if (pool) munmap(pool, pool_size);
  pool_size = size / ENTRIES + size / ENTRIES / ENTRIES + 8 * PAGE_SIZE;
  pool = mmap(NULL, pool_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pool == MAP_FAILED) abort();
  pool_used = 0;
  allocate_table();
  for (u64 at = 0; at < size; at += PAGE_SIZE) map_page(IPA_BASE + at, PA_BASE + at);
}

// xorshift64 (13, 7, 17).
static void draw_requests(u64 size) {
  u64 x = 88172645463325252u;
  for (u32 i = 0; i < REQUESTS; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    ipas[i] = IPA_BASE + (x % size & ~(u64)7);
  }
}

// Each level by itself, so that the compiler has no loop to unroll.
#define DESCEND(LEVEL, SHIFT)                                                        \
  do {                                                                               \
    u64 entry = *(const u64 *)(pool + table + (ipa >> (SHIFT) & (ENTRIES - 1)) * 8); \
    if ((entry & PTE_TABLE) != PTE_TABLE) return fault(TRANSLATION, LEVEL);          \
    table = (entry & PTE_OA) - POOL_BASE;                                            \
    if (table >= pool_size) return fault(ABORT_ON_WALK, (LEVEL) + 1);                \
  } while (0)

static inline u64 walk(u64 ipa) {
  u64 table = 0;
  if (ipa >> 48) return fault(TRANSLATION, 0);
  DESCEND(0, 39);
  DESCEND(1, 30);
  DESCEND(2, 21);
  u64 page = *(const u64 *)(pool + table + (ipa >> 12 & (ENTRIES - 1)) * 8);
  if ((page & PTE_TABLE) != PTE_TABLE) return fault(TRANSLATION, 3);
  if (!(page & PTE_AF)) return fault(ACCESS_FLAG, 3);
  if (!(page & PTE_S2AP_R)) return fault(PERMISSION, 3);
  return (page & PTE_OA) | (ipa & (PAGE_SIZE - 1));
}

static u32 walk_all(void) {
  u32 faults = 0;
  for (u32 i = 0; i < REQUESTS; i++) {
    answers[i] = walk(ipas[i]);
    faults += answers[i] >> 63;
  }
  return faults;
}

// The next address depends on the last answer, within CHAIN requests.
static u64 chain_mask;

static u32 walk_chain(void) {
  u32 faults = 0;
  for (u32 first = 0; first < REQUESTS; first += CHAIN) {
    u64 last = 0;
    for (u32 i = first; i < first + CHAIN; i++) {
      last = walk(ipas[i] ^ (last & chain_mask));
      answers[i] = last;
      faults += last >> 63;
    }
  }
  return faults;
}

// Asks for the page entry of a request to come; its upper tables are in the caches.
static inline void prefetch_entry(u64 ipa) {
  u64 table = 0;
  if (ipa >> 48) return;
  for (int shift = 39; shift > 12; shift -= 9) {
    u64 entry = *(const u64 *)(pool + table + (ipa >> shift & (ENTRIES - 1)) * 8);
    table = (entry & PTE_OA) - POOL_BASE;
    if ((entry & PTE_TABLE) != PTE_TABLE || table >= pool_size) return;
  }
  __builtin_prefetch(pool + table + (ipa >> 12 & (ENTRIES - 1)) * 8);
}

static u32 walk_prefetching(void) {
  u32 faults = 0;
  for (u32 i = 0; i < REQUESTS; i++) {
    if (i + AHEAD < REQUESTS) prefetch_entry(ipas[i + AHEAD]);
    answers[i] = walk(ipas[i]);
    faults += answers[i] >> 63;
  }
  return faults;
}

static u32 digest_of_answers(void) {
  u32 digest = 0x811c9dc5;
  for (u32 i = 0; i < REQUESTS; i++) {
    digest = (digest ^ (u32)answers[i]) * 0x01000193;
    digest = (digest ^ (u32)(answers[i] >> 32)) * 0x01000193;
  }
  return digest;
}

// X1-64M-single: the size in M or G, then what is done.
static u64 size_of_workload(const char *id) {
  char *unit;
  u64 count = strtoul(id + strlen("X1-"), &unit, 10);
  return count << (*unit == 'G' ? 30 : 20);
}

static u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

int main(int argc, char **argv) {
  bool prefetching = argc > 1 && strcmp(argv[1], "prefetch") == 0;
  u32 (*run)(void) = walk_all;
  char command[16], argument[32];
  while (scanf("%15s %31s", command, argument) == 2) {
    if (strcmp(command, "setup") == 0) {
      u64 size = size_of_workload(argument);
      chain_mask = size - PAGE_SIZE;
      map_all(size);
      draw_requests(size);
      run = strstr(argument, "dependent") ? walk_chain : prefetching ? walk_prefetching : walk_all;
      puts("ok");
    } else if (strcmp(command, "phase") == 0) {
      u32 faults = run();
      printf("%u %u\n", faults, digest_of_answers());
    } else if (strcmp(command, "rounds") == 0) {
      u64 start = now();
      u32 faults = 0;
      for (int round = atoi(argument); round > 0; round--) faults += run();
      printf("%llu %u\n", (unsigned long long)(now() - start), faults);
    }
    fflush(stdout);
  }
  return 0;
}
