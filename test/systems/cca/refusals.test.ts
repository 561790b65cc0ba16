// What the Realm Management Monitor refuses, and with which status (reference cca section 11). Each row begins with a new realm that has
// a table of level 3 at the start of each half, and a REC.

import { expect, test } from "vitest";
import * as abi from "../../../assembly/abi/cca.js";
import type { Operation } from "../../../src/machine/operations.js";
import * as r from "./realm.js";
import { Realm } from "./realm.js";

const { PAGE, PROTECTED: P, UNPROTECTED: U, RD, REC } = r;
const [D, E, F] = r.SPARE;
const SHARED = r.HOST_PAGE | 0xd8n;

const map = (ipa: bigint, desc = SHARED, level = 3): Operation => ({
  ...{ op: "rmi_rtt_map_unprotected", rd: RD, ipa, level, desc },
});
const unmap = (ipa: bigint): Operation => ({ op: "rmi_rtt_unmap_unprotected", rd: RD, ipa, level: 3 });
const destroyTable = (ipa: bigint, level = 3): Operation => ({ op: "rmi_rtt_destroy", rd: RD, ipa, level });
const fold = (ipa: bigint): Operation => ({ op: "rmi_rtt_fold", rd: RD, ipa, level: 3 });
const createRec: Operation = { op: "rmi_rec_create", rd: RD, rec: D, params: r.REC_PARAMS };
const destroyRec: Operation = { op: "rmi_rec_destroy", rec: REC };
const destroyRealm: Operation = { op: "rmi_realm_destroy", rd: RD };
const asks = (ripas: "EMPTY" | "RAM", pages = 1): Operation[] => [r.activate, r.enter, r.ask(ripas, pages)];
const loseData = [r.initRipas(P, P + PAGE), r.createData(D, P), r.destroyData(P)];

