// FFA_MEM_SHARE, RETRIEVE_REQ, RELINQUISH, RECLAIM, FRAG_RX, FRAG_TX and RX_RELEASE of a hypervisor alone, for endpoints of
// version 1.2 that share (reference ffa, sections 2 and 5 to 9). Every check of these calls is here, in its order.
#ifndef FREEHOLD_BENCH_FFA_CALLS_H
#define FREEHOLD_BENCH_FFA_CALLS_H

#include "ffa-tables.h"

enum { INVALID_PARAMETERS = -2, NO_MEMORY = -3, BUSY = -4, DENIED = -6 };
enum { DATA_RO = 1, DATA_RW = 2, RESERVED = 3 };
enum { TYPE_UNSPECIFIED, TYPE_DEVICE, TYPE_NORMAL };
enum { FLAG_CLEAR = 1, FLAG_TIME_SLICE = 2, FLAG_CLEAR_RELINQUISH = 4, FLAG_TYPE = 3 << 3, FLAG_BYPASS = 1 << 10 };
enum { TYPE_SHARE = 1 << 3 };
enum { BUFFER_BYTES = 4096, MAX_TRANSACTIONS = 64, MAX_FRAGMENTS = 20, MAX_RECEIVERS = 2, ENDPOINTS = 2 };
#define HYPERVISOR_HANDLE ((u64)1 << 63)

// Messages as bytes (reference 2.1 to 2.4).
struct header {
  u16 sender, attributes;
  u32 flags;
  u64 handle, tag;
  u32 access_size, receiver_count, receivers_offset, reserved[3];
};
struct access {
  u16 receiver;
  u8 permissions, flags;
  u32 composite;
  u64 impdef[2], reserved;
};
struct constituent {
  u64 address;
  u32 pages, reserved;
};
struct composite {
  u32 page_count, constituent_count;
  u64 reserved;
};
struct relinquishment {
  u64 handle;
  u32 flags, count;
  u16 endpoints[1];
};

struct endpoint {
  u32 id;
  u64 *root;
  u8 *tx, *rx;
  u32 tx_used, rx_used; // bytes that may not be zero
  bool rx_full;
};

struct receiver {
  u32 id, permissions, flags, retrieved;
  u64 impdef[2];
};

struct fragment {
  struct constituent *list;
  u32 count;
};

struct transaction {
  bool used, complete;
  u64 handle, tag, original; // the sender's mode before the send
  u32 sender, attributes, flags, access_size, total, receiver_count, page_count, constituent_count, constituents, fragments;
  struct receiver receivers[MAX_RECEIVERS];
  struct fragment fragment[MAX_FRAGMENTS];
};

static struct endpoint endpoints[ENDPOINTS];
static struct transaction transactions[MAX_TRANSACTIONS];
static u8 message[BUFFER_BYTES] __attribute__((aligned(16))); // copied from TX: read once, so that nobody changes it behind the checks

// What a call answers besides its result.
static struct {
  u64 handle;
  u32 offset, total, fragment;
} reply;

// Fragments at rest, a buffer each.
static struct constituent *free_fragments[MAX_TRANSACTIONS * MAX_FRAGMENTS];
static u32 free_fragment_count;

static struct endpoint *endpoint_named(u32 id) {
  for (int i = 0; i < ENDPOINTS; i++)
    if (endpoints[i].id == id) return &endpoints[i];
  return NULL;
}

static struct transaction *transaction_named(u64 handle) {
  u64 slot = handle & ~HYPERVISOR_HANDLE;
  if (!(handle & HYPERVISOR_HANDLE) || slot >= MAX_TRANSACTIONS || !transactions[slot].used) return NULL;
  return &transactions[slot];
}

static struct receiver *receiver_named(struct transaction *transaction, u32 id) {
  for (u32 i = 0; i < transaction->receiver_count; i++)
    if (transaction->receivers[i].id == id) return &transaction->receivers[i];
  return NULL;
}

// Behind what is written a buffer is zero.
static void fill_buffer(u8 *buffer, u32 *used, const void *bytes, u32 count) {
  memcpy(buffer, bytes, count);
  if (*used > count) memset(buffer + count, 0, *used - count);
  *used = count;
}

static void write_tx(struct endpoint *endpoint, const void *bytes, u32 count) {
  fill_buffer(endpoint->tx, &endpoint->tx_used, bytes, count);
}

