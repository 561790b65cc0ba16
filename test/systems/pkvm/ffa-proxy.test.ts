// EL2's FF-A proxy row by row: reference pkvm-el2 section 8, ffa section 19. The SPMC behind it is the one of golden/ffa.

import { describe, expect, test } from "vitest";
import { encodeConstituents } from "../../../src/machine/ffa-descriptor.js";
import { FfaEndpoint, type FfaRegion } from "../../../src/machine/ffa-endpoint.js";
import { FfaState } from "../../../src/machine/ffa-state.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { refusalSentence } from "../../../src/machine/reasons.js";
import { stateOf } from "./machine-state.js";
import { donateGuest, hostReads, makeVm, must, pageStates } from "./scenario.js";
import {
  aLend,
  bootedHost,
  handleOf,
  HOST,
  mapBuffers,
  MEMORY,
  negotiate,
  PAGE,
  pfn,
  reclaim,
  run,
  RX,
  secureHost,
  send,
  sendMore,
  SP,
  SP_NON_SECURE,
  TX,
  unmapBuffers,
  V1_0,
  V1_1,
  V1_2,
  type HostMessage,
} from "./secure-world.js";

const refusal = ({ errno, reason }: Outcome) => [errno, reason];
const hostState = (machine: Machine, frame: bigint) => pageStates(machine, frame).host;
const hostStates = (machine: Machine, ...at: readonly bigint[]) => at.map((page) => hostState(machine, pfn(page)));
const records = (machine: Machine) => new FfaState(machine).records();

/** The last lend as the partition knows it. */
const region = (handle: bigint): FfaRegion => ({
  ...{ handle, verb: "lend", sender: 0, tag: 0n },
  receivers: [{ id: SP, data: "RW" }],
});

