// Accesses by the host and by guests: translated by the walk of their stage 2, carried out on page contents.

import fc from "fast-check";
import { expect, test } from "vitest";
import { ACCESS_RECORD_SIZE, ANSWER_INVALID, ANSWER_SIZE, ANSWER_STATUS } from "../../assembly/abi/walk.js";
import { encodeAccess, type MemoryAccess } from "../../src/machine/accesses.js";
import { Machine } from "../../src/machine/machine.js";

const CONFIG = { regions: [{ base: "0x40000000", size: "0x4000000" }] };
const PFN = 0x40100n;
const PA = PFN << 12n;
const GFN = 0x80n;
const IPA = GFN << 12n;
/** A page of the host, and the guest's first page. */
const HOST_PA = PA + 0x100000n;
const GUEST_PFN = PFN + 0x200n;

const PAGES_FOR_TABLES = [0x300n, 0x301n, 0x302n, 0x303n].map((page) => PFN + page);

/** A machine with one protected VM, its vCPU loaded, one page donated at GFN. */
async function withGuest(): Promise<{ machine: Machine; vm: number }> {
  const machine = await Machine.create(CONFIG);
  const { ret: vm } = machine.apply({ op: "reserve_vm" });
  const answers = machine.applyBatch([
    ...[0n, 1n, 2n, 3n].map((page) => ({ op: "host_share_hyp", pfn: PFN + page }) as const),
    { op: "init_vm", vm, kvm_pa: PA, vm_pa: PA + 0x10000n, pgd_pa: PA + 0x20000n, vcpus: 1, protected: 1, id_regs: 1 },
    { op: "init_vcpu", vm, vcpu: 0, host_pa: PA + 0x2000n, hyp_pa: PA + 0x30000n },
    ...PAGES_FOR_TABLES.map((pfn) => ({ op: "host_memcache_push", vm, vcpu: 0, pfn }) as const),
    { op: "refill_memcache", vm, vcpu: 0 },
    { op: "host_donate_guest", vm, vcpu: 0, pfn: GUEST_PFN, gfn: GFN },
  ]);
  expect(answers.map(({ ret }) => ret)).toEqual(answers.map(() => 0));
  return { machine, vm };
}

/** What handle_host_mem_abort is told of a fault. */
const abortOf = (ipa: bigint, esr: bigint, hpfar: bigint) =>
  ({ op: "host_abort", esr, spsr: 0x3c5n, far: ipa, hpfar, at_fail: 0 }) as const;

test("the host: a fault, the hypervisor maps the page, then data", async () => {
  const machine = await Machine.create(CONFIG);
  const first = machine.access("host", HOST_PA, "write", { value: 7n });
  expect(first).toEqual({
    status: "fault",
    pa: null,
    value: null,
    level: 2,
    fault: { kind: "translation", fsc: 6, esr: 0x92000046n, hpfar: HOST_PA >> 8n },
  });
  const { esr, hpfar } = first.fault as { esr: bigint; hpfar: bigint };
  machine.apply(abortOf(HOST_PA, esr, hpfar));

  expect(machine.access("host", HOST_PA, "write", { value: 7n })).toEqual({
    status: "done",
    pa: HOST_PA,
    value: 0n,
    level: 2,
    fault: null,
  });
  expect(machine.access("host", HOST_PA, "read")).toMatchObject({ status: "done", value: 7n });
  expect([...machine.readPage(HOST_PA).subarray(0, 8)]).toEqual([7, 0, 0, 0, 0, 0, 0, 0]);
});

test("a donated page: the guest's, with the bytes the host left there; the host faults", async () => {
  const { machine, vm } = await withGuest();
  machine.writePage(GUEST_PFN << 12n, Uint8Array.of(0x11, 0x22), 8);

  expect(machine.access(vm, IPA + 8n, "read", { bytes: 2 })).toMatchObject({
    pa: (GUEST_PFN << 12n) + 8n,
    value: 0x2211n,
  });
  expect(machine.access(vm, IPA, "write", { value: 0x5ec3e7n }).status).toBe("done");
  expect(machine.access("host", GUEST_PFN << 12n, "read")).toMatchObject({ fault: { kind: "translation", fsc: 7 } });
  expect(machine.access(vm, IPA + 0x1000n, "read")).toMatchObject({ fault: { kind: "translation", esr: 0x92000007n } });
});