static void answer_in_rx(struct endpoint *endpoint, const void *bytes, u32 count) {
  fill_buffer(endpoint->rx, &endpoint->rx_used, bytes, count);
  endpoint->rx_full = true;
}

static u32 data_access(u32 permissions) { return permissions & 3; }
static u32 instruction_access(u32 permissions) { return permissions >> 2 & 3; }
static u32 memory_type(u32 attributes) { return attributes >> 4 & 3; }

static bool attributes_allowed(u32 attributes) {
  u32 kind = attributes >> 2 & 3, type = memory_type(attributes);
  if (type == TYPE_NORMAL && kind != 3) return false;
  if (type == TYPE_DEVICE && kind != 0) return false;
  return type != RESERVED && (attributes & 3) == 3;
}

static const struct access *access_at(const struct header *header, u32 index) {
  return (const struct access *)(message + header->receivers_offset + index * header->access_size);
}

// 5.2: the descriptors lie inside the message, and what must be zero is.
static int check_message(const struct header *header, u32 length, bool is_send) {
  if (header->reserved[0] | header->reserved[1] | header->reserved[2]) return INVALID_PARAMETERS;
  u32 size = header->access_size, count = header->receiver_count;
  if ((size != 16 && size != 32) || header->receivers_offset < sizeof *header) return INVALID_PARAMETERS;
  if (count == 0 || count > MAX_RECEIVERS) return INVALID_PARAMETERS;
  u64 end = (u64)header->receivers_offset + count * size;
  if (end > length) return INVALID_PARAMETERS;
  u32 composite = access_at(header, 0)->composite;
  for (u32 i = 0; i < count; i++) {
    const u8 *access = (const u8 *)access_at(header, i);
    u64 reserved;
    memcpy(&reserved, access + size - sizeof reserved, sizeof reserved);
    if (reserved || access_at(header, i)->composite != composite) return INVALID_PARAMETERS;
  }
  if (!is_send) return composite == 0 ? 0 : INVALID_PARAMETERS;
  return composite >= end && (u64)composite + sizeof(struct composite) <= length ? 0 : INVALID_PARAMETERS;
}

// 5.1, rows 9 to 11.
static int check_share(const struct header *header, u32 caller) {
  if (header->flags & FLAG_CLEAR || header->flags & ~(u32)(FLAG_CLEAR | FLAG_TIME_SLICE)) return INVALID_PARAMETERS;
  for (u32 i = 0; i < header->receiver_count; i++) {
    u32 receiver = access_at(header, i)->receiver;
    if (receiver == caller || !endpoint_named(receiver)) return INVALID_PARAMETERS;
  }
  return 0;
}

// 5.3.
static int validate_share(const struct header *header, u32 caller, u32 total, u32 fragment) {
  u32 end = header->receivers_offset + header->receiver_count * header->access_size;
  u32 composite = access_at(header, 0)->composite;
  if (fragment < sizeof *header + header->access_size + sizeof(struct composite)) return INVALID_PARAMETERS;
  if ((fragment | total) % 16 || fragment > total) return INVALID_PARAMETERS;
  if (header->sender != caller) return DENIED;
  if (total < end + sizeof(struct composite) + sizeof(struct constituent)) return INVALID_PARAMETERS;
  if (composite < end || composite % 16 || composite + sizeof(struct composite) > fragment) return INVALID_PARAMETERS;
  u32 room = (total - composite - (u32)sizeof(struct composite)) / sizeof(struct constituent);
  if (((const struct composite *)(message + composite))->constituent_count != room) return INVALID_PARAMETERS;
  if (header->flags) return INVALID_PARAMETERS;
  for (u32 i = 0; i < header->receiver_count; i++) {
    const struct access *access = access_at(header, i);
    if (access->receiver == header->sender) return INVALID_PARAMETERS;
    for (u32 later = i + 1; later < header->receiver_count; later++)
      if (access_at(header, later)->receiver == access->receiver) return INVALID_PARAMETERS;
    u32 data = data_access(access->permissions);
    if (instruction_access(access->permissions) || data == RESERVED || data == 0) return INVALID_PARAMETERS;
  }
  if (header->attributes & 3 << 6) return INVALID_PARAMETERS;
  return attributes_allowed(header->attributes) ? 0 : DENIED;
}

