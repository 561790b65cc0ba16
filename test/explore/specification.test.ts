// The specification machine: each call's result and what it leaves, from the tables of reference pkvm-el2 sections 3.1 to 3.10 and
// 5.7; and the search over all its states, against a naive one.

import { beforeAll, describe, expect, test } from "vitest";
import * as code from "../../assembly/abi/codes.js";
import * as operation from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/specification.js";
import { searchSpecification, type SearchOptions } from "../../src/explore/specification-search.js";
import {
  lifeOf,
  pageOf,
  slotOf,
  Specification,
  type Call,
  type SpecificationConfig,
} from "../../src/explore/specification.js";
import { exploreNaively } from "./specification-naive.js";

// Guest 0 is protected (slots 0 and 1), guest 1 is not (slots 2 and 3).
const CONFIG: SpecificationConfig = { pages: 2, guests: [true, false], gfns: 2, pins: 2, shares: 3 };
const P = 0;
const Q = 1;

const call = (code: number, a: number, b = 0): Call => ({ operation: code, a, b });
const shareHyp = (page: number) => call(operation.HOST_SHARE_HYP, page);
const unshareHyp = (page: number) => call(operation.HOST_UNSHARE_HYP, page);
const donateHyp = (page: number) => call(operation.HOST_DONATE_HYP, page);
const hypDonate = (page: number) => call(operation.HYP_DONATE_HOST, page);
const pin = (page: number) => call(operation.HYP_PIN_SHARED_MEM, page);
const unpin = (page: number) => call(operation.HYP_UNPIN_SHARED_MEM, page);
const shareGuest = (page: number, slot: number) => call(operation.HOST_SHARE_GUEST, page, slot);
const unshareGuest = (slot: number) => call(operation.HOST_UNSHARE_GUEST, slot);
const donateGuest = (page: number, slot: number) => call(operation.HOST_DONATE_GUEST, page, slot);
const guestShare = (slot: number) => call(operation.GUEST_SHARE_HOST, slot);
const guestUnshare = (slot: number) => call(operation.GUEST_UNSHARE_HOST, slot);
const guestWrite = (slot: number) => call(abi.GUEST_WRITE, slot);
const forceReclaim = (page: number) => call(operation.HOST_FORCE_RECLAIM_PAGE_GUEST, page);
const reclaim = (slot: number) => call(operation.RECLAIM_DYING_GUEST_PAGE, slot);
const init = (guest: number) => call(operation.INIT_VM, guest);
const startTeardown = (guest: number) => call(operation.START_TEARDOWN_VM, guest);
const finalize = (guest: number) => call(operation.FINALIZE_TEARDOWN_VM, guest);

let machine: Specification;
beforeAll(async () => {
  machine = await Specification.create(CONFIG);
});

/** A fresh machine after these calls, each of which is accepted. */
function after(calls: readonly Call[]): void {
  machine.exports.configure(2, 2, 2, 1, CONFIG.pins, CONFIG.shares);
  expect(calls.map((made) => machine.step(made))).toEqual(calls.map(() => 0));
}

const { EPERM, EBUSY, EAGAIN, EINVAL, ENOENT, EFAULT, EHWPOISON } = code;

// How page P gets to each row of the ownership tuple (section 1.5).
const T0: Call[] = [];
const T1 = [shareHyp(P)];
const T1_PINNED = [shareHyp(P), pin(P)];
const T3 = [shareGuest(P, 2)];
const T4 = [donateHyp(P)];
const T5 = [donateGuest(P, 0)];
const T6 = [donateGuest(P, 0), guestShare(0)];
const T7_FREE = [donateGuest(P, 0), startTeardown(0), finalize(0)];
const T7_REUSED = [...T7_FREE, init(0)];
const T7_OTHER_PAGE = [...T7_REUSED, donateGuest(Q, 0)];
const T7_POISONED = [...T7_OTHER_PAGE, forceReclaim(Q)];