// prettier-ignore
test.each<[string, string, readonly Operation[], Operation, string]>([
  ["C1",  "delegate twice",                  [],                          r.delegate(D),                        "ERROR_INPUT"],
  ["C2",  "delegate a Secure page",          [],                          r.delegate(r.SECURE),                 "ERROR_INPUT"],
  ["C3",  "undelegate DATA",                 [r.createData(D, P)],        r.undelegate(D),                      "ERROR_INPUT"],
  ["C3",  "undelegate RD",                   [],                          r.undelegate(RD),                     "ERROR_INPUT"],
  ["C3",  "undelegate REC",                  [],                          r.undelegate(REC),                    "ERROR_INPUT"],
  ["C3",  "undelegate RTT",                  [],                          r.undelegate(r.TABLES[1]),            "ERROR_INPUT"],
  ["C4",  "undelegate an NS page",           [],                          r.undelegate(r.HOST_PAGE),            "ERROR_INPUT"],
  ["C5",  "DATA_CREATE after activation",    [r.activate],                r.createData(D, P),                   "ERROR_REALM"],
  ["C6",  "DATA_CREATE, rd = data",          [],                          r.createData(RD, P),                  "ERROR_INPUT"],
  ["C7",  "DATA_CREATE, src delegated",      [r.delegate(r.SOURCE)],      r.createData(D, P),                   "ERROR_INPUT"],
  ["C8",  "not NEW, and ipa unprotected",    [r.activate],                r.createData(D, U),                   "ERROR_REALM"],
  ["C9",  "DATA_CREATE on a populated entry", [r.createData(D, P)],       r.createData(E, P),                   "ERROR_RTT(3)"],
  ["C10", "no level-3 table",                [],                          r.createData(D, P + r.BLOCK),         "ERROR_RTT(2)"],
  ["C10", "no level-2 table",                [],                          r.createData(D, P + r.GIB),           "ERROR_RTT(1)"],
  ["C11", "same granule in two realms",      [r.createData(D, P)],        { ...r.createUnknown(D, P), rd: r.OTHER_RD } as Operation, "ERROR_INPUT"],
  ["C12", "DATA_DESTROY on an empty entry",  [],                          r.destroyData(P),                     "ERROR_RTT(3)"],
  ["C13", "DATA_DESTROY twice",              [r.createData(D, P), r.destroyData(P)], r.destroyData(P),          "ERROR_RTT(3)"],
  ["C15", "RTT_CREATE where a table is",     [],                          r.createTable(D, P, 3),               "ERROR_RTT(2)"],
  ["C16", "RTT_CREATE two levels below",     [],                          r.createTable(D, P + r.GIB, 3),       "ERROR_RTT(1)"],
  ["C17", "RTT_CREATE at level = start",     [],                          r.createTable(D, P, 1),               "ERROR_INPUT"],
  ["C18", "RTT_DESTROY with a page",         [r.createData(D, P)],        destroyTable(P),                      "ERROR_RTT(3)"],
  ["C21", "RTT_FOLD mixed unassigned",       [r.initRipas(P, P + PAGE)],  fold(P),                              "ERROR_RTT(3)"],
  ["C26", "MAP_UNPROTECTED, protected half", [],                          map(P),                               "ERROR_INPUT"],
  ["C27", "MAP_UNPROTECTED twice",           [map(U)],                    map(U),                               "ERROR_RTT(3)"],
  ["C29", "UNMAP_UNPROTECTED of nothing",    [],                          unmap(U),                             "ERROR_RTT(3)"],
  ["C30", "INIT_RIPAS, first is assigned",   [r.createUnknown(D, P)],     r.initRipas(P, P + PAGE),             "ERROR_RTT(3)"],
  ["C31", "INIT_RIPAS after activation",     [r.activate],                r.initRipas(P, P + PAGE),             "ERROR_REALM"],
  ["C32", "INIT_RIPAS inside a block entry", [],                          r.initRipas(r.BLOCK + PAGE, r.BLOCK + 2n * PAGE), "ERROR_RTT(2)"],
  ["C33", "SET_RIPAS, nothing pending",      [r.activate],                r.setRipas(P, P + PAGE),              "ERROR_INPUT"],
  ["C34", "SET_RIPAS beyond pending top",    asks("RAM"),                 r.setRipas(P, P + 2n * PAGE),         "ERROR_INPUT"],
  ["C35", "SET_RIPAS while the REC runs",    [...asks("RAM"), r.enter],   r.setRipas(P, P + PAGE),              "ERROR_REC"],
  ["C36", "SET_RIPAS, another realm's REC",  asks("RAM"),                 { ...r.setRipas(P, P + PAGE), rd: r.OTHER_RD } as Operation, "ERROR_REC"],
  ["C37", "DESTROYED, not allowed",          [...loseData, ...asks("RAM")], r.setRipas(P, P + PAGE),            "ERROR_RTT(3)"],
  ["C40", "REC_ENTER of a NEW realm",        [],                          r.enter,                              "ERROR_REALM"],
  ["C41", "REC_ENTER twice at once",         [r.activate, r.enter],       r.enter,                              "ERROR_REC"],
  ["C42", "REALM_DESTROY with RECs",         [],                          destroyRealm,                         "ERROR_REALM"],
  ["C42", "REALM_DESTROY with live tables",  [destroyRec],                destroyRealm,                         "ERROR_REALM"],
  ["C43", "REC_CREATE after activation",     [r.activate, destroyRec],    createRec,                            "ERROR_REALM"],
  ["C44", "REC_CREATE, wrong index",         [destroyRec],                createRec,                            "ERROR_INPUT"],
  ["C45", "REC_DESTROY while running",       [r.activate, r.enter],       destroyRec,                           "ERROR_REC"],
])("%s, %s: nothing changes", async (_name, _what, before, call, status) => {
  const realm = await Realm.make();
  realm.do(...before);
  const words = realm.machine.pages();
  expect(realm.call(call).status).toBe(status);
  expect(realm.machine.pages()).toEqual(words);
  expect(realm.machine.checkInvariants()).toBeNull();
});

test("C12: the answer of DATA_DESTROY says where the next page may be", async () => {
  const realm = await Realm.make();
  realm.do(r.createData(D, P + 7n * PAGE));
  expect(realm.call(r.destroyData(P)).x.slice(0, 2)).toEqual([0n, P + 7n * PAGE]);
  expect(realm.call(r.destroyData(P + 7n * PAGE)).x.slice(0, 2)).toEqual([D, P + r.BLOCK]);
});

test("C14: DATA_CREATE_UNKNOWN over DESTROYED leaves it so", async () => {
  const realm = await Realm.make();
  realm.do(...loseData, r.createUnknown(D, P));
  expect(realm.entry(P)).toBe("ASSIGNED / DESTROYED");
});

test("C19: a destroyed table of RAM pages leaves its whole span DESTROYED", async () => {
  const realm = await Realm.make();
  realm.do(r.initRipas(P, P + PAGE));
  expect(realm.call(destroyTable(P))).toMatchObject({ status: "SUCCESS", x: [r.TABLES[1], r.GIB, 0n, 0n] });
  expect(realm.entry(P, 2)).toBe("UNASSIGNED / DESTROYED");
});

test("C20: a destroyed table of the unprotected half takes the host's mappings along", async () => {
  const realm = await Realm.make();
  realm.do(map(U), r.activate);
  expect(realm.realmAccess(U)).toBe("yes");
  expect(realm.references(r.TABLES[3])).toBe(0);
  realm.do(destroyTable(U));
  expect(realm.realmAccess(U)).toBe("exit");
});