// Transactions (reference 2.7).

static bool add_fragment(struct transaction *transaction, const void *list, u32 count) {
  if (transaction->fragments == MAX_FRAGMENTS) return false;
  struct fragment *fragment = &transaction->fragment[transaction->fragments++];
  fragment->list = free_fragments[--free_fragment_count];
  fragment->count = count;
  memcpy(fragment->list, list, count * sizeof(struct constituent));
  transaction->constituents += count;
  return true;
}

static void free_transaction(struct transaction *transaction) {
  for (u32 i = 0; i < transaction->fragments; i++) free_fragments[free_fragment_count++] = transaction->fragment[i].list;
  transaction->used = false;
  transaction->fragments = 0;
}

static struct transaction *open_transaction(const struct header *header, u32 total, u32 fragment) {
  u64 slot = 0;
  while (slot < MAX_TRANSACTIONS && transactions[slot].used) slot++;
  if (slot == MAX_TRANSACTIONS) return NULL;
  struct transaction *transaction = &transactions[slot];
  u32 composite = access_at(header, 0)->composite;
  const struct composite *pages = (const struct composite *)(message + composite);
  *transaction = (struct transaction){.used = true, .handle = slot | HYPERVISOR_HANDLE, .tag = header->tag, .total = total};
  transaction->sender = header->sender;
  transaction->attributes = header->attributes;
  transaction->flags = header->flags;
  transaction->access_size = header->access_size;
  transaction->receiver_count = header->receiver_count;
  transaction->page_count = pages->page_count;
  transaction->constituent_count = pages->constituent_count;
  for (u32 i = 0; i < header->receiver_count; i++) {
    const struct access *access = access_at(header, i);
    struct receiver *receiver = &transaction->receivers[i];
    *receiver = (struct receiver){.id = access->receiver, .permissions = access->permissions, .flags = access->flags};
    memcpy(receiver->impdef, access->impdef, sizeof receiver->impdef);
  }
  u32 count = (fragment - composite - (u32)sizeof(struct composite)) / sizeof(struct constituent);
  add_fragment(transaction, pages + 1, count);
  return transaction;
}

#define EACH_CONSTITUENT(TRANSACTION, C)                                                                       \
  for (struct fragment *f = (TRANSACTION)->fragment; f < (TRANSACTION)->fragment + (TRANSACTION)->fragments; f++) \
    for (struct constituent *C = f->list; C < f->list + f->count; C++)

static u64 end_of(const struct constituent *c) { return c->address + ((u64)c->pages << PAGE_SHIFT); }

// Each constituent against all later ones; those of one fragment end at an entry without pages.
static bool overlaps_pairwise(struct transaction *transaction) {
  for (u32 i = 0; i < transaction->fragments; i++)
    for (u32 k = 0; k < transaction->fragment[i].count; k++) {
      const struct constituent *one = &transaction->fragment[i].list[k];
      for (u32 j = i; one->pages && j < transaction->fragments; j++)
        for (u32 l = j == i ? k + 1 : 0; l < transaction->fragment[j].count; l++) {
          const struct constituent *other = &transaction->fragment[j].list[l];
          if (!other->pages) break;
          if (other->address < end_of(one) && one->address < end_of(other)) return true;
        }
    }
  return false;
}

// Ascending ranges, the usual case, overlap nowhere.
static bool overlaps(struct transaction *transaction) {
  u64 last = 0;
  EACH_CONSTITUENT(transaction, c) {
    if (c->address < last || end_of(c) <= c->address) return overlaps_pairwise(transaction);
    last = end_of(c);
  }
  return false;
}

// 5.4, rows 23 to 25.
static int check_constituents(struct transaction *transaction) {
  if (overlaps(transaction)) return INVALID_PARAMETERS;
  u64 sum = 0;
  EACH_CONSTITUENT(transaction, c) sum += c->pages;
  return sum == transaction->page_count && transaction->fragment[0].count ? 0 : INVALID_PARAMETERS;
}