describe("the matrix of section 3.1, for a page and an unused gfn", () => {
  // prettier-ignore
  const columns = [shareHyp(P), unshareHyp(P), donateHyp(P), hypDonate(P), pin(P), shareGuest(P, 3), donateGuest(P, 1), forceReclaim(P)];

  // prettier-ignore
  test.each<[string, Call[], number[]]>([
    // state                        share_hyp unshare_hyp donate_hyp hyp_donate pin     share_guest donate_guest force_reclaim
    ["T0 host private",       T0,        [0,      -EPERM, 0,      -EPERM, -EPERM, 0,      0,      -EAGAIN]],
    ["T1 shared with hyp",    T1,        [-EPERM, 0,      -EPERM, -EPERM, 0,      -EPERM, -EPERM, -EAGAIN]],
    ["T1 pinned",             T1_PINNED, [-EPERM, -EBUSY, -EPERM, -EPERM, 0,      -EPERM, -EPERM, -EAGAIN]],
    ["T3 np-VM",              T3,        [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, 0,      -EPERM, -EAGAIN]],
    ["T4 hyp",                T4,        [-EPERM, -EPERM, -EPERM, 0,      -EPERM, -EPERM, -EPERM, -EPERM]],
    ["T5 pVM owned",          T5,        [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, 0]],
    ["T6 pVM shared",         T6,        [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EAGAIN]],
    ["T7 left behind, guest live again", T7_REUSED,
                                         [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -ENOENT]],
    ["T7, another page at that gfn",     T7_OTHER_PAGE,
                                         [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, abi.EL2_PANIC]],
    ["T7, poison at that gfn", T7_POISONED,
                                         [-EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -EHWPOISON]],
  ])("%s", (_, before, results) => {
    const found = columns.map((column) => {
      after(before);
      return machine.step(column);
    });
    expect(found).toEqual(results);
  });

  test("T7, handle free: force reclaim finds no guest", () => {
    after(T7_FREE);
    expect(machine.step(forceReclaim(P))).toBe(-EAGAIN);
  });
});

describe("the guest-side results of section 3.1", () => {
  const POISONED = [donateGuest(P, 0), forceReclaim(P)];

  // prettier-ignore
  test.each<[string, Call[], number[]]>([
    // leaf               guest_share  guest_unshare  donate_guest there
    ["invalid",      [],       [-ENOENT,    -ENOENT,    0]],
    ["OWNED",        T5,       [0,          -EPERM,     -EPERM]],
    ["SHARED_OWNED", T6,       [-EPERM,     0,          -EPERM]],
    ["POISON",       POISONED, [-EHWPOISON, -EHWPOISON, -EPERM]],
  ])("%s", (_, before, results) => {
    const found = [guestShare(0), guestUnshare(0), donateGuest(Q, 0)].map((made) => {
      after(before);
      return machine.step(made);
    });
    expect(found).toEqual(results);
  });

  // prettier-ignore
  test.each<[string, Call[], number]>([
    ["invalid",      [],       -ENOENT],
    ["OWNED",        T5,       0],
    ["SHARED_OWNED", T6,       0],
    ["POISON",       POISONED, 0],
  ])("reclaim from a dying guest, %s: %i", (_, before, result) => {
    after([...before, startTeardown(0)]);
    expect(machine.step(reclaim(0))).toBe(result);
  });

  // prettier-ignore
  test.each<[string, Call[], Call, number]>([
    ["unshare what is not mapped",          [],                          unshareGuest(2),  -ENOENT],
    ["unshare from a protected guest",      T5,                          unshareGuest(0),  -EINVAL],
    ["unshare from a dying guest",          [...T3, startTeardown(1)],   unshareGuest(2),  0],
    ["unshare from no guest",               [startTeardown(1), finalize(1)], unshareGuest(2), -EINVAL],
    ["share at a gfn in use",               T3,                          shareGuest(Q, 2), -EPERM],
    ["share to a protected guest",          [],                          shareGuest(P, 0), -EINVAL],
    ["share to a dying guest",              [startTeardown(1)],          shareGuest(P, 2), -EINVAL],
    ["donate to a guest without protection",[],                          donateGuest(P, 2), -EINVAL],
    ["donate to a dying guest",             [startTeardown(0)],          donateGuest(P, 0), -EINVAL],
    ["reclaim from a live guest",           T5,                          reclaim(0),       -EINVAL],
    ["a dying guest shares",                [...T5, startTeardown(0)],   guestShare(0),    abi.NO_CALLER],
    ["a guest writes where nothing is",     [],                          guestWrite(0),    -EFAULT],
    ["a guest writes to poison",            POISONED,                    guestWrite(0),    -EFAULT],
    ["EL2 unpins what it did not pin",      T1,                          unpin(P),         abi.EL2_PANIC],
    ["init of a live guest",                [],                          init(0),          -EINVAL],
    ["teardown twice",                      [startTeardown(0)],          startTeardown(0), -EINVAL],
    ["finalize of a live guest",            [],                          finalize(0),      -EINVAL],
    ["a page that is not there",            [],                          shareHyp(2),      abi.NO_SUCH_CALL],
    ["a slot that is not there",            [],                          guestShare(4),    abi.NO_SUCH_CALL],
    ["a guest that is not there",           [],                          init(2),          abi.NO_SUCH_CALL],
    ["a verb of another system",            [],                          call(operation.PT_MAP, 0), abi.NO_SUCH_CALL],
    ["a pin more than is counted",          [...T1_PINNED, pin(P)],      pin(P),           abi.BEYOND_BOUND],
  ])("%s", (_, before, made, result) => {
    after(before);
    const state = machine.state;
    expect(machine.step(made)).toBe(result);
    if (result !== 0) expect(machine.state).toEqual(state);
  });
});

