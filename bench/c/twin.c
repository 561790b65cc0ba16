// The plain-C twin of the benchmark's workloads (bench/workloads.ts). Commands on standard input, one answer line each:
//
//   setup ID      build the machine of a workload                        -> ok
//   phase K       run phase K once, untimed                              -> operations refused, digest of the state
//   rounds N      run N rounds                                           -> nanoseconds, operations refused
#include <time.h>

#include "verbs.h"

#define PFN0 ((u64)0x48000)
#define GFN0 ((u64)0x80000)
#define BASE ((u64)0x40000000)
#define MIB ((u64)1 << 20)
#define WINDOW ((u64)0x80000000)
#define WINDOW_PAGES 262144
#define BLOCK_PAGES 512
#define LOOKUPS 65536
#define MEMCACHE_PAGES 64
#define HANDLE 0x1000

static u32 permutation[WINDOW_PAGES];
static u64 lookup_ipas[LOOKUPS], lookup_leaves[LOOKUPS];

static u64 xorshift64(u64 *x) {
  *x ^= *x << 13;
  *x ^= *x >> 7;
  *x ^= *x << 17;
  return *x;
}

#define SEED 88172645463325252u

static void shuffle_window(void) {
  u64 x = SEED;
  for (u32 i = 0; i < WINDOW_PAGES; i++) permutation[i] = i;
  for (u32 i = WINDOW_PAGES - 1; i >= 1; i--) {
    u32 j = (u32)(xorshift64(&x) % (i + 1)), page = permutation[i];
    permutation[i] = permutation[j];
    permutation[j] = page;
  }
}

static void draw_lookups(void) {
  u64 x = SEED;
  for (u32 i = 0; i < LOOKUPS; i++) lookup_ipas[i] = (GFN0 + xorshift64(&x) % 16384) << PAGE_SHIFT;
}

// Building a machine: fresh zeroed memory, the carve-out in EL2's hands, then the VM's root and memcache pages.

static void *fresh(u64 bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) panic("mmap");
  return memory;
}

static void create_table(struct table *table, u64 root, int ia_bits, bool host) {
  *table = (struct table){page_at(root), ia_bits > 43 ? 0 : 1, ia_bits, host};
}

static void take_carveout(u64 size) {
  u64 end = BASE + size, root_pages = 2;
  machine.host_pool.pages = fresh((size >> PAGE_SHIFT) * sizeof(u64));
  for (u64 pa = end - PAGE_SIZE; pa >= BASE + root_pages * PAGE_SIZE; pa -= PAGE_SIZE) pool_put(&machine.host_pool, pa);
  get_page(BASE);
  get_page(BASE + PAGE_SIZE);
  for (u64 pa = BASE; pa < end; pa += PAGE_SIZE) {
    set_hyp_state(pa, OWNED);
    if (annotate_host(pa, ID_HYP, 0)) panic("fix_host_ownership");
  }
}

static void create_machine(u64 size, u64 carveout, int ia_bits) {
  if (machine.dram) {
    munmap(machine.dram, machine.size);
    munmap(machine.vmemmap, (machine.size >> PAGE_SHIFT) * sizeof(u64));
    munmap(machine.written, machine.size >> PAGE_SHIFT);
  }
  machine = (struct machine){.base = BASE, .size = size, .region_count = 1};
  machine.regions[0] = (struct region){BASE, size, 0};
  machine.dram = fresh(size);
  machine.vmemmap = fresh((size >> PAGE_SHIFT) * sizeof(u64));
  machine.written = fresh(size >> PAGE_SHIFT);
  create_table(&machine.host, BASE, ia_bits, true);
  take_carveout(carveout);
}

static void create_vm(u64 first_free) {
  struct vm *vm = &machine.vm;
  u64 root_pages = 2, memcache = first_free + root_pages * PAGE_SIZE;
  vm->handle = HANDLE;
  vm->pool.pages = fresh(MEMCACHE_PAGES * sizeof(u64));
  vm->memcache.pages = fresh(MEMCACHE_PAGES * sizeof(u64));
  for (u64 pa = first_free; pa < memcache + MEMCACHE_PAGES * PAGE_SIZE; pa += PAGE_SIZE)
    if (host_donate_hyp(pa >> PAGE_SHIFT)) panic("init_vm");
  for (u64 pa = first_free; pa < memcache; pa += PAGE_SIZE) get_page(pa);
  for (u64 i = 0; i < MEMCACHE_PAGES; i++) pool_put(&vm->memcache, memcache + i * PAGE_SIZE);
  create_table(&vm->table, first_free, machine.host.ia_bits, false);
}

