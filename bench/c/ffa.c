// The plain-C twin of the workloads FFA (bench/ffa-definitions.ts). Commands, one a line, are those of twin.c.
#include <time.h>

#include "ffa-calls.h"

enum { LENDER = 1, BORROWER = 2, TRANSACTIONS = 64, MAX_MESSAGE = 3 * BUFFER_BYTES };
#define WINDOW ((u64)0x50000000)
#define BORROWER_OWN ((u64)0x40000000) // pages of its own, so that its upper tables stay
#define TAG ((u64)0x5a17)
#define ATTRIBUTES 0x2f // normal, write-back, inner shareable
#define OWNED_MODE (PTE_PAGE | STATE | PTE_NORMAL | PTE_XN | PTE_S2AP_R | PTE_S2AP_W)

struct workload {
  const char *id;
  u32 constituents, pages, stride; // of one transaction; pages of each; pages from one to the next
};

static const struct workload workloads[] = {
    {"FFA-1", 1, 1, 1},
    {"FFA-16", 1, 16, 16},
    {"FFA-512", 1, 512, 512},
    {"FFA-512-scattered", 512, 1, 2},
};

static const struct workload *workload;

// What the endpoints write into TX, made before anything is timed.
static struct {
  u8 share[MAX_MESSAGE], retrieve[128];
  u32 share_length, retrieve_length;
  struct relinquishment relinquish;
} scripts[TRANSACTIONS];

static struct endpoint *const lender = &endpoints[0], *const borrower = &endpoints[1];

static u64 window_end(void) {
  return WINDOW + (((u64)TRANSACTIONS * workload->constituents * workload->stride) << PAGE_SHIFT);
}

static u32 write_header(u8 *bytes, u32 flags, u64 handle, u32 composite) {
  struct header header = {LENDER, ATTRIBUTES, flags, handle, TAG, sizeof(struct access), 1, sizeof header, {0}};
  struct access access = {.receiver = BORROWER, .permissions = DATA_RW, .composite = composite};
  memcpy(bytes, &header, sizeof header);
  memcpy(bytes + sizeof header, &access, sizeof access);
  return sizeof header + sizeof access;
}

static void write_script(u32 t) {
  u32 count = workload->constituents;
  u32 length = write_header(scripts[t].share, 0, 0, sizeof(struct header) + sizeof(struct access));
  struct composite composite = {count * workload->pages, count, 0};
  memcpy(scripts[t].share + length, &composite, sizeof composite);
  length += sizeof composite;
  for (u32 i = 0; i < count; i++, length += sizeof(struct constituent)) {
    u64 page = (u64)(t * count + i) * workload->stride;
    struct constituent constituent = {WINDOW + (page << PAGE_SHIFT), workload->pages, 0};
    memcpy(scripts[t].share + length, &constituent, sizeof constituent);
  }
  scripts[t].share_length = length;
  u64 handle = t | HYPERVISOR_HANDLE;
  scripts[t].retrieve_length = write_header(scripts[t].retrieve, TYPE_SHARE, handle, 0);
  scripts[t].relinquish = (struct relinquishment){handle, 0, 1, {BORROWER}};
}

static void create_endpoint(struct endpoint *endpoint, u32 id) {
  free(endpoint->tx);
  free(endpoint->rx);
  *endpoint = (struct endpoint){.id = id, .root = take_table(), .tx = calloc(1, BUFFER_BYTES), .rx = calloc(1, BUFFER_BYTES)};
}

static void setup(const char *id) {
  workload = NULL;
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
    if (strcmp(workloads[i].id, id) == 0) workload = &workloads[i];
  if (!workload) panic("no such workload");
  create_pool();
  create_endpoint(lender, LENDER);
  create_endpoint(borrower, BORROWER);
  set_mode(lender->root, WINDOW, window_end(), OWNED_MODE);
  set_mode(borrower->root, BORROWER_OWN, BORROWER_OWN + PAGE_SIZE, OWNED_MODE);
  static u8 (*blocks)[BUFFER_BYTES];
  if (!blocks) blocks = fresh(sizeof free_fragments / sizeof *free_fragments * BUFFER_BYTES);
  free_fragment_count = sizeof free_fragments / sizeof *free_fragments;
  for (u32 i = 0; i < free_fragment_count; i++) free_fragments[free_fragment_count - 1 - i] = (struct constituent *)blocks[i];
  memset(transactions, 0, sizeof transactions);
  for (u32 t = 0; t < TRANSACTIONS; t++) write_script(t);
}

