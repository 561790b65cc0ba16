// The life of one page (reference cca section 10): after each step the granule at RMM, the granule protection table, the entry, and what
// host and realm get who touch it.

import { expect, test } from "vitest";
import type { Operation } from "../../../src/machine/operations.js";
import * as r from "./realm.js";
import { Realm } from "./realm.js";

const [DATA] = r.SPARE;
const IPA = r.PROTECTED;
const TOP = IPA + r.PAGE;

interface Row {
  readonly step: string;
  readonly calls: readonly Operation[];
  readonly granule: string;
  readonly entry: string;
  readonly host: string;
  readonly realm: string;
  readonly zero?: boolean;
}

const row = (
  step: string,
  calls: readonly Operation[],
  granule: string,
  entry: string,
  host: string,
  realm: string,
): Row => ({
  ...{ step, calls, granule, entry, host, realm },
});

// The realm is new up to step 3, and then active.
// prettier-ignore
const BEGIN: readonly Row[] = [
  row("0", [r.undelegate(DATA)],           "NS, Non-secure",   "UNASSIGNED / EMPTY", "yes", "SEA"),
  row("1", [r.initRipas(IPA, TOP)],        "NS, Non-secure",   "UNASSIGNED / RAM",   "yes", "exit"),
  row("2", [r.delegate(DATA)],             "DELEGATED, Realm", "UNASSIGNED / RAM",   "GPF", "exit"),
  row("3", [r.createData(DATA, IPA)],      "DATA, Realm",      "ASSIGNED / RAM",     "GPF", "yes"),
];
// prettier-ignore
const GIVEN_BACK: readonly Row[] = [
  row("4a", [r.enter, r.ask("EMPTY"), r.setRipas(IPA, TOP)], "DATA, Realm", "ASSIGNED / EMPTY", "GPF", "SEA"),
  { ...row("4b", [r.destroyData(IPA)],     "DELEGATED, Realm", "UNASSIGNED / EMPTY", "GPF", "SEA"), zero: true },
  { ...row("4c", [r.undelegate(DATA)],     "NS, Non-secure",   "UNASSIGNED / EMPTY", "yes", "SEA"), zero: true },
];
// prettier-ignore
const TAKEN_AWAY: readonly Row[] = [
  { ...row("5b", [r.destroyData(IPA)],     "DELEGATED, Realm", "UNASSIGNED / DESTROYED", "GPF", "exit"), zero: true },
  { ...row("5c", [r.undelegate(DATA)],     "NS, Non-secure",   "UNASSIGNED / DESTROYED", "yes", "exit"), zero: true },
  row("5d", [r.delegate(DATA), r.createUnknown(DATA, IPA)], "DATA, Realm", "ASSIGNED / DESTROYED", "GPF", "exit"),
  { ...row("5e", [r.enter, r.ask("RAM", 1, 1), r.setRipas(IPA, TOP)], "DATA, Realm", "ASSIGNED / RAM", "GPF", "yes"), zero: true },
];

test.each([
  ["given back by the realm", GIVEN_BACK],
  ["taken away by the host", TAKEN_AWAY],
])("a page that is %s", async (_name, rows) => {
  const realm = await Realm.make();
  const look = (each: Row, isNew: boolean) => {
    realm.do(...each.calls);
    return { ...each, ...seen(realm, isNew), ...(each.zero === true ? { zero: realm.isZero(DATA) } : {}) };
  };
  expect(BEGIN.map((each) => look(each, true))).toEqual(BEGIN);
  realm.do(r.activate);
  expect(rows.map((each) => look(each, false))).toEqual(rows);
  expect(realm.machine.checkInvariants()).toBeNull();
});

function seen(realm: Realm, isNew: boolean) {
  return {
    granule: realm.granule(DATA),
    entry: realm.entry(IPA),
    host: realm.hostAccess(DATA),
    realm: realm.realmAccess(IPA, isNew),
  };
}

test("DATA_CREATE copies the host's page, and what the realm writes to it is gone when the host gets it back", async () => {
  const realm = await Realm.make();
  realm.do(r.createData(DATA, IPA), r.activate, r.enter);
  expect(realm.machine.access(r.VMID, IPA, "read").value).toBe(r.CONTENTS);
  expect(realm.machine.access(r.VMID, IPA, "write", { value: 0x5ecn }).status).toBe("done");
  realm.do(r.destroyData(IPA), r.undelegate(DATA));
  expect(realm.machine.access("host", DATA, "read")).toMatchObject({ status: "done", value: 0n });
});
