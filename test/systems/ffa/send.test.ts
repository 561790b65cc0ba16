// FFA_MEM_DONATE, FFA_MEM_LEND, FFA_MEM_SHARE: every check alone, and any two at once give the earlier one's answer
// (reference ffa, sections 4, 5.1 to 5.4).

import { beforeAll, expect, test } from "vitest";
import type { Machine, Snapshot } from "../../../src/machine/machine.js";
import {
  aMachine,
  at,
  DEVICE,
  endpoints,
  expectRefusal,
  outcomeOf,
  pageStates,
  pairsOf,
  RO,
  run,
  RW,
  RX,
  SPMC,
  VM1,
  VM2,
  VM4,
  type Break,
} from "./ffa-machines.js";
import { aLend, make, type Message } from "./messages.js";

let machine: Machine;
let initial: Snapshot;
beforeAll(async () => {
  machine = await aMachine();
  initial = machine.snapshot();
});

const first = (message: Message) => message.descriptor.receivers[0] ?? { id: 0, permissions: 0 };
const second = { id: 3, permissions: 2 };

/** Four sends of VM 4's own pages: all slots are taken. */
function fillTable(full: Machine): void {
  const [vm4] = endpoints(full, 4);
  for (let page = 0; page < 4; page++) vm4?.share({ to: 2, constituents: [run(VM4 + page)] });
}