// Rows 26 and 27.
static int common_mode(struct transaction *transaction, struct endpoint *endpoint, u64 *mode) {
  bool is_first = true;
  EACH_CONSTITUENT(transaction, c) {
    u64 end = end_of(c);
    if (c->address & (PAGE_SIZE - 1)) return INVALID_PARAMETERS;
    if (c->pages == 0 || end > (u64)1 << IA_BITS || end < c->address) return DENIED;
    if (is_first) *mode = mode_at(endpoint->root, c->address);
    is_first = false;
    if (!have_mode(endpoint->root, c->address, end, *mode)) return DENIED;
  }
  return 0;
}

static void commit(struct transaction *transaction, struct endpoint *endpoint, u64 mode) {
  EACH_CONSTITUENT(transaction, c) set_mode(endpoint->root, c->address, end_of(c), mode);
}

static u64 access_bits(u32 data) {
  return data == DATA_RO ? PTE_S2AP_R : data == DATA_RW ? PTE_S2AP_R | PTE_S2AP_W : 0;
}

// Rows 22 to 36. The page states are those of section 3; sharing takes the exclusive bit.
static int complete_share(struct transaction *transaction, struct endpoint *owner) {
  u64 mode;
  int ret = check_constituents(transaction);
  if (!ret) ret = common_mode(transaction, owner, &mode);
  if (!ret && (mode & PTE_MEMATTR) == PTE_DEVICE && mode != ABSENT) ret = DENIED;
  if (!ret && (mode & STATE) != OWNED_EXCLUSIVE) ret = DENIED;
  for (u32 i = 0; !ret && i < transaction->receiver_count; i++)
    if (access_bits(data_access(transaction->receivers[i].permissions)) & ~mode) ret = DENIED;
  if (ret) {
    free_transaction(transaction);
    return ret;
  }
  commit(transaction, owner, mode & ~PTE_EXCLUSIVE);
  transaction->original = mode;
  transaction->complete = true;
  return 0;
}

static int end_fragment(struct transaction *transaction, struct endpoint *owner) {
  reply.handle = transaction->handle;
  if (transaction->constituents == transaction->constituent_count) return complete_share(transaction, owner);
  u32 left = transaction->constituent_count - transaction->constituents;
  reply.offset = transaction->total - left * (u32)sizeof(struct constituent);
  return 0;
}