test("a shared page is one page: what the guest writes the host reads, until it is unshared", async () => {
  const { machine, vm } = await withGuest();
  machine.apply({ op: "guest_share_host", vm, vcpu: 0, gfn: GFN });
  machine.access(vm, IPA, "write", { value: 42n });
  expect(machine.access("host", GUEST_PFN << 12n, "read")).toMatchObject({ status: "done", value: 42n });
  machine.apply({ op: "guest_unshare_host", vm, vcpu: 0, gfn: GFN });

  expect(machine.access("host", GUEST_PFN << 12n, "read").status).toBe("fault");
  expect(machine.access(vm, IPA, "read").value).toBe(42n);
});

test("a force-reclaimed page is wiped", async () => {
  const { machine, vm } = await withGuest();
  machine.access(vm, IPA, "write", { value: 0x5ec3e7n });
  machine.apply({ op: "host_force_reclaim_page_guest", phys: GUEST_PFN << 12n });

  expect(machine.access("host", GUEST_PFN << 12n, "read")).toMatchObject({ status: "done", value: 0n });
});

// prettier-ignore
test.each<[bytes: 1 | 2 | 4 | 8, written: bigint]>([
  [1, 0x11223344_556677ffn],
  [2, 0x11223344_5566ffffn],
  [4, 0x11223344_ffffffffn],
  [8, 0xffffffff_ffffffffn],
])("%i bytes are written and no more", async (bytes, written) => {
  const { machine, vm } = await withGuest();
  machine.access(vm, IPA, "write", { value: 0x11223344_55667788n });
  machine.access(vm, IPA, "write", { bytes, value: (1n << BigInt(8 * bytes)) - 1n });

  expect(machine.access(vm, IPA, "read").value).toBe(written);
});

test("an atomic access answers what it found", async () => {
  const { machine, vm } = await withGuest();
  machine.access(vm, IPA, "write", { value: 1n });

  expect(machine.access(vm, IPA, "atomic", { value: 2n }).value).toBe(1n);
  expect(machine.access(vm, IPA, "fetch", { bytes: 4, el: 0 }).value).toBe(2n);
});

test("devices of the host are not modelled: reads give 0, writes go nowhere", async () => {
  const device = 0x900_0000n;
  const machine = await Machine.create(CONFIG);
  machine.apply(abortOf(device, 0x92000006n, device >> 8n));

  expect(machine.access("host", device, "write", { value: 5n })).toMatchObject({ status: "no_memory", pa: device });
  expect(machine.access("host", device, "read")).toMatchObject({ status: "no_memory", value: 0n });
});

test("what cannot be asked", async () => {
  const { machine, vm } = await withGuest();

  expect(machine.access(0x1fff, IPA, "read")).toMatchObject({ status: "no_stage2", pa: null, fault: null });
  expect(machine.translate(0x1fff, IPA, { kind: "read" })).toBeNull();
  expect(() => machine.access(vm, IPA + 0xffdn, "read", { bytes: 4 })).toThrow("an access stays within its page");
  expect(() => machine.access(vm, IPA, "write", { bytes: 1, value: 256n })).toThrow("value: 256 does not fit 1 bytes");
  expect(() => machine.access(vm, 1n << 64n, "read")).toThrow("ipa: ");
  expect(() => machine.access(0x10000, IPA, "read")).toThrow("65536 is no VM handle");
  expect(() => machine.accessPacked(new Uint8Array(24), 2, new Uint8Array(64))).toThrow("records: ");
  expect(() => machine.accessPacked(new Uint8Array(48), 2, new Uint8Array(32))).toThrow("answers: ");
});