describe("what is left", () => {
  const SECRET = [donateGuest(P, 0), guestWrite(0)];
  const { OWNED, SHARED_OWNED, SHARED_BORROWED, NOPAGE, POISON } = code;

  // prettier-ignore
  test.each<[string, Call[], Call, [row: number, argument: number, secret: number], slot: number, [state: number, page: number]]>([
    //                        before             call              page P: row, argument, secret      slot   its leaf
    ["share with hyp",        T0,                shareHyp(P),      [abi.SHARED_WITH_HYP, 0, 0],       0, [NOPAGE, 0]],
    ["pin",                   T1,                pin(P),           [abi.SHARED_WITH_HYP, 1, 0],       0, [NOPAGE, 0]],
    ["unpin",                 T1_PINNED,         unpin(P),         [abi.SHARED_WITH_HYP, 0, 0],       0, [NOPAGE, 0]],
    ["unshare",               T1,                unshareHyp(P),    [abi.HOST_PRIVATE, 0, 0],          0, [NOPAGE, 0]],
    ["donate to hyp",         T0,                donateHyp(P),     [abi.HYP_PRIVATE, 0, 0],           0, [NOPAGE, 0]],
    ["hyp donates back",      T4,                hypDonate(P),     [abi.HOST_PRIVATE, 0, 0],          0, [NOPAGE, 0]],
    ["share with a guest",    T0,                shareGuest(P, 3), [abi.SHARED_WITH_GUESTS, 1, 0],    3, [SHARED_BORROWED, P]],
    ["share again",           T3,                shareGuest(P, 3), [abi.SHARED_WITH_GUESTS, 2, 0],    3, [SHARED_BORROWED, P]],
    ["unshare one of two",    [...T3, shareGuest(P, 3)], unshareGuest(3), [abi.SHARED_WITH_GUESTS, 1, 0], 3, [NOPAGE, 0]],
    ["unshare the last",      T3,                unshareGuest(2),  [abi.HOST_PRIVATE, 0, 0],          2, [NOPAGE, 0]],
    ["donate to a guest",     T0,                donateGuest(P, 1),[abi.GUEST_PRIVATE, 1, 0],         1, [OWNED, P]],
    ["a secret is written",   T5,                guestWrite(0),    [abi.GUEST_PRIVATE, 0, 1],         0, [OWNED, P]],
    ["a secret is published", SECRET,            guestShare(0),    [abi.GUEST_SHARED, 0, 0],          0, [SHARED_OWNED, P]],
    ["shared no more",        T6,                guestUnshare(0),  [abi.GUEST_PRIVATE, 0, 0],         0, [OWNED, P]],
    ["force reclaim wipes",   SECRET,            forceReclaim(P),  [abi.HOST_PRIVATE, 0, 0],          0, [POISON, 0]],
    ["reclaim wipes",         [...SECRET, startTeardown(0)], reclaim(0), [abi.HOST_PRIVATE, 0, 0],    0, [NOPAGE, 0]],
    ["finalize leaves a page",[...SECRET, startTeardown(0)], finalize(0), [abi.LEFT_BEHIND, 0, 1],    0, [NOPAGE, 0]],
    ["and a shared one",      [...T6, startTeardown(0)], finalize(0), [abi.GUEST_SHARED, 0, 0],       0, [NOPAGE, 0]],
    ["and a count",           [...T3, startTeardown(1)], finalize(1), [abi.SHARED_WITH_GUESTS, 1, 0], 2, [NOPAGE, 0]],
  ])("%s", (_, before, made, [row, argument, secret], slot, [state, page]) => {
    after([...before, made]);
    expect(pageOf(machine.state, P)).toEqual({ row, argument, secret });
    expect(slotOf(machine.state, slot)).toEqual({ state, page });
  });

  test("a guest's life", () => {
    const lives = [[], [startTeardown(0)], [startTeardown(0), finalize(0)], [startTeardown(0), finalize(0), init(0)]];
    const found = lives.map((calls) => {
      after(calls);
      return lifeOf(machine.state, 0);
    });
    expect(found).toEqual([abi.GUEST_LIVE, abi.GUEST_DYING, abi.GUEST_ABSENT, abi.GUEST_LIVE]);
  });
});