static int mem_share(struct endpoint *caller, u32 total, u32 fragment, u64 address, u64 pages) {
  if (address | pages || fragment > total || !caller->tx || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
  memcpy(message, caller->tx, fragment);
  const struct header *header = (const struct header *)message;
  int ret = check_message(header, fragment, true);
  if (!ret) ret = check_share(header, caller->id);
  if (!ret) ret = validate_share(header, caller->id, total, fragment);
  if (ret) return ret;
  struct transaction *transaction = open_transaction(header, total, fragment);
  return transaction ? end_fragment(transaction, caller) : NO_MEMORY;
}

static int mem_frag_tx(struct endpoint *caller, u64 handle, u32 fragment, u32 sender) {
  if (sender || !caller->tx || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
  if (fragment < sizeof(struct constituent) || fragment % sizeof(struct constituent)) return INVALID_PARAMETERS;
  memcpy(message, caller->tx, fragment);
  struct transaction *transaction = transaction_named(handle);
  if (!transaction || transaction->sender != caller->id || transaction->complete) return INVALID_PARAMETERS;
  if (transaction->constituents == transaction->constituent_count) return INVALID_PARAMETERS;
  if (!add_fragment(transaction, message, fragment / sizeof(struct constituent))) {
    free_transaction(transaction);
    return NO_MEMORY;
  }
  return end_fragment(transaction, caller);
}

// 7.2.
static int validate_retrieve(struct transaction *transaction, const struct header *header, u32 length, u32 caller) {
  if (length != header->receivers_offset + header->receiver_count * header->access_size) return INVALID_PARAMETERS;
  if (header->sender != transaction->sender) return DENIED;
  u32 type = header->flags & FLAG_TYPE;
  if ((type && type != TYPE_SHARE) || header->tag != transaction->tag) return INVALID_PARAMETERS;
  if (!receiver_named(transaction, caller)) return INVALID_PARAMETERS;
  // A share takes no clear flags.
  if (header->flags & ~(u32)(FLAG_TIME_SLICE | FLAG_TYPE | FLAG_BYPASS)) return INVALID_PARAMETERS;
  if (header->attributes & 3 << 6) return INVALID_PARAMETERS;
  return memory_type(header->attributes) == TYPE_UNSPECIFIED || attributes_allowed(header->attributes) ? 0 : DENIED;
}

// The grant rule for data (section 4); RESERVED: denied.
static u32 grant(u32 sent, u32 asked) {
  if (asked == RESERVED) return RESERVED;
  if (sent == DATA_RO) return asked == DATA_RW ? RESERVED : DATA_RO;
  return asked == 0 ? DATA_RW : asked;
}

// 7.3: leaves what the caller is granted.
static int validate_list(struct transaction *transaction, const struct header *header, u32 caller, u32 *granted) {
  bool is_bypass = header->flags & FLAG_BYPASS, is_listed = false;
  u32 count = header->receiver_count;
  if (is_bypass ? count != 1 || transaction->receiver_count <= 1 : count != transaction->receiver_count)
    return INVALID_PARAMETERS;
  for (u32 i = 0; i < count; i++) {
    const struct access *access = access_at(header, i);
    if (is_bypass && access->receiver != caller) continue;
    if (access->composite) return INVALID_PARAMETERS;
    struct receiver *sent = receiver_named(transaction, access->receiver);
    if (!sent) return DENIED;
    u32 data = grant(data_access(sent->permissions), data_access(access->permissions));
    if (data == RESERVED) return DENIED;
    if (instruction_access(access->permissions)) return INVALID_PARAMETERS;
    bool has_words = transaction->access_size == sizeof *access && header->access_size == sizeof *access;
    if (has_words && memcmp(access->impdef, sent->impdef, sizeof sent->impdef)) return INVALID_PARAMETERS;
    if (access->receiver != caller) continue;
    is_listed = true;
    *granted = data;
  }
  return is_listed ? 0 : INVALID_PARAMETERS;
}

// As many whole fragments as fit behind `start`, into the message.
static u32 pack_fragments(struct transaction *transaction, u32 first, u32 start, u32 limit) {
  u32 length = start;
  for (u32 i = first; i < transaction->fragments && i < limit; i++) {
    u32 bytes = transaction->fragment[i].count * (u32)sizeof(struct constituent);
    if (length + bytes > BUFFER_BYTES) break;
    memcpy(message + length, transaction->fragment[i].list, bytes);
    length += bytes;
  }
  return length;
}

// 7.5.
static void write_response(struct transaction *transaction, struct endpoint *caller, u32 data) {
  struct receiver *receiver = receiver_named(transaction, caller->id);
  struct header *header = (struct header *)message;
  struct access *access = (struct access *)(header + 1);
  struct composite *composite = (struct composite *)(access + 1);
  u32 security = transaction->original & PTE_NON_SECURE ? 1 << 6 : 0;
  *header = (struct header){.sender = (u16)transaction->sender,
                            .attributes = (u16)(transaction->attributes | security),
                            .flags = (transaction->flags & FLAG_CLEAR) | TYPE_SHARE,
                            .handle = transaction->handle,
                            .access_size = sizeof *access,
                            .receiver_count = 1,
                            .receivers_offset = sizeof *header};
  *access = (struct access){.receiver = (u16)caller->id,
                            .permissions = (u8)(data | 1 << 2), // not executable
                            .flags = (u8)receiver->flags,
                            .composite = sizeof *header + sizeof *access,
                            .impdef = {receiver->impdef[0], receiver->impdef[1]}};
  *composite = (struct composite){transaction->page_count, transaction->constituent_count, 0};
  u32 start = sizeof *header + sizeof *access + sizeof *composite;
  u32 length = pack_fragments(transaction, 0, start, MAX_FRAGMENTS), packed = length - start;
  receiver->retrieved = 0;
  for (u32 i = 0; i < transaction->fragments && packed >= transaction->fragment[i].count * 16; i++) {
    packed -= transaction->fragment[i].count * 16;
    receiver->retrieved++;
  }
  answer_in_rx(caller, message, length);
  reply.total = start + transaction->constituent_count * (u32)sizeof(struct constituent);
  reply.fragment = length;
}

static int mem_retrieve_req(struct endpoint *caller, u32 total, u32 fragment, u64 address, u64 pages) {
  if (address | pages || fragment != total || !caller->tx || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
  memcpy(message, caller->tx, fragment);
  if (caller->rx_full) return BUSY;
  const struct header *header = (const struct header *)message;
  int ret = check_message(header, fragment, false);
  if (ret) return ret;
  struct transaction *transaction = transaction_named(header->handle);
  if (!transaction || !transaction->complete) return INVALID_PARAMETERS;
  u32 granted = 0;
  u64 mode;
  ret = validate_retrieve(transaction, header, fragment, caller->id);
  if (!ret) ret = validate_list(transaction, header, caller->id, &granted);
  bool was_device = (transaction->original & PTE_MEMATTR) == PTE_DEVICE || memory_type(transaction->attributes) == TYPE_DEVICE;
  if (!ret && memory_type(header->attributes) == TYPE_NORMAL && was_device) ret = DENIED;
  if (!ret) ret = common_mode(transaction, caller, &mode);
  if (!ret && mode != ABSENT) ret = DENIED;
  if (ret) return ret;
  u64 kept = transaction->original & (PTE_MEMATTR | PTE_NON_SECURE);
  commit(transaction, caller, PTE_PAGE | PTE_VALID | PTE_XN | kept | access_bits(granted));
  write_response(transaction, caller, granted);
  return 0;
}

static int mem_frag_rx(struct endpoint *caller, u64 handle, u32 offset, u32 sender) {
  if (sender) return INVALID_PARAMETERS;
  if (caller->rx_full) return BUSY;
  struct transaction *transaction = transaction_named(handle);
  if (!transaction || !transaction->complete) return INVALID_PARAMETERS;
  struct receiver *receiver = receiver_named(transaction, caller->id);
  if (!receiver || receiver->retrieved == 0 || receiver->retrieved == transaction->fragments) return INVALID_PARAMETERS;
  u32 expected = sizeof(struct header) + sizeof(struct access) + sizeof(struct composite);
  for (u32 i = 0; i < receiver->retrieved; i++) expected += transaction->fragment[i].count * 16;
  if (offset != expected) return INVALID_PARAMETERS;
  u32 length = pack_fragments(transaction, receiver->retrieved, 0, receiver->retrieved + 1);
  receiver->retrieved++;
  answer_in_rx(caller, message, length);
  reply.handle = handle;
  reply.fragment = length;
  return 0;
}

static int rx_release(struct endpoint *caller) {
  caller->rx_full = false;
  return 0;
}

// Section 8.
static int mem_relinquish(struct endpoint *caller) {
  if (!caller->tx) return INVALID_PARAMETERS;
  struct relinquishment request;
  memcpy(&request, caller->tx, sizeof request);
  if (request.count != 1 || request.endpoints[0] != caller->id) return INVALID_PARAMETERS;
  struct transaction *transaction = transaction_named(request.handle);
  if (!transaction || !transaction->complete) return INVALID_PARAMETERS;
  struct receiver *receiver = receiver_named(transaction, caller->id);
  if (!receiver || receiver->retrieved != transaction->fragments) return INVALID_PARAMETERS;
  bool clears = request.flags & FLAG_CLEAR;
  for (u32 i = 0; i < transaction->receiver_count; i++)
    if (&transaction->receivers[i] != receiver && transaction->receivers[i].retrieved) clears = false;
  if (clears) return INVALID_PARAMETERS;
  u64 mode;
  int ret = common_mode(transaction, caller, &mode);
  if (ret) return ret;
  if ((mode & (PTE_VALID | PTE_OWNED)) != PTE_VALID) return DENIED;
  commit(transaction, caller, ABSENT);
  receiver->retrieved = 0;
  return 0;
}

// Section 9.
static int mem_reclaim(struct endpoint *caller, u64 handle, u32 flags) {
  struct transaction *transaction = transaction_named(handle);
  if (!transaction || !transaction->complete || transaction->sender != caller->id) return INVALID_PARAMETERS;
  for (u32 i = 0; i < transaction->receiver_count; i++)
    if (transaction->receivers[i].retrieved) return DENIED;
  bool clears = flags & FLAG_CLEAR;
  if (clears && !(transaction->original & PTE_S2AP_W)) return DENIED;
  if (clears) panic("the twin has no contents to wipe");
  u64 mode;
  int ret = common_mode(transaction, caller, &mode);
  if (ret) return ret;
  commit(transaction, caller, transaction->original);
  free_transaction(transaction);
  return 0;
}

#endif
