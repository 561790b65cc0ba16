/* pKVM's ownership protocol in Promela: what assembly/explore/specification/ says, for Spin.
 *
 *   spin -a -DPAGES=3 -DGUESTS=2 -DGFNS=2 -DPROTECTED=1 -DPINS=1 -DSHARES=2 ownership.pml
 *   gcc -O2 -DBFS -DSAFETY -DNOREDUCE -o pan pan.c && ./pan
 *
 * PROTECTED is a mask of guests. -DABANDONS=1 lets the host finalise guests whose pages it has not taken back.
 *
 * The same states: each variable here is a field of the packed state, slots that map nothing have page 0 there and here, and each
 * call is one d_step from one control state to itself, so Spin stores exactly the states of the protocol. Calls that change nothing
 * are left out in both. There are no assertions, which is less work than Freehold does: it checks its invariants on each new state.
 */

/* Rows of the ownership tuple */
#define HOST_PRIVATE       0
#define SHARED_WITH_HYP    1
#define SHARED_WITH_GUESTS 3
#define HYP_PRIVATE        4
#define GUEST_PRIVATE      5
#define GUEST_SHARED       6
#define LEFT_BEHIND        7

/* Page states of a slot */
#define OWNED           0
#define SHARED_OWNED    1
#define SHARED_BORROWED 2
#define NOPAGE          3
#define POISON          4

#define ABSENT 0
#define LIVE   1
#define DYING  2

#ifndef ABANDONS
#define ABANDONS 0
#endif

#define SLOTS (GUESTS * GFNS)
#define IS_PROTECTED(g) ((PROTECTED >> (g)) & 1)

byte row[PAGES];             /* HOST_PRIVATE */
byte argument[PAGES];        /* pins, mappings, or the slot */
byte secret[PAGES];          /* the guest (from 1) whose secret the page holds */
byte mapping[SLOTS] = NOPAGE;
byte mapped[SLOTS];          /* the page */
byte life[GUESTS] = LIVE;

#define PAGE_CALLS(p) \
  :: d_step { row[p] == HOST_PRIVATE -> row[p] = SHARED_WITH_HYP } \
  :: d_step { row[p] == SHARED_WITH_HYP && argument[p] == 0 -> row[p] = HOST_PRIVATE } \
  :: d_step { row[p] == SHARED_WITH_HYP && argument[p] < PINS -> argument[p]++ } \
  :: d_step { row[p] == SHARED_WITH_HYP && argument[p] > 0 -> argument[p]-- } \
  :: d_step { row[p] == HOST_PRIVATE -> row[p] = HYP_PRIVATE } \
  :: d_step { row[p] == HYP_PRIVATE -> row[p] = HOST_PRIVATE } \
  :: d_step { row[p] == GUEST_PRIVATE -> /* force reclaim */ \
       mapping[argument[p]] = POISON; mapped[argument[p]] = 0; \
       row[p] = HOST_PRIVATE; argument[p] = 0; secret[p] = 0 }

/* host_share_guest and host_donate_guest */
#define PAGE_SLOT_CALLS(p, s) \
  :: d_step { !IS_PROTECTED((s) / GFNS) && life[(s) / GFNS] == LIVE && mapping[s] == NOPAGE && \
       (row[p] == HOST_PRIVATE || row[p] == SHARED_WITH_GUESTS) && argument[p] < SHARES -> \
       row[p] = SHARED_WITH_GUESTS; argument[p]++; mapping[s] = SHARED_BORROWED; mapped[s] = p } \
  :: d_step { IS_PROTECTED((s) / GFNS) && life[(s) / GFNS] == LIVE && mapping[s] == NOPAGE && row[p] == HOST_PRIVATE -> \
       row[p] = GUEST_PRIVATE; argument[p] = s; mapping[s] = OWNED; mapped[s] = p }

/* host_unshare_guest, guest_share_host, guest_unshare_host, a guest's write, reclaim_dying_guest_page */
#define SLOT_CALLS(s) \
  :: d_step { mapping[s] == SHARED_BORROWED -> \
       argument[mapped[s]]--; \
       row[mapped[s]] = (argument[mapped[s]] == 0 -> HOST_PRIVATE : SHARED_WITH_GUESTS); \
       mapping[s] = NOPAGE; mapped[s] = 0 } \
  :: d_step { mapping[s] == OWNED && life[(s) / GFNS] == LIVE -> \
       row[mapped[s]] = GUEST_SHARED; secret[mapped[s]] = 0; mapping[s] = SHARED_OWNED } \
  :: d_step { mapping[s] == SHARED_OWNED && life[(s) / GFNS] == LIVE -> \
       row[mapped[s]] = GUEST_PRIVATE; mapping[s] = OWNED } \
  :: d_step { mapping[s] == OWNED && life[(s) / GFNS] == LIVE && secret[mapped[s]] == 0 -> \
       secret[mapped[s]] = (s) / GFNS + 1 } \
  :: d_step { (mapping[s] == OWNED || mapping[s] == SHARED_OWNED) && life[(s) / GFNS] == DYING -> \
       row[mapped[s]] = HOST_PRIVATE; argument[mapped[s]] = 0; secret[mapped[s]] = 0; \
       mapping[s] = NOPAGE; mapped[s] = 0 }