describe("8.1 which calls", () => {
  const CALLS: readonly Operation[] = [
    mapBuffers(),
    unmapBuffers(),
    reclaim(0n),
    { op: "ffa_mem_lend", ...HOST, total: 144, fragment: 144, address: 0n, page_count: 0 },
    { op: "ffa_mem_donate", ...HOST, total: 144, fragment: 144, address: 0n, page_count: 0 },
    { op: "ffa_mem_frag_tx", ...HOST, handle: 0n, fragment: 16, sender: 0n },
    { op: "ffa_rx_release", ...HOST },
    { op: "ffa_smc", ...HOST, fn: 0x8400_0069n, x1: 0n },
  ];

  test.each(CALLS)("$op before a version is negotiated: INVALID_PARAMETERS", async (call) => {
    expect(refusal((await bootedHost()).apply(call))).toEqual(["INVALID_PARAMETERS", "proxy_not_negotiated"]);
  });

  // The version in use afterwards, or the refusal.
  test.each<[string, readonly bigint[], readonly (bigint | string)[]]>([
    ["1.2", [V1_2], [V1_2]],
    ["a newer minor gets 1.2", [0x10003n], [V1_2]],
    ["another major", [0x20000n, 0n], ["NOT_SUPPORTED", "NOT_SUPPORTED"]],
    ["the minor goes down", [V1_1], [V1_1]],
    ["once", [V1_1, V1_0, V1_1, V1_2], [V1_1, "NOT_SUPPORTED", V1_1, V1_1]],
    ["not after 1.2 was taken", [V1_2, V1_1], [V1_2, "NOT_SUPPORTED"]],
    ["not to a version with bit 31 set", [0x8001_0001n, V1_1], ["NOT_SUPPORTED", V1_1]],
    ["a refused major negotiates nothing", [0x20000n, V1_0], ["NOT_SUPPORTED", V1_0]],
  ])("FFA_VERSION, %s", async (_, asked, answers) => {
    const machine = await bootedHost();
    expect(asked.map((version) => machine.apply(negotiate(version))).map((o) => o.errno ?? BigInt(o.ret))).toEqual(
      answers,
    );
  });

  const send64 = { ...HOST, total: 144, fragment: 144, address: 0n, page_count: 0 };
  test.each<[Operation, bigint]>([
    [{ op: "ffa_mem_donate", ...send64 }, 0xc400_0071n],
    [{ op: "ffa_mem_donate", ...send64, x64: 0 }, 0x8400_0071n],
    [{ op: "ffa_mem_retrieve_req", ...send64 }, 0xc400_0074n],
    [{ op: "ffa_mem_relinquish", ...HOST, x64: 0 }, 0x8400_0076n],
    [{ op: "ffa_mem_frag_rx", ...HOST, x64: 0, handle: 0n, offset: 0, sender: 0n }, 0x8400_007an],
    [{ ...(mapBuffers() as Extract<Operation, { op: "ffa_rxtx_map" }>), x64: 0 }, 0x8400_0066n],
    ...[0x84000075n, 0x84000078n, 0x84000079n, 0x8400006en, 0x8400006an, 0x8400006bn, 0x84000070n, 0x8400007dn].map(
      other,
    ),
    ...[0x84000083n, 0xc400008dn, 0xc400008en, 0x8400008an, 0xc400008an, 0xc400008bn].map(other),
  ])("NOT_SUPPORTED: %o", async (call, fn) => {
    const machine = await secureHost();
    const outcome = machine.apply(call);
    expect([...refusal(outcome), outcome.subject]).toEqual(["NOT_SUPPORTED", "proxy_not_passed_on", fn]);
  });

  function other(fn: bigint): [Operation, bigint] {
    return [{ op: "ffa_smc", ...HOST, fn, x1: 0n }, fn];
  }

  // FFA_FEATURES: a share and a lend are promised, what is not passed on is denied.
  test.each<[bigint, string | null, string | null]>([
    [0x8400_0073n, null, null],
    [0xc400_0072n, null, null],
    [0x8400_0071n, "NOT_SUPPORTED", "proxy_not_passed_on"],
    [0x8400_0066n, "NOT_SUPPORTED", "proxy_not_passed_on"],
    [0xc400_0066n, "NOT_SUPPORTED", "proxy_not_modelled"],
  ])("FFA_FEATURES of %s: %s", async (x1, errno, reason) => {
    const outcome = (await secureHost()).apply({ op: "ffa_smc", ...HOST, fn: 0x8400_0064n, x1 });
    expect(refusal(outcome)).toEqual([errno, reason]);
  });

  test("PERM_GET and RX_RELEASE are passed on", async () => {
    const machine = await secureHost();
    expect(machine.apply({ op: "ffa_rx_release", ...HOST }).ret).toBe(0);
    const asked = machine.apply({ op: "ffa_mem_perm_get", ...HOST, base: MEMORY, pages: 0 });
    expect(asked.reason).toBe("ffa_perm_caller");
  });

  test("a host without a secure world has no such calls", async () => {
    const machine = await Machine.create({ regions: [{ base: 0x4000_0000n, size: 0x400_0000n }] });
    expect(machine.apply(negotiate(V1_2)).status).toBe("invalid");
  });
});