describe("a planted violation is seen", () => {
  const page = (index: number, row: number, argument = 0, secret = 0) =>
    BigInt(row | (argument << 3) | (secret << 7)) << BigInt(10 * index);
  const slot = (index: number, state: number, mapped = 0) => BigInt(state | (mapped << 3)) << BigInt(6 * index);
  const { OWNED, SHARED_BORROWED, NOPAGE } = code;
  const LIVE = 5n << 48n;
  const FREE = [0, 1, 2, 3].map((index) => slot(index, NOPAGE));
  /** All slots free but these. */
  const slots = (...taken: [number, bigint][]) =>
    LIVE | FREE.map((free, index) => taken.find(([at]) => at === index)?.[1] ?? free).reduce((all, one) => all | one);

  // prettier-ignore
  test.each<[string, bigint, bigint, number]>([
    ["nothing",                             0n, slots(), abi.INTACT],
    ["a private page that no slot maps",    page(P, abi.GUEST_PRIVATE), slots(), abi.BROKEN_OWNER],
    ["two slots own one page",              page(P, abi.GUEST_PRIVATE), slots([0, slot(0, OWNED)], [1, slot(1, OWNED)]), abi.BROKEN_MAPPING],
    ["an owned leaf to a page of the host", 0n, slots([0, slot(0, OWNED)]), abi.BROKEN_MAPPING],
    ["a mapping that is not counted",       page(P, abi.SHARED_WITH_GUESTS), slots([2, slot(2, SHARED_BORROWED)]), abi.BROKEN_COUNT],
    ["a count without mapping",             page(P, abi.SHARED_WITH_GUESTS, 1), slots(), abi.BROKEN_COUNT],
    ["a protected guest that borrows",      page(P, abi.SHARED_WITH_GUESTS, 1), slots([0, slot(0, SHARED_BORROWED)]), abi.BROKEN_KIND],
    ["a secret in a page of the host",      page(P, abi.HOST_PRIVATE, 0, 1), slots(), abi.BROKEN_SECRECY],
    ["a secret of another guest",           page(P, abi.GUEST_PRIVATE, 0, 2), slots([0, slot(0, OWNED)]), abi.BROKEN_SECRECY],
  ])("%s", (_, pages, slotWord, rule) => {
    machine.state = { pages, slots: slotWord };
    expect(machine.exports.brokenRule(0)).toBe(rule);
  });

  test("the search reports it, with the way there", async () => {
    // A secret in a page of the host: the state to begin with is already broken.
    const from = { pages: page(P, abi.HOST_PRIVATE, 0, 1), slots: slots() };
    const { findings } = await searchSpecification({ ...CONFIG, from });
    expect(findings).toMatchObject([{ kind: "broken", rule: abi.BROKEN_SECRECY, calls: [] }]);
  });
});