#define HOLDS_NOTHING(s) (mapping[s] == NOPAGE || mapping[s] == POISON)

/* finalize_teardown_vm of the slot's guest: what it owned is left behind, and the slot is free */
#define LEAVE(s) \
  if \
  :: mapping[s] == OWNED -> row[mapped[s]] = LEFT_BEHIND \
  :: else \
  fi; \
  mapping[s] = NOPAGE; mapped[s] = 0

#if GFNS == 1
#define GUEST_HOLDS_NOTHING(g) HOLDS_NOTHING(g)
#define LEAVE_ALL(g) LEAVE(g)
#elif GFNS == 2
#define GUEST_HOLDS_NOTHING(g) (HOLDS_NOTHING(2 * (g)) && HOLDS_NOTHING(2 * (g) + 1))
#define LEAVE_ALL(g) LEAVE(2 * (g)); LEAVE(2 * (g) + 1)
#elif GFNS == 3
#define GUEST_HOLDS_NOTHING(g) (HOLDS_NOTHING(3 * (g)) && HOLDS_NOTHING(3 * (g) + 1) && HOLDS_NOTHING(3 * (g) + 2))
#define LEAVE_ALL(g) LEAVE(3 * (g)); LEAVE(3 * (g) + 1); LEAVE(3 * (g) + 2)
#elif GFNS == 4
#define GUEST_HOLDS_NOTHING(g) (HOLDS_NOTHING(4 * (g)) && HOLDS_NOTHING(4 * (g) + 1) && HOLDS_NOTHING(4 * (g) + 2) && HOLDS_NOTHING(4 * (g) + 3))
#define LEAVE_ALL(g) LEAVE(4 * (g)); LEAVE(4 * (g) + 1); LEAVE(4 * (g) + 2); LEAVE(4 * (g) + 3)
#endif

#define GUEST_CALLS(g) \
  :: d_step { life[g] == ABSENT -> life[g] = LIVE } \
  :: d_step { life[g] == LIVE -> life[g] = DYING } \
  :: d_step { life[g] == DYING && (ABANDONS || GUEST_HOLDS_NOTHING(g)) -> LEAVE_ALL(g); life[g] = ABSENT }

/* Spin has no loop over indices in a choice: every index is written out, which is the fastest form too. */
#if SLOTS == 1
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0)
#elif SLOTS == 2
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0) PAGE_SLOT_CALLS(p, 1)
#elif SLOTS == 3
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0) PAGE_SLOT_CALLS(p, 1) PAGE_SLOT_CALLS(p, 2)
#elif SLOTS == 4
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0) PAGE_SLOT_CALLS(p, 1) PAGE_SLOT_CALLS(p, 2) PAGE_SLOT_CALLS(p, 3)
#elif SLOTS == 6
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0) PAGE_SLOT_CALLS(p, 1) PAGE_SLOT_CALLS(p, 2) PAGE_SLOT_CALLS(p, 3) \
  PAGE_SLOT_CALLS(p, 4) PAGE_SLOT_CALLS(p, 5)
#elif SLOTS == 8
#define PAGE_WITH_SLOTS(p) PAGE_SLOT_CALLS(p, 0) PAGE_SLOT_CALLS(p, 1) PAGE_SLOT_CALLS(p, 2) PAGE_SLOT_CALLS(p, 3) \
  PAGE_SLOT_CALLS(p, 4) PAGE_SLOT_CALLS(p, 5) PAGE_SLOT_CALLS(p, 6) PAGE_SLOT_CALLS(p, 7)
#endif

active proctype world() {
  do
  PAGE_CALLS(0) PAGE_WITH_SLOTS(0)
#if PAGES > 1
  PAGE_CALLS(1) PAGE_WITH_SLOTS(1)
#endif
#if PAGES > 2
  PAGE_CALLS(2) PAGE_WITH_SLOTS(2)
#endif
#if PAGES > 3
  PAGE_CALLS(3) PAGE_WITH_SLOTS(3)
#endif
#if PAGES > 4
  PAGE_CALLS(4) PAGE_WITH_SLOTS(4)
#endif
#if PAGES > 5
  PAGE_CALLS(5) PAGE_WITH_SLOTS(5)
#endif
  SLOT_CALLS(0)
#if SLOTS > 1
  SLOT_CALLS(1)
#endif
#if SLOTS > 2
  SLOT_CALLS(2)
#endif
#if SLOTS > 3
  SLOT_CALLS(3)
#endif
#if SLOTS > 4
  SLOT_CALLS(4)
#endif
#if SLOTS > 5
  SLOT_CALLS(5)
#endif
#if SLOTS > 6
  SLOT_CALLS(6)
#endif
#if SLOTS > 7
  SLOT_CALLS(7)
#endif
  GUEST_CALLS(0)
#if GUESTS > 1
  GUEST_CALLS(1)
#endif
#if GUESTS > 2
  GUEST_CALLS(2)
#endif
#if GUESTS > 3
  GUEST_CALLS(3)
#endif
  od
}