describe("8.2 mailboxes", () => {
  const HYP = 0x43ff_f000n;

  test.each<[string, Operation, string, string]>([
    ["page count", mapBuffers(TX, RX, 2), "INVALID_PARAMETERS", "proxy_mailbox_pages"],
    ["TX not aligned", mapBuffers(TX + 8n), "INVALID_PARAMETERS", "proxy_alignment"],
    ["RX not aligned", mapBuffers(TX, RX + 8n), "INVALID_PARAMETERS", "proxy_alignment"],
    ["TX is EL2's", mapBuffers(HYP), "INVALID_PARAMETERS", "host_state"],
    ["RX is EL2's", mapBuffers(TX, HYP), "INVALID_PARAMETERS", "host_state"],
    ["TX is no memory", mapBuffers(0x9000n), "INVALID_PARAMETERS", "not_memory"],
    ["RX is TX", mapBuffers(TX, TX), "INVALID_PARAMETERS", "host_state"],
  ])("refused: %s", async (_, call, errno, reason) => {
    const machine = await bootedHost();
    must(machine, negotiate(V1_2));
    const before = stateOf(machine);
    expect(refusal(machine.apply(call))).toEqual([errno, reason]);
    expect(stateOf(machine)).toEqual(before);
  });

  test("order: page count, alignment of TX and of RX, then whether they are mapped", async () => {
    const machine = await secureHost();
    const reasons = [
      mapBuffers(TX + 1n, RX + 1n, 0),
      mapBuffers(TX + 1n, RX + 1n),
      mapBuffers(TX, RX + 1n),
      mapBuffers(),
    ];
    expect(reasons.map((call) => refusal(machine.apply(call)))).toEqual([
      ["INVALID_PARAMETERS", "proxy_mailbox_pages"],
      ["INVALID_PARAMETERS", "proxy_alignment"],
      ["INVALID_PARAMETERS", "proxy_alignment"],
      ["DENIED", "proxy_mapped"],
    ]);
  });

  test("both pages: T0 <-> T1, pinned once", async () => {
    const machine = await secureHost();
    for (const page of [TX >> 12n, RX >> 12n]) {
      expect(pageStates(machine, page)).toEqual({ host: "SHARED_OWNED", hyp: "SHARED_BORROWED" });
      expect(machine.pageState(page)?.refcount).toBe(1);
    }
    must(machine, unmapBuffers());
    for (const page of [TX >> 12n, RX >> 12n]) {
      expect(pageStates(machine, page)).toEqual({ host: "OWNED", hyp: "NOPAGE" });
      expect(machine.pageState(page)?.refcount).toBe(0);
    }
    must(machine, mapBuffers());
  });

  test("unmap: not the host's id, or nothing mapped", async () => {
    const machine = await secureHost();
    expect(refusal(machine.apply(unmapBuffers(1n)))).toEqual(["INVALID_PARAMETERS", "proxy_not_mapped"]);
    must(machine, unmapBuffers());
    expect(refusal(machine.apply(unmapBuffers()))).toEqual(["INVALID_PARAMETERS", "proxy_not_mapped"]);
  });

  test("unmap asserts that nobody else pins the pages", async () => {
    const machine = await secureHost();
    must(machine, { op: "hyp_pin_shared_mem", from: TX, to: TX + PAGE });
    expect(machine.apply(unmapBuffers()).panic).toMatchObject({ kind: "warn", func: "do_ffa_rxtx_unmap" });
  });

  test("a page of TX cannot be unshared under EL2, nor lent", async () => {
    const machine = await secureHost();
    expect(machine.apply({ op: "host_unshare_hyp", pfn: TX >> 12n }).errno).toBe("EBUSY");
    const message = { ...aLend(), ranges: [{ address: TX, pages: 1 }] };
    expect(refusal(send(machine, message))).toEqual(["DENIED", "host_state"]);
  });
});