// prettier-ignore
const BREAKS: readonly Break<Message>[] = [
  { row: "5.1 1",   what: "w3 is not 0",                    touches: ["address"],   apply: (m) => { m.address = 1n; },                                    error: "INVALID_PARAMETERS", reason: "mbz_register" },
  { row: "5.1 2",   what: "the fragment exceeds the total", touches: ["lengths"],   apply: (m) => { m.total = 64; m.fragment = 128; },                    error: "INVALID_PARAMETERS", reason: "lengths" },
  { row: "5.1 3",   what: "no TX buffer",                   touches: ["caller"],    apply: (m) => { m.caller = 5; m.descriptor.sender = 5; },             error: "INVALID_PARAMETERS", reason: "no_tx" },
  { row: "5.1 4",   what: "longer than TX",                 touches: ["lengths"],   apply: (m) => { m.total = 4112; m.fragment = 4112; },                 error: "INVALID_PARAMETERS", reason: "tx_length" },
  { row: "5.1 6",   what: "TX faults",                      touches: ["tx"],        apply: (m) => { m.txFault = true; },                                  error: "ABORTED",            reason: "tx_fault" },
  { row: "5.2",     what: "reserved header word",           touches: ["reserved"],  apply: (m) => { m.descriptor.reserved = 1; },                         error: "INVALID_PARAMETERS", reason: "reserved" },
  { row: "5.2",     what: "odd access size",                touches: ["layout"],    apply: (m) => { m.descriptor.accessSize = 24; },                      error: "INVALID_PARAMETERS", reason: "access_size" },
  { row: "5.2",     what: "receivers inside the header",    touches: ["layout"],    apply: (m) => { m.patch = (view) => view.setUint32(32, 32, true); },  error: "INVALID_PARAMETERS", reason: "receivers_offset" },
  { row: "5.2",     what: "no receiver",                    touches: ["receivers", "layout"], apply: (m) => { m.descriptor.receiverCount = 0; },          error: "INVALID_PARAMETERS", reason: "receiver_count" },
  { row: "5.2",     what: "too many receivers",             touches: ["receivers", "layout"], apply: (m) => { m.descriptor.receiverCount = 3; },          error: "INVALID_PARAMETERS", reason: "receiver_count" },
  { row: "5.2",     what: "receivers beyond the fragment",  touches: ["lengths", "layout"],   apply: (m) => { m.fragment = 64; },                         error: "INVALID_PARAMETERS", reason: "truncated" },
  { row: "5.2",     what: "reserved word of an entry",      touches: ["entry"],     apply: (m) => { first(m).reserved = 1n; },                            error: "INVALID_PARAMETERS", reason: "reserved" },
  { row: "5.2",     what: "composite inside the receivers", touches: ["composite", "layout"], apply: (m) => { first(m).offset = 64; },                    error: "INVALID_PARAMETERS", reason: "composite_offset" },
  { row: "5.1 9",   what: "an unknown flag",                touches: ["flags"],     apply: (m) => { m.descriptor.flags = 4; },                            error: "INVALID_PARAMETERS", reason: "flags" },
  { row: "5.1 11",  what: "an unknown receiver",            touches: ["receiver"],  apply: (m) => { first(m).id = 9; },                                   error: "INVALID_PARAMETERS", reason: "receiver_unknown" },
  { row: "5.1 11",  what: "itself as receiver",             touches: ["receiver", "caller"],  apply: (m) => { first(m).id = m.caller; },                  error: "INVALID_PARAMETERS", reason: "receiver_is_sender" },
  { row: "5.3 2",   what: "lengths are no multiple of 16",  touches: ["lengths"],   apply: (m) => { m.total = 136; },                                     error: "INVALID_PARAMETERS", reason: "lengths" },
  { row: "5.3 4",   what: "another sender",                 touches: ["sender", "caller"],    apply: (m) => { m.descriptor.sender = 3; },                 error: "DENIED",             reason: "sender" },
  { row: "5.3 6",   what: "no room for a constituent",      touches: ["lengths", "layout", "constituents"], apply: (m) => { m.total = 96; },              error: "INVALID_PARAMETERS", reason: "lengths" },
  { row: "5.3 7",   what: "composite not aligned",          touches: ["composite", "layout"], apply: (m) => { first(m).offset = 88; m.total = 144; },     error: "INVALID_PARAMETERS", reason: "composite_offset" },
  { row: "5.3 8",   what: "another number of constituents", touches: ["composite", "lengths", "layout"], apply: (m) => { m.constituentCount = 3; },        error: "INVALID_PARAMETERS", reason: "constituent_count" },
  { row: "5.3 10",  what: "time slice",                     touches: ["flags"],     apply: (m) => { m.descriptor.flags = 2; },                            error: "INVALID_PARAMETERS", reason: "flags" },
  { row: "5.3 12",  what: "a receiver twice",               touches: ["receivers", "receiver", "layout", "entry"], apply: (m) => { m.descriptor.receivers.push({ ...first(m) }); }, error: "INVALID_PARAMETERS", reason: "duplicate_receiver" },
  { row: "5.3 14",  what: "reserved data value",            touches: ["permissions"], apply: (m) => { first(m).permissions = 3; },                        error: "INVALID_PARAMETERS", reason: "permissions" },
  { row: "5.3 15",  what: "instruction access stated",      touches: ["permissions"], apply: (m) => { first(m).permissions = 6; },                        error: "INVALID_PARAMETERS", reason: "permissions" },
  { row: "5.3 16",  what: "data access missing",            touches: ["permissions"], apply: (m) => { first(m).permissions = 0; },                        error: "INVALID_PARAMETERS", reason: "permissions" },
  { row: "5.3 17",  what: "security bit",                   touches: ["attributes"], apply: (m) => { m.descriptor.attributes = 0x40; },                   error: "INVALID_PARAMETERS", reason: "attributes" },
  { row: "5.3 18",  what: "memory type stated",             touches: ["attributes"], apply: (m) => { m.descriptor.attributes = 0x2f; },                   error: "INVALID_PARAMETERS", reason: "attributes" },
  { row: "5.4 20",  what: "all transactions taken",         touches: ["table"],     apply: (_, full) => fillTable(full),                                  error: "NO_MEMORY",          reason: "table_full" },
  { row: "5.4 23",  what: "overlapping constituents",       touches: ["constituents"], apply: (m) => { m.constituents[1] = run(VM1 + 1); },               error: "INVALID_PARAMETERS", reason: "overlap" },
  { row: "5.4 24",  what: "another number of pages",        touches: ["composite", "pages"], apply: (m) => { m.pageCount = 4; },                          error: "INVALID_PARAMETERS", reason: "page_count" },
  { row: "5.4 26",  what: "an unaligned address",           touches: ["constituents"], apply: (m) => { m.constituents[0] = { address: at(VM1) + 8n, pages: 2 }; }, error: "INVALID_PARAMETERS", reason: "alignment" },
  { row: "5.4 26", what: "no pages",                       touches: ["constituents"], apply: (m) => { m.constituents[0] = run(VM1, 0); },                error: "DENIED",             reason: "range" },
  { row: "5.4 26", what: "pages of different modes",      touches: ["constituents"], apply: (m) => { m.constituents[0] = run(VM1 + RO - 1, 2); },       error: "DENIED",             reason: "mixed_modes" },
  { row: "5.4 27",  what: "constituents of different modes", touches: ["constituents"], apply: (m) => { m.constituents[1] = run(VM1 + RW); },             error: "DENIED",             reason: "mixed_modes" },
  { row: "5.4 30",  what: "pages that are lent already",    touches: ["constituents", "state"], apply: (_, lent) => { endpoints(lent, 1)[0]?.lend({ to: 3, constituents: [run(VM1, 2), run(VM1 + 4)] }); }, error: "DENIED", reason: "state" },
  { row: "5.4 31",  what: "clear without write access",     touches: ["constituents", "flags", "permissions"], apply: (m) => { m.constituents = [run(VM1 + RX)]; m.descriptor.flags = 1; first(m).permissions = 1; }, error: "DENIED", reason: "not_writable" },
  { row: "5.4 32",  what: "more than the sender has",       touches: ["constituents"], apply: (m) => { m.constituents = [run(VM1 + RO)]; },               error: "DENIED",             reason: "access" },
  { row: "5.4 35",  what: "pages that cannot be wiped",     touches: ["flags", "wipe", "constituents"], apply: (m) => { m.descriptor.flags = 1; m.wipeFail = true; },     error: "NO_MEMORY",          reason: "wipe" },
];