// Phases: each looks at every result and returns how many operations were refused.

#define LOOP(pages, call)                                       \
  {                                                             \
    u32 refused = 0;                                            \
    for (u64 i = 0; i < (pages); i++) refused += (call) != 0;   \
    return refused;                                             \
  }

static u32 donate_16384(void) LOOP(16384, host_donate_guest(&machine.vm, PFN0 + i, GFN0 + i))
static u32 reclaim_16384(void) LOOP(16384, host_reclaim_page_guest(&machine.vm, GFN0 + i))
static u32 guest_share_4096(void) LOOP(4096, guest_share_host(&machine.vm, GFN0 + i))
static u32 guest_unshare_4096(void) LOOP(4096, guest_unshare_host(&machine.vm, GFN0 + i))
static u32 share_16384(void) LOOP(16384, host_share_guest(&machine.vm, PFN0 + i, GFN0 + i, 1, PROT_RWX))
static u32 unshare_16384(void) LOOP(16384, host_unshare_guest(&machine.vm, GFN0 + i, 1))

static u64 window_pa(u64 i) { return WINDOW + ((u64)permutation[i] << PAGE_SHIFT); }

#define DABT_TRANSLATION_LEVEL_3 0x92000007
#define SPSR_EL1H_MASKED 0x3c5

static u32 fault_window(void)
    LOOP(WINDOW_PAGES, host_abort(DABT_TRANSLATION_LEVEL_3, SPSR_EL1H_MASKED, window_pa(i), window_pa(i) >> 8))
static u32 share_window(void) LOOP(WINDOW_PAGES, host_share_hyp(window_pa(i) >> PAGE_SHIFT))
static u32 unshare_window(void) LOOP(WINDOW_PAGES, host_unshare_hyp(window_pa(i) >> PAGE_SHIFT))

// get_leaf for each prepared address; an invalid leaf counts as refused.
static u32 look_up(void) {
  u32 refused = 0;
  const struct table *table = &machine.vm.table;
  for (u32 i = 0; i < LOOKUPS; i++) {
    u64 ipa = lookup_ipas[i];
    u64 leaf = ipa_in_range(table, ipa) ? *find_leaf(table, ipa).slot : 0;
    lookup_leaves[i] = leaf;
    refused += !(leaf & PTE_VALID);
  }
  return refused;
}

// Unmaps the window from the host stage 2; annotations stay.
static void unmap_window(void) {
  for (u64 ipa = WINDOW; ipa < WINDOW + ((u64)WINDOW_PAGES << PAGE_SHIFT);) {
    struct entry entry = find_leaf(&machine.host, ipa);
    if (*entry.slot & PTE_VALID) unmap_entry(&machine.host, entry, ipa);
    ipa += (u64)1 << shift_of(entry.level);
  }
}

// Workloads.

static void no_preparation(void) {}

static void setup_donated(u64 pages) {
  create_machine(256 * MIB, 32 * MIB, 40);
  create_vm(BASE + 32 * MIB);
  for (u64 i = 0; i < pages; i++)
    if (host_donate_guest(&machine.vm, PFN0 + i, GFN0 + i)) panic("setup");
}

static void setup_vm(void) { setup_donated(0); }

static void setup_written(void) {
  setup_donated(0);
  for (u64 i = 0; i < 16384; i++) write_contents((PFN0 + i) << PAGE_SHIFT, 0xa5);
}

static void setup_w2(void) { setup_donated(4096); }

static void setup_w4a(void) {
  draw_lookups();
  setup_donated(16384);
}

static void setup_w4b(void) {
  draw_lookups();
  create_machine(256 * MIB, 32 * MIB, 48);
  create_vm(BASE + 32 * MIB);
  donate_16384();
}