describe("8.3 MEM_SHARE and MEM_LEND", () => {
  const end = (version: bigint) => (version === V1_0 ? 32 + 16 : version === V1_1 ? 48 + 16 : 48 + 32);

  /** What breaks each row, in EL2's order: of several breakages in one message the first row answers. */
  const ROWS: readonly (readonly [row: string, errno: string, reason: string, (message: HostMessage) => void])[] = [
    ["1 address", "INVALID_PARAMETERS", "proxy_mbz_register", (m) => (m.address = 4096n)],
    ["1 page count", "INVALID_PARAMETERS", "proxy_mbz_register", (m) => (m.page_count = 1)],
    ["1 fragment > total", "INVALID_PARAMETERS", "proxy_lengths", (m) => (m.total = 40)],
    ["1 fragment > page", "INVALID_PARAMETERS", "proxy_tx_length", (m) => ((m.fragment = 4112), (m.total = 9999))],
    ["2 too short", "INVALID_PARAMETERS", "proxy_truncated", (m) => (m.fragment = end(m.version) - 1)],
    ["4 too long", "NO_MEMORY", "proxy_descriptor_buffer", (m) => (m.total = 9 * 4096 + 16)],
    ["6 access beyond", "INVALID_PARAMETERS", "proxy_truncated", (m) => (m.descriptor.receiversOffset = 0xffff_fff0)],
    ["7 no composite", "INVALID_PARAMETERS", "proxy_composite_offset", (m) => (m.offset = 0)],
    ["7 two endpoints", "INVALID_PARAMETERS", "proxy_endpoints", (m) => (m.descriptor.receiverCount = 2)],
    ["7 sender", "INVALID_PARAMETERS", "proxy_sender", (m) => (m.descriptor.sender = 1)],
    ["8 composite beyond", "INVALID_PARAMETERS", "proxy_composite_offset", (m) => (m.offset = 0xffff_fff8)],
    ["9 no whole ranges", "INVALID_PARAMETERS", "proxy_ranges", (m) => (m.offset = 88)],
    ["10 not aligned", "DENIED", "proxy_alignment", (m) => (m.ranges[1] = { address: MEMORY + 8n, pages: 1 })],
  ];
  /** Rows that one message cannot break together: the same field. */
  const EXCLUSIVE: readonly string[] = ["1 fragment > total+4 too long", "7 no composite+8 composite beyond"];

  test.each(ROWS)("row %s: %s, %s", async (_, errno, reason, breakIt) => {
    const machine = await secureHost();
    const message = aLend();
    breakIt(message);
    const before = machine.pages();
    expect(refusal(send(machine, message))).toEqual([errno, reason]);
    expect(machine.pages()).toEqual(before);
    expect(records(machine)).toEqual([]);
  });

  test("in this order", async () => {
    const machine = await secureHost();
    ROWS.forEach(([row, errno, reason, breakIt], index) => {
      for (const [later, , , breakLater] of ROWS.slice(index + 1)) {
        if (EXCLUSIVE.includes(`${row}+${later}`) || row === "1 fragment > page" || later === "1 fragment > page")
          continue;
        const message = aLend();
        breakLater(message);
        breakIt(message);
        expect([row, later, ...refusal(send(machine, message))]).toEqual([row, later, errno, reason]);
      }
    });
  });

  test("row 3: no TX, asked after the lengths and before the descriptor buffer", async () => {
    const machine = await bootedHost();
    must(machine, negotiate(V1_2));
    const reasons = [{ fragment: 79 }, { total: 9 * 4096 + 16 }, {}].map((lengths) =>
      send(machine, { ...aLend(), ...lengths }),
    );
    expect(reasons.map(({ reason }) => reason)).toEqual(["proxy_truncated", "proxy_no_tx", "proxy_no_tx"]);
  });

  test.each(["ffa_mem_share", "ffa_mem_lend"] as const)(
    "%s: OWNED -> SHARED_OWNED, the host's mapping stays",
    async (op) => {
      const machine = await secureHost();
      must(machine, hostReads(MEMORY));
      machine.access("host", MEMORY, "write", { value: 0x5ec2e7n });
      const outcome = send(machine, { ...aLend(), op });
      expect(outcome.details.reply).toEqual({ fn: "SUCCESS", handle: handleOf(outcome) });
      expect(hostStates(machine, 0n, 1n, 2n, 4n)).toEqual(["SHARED_OWNED", "SHARED_OWNED", "OWNED", "SHARED_OWNED"]);
      expect(machine.access("host", MEMORY, "read").value).toBe(0x5ec2e7n);
      expect(outcome.effects.filter((effect) => effect.kind === "descriptor" && effect.vm === 0)).toEqual([]);
      expect(machine.checkInvariants()).toBeNull();
    },
  );

  test.each([V1_0, V1_1, V1_2])("the layout of version %s", async (version) => {
    const machine = await secureHost({ version });
    expect(send(machine, aLend(version)).errno).toBeNull();
    expect(hostStates(machine, 0n, 1n, 4n)).toEqual(["SHARED_OWNED", "SHARED_OWNED", "SHARED_OWNED"]);
    expect(send(machine, { ...aLend(version), fragment: end(version) - 1 }).reason).toBe("proxy_truncated");
  });

  test("row 10: of several ranges the first refused one takes those before it along; nothing is forwarded", async () => {
    const machine = await secureHost();
    must(machine, { op: "host_share_hyp", pfn: pfn(11n) });
    const outcome = send(machine, { ...aLend(), ranges: [run(0n, 2), run(4n), run(10n, 2)] });
    expect([...refusal(outcome), outcome.subject]).toEqual(["DENIED", "host_state", pfn(11n) << 12n]);
    expect(hostStates(machine, 0n, 1n, 4n, 10n)).toEqual(["OWNED", "OWNED", "OWNED", "OWNED"]);
    expect(records(machine)).toEqual([]);
    expect(refusalSentence("ffa_mem_lend", outcome, 12)).toBe(
      "refused with DENIED by do_ffa_mem_xfer: pfn 0x4200b is SHARED_OWNED at the host, must be OWNED",
    );
  });

  test("row 10: a page twice", async () => {
    const machine = await secureHost();
    expect(refusal(send(machine, { ...aLend(), ranges: [run(0n, 2), run(1n)] }))).toEqual(["DENIED", "host_state"]);
    expect(hostStates(machine, 0n, 1n)).toEqual(["OWNED", "OWNED"]);
  });

  test("row 11: the SPMC refuses, its code is passed on, and the pages are the host's alone", async () => {
    const machine = await secureHost();
    const outcome = send(machine, { ...aLend(), receiver: 0x8002 });
    expect(refusal(outcome)).toEqual(["INVALID_PARAMETERS", "ffa_receiver_unknown"]);
    expect(hostStates(machine, 0n, 1n, 4n)).toEqual(["OWNED", "OWNED", "OWNED"]);
  });

  test("what a guest owns cannot be lent, and what is lent cannot be donated to a guest", async () => {
    const machine = await secureHost();
    const vm = makeVm(machine, { protected: true, area: 0x40100n, memcache: 16 });
    must(machine, donateGuest(vm, pfn(0n), 0x80000n));
    expect(refusal(send(machine, aLend()))).toEqual(["DENIED", "host_state"]);
    must(machine, { op: "host_share_ffa", pfn: pfn(1n), nr: 1 });
    expect(machine.apply(donateGuest(vm, pfn(1n), 0x80001n)).errno).toBe("EPERM");
  });

  test("the message is read once: what the host writes to TX afterwards changes nothing", async () => {
    const machine = await secureHost();
    const sent = send(machine, aLend());
    machine.access("host", TX, "write", { value: 0xffff_ffff_ffff_ffffn });
    expect(machine.apply(reclaim(handleOf(sent))).errno).toBeNull();
  });
});