test("packed accesses that cannot be are answered so, and change nothing", async () => {
  const { machine, vm } = await withGuest();
  const before = machine.snapshot().bytes;
  const record = new Uint8Array(ACCESS_RECORD_SIZE);
  const answer = new Uint8Array(ANSWER_SIZE);
  const view = new DataView(record.buffer);
  encodeAccess({ stage2: vm, ipa: IPA, kind: "write", value: 1n }, 4096, view, 0);
  for (const [at, byte] of [
    [18, 3],
    [18, 16],
    [18, 0],
  ] as const) {
    const bad = record.slice();
    bad[at] = byte;
    machine.accessPacked(bad, 1, answer);
    expect(answer[ANSWER_STATUS]).toBe(ANSWER_INVALID);
  }
  view.setBigUint64(0, IPA + 0xffcn, true);
  machine.accessPacked(record, 1, answer);

  expect(answer[ANSWER_STATUS]).toBe(ANSWER_INVALID);
  expect(Buffer.compare(machine.snapshot().bytes, before)).toBe(0);
});

test("more accesses than the core takes at a time", async () => {
  const { machine, vm } = await withGuest();
  const count = 40_000;
  const accesses = Array.from({ length: count }, (_, i): MemoryAccess => {
    return { stage2: vm, ipa: IPA + BigInt((i % 512) * 8), kind: i < 512 ? "write" : "read", value: BigInt(i) };
  });
  const values = machine.accessBatch(accesses).map(({ value }) => value);

  expect(values.slice(512)).toEqual(Array.from({ length: count - 512 }, (_, i) => BigInt(i % 512)));
});

test("the way through the tables, in words", async () => {
  const { machine, vm } = await withGuest();
  const { steps, pa, leaf, reads } = machine.translate(vm, IPA + 4n, { kind: "read" }) ?? {};

  expect(pa).toBe((GUEST_PFN << 12n) + 4n);
  expect(reads).toBe(3);
  expect(steps?.map(({ level }) => level)).toEqual([1, 2, 3]);
  expect(steps?.at(-1)?.descriptor).toBe(machine.leaf(vm, IPA)?.descriptor);
  expect(leaf).toMatchObject({ s2ap: 3, xn: 0, contiguous: false });
});

const kinds = fc.constantFrom("read", "write", "fetch", "atomic", "table_read", "table_update");
const someAccess = (vm: number): fc.Arbitrary<MemoryAccess> =>
  fc.record({
    stage2: fc.constantFrom("host" as const, vm, 0x1fff),
    ipa: fc
      .tuple(fc.constantFrom(IPA, GUEST_PFN << 12n, HOST_PA, 1n << 40n), fc.nat(511))
      .map(([base, i]) => base + BigInt(i * 8)),
    kind: kinds,
    el: fc.constantFrom(0, 1),
    value: fc.bigInt(0n, (1n << 64n) - 1n),
  });

test("a batch equals the same accesses one by one", async () => {
  const { machine, vm } = await withGuest();
  machine.apply(abortOf(HOST_PA, 0x92000006n, HOST_PA >> 8n));
  const start = machine.snapshot();
  fc.assert(
    fc.property(fc.array(someAccess(vm), { maxLength: 30 }), (accesses) => {
      machine.restore(start);
      const batch = machine.accessBatch(accesses);
      const after = machine.snapshot().bytes;
      machine.restore(start);
      const single = accesses.map(({ stage2, ipa, kind, ...options }) => machine.access(stage2, ipa, kind, options));
      expect(single).toEqual(batch);
      expect(Buffer.compare(machine.snapshot().bytes, after)).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("an answer says what the explained translation says", async () => {
  const { machine, vm } = await withGuest();
  fc.assert(
    fc.property(someAccess(vm), (access) => {
      const { status, pa, level, fault } = machine.accessBatch([access])[0] ?? {};
      const { kind, el = 1 } = access;
      const explained = machine.translate(access.stage2, access.ipa, { kind, el });
      if (explained === null) expect(status).toBe("no_stage2");
      else expect({ pa, level, fault }).toEqual({ pa: explained.pa, level: explained.level, fault: explained.fault });
    }),
    { numRuns: 200 },
  );
});