static void setup_w3(void) {
  shuffle_window();
  create_machine(2048 * MIB, 64 * MIB, 40);
  for (u64 page = 0; page < WINDOW_PAGES; page += 2 * BLOCK_PAGES)
    if (host_donate_hyp((WINDOW >> PAGE_SHIFT) + page)) panic("setup");
}

struct workload {
  const char *id;
  u64 first, pages; // what the digest covers
  void (*setup)(void);
  void (*prepare)(void); // before each round, untimed
  u32 (*phases[4])(void);
};

static const struct workload workloads[] = {
    {"W1", PFN0, 16384, setup_written, no_preparation, {donate_16384, reclaim_16384}},
    {"W1n", PFN0, 16384, setup_vm, no_preparation, {donate_16384, reclaim_16384}},
    {"W2", PFN0, 4096, setup_w2, no_preparation, {guest_share_4096, guest_unshare_4096}},
    {"W3", WINDOW >> PAGE_SHIFT, WINDOW_PAGES, setup_w3, unmap_window, {fault_window, share_window, unshare_window}},
    {"W4a", PFN0, 16384, setup_w4a, no_preparation, {look_up}},
    {"W4b", PFN0, 16384, setup_w4b, no_preparation, {look_up}},
    {"W5", PFN0, 16384, setup_vm, no_preparation, {share_16384, unshare_16384}},
};

// Digest: FNV-1a over 32-bit words of page words, host leaves, guest leaves, look-up results and contents.

static u32 digest;

static void add(u64 value) {
  digest = (digest ^ (u32)value) * 0x01000193;
  digest = (digest ^ (u32)(value >> 32)) * 0x01000193;
}

static void add_leaves(const struct table *table, u64 from, u64 to) {
  for (u64 ipa = from; ipa < to;) {
    struct entry entry = find_leaf(table, ipa);
    if (*entry.slot) {
      add(ipa);
      add(*entry.slot);
    }
    ipa += (u64)1 << shift_of(entry.level);
  }
}

static u32 state_digest(const struct workload *workload) {
  u64 first = workload->first << PAGE_SHIFT, size = workload->pages << PAGE_SHIFT;
  digest = 0x811c9dc5;
  for (u64 pa = first; pa < first + size; pa += PAGE_SIZE) {
    add(*word_of(pa));
    if (machine.written[(pa - machine.base) >> PAGE_SHIFT]) add(*page_at(pa));
  }
  add_leaves(&machine.host, first, first + size);
  if (machine.vm.handle) add_leaves(&machine.vm.table, GFN0 << PAGE_SHIFT, (GFN0 << PAGE_SHIFT) + size);
  if (workload->phases[0] == look_up)
    for (u32 i = 0; i < LOOKUPS; i++) add(lookup_leaves[i]);
  return digest;
}

static u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

static void run_rounds(const struct workload *workload, u32 rounds) {
  u64 elapsed = 0;
  u32 refused = 0;
  for (u32 round = 0; round < rounds; round++) {
    workload->prepare();
    u64 start = now();
    for (int k = 0; workload->phases[k]; k++) refused += workload->phases[k]();
    elapsed += now() - start;
  }
  printf("%llu %u\n", (unsigned long long)elapsed, refused);
}

static const struct workload *workload_named(const char *id) {
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
    if (strcmp(workloads[i].id, id) == 0) return &workloads[i];
  panic("no such workload");
  return NULL;
}

int main(void) {
  char command[16], argument[16];
  const struct workload *workload = NULL;
  while (scanf("%15s %15s", command, argument) == 2) {
    if (strcmp(command, "setup") == 0) {
      workload = workload_named(argument);
      workload->setup();
      puts("ok");
    } else if (!workload) {
      panic("no workload set up");
    } else if (strcmp(command, "phase") == 0) {
      u32 refused = workload->phases[atoi(argument)]();
      printf("%u %u\n", refused, state_digest(workload));
    } else if (strcmp(command, "rounds") == 0) {
      run_rounds(workload, (u32)atoi(argument));
    }
    fflush(stdout);
  }
  return 0;
}