describe("8.4 MEM_RECLAIM", () => {
  test("an unknown handle: the SPMC's code", async () => {
    const outcome = (await secureHost()).apply(reclaim(7n));
    expect(refusal(outcome)).toEqual(["INVALID_PARAMETERS", "ffa_handle"]);
  });

  test("while the partition holds the pages: DENIED, and they stay SHARED_OWNED", async () => {
    const machine = await secureHost();
    const handle = handleOf(send(machine, aLend()));
    const partition = new FfaEndpoint(machine, SP);
    expect(partition.retrieve(region(handle)).error).toBeNull();
    expect(refusal(machine.apply(reclaim(handle)))).toEqual(["DENIED", "ffa_still_retrieved"]);
    expect(hostStates(machine, 0n, 4n)).toEqual(["SHARED_OWNED", "SHARED_OWNED"]);
    expect(partition.relinquish({ handle }).error).toBeNull();
    expect(machine.apply(reclaim(handle)).details.reply).toEqual({ fn: "SUCCESS" });
    expect(hostStates(machine, 0n, 1n, 4n)).toEqual(["OWNED", "OWNED", "OWNED"]);
    expect(records(machine)).toEqual([]);
    expect(machine.checkInvariants()).toBeNull();
  });

  test("RX of the normal world busy at the SPMC: BUSY", async () => {
    const machine = await secureHost();
    const handle = handleOf(send(machine, aLend()));
    must(machine, { op: "ffa_rx_fill", ...HOST });
    expect(machine.apply(reclaim(handle)).errno).toBe("BUSY");
    must(machine, { op: "ffa_rx_release", ...HOST });
    expect(machine.apply(reclaim(handle)).errno).toBeNull();
  });

  test("the clear flag: the SPMC wipes before the host has the page back", async () => {
    const machine = await secureHost();
    must(machine, hostReads(MEMORY));
    machine.access("host", MEMORY, "write", { value: 7n });
    must(machine, reclaim(handleOf(send(machine, aLend())), 1n));
    expect(machine.access("host", MEMORY, "read").value).toBe(0n);
  });

  test("asserted: every page is still SHARED_OWNED", async () => {
    const machine = await secureHost();
    const handle = handleOf(send(machine, aLend()));
    must(machine, { op: "host_unshare_ffa", pfn: pfn(0n), nr: 1 });
    expect(machine.apply(reclaim(handle)).panic).toMatchObject({ kind: "warn", func: "ffa_host_unshare_ranges" });
  });

  test("a transaction of several fragments is retrieved fragment by fragment", async () => {
    const machine = await secureHost();
    const host = new FfaEndpoint(machine, 0);
    const constituents = Array.from({ length: 600 }, (_, index) => run(2n * BigInt(index)));
    const sent = host.lend({ to: SP, constituents });
    expect([sent.error, records(machine)[0]?.fragments]).toEqual([null, 3]);
    expect(hostStates(machine, 0n, 1n, 1198n)).toEqual(["SHARED_OWNED", "OWNED", "SHARED_OWNED"]);
    const outcome = machine.apply(reclaim(sent.region?.handle ?? 0n));
    expect(outcome.effects.filter((effect) => effect.kind === "rx" && effect.full)).toHaveLength(3);
    expect(outcome.effects.filter((effect) => effect.kind === "page")).toHaveLength(600);
    expect(hostStates(machine, 0n, 1198n)).toEqual(["OWNED", "OWNED"]);
  });
});