test("the call that is broken below is good", () => {
  machine.restore(initial);
  expect(outcomeOf(make(machine, aLend()))).toBe("OK");
});

// Section 16: an error leaves tables and protection as they were.
test.each(BREAKS.map((row) => [`${row.row}: ${row.what}`, row] as const))("%s; nothing changes", (_name, row) => {
  machine.restore(initial);
  const message = aLend();
  row.apply(message, machine);
  const before = pageStates(machine);

  expectRefusal(make(machine, message), row);
  expect(pageStates(machine)).toEqual(before);
});

test.each(pairsOf(BREAKS))("%s", (_name, earlier, later) => {
  machine.restore(initial);
  const message = aLend();
  later.apply(message, machine);
  earlier.apply(message, machine);

  expectRefusal(make(machine, message), earlier);
});

// Section 5.3 row 19, and what only a share or several receivers can break.
// prettier-ignore
test.each<[string, Message["op"], (message: Message) => void, string, string]>([
  ["4, donate: two receivers",              "ffa_mem_donate", (m) => { m.descriptor.receivers = [{ id: 2, permissions: 0 }, { id: 3, permissions: 0 }]; }, "INVALID_PARAMETERS", "receiver_count"],
  ["5.3 16, donate: data access stated",    "ffa_mem_donate", (m) => { first(m).permissions = 1; },                     "INVALID_PARAMETERS", "permissions"],
  ["5.1 9, share: clear",                   "ffa_mem_share",  (m) => { m.descriptor.flags = 1; },                       "INVALID_PARAMETERS", "flags"],
  ["5.3 19, share: type unspecified, none", "ffa_mem_share",  (m) => { m.descriptor.attributes = 0; },                  "DENIED",             "attributes"],
  ["5.3 19, share: outer shareable",        "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x2e; },               "DENIED",             "attributes"],
  ["5.3 19, share: non-cacheable",          "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x27; },               "DENIED",             "attributes"],
  ["5.3 19, share: device nGnRE",           "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x17; },               "DENIED",             "attributes"],
  ["5.3 19, share: reserved type",          "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x3f; },               "DENIED",             "attributes"],
  ["5.3 19, lend to several: outer",        "ffa_mem_lend",   (m) => { m.descriptor.receivers.push(second); m.descriptor.attributes = 0x2e; }, "DENIED", "attributes"],
  ["5.3 13: another composite offset",      "ffa_mem_lend",   (m) => { m.descriptor.receivers.push({ ...second, offset: 128 }); }, "INVALID_PARAMETERS", "composite_offset"],
  ["5.4 28: device memory as normal",       "ffa_mem_share",  (m) => { m.constituents = [run(VM1 + DEVICE)]; },         "DENIED",             "device"],
  ["5.4 29: device memory shared",          "ffa_mem_share",  (m) => { m.constituents = [run(VM1 + DEVICE)]; m.descriptor.attributes = 0x13; }, "DENIED", "device"],
  ["5.4 29: device memory donated",         "ffa_mem_donate", (m) => { m.constituents = [run(VM1 + DEVICE)]; first(m).permissions = 0; }, "DENIED", "device"],
  ["5.4 29: device memory lent to two",     "ffa_mem_lend",   (m) => { m.constituents = [run(VM1 + DEVICE)]; m.descriptor.receivers.push(second); m.descriptor.attributes = 0x13; }, "DENIED", "device"],
  ["5.4 30: another endpoint's page",       "ffa_mem_lend",   (m) => { m.constituents = [run(VM2)]; },                  "DENIED",             "state"],
  ["5.4 26: beyond the table",              "ffa_mem_lend",   (m) => { m.constituents = [{ address: 1n << 45n, pages: 1 }]; }, "DENIED",      "range"],
])("%s", (_name, op, apply, error, reason) => {
  machine.restore(initial);
  const message = { ...aLend(), op };
  if (op === "ffa_mem_share") message.descriptor.attributes = 0x2f;
  if (op === "ffa_mem_donate") first(message).permissions = 0;
  apply(message);

  expectRefusal(make(machine, message), { error, reason } as Break<never>);
});

// Section 4: wrong presence or absence is INV, wrong values are DENIED; the rest of what may be stated.
// prettier-ignore
test.each<[string, Message["op"], (message: Message) => void]>([
  ["share: type unspecified, inner",          "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x3; }],
  ["share: device nGnRnE of normal memory",   "ffa_mem_share",  (m) => { m.descriptor.attributes = 0x13; }],
  ["lend to one: shareability is not looked at", "ffa_mem_lend", (m) => { m.descriptor.attributes = 0x2; }],
  ["donate: no data access",                  "ffa_mem_donate", () => undefined],
  ["lend: clear of writable pages",           "ffa_mem_lend",   (m) => { m.descriptor.flags = 1; }],
  ["lend: read-only pages, read-only",        "ffa_mem_lend",   (m) => { m.constituents = [run(VM1 + RO)]; first(m).permissions = 1; }],
  ["lend: device memory to one",              "ffa_mem_lend",   (m) => { m.constituents = [run(VM1 + DEVICE)]; }],
  ["donate: read-only pages",                 "ffa_mem_donate", (m) => { m.constituents = [run(VM1 + RO)]; }],
  ["adjacent and unordered ranges",           "ffa_mem_lend",   (m) => { m.constituents = [run(VM1 + 3), run(VM1 + 2), run(VM1, 2)]; }],
  ["flags of an access descriptor",           "ffa_mem_lend",   (m) => { first(m).flags = 0xff; }],
])("accepted: %s", (_name, op, apply) => {
  machine.restore(initial);
  const message = { ...aLend(), op };
  if (op === "ffa_mem_share") message.descriptor.attributes = 0x2f;
  if (op === "ffa_mem_donate") first(message).permissions = 0;
  apply(message);

  expect(outcomeOf(make(machine, message))).toBe("OK");
});

test("5.1 8: a 1.0 message that does not fit one page in the 1.1 layout", () => {
  machine.restore(initial);
  const constituents = Array.from({ length: 252 }, () => run(VM4));
  const [vm4] = endpoints(machine, 4);
  const answer = vm4?.lend({ to: 2, constituents, firstFragment: 252 });

  expect([answer?.error, answer?.outcome.reason]).toEqual(["NOT_SUPPORTED", "ffa_rewrite"]);
});

test("5.1 4: a fragment that is claimed to be longer than any memory", () => {
  machine.restore(initial);
  const [vm1] = endpoints(machine, 1);
  const registers = { total: 0xffff_ffff, fragment: 0xffff_ffff };
  const answer = vm1?.lend({ to: 2, constituents: [run(VM1)], registers });

  expect([answer?.error, answer?.outcome.reason]).toEqual(["INVALID_PARAMETERS", "ffa_tx_length"]);
});

// 5.2: a size belongs to a version; a caller may use its own or an older one. VM 3 speaks 1.1.
test.each([
  [1, 16, "OK"],
  [1, 32, "OK"],
  [3, 16, "OK"],
  [3, 32, "INVALID_PARAMETERS"],
])("5.2: VM %i sends access descriptors of %i bytes: %s", (caller, accessSize, result) => {
  machine.restore(initial);
  const message = aLend();
  message.caller = caller;
  message.descriptor = { ...message.descriptor, accessSize, sender: caller };
  message.constituents = [run(caller === 1 ? VM1 : 20)];

  expect(outcomeOf(make(machine, message))).toBe(result);
});

test("5.4 33: protection is refused where a page is secure already; none stays protected", async () => {
  const spmc = await aMachine({ ...SPMC, pas_secure: [...(SPMC.pas_secure ?? []), { page: 4, n: 1 }] });
  const [vm] = endpoints(spmc, 0);
  const answer = vm?.lend({ to: 0x8001, constituents: [run(0, 2), run(4)] });

  expect([answer?.error, answer?.outcome.reason]).toEqual(["DENIED", "ffa_protection"]);
  expect([0, 1].map((page) => spmc.core.exports.ffaIsSecure(at(page)))).toEqual([0, 0]);
  expect(spmc.checkInvariants()).toBeNull();
});