// Phases: every result is looked at.

static u32 share_all(void) {
  u32 refused = 0;
  for (u32 t = 0; t < TRANSACTIONS; t++) {
    u32 total = scripts[t].share_length, first = total < BUFFER_BYTES ? total : BUFFER_BYTES;
    write_tx(lender, scripts[t].share, first);
    refused += mem_share(lender, total, first, 0, 0) != 0;
    for (u32 offset = first; offset < total;) {
      u32 length = total - offset < BUFFER_BYTES ? total - offset : BUFFER_BYTES;
      write_tx(lender, scripts[t].share + offset, length);
      refused += mem_frag_tx(lender, t | HYPERVISOR_HANDLE, length, 0) != 0;
      offset += length;
    }
  }
  return refused;
}

static u32 retrieve_all(void) {
  u32 refused = 0;
  for (u32 t = 0; t < TRANSACTIONS; t++) {
    write_tx(borrower, scripts[t].retrieve, scripts[t].retrieve_length);
    refused += mem_retrieve_req(borrower, scripts[t].retrieve_length, scripts[t].retrieve_length, 0, 0) != 0;
    refused += rx_release(borrower) != 0;
    for (u32 offset = BUFFER_BYTES; offset < scripts[t].share_length; offset += BUFFER_BYTES) {
      refused += mem_frag_rx(borrower, t | HYPERVISOR_HANDLE, offset, 0) != 0;
      refused += rx_release(borrower) != 0;
    }
  }
  return refused;
}

static u32 relinquish_all(void) {
  u32 refused = 0;
  for (u32 t = 0; t < TRANSACTIONS; t++) {
    write_tx(borrower, &scripts[t].relinquish, sizeof scripts[t].relinquish);
    refused += mem_relinquish(borrower) != 0;
  }
  return refused;
}

static u32 reclaim_all(void) {
  u32 refused = 0;
  for (u32 t = 0; t < TRANSACTIONS; t++) refused += mem_reclaim(lender, t | HYPERVISOR_HANDLE, 0) != 0;
  return refused;
}

static u32 (*const phases[])(void) = {share_all, retrieve_all, relinquish_all, reclaim_all};

// Digest: FNV-1a over 32-bit words of the lender's and the borrower's entries, the borrower's RX, and the transactions.

static u32 digest;

static void add(u32 low, u32 high) {
  digest = (digest ^ low) * 0x01000193;
  digest = (digest ^ high) * 0x01000193;
}

static void add_entries(u64 *root) {
  for (u64 pa = WINDOW; pa < window_end(); pa += PAGE_SIZE) {
    const u64 *table = find_table(root, pa);
    u64 entry = table ? table[index_of(pa, 3)] : 0;
    if (!entry) continue;
    add((u32)pa, (u32)(pa >> 32));
    add((u32)entry, (u32)(entry >> 32));
  }
}

static u32 state_digest(void) {
  digest = 0x811c9dc5;
  add_entries(lender->root);
  add_entries(borrower->root);
  const u32 *rx = (const u32 *)borrower->rx;
  for (u32 i = 0; i < BUFFER_BYTES / 4; i += 2) add(rx[i], rx[i + 1]);
  for (u32 slot = 0; slot < MAX_TRANSACTIONS; slot++) {
    const struct transaction *transaction = &transactions[slot];
    if (!transaction->used) continue;
    add(slot, transaction->complete);
    add(transaction->fragments, transaction->constituents);
    add(transaction->receivers[0].id, transaction->receivers[0].retrieved);
  }
  return digest;
}

static u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

int main(void) {
  char command[16], argument[32];
  while (scanf("%15s %31s", command, argument) == 2) {
    if (strcmp(command, "setup") == 0) {
      setup(argument);
      puts("ok");
    } else if (!workload) {
      panic("no workload set up");
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