describe("8.5 MEM_FRAG_TX", () => {
  /** Two of four ranges are sent. */
  async function halfSent(options: Partial<HostMessage> = {}): Promise<{ machine: Machine; handle: bigint }> {
    const machine = await secureHost();
    const outcome = send(machine, { ...aLend(), ranges: [run(0n), run(2n)], allRanges: 4, pageCount: 4, ...options });
    expect(outcome.details.reply).toMatchObject({ fn: "FRAG_RX" });
    return { machine, handle: handleOf(outcome) };
  }

  test("the rest follows", async () => {
    const { machine, handle } = await halfSent();
    expect(hostStates(machine, 0n, 2n, 4n)).toEqual(["SHARED_OWNED", "SHARED_OWNED", "OWNED"]);
    expect(sendMore(machine, handle, encodeConstituents([run(4n)])).details.reply).toMatchObject({ fn: "FRAG_RX" });
    expect(sendMore(machine, handle, encodeConstituents([run(6n)])).details.reply).toEqual({ fn: "SUCCESS", handle });
    expect(hostStates(machine, 0n, 2n, 4n, 6n)).toEqual(Array.from({ length: 4 }, () => "SHARED_OWNED"));
    must(machine, reclaim(handle));
    expect(hostStates(machine, 0n, 2n, 4n, 6n)).toEqual(Array.from({ length: 4 }, () => "OWNED"));
  });

  test.each([
    ["longer than a page", 4112, "proxy_tx_length"],
    ["no whole ranges", 24, "proxy_ranges"],
  ])("%s: INVALID_PARAMETERS", async (_, fragment, reason) => {
    const { machine, handle } = await halfSent();
    const outcome = sendMore(machine, handle, encodeConstituents([run(4n)]), fragment);
    expect(refusal(outcome)).toEqual(["INVALID_PARAMETERS", reason]);
  });

  test("no TX: INVALID_PARAMETERS, after the lengths", async () => {
    const machine = await bootedHost();
    must(machine, negotiate(V1_2));
    const frag = (fragment: number): Operation => ({
      op: "ffa_mem_frag_tx",
      ...HOST,
      handle: 0n,
      fragment,
      sender: 0n,
    });
    expect([24, 16].map((fragment) => machine.apply(frag(fragment)).reason)).toEqual(["proxy_ranges", "proxy_no_tx"]);
  });

  test("a range refused: DENIED, this fragment is undone, and pages of earlier fragments stay SHARED_OWNED for ever", async () => {
    const { machine, handle } = await halfSent();
    must(machine, { op: "host_share_hyp", pfn: pfn(6n) });
    const outcome = sendMore(machine, handle, encodeConstituents([run(4n), run(6n)]));
    expect([...refusal(outcome), outcome.subject]).toEqual(["DENIED", "host_state", pfn(6n) << 12n]);
    expect(hostStates(machine, 0n, 2n, 4n)).toEqual(["SHARED_OWNED", "SHARED_OWNED", "OWNED"]);
    // They can be neither shared nor donated any more.
    expect(machine.apply({ op: "host_share_hyp", pfn: pfn(0n) }).errno).toBe("EPERM");
    expect(machine.apply({ op: "host_donate_hyp", pfn: pfn(0n), nr: 1 }).errno).toBe("EPERM");
    expect(refusal(send(machine, aLend()))).toEqual(["DENIED", "host_state"]);
  });

  test("the SPMC refuses: this fragment is undone, earlier ones stay", async () => {
    const { machine, handle } = await halfSent({ pageCount: 5 });
    const outcome = sendMore(machine, handle, encodeConstituents([run(4n), run(6n)]));
    expect(refusal(outcome)).toEqual(["INVALID_PARAMETERS", "ffa_page_count"]);
    expect(hostStates(machine, 0n, 2n, 4n, 6n)).toEqual(["SHARED_OWNED", "SHARED_OWNED", "OWNED", "OWNED"]);
  });
});