test("C28: the host may map what is delegated, and the realm's access takes the granule protection fault", async () => {
  const realm = await Realm.make();
  realm.do(map(U, D | 0xd8n), r.activate, r.enter);
  expect(realm.machine.access(r.VMID, U, "read").fault?.kind).toBe("granule_protection");
});

test("C30: INIT_RIPAS stops at an assigned page, and says so", async () => {
  const realm = await Realm.make();
  realm.do(r.createUnknown(D, P + 2n * PAGE));
  expect(realm.call(r.initRipas(P, P + 4n * PAGE))).toMatchObject({
    status: "SUCCESS",
    x: [P + 2n * PAGE, 0n, 0n, 0n],
  });
  expect([0n, 1n, 2n, 3n].map((page) => realm.entry(P + page * PAGE))).toEqual([
    ...["UNASSIGNED / RAM", "UNASSIGNED / RAM", "ASSIGNED / EMPTY", "UNASSIGNED / EMPTY"],
  ]);
});

// prettier-ignore
test.each([
  ["C38", "RAM",   1n],
  ["C39", "EMPTY", 0n],
] as const)("%s: the realm asks for %s, the host does nothing and rejects: x1 = base, x2 = %i", async (_name, ripas, rejected) => {
  const realm = await Realm.make();
  realm.do(...asks(ripas));
  realm.write(r.RUN, abi.RUN_FLAGS, BigInt(abi.ENTRY_RIPAS_REJECT));
  expect(realm.call(r.enter).x.slice(0, 2)).toEqual([P, rejected]);
});

test("C40: the index of the status tells a new realm from one that is off", async () => {
  const realm = await Realm.make();
  expect(realm.call(r.enter).outcome.ret).toBe(-abi.RMI_ERROR_REALM);
  realm.do(r.activate, r.enter, { op: "psci_system_off", rec: REC });
  expect(realm.call(r.enter).outcome.ret).toBe(-(abi.RMI_ERROR_REALM | (1 << 8)));
});

test("C44: the auxiliary granules of a REC that is refused are delegated again", async () => {
  const realm = await Realm.make();
  realm.do(destroyRec);
  expect(realm.call(createRec).status).toBe("ERROR_INPUT");
  expect(r.AUX.map((aux) => realm.granule(aux))).toEqual(["DELEGATED, Realm", "DELEGATED, Realm"]);
});

// A table full of data.

const ENTRIES = 512;
const pages = Array.from({ length: ENTRIES }, (_, index) => BigInt(index) * PAGE);

/** 512 pages of RAM, but for those that `skip`; page `moved` is another granule than the one that follows. */
async function fullRealm({ skip, moved }: { skip?: bigint; moved?: bigint } = {}): Promise<Realm> {
  const realm = await Realm.make();
  const granules = [...pages, r.BLOCK].map((offset) => r.FULL + offset);
  const datas = pages
    .filter((offset) => offset !== skip)
    .map((offset) => r.createData(r.FULL + (offset === moved ? r.BLOCK : offset), P + offset));
  const calls = [...granules.map(r.delegate), ...datas];
  expect(realm.machine.applyBatch(calls, { effects: false }).filter(({ ret }) => ret !== 0)).toEqual([]);
  return realm;
}

test("C22, C25: 512 contiguous pages of RAM become one block, and 512 pages again", async () => {
  const realm = await fullRealm();
  expect(realm.call(fold(P))).toMatchObject({ status: "SUCCESS", x: [r.TABLES[1], 0n, 0n, 0n] });
  expect(realm.entry(P, 3)).toBe("ASSIGNED / RAM");
  expect([realm.references(r.TABLES[0]), realm.granule(r.TABLES[1])]).toEqual([1, "DELEGATED, Realm"]);
  expect(realm.machine.leaf(r.VMID, P + 5n * PAGE)).toMatchObject({ level: 2 });
  realm.do(r.createTable(F, P, 3));
  expect([realm.references(r.TABLES[0]), realm.references(F)]).toEqual([1, ENTRIES]);
  expect(realm.machine.checkInvariants()).toBeNull();
});

test("C23: pages that are not contiguous do not fold", async () => {
  expect((await fullRealm({ moved: 5n * PAGE })).call(fold(P)).status).toBe("ERROR_RTT(3)");
});

test("C24: nor do 511", async () => {
  expect((await fullRealm({ skip: 5n * PAGE })).call(fold(P)).status).toBe("ERROR_RTT(3)");
});