const SMALL: SearchOptions = { pages: 2, guests: [true, false], gfns: 1, pins: 1, shares: 1 };
const MIXED: SearchOptions = { pages: 3, guests: [true, false], gfns: 2, pins: 1, shares: 2 };
const TWINS: SearchOptions = { pages: 2, guests: [true, true], gfns: 2, pins: 1, shares: 1 };

describe("the search", () => {
  test.each<[string, SearchOptions]>([
    ["a guest of each kind", SMALL],
    ["two protected guests", TWINS],
    ["a host that abandons", { ...SMALL, abandons: true }],
    ["twins whose host abandons", { ...TWINS, abandons: true }],
    ["pages without names", { ...SMALL, symmetry: "pages" }],
    ["pages and guests without names", { ...TWINS, symmetry: "guests" }],
  ])("%s: states, transitions and depth are those of the naive search", async (_, options) => {
    const { states, transitions, depth, exhausted } = await searchSpecification(options);
    expect({ states, transitions, depth, exhausted }).toEqual({ ...(await exploreNaively(options)), exhausted: true });
  });

  test.each<[string, SearchOptions]>([
    ["all names", MIXED],
    ["no names", { ...MIXED, symmetry: "guests" }],
    ["a host that abandons", { ...MIXED, abandons: true, shares: 3 }],
  ])("%s: the counts do not depend on how many workers there are", async (_, options) => {
    const [one, two, five] = await Promise.all([1, 2, 5].map((workers) => searchSpecification(options, workers)));
    const counts = ({ states, transitions, depth, panics }: NonNullable<typeof one>) => [
      states,
      transitions,
      depth,
      panics,
    ];
    expect(counts(two!)).toEqual(counts(one!));
    expect(counts(five!)).toEqual(counts(one!));
  });

  test("the protocol breaks no rule, and panics only for a host that abandons pages", async () => {
    expect((await searchSpecification(MIXED)).findings).toEqual([]);
    expect((await searchSpecification({ ...MIXED, abandons: true })).findings.map(({ kind }) => kind)).toEqual([
      "panic",
    ]);
  });

  // Section 3.9: the annotation of a page left behind names a guest that maps another page there by now.
  test.each([
    [1, undefined],
    [2, undefined],
    [1, "guests" as const],
    [2, "guests" as const],
  ])("with %i workers, symmetry %s: the shortest way to the panic", async (workers, symmetry) => {
    const options = { ...TWINS, abandons: true, ...(symmetry && { symmetry }) };
    const { findings } = await searchSpecification(options, workers);
    const calls = findings[0]!.calls;
    expect(calls.map((made) => made.operation)).toEqual([
      operation.HOST_DONATE_GUEST,
      operation.START_TEARDOWN_VM,
      operation.FINALIZE_TEARDOWN_VM,
      operation.INIT_VM,
      operation.HOST_DONATE_GUEST,
      operation.HOST_FORCE_RECLAIM_PAGE_GUEST,
    ]);
    const twins = await Specification.create(TWINS);
    expect(calls.map((made) => twins.step(made))).toEqual([0, 0, 0, 0, 0, abi.EL2_PANIC]);
  });

  test("a bound is said to be reached, and not when there is just room", async () => {
    const { states } = await searchSpecification(SMALL);
    expect(await searchSpecification({ ...SMALL, maxStates: states })).toMatchObject({ states, exhausted: true });
    expect(await searchSpecification({ ...SMALL, maxStates: states - 1 })).toMatchObject({ exhausted: false });
  });

  test("a state takes at most 40 bytes", async () => {
    expect((await searchSpecification(MIXED)).bytesPerState).toBeLessThanOrEqual(40);
  });

  test.each<[Partial<SpecificationConfig>]>([
    [{ pages: 0 }],
    [{ pages: 7 }],
    [{ gfns: 5 }],
    [{ guests: [true, true, true, true, true], gfns: 1 }],
    [{ gfns: 2 ** 30, guests: [true, true, true, true] }],
    [{ pins: 16 }],
  ])("%j does not fit", async (wrong) => {
    await expect(searchSpecification({ ...SMALL, ...wrong })).rejects.toThrow(RangeError);
  });
});