describe("the two cases of hardware (host-and-vmm 6A)", () => {
  async function lent(protect: boolean): Promise<{ machine: Machine; handle: bigint; partition: FfaEndpoint }> {
    const machine = await secureHost({ protect });
    must(machine, hostReads(MEMORY));
    machine.access("host", MEMORY, "write", { value: 0x77n });
    const handle = handleOf(send(machine, aLend()));
    return { machine, handle, partition: new FfaEndpoint(machine, SP) };
  }

  test("open: lend succeeds without protection of the hardware, and both can access", async () => {
    const { machine, handle, partition } = await lent(false);
    partition.retrieve(region(handle));
    machine.access("host", MEMORY, "write", { value: 0x88n });
    expect(machine.access(SP_NON_SECURE, MEMORY, "read").value).toBe(0x88n);
    expect(new FfaState(machine).isSecure(MEMORY)).toBe(false);
  });

  // ESR_EL2 of an abort from a lower level; EC 0x24 of data, 0x20 of instructions (host-and-vmm 8.2). No S1PTW.
  test.each([
    ["read", 0, 0x92000028n],
    ["write", 0, 0x92000068n],
    ["fetch", 0, 0x82000028n],
    ["read", 1, 0x92000028n],
    ["write", 1, 0x92000068n],
  ] as const)("protected: a host %s from EL%i ends in a granule protection fault", async (kind, el, esr) => {
    const { machine } = await lent(true);
    const { status, fault } = machine.access("host", MEMORY, kind, { el });
    expect(status).toBe("fault");
    expect(fault).toMatchObject({ kind: "granule_protection", fsc: 0x28, esr });
    expect(machine.access("host", MEMORY + 0x3000n, "read").status).toBe("done");
  });

  test("protected: the partition reads what was there, through its secure table; reclaim gives access back", async () => {
    const { machine, handle, partition } = await lent(true);
    partition.retrieve(region(handle));
    expect(machine.access(SP, MEMORY, "read").value).toBe(0x77n);
    expect(machine.access(SP_NON_SECURE, MEMORY, "read").fault?.kind).toBe("translation");
    partition.relinquish({ handle });
    must(machine, reclaim(handle));
    expect(machine.access("host", MEMORY, "read").value).toBe(0x77n);
  });

  test("protected: shared memory stays non-secure", async () => {
    const machine = await secureHost({ protect: true });
    must(machine, hostReads(MEMORY));
    must(machine, { op: "ffa_rx_release", ...HOST });
    expect(send(machine, { ...aLend(), op: "ffa_mem_share" }).errno).toBeNull();
    expect(machine.access("host", MEMORY, "read").status).toBe("done");
  });

  test("protected: a guest that maps such a page faults as the host does", async () => {
    const machine = await secureHost({ protect: true });
    const vm = makeVm(machine, { protected: false, area: 0x40100n, memcache: 16 });
    must(machine, { op: "host_share_guest", vm, vcpu: 0, pfn: pfn(8n), gfn: 0x80000n, nr: 1, prot: 0xfn });
    expect(machine.access(vm, 0x8000_0000n, "read").status).toBe("done");
    must(machine, { op: "ffa_set_secure", address: MEMORY + 8n * PAGE, pages: 1 });
    expect(machine.access(vm, 0x8000_0000n, "read").fault?.kind).toBe("granule_protection");
  });
});

describe("the machine", () => {
  test("a snapshot holds the proxy and the secure world", async () => {
    const machine = await secureHost({ protect: true });
    const handle = handleOf(send(machine, aLend()));
    const snapshot = machine.snapshot();
    must(machine, reclaim(handle));
    must(machine, unmapBuffers());
    machine.restore(snapshot);
    expect(hostStates(machine, 0n)).toEqual(["SHARED_OWNED"]);
    must(machine, reclaim(handle));
  });

  test("a reset makes it anew", async () => {
    const machine = await secureHost();
    send(machine, aLend());
    machine.reset();
    expect(hostStates(machine, 0n)).toEqual(["OWNED"]);
    expect(machine.apply(mapBuffers()).reason).toBe("proxy_not_negotiated");
  });

  test("VMs and partitions have tags of their own in the TLB", async () => {
    const machine = await secureHost();
    const vm = makeVm(machine, { protected: true, area: 0x40100n, memcache: 16 });
    must(machine, donateGuest(vm, pfn(8n), MEMORY >> 12n));
    const handle = handleOf(send(machine, aLend()));
    new FfaEndpoint(machine, SP).retrieve(region(handle));
    expect(machine.access(vm, MEMORY, "read").pa).toBe(pfn(8n) << 12n);
    expect(machine.access(SP_NON_SECURE, MEMORY, "read").pa).toBe(MEMORY);
  });
});

describe("configuration", () => {
  const regions = [{ base: 0x4000_0000n, size: 0x400_0000n }];

  test.each<[string, object, string]>([
    ["no partition", { secure_world: { partitions: [] } }, "secure_world.partitions"],
    ["a VM's id", { secure_world: { partitions: [{ id: 1 }] } }, "secure_world.partitions.0.id"],
    ["the id twice", { secure_world: { partitions: [{ id: SP }, { id: SP }] } }, "secure_world.partitions.1.id"],
    ["bit 14", { secure_world: { partitions: [{ id: 0xc001 }] } }, "secure_world.partitions.0.id"],
    ["unknown field", { secure_world: { partitions: [{ id: SP }], pas: true } }, "secure_world"],
    [
      "buffers",
      { secure_world: { partitions: [{ id: SP, buffer_pages: 2 }] } },
      "secure_world.partitions.0.buffer_pages",
    ],
    ["granule", { page_shift: 14, secure_world: { partitions: [{ id: SP }] } }, "secure_world: needs page_shift 12"],
    ["handles", { handle_base: 0x7f80, secure_world: { partitions: [{ id: SP }] } }, "handle_base"],
  ])("%s", async (_, config, message) => {
    await expect(Machine.create({ regions, ...config })).rejects.toThrow(message);
  });
});
