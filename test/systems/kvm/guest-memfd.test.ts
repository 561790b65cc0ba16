// guest_memfd on a plain KVM host, row by row: reference host-and-vmm sections 4.1 and 4.2, and the guest_memfd rows of
// OBSERVED.md section 4 that speak of VMs that are not protected.

import { beforeEach, describe, expect, test } from "vitest";
import type { Machine } from "../../../src/machine/machine.js";
import {
  aHost,
  createFile,
  createVm,
  fault,
  FOLIOS,
  GPA,
  guestAccess,
  INIT_SHARED,
  KEEP_SIZE,
  MMAP,
  must,
  PAGE,
  PUNCH_HOLE,
  READ,
  region,
  result,
  withFile,
} from "./kvm-host.js";

const SHARED = MMAP | INIT_SHARED;

let machine: Machine;
beforeEach(async () => {
  machine = await aHost();
});

/** Where the host's page of a file is; throws unless it can be mapped. */
function hostMap(fd: number, offset: bigint): bigint {
  const { hostMap } = must(machine, { op: "gmem_host_fault", fd, offset }).details;
  if (hostMap === undefined) throw new Error("the fault leads nowhere");
  return hostMap;
}

const punch = (fd: number, offset: bigint, size = PAGE) =>
  must(machine, { op: "gmem_fallocate", fd, mode: KEEP_SIZE | PUNCH_HOLE, offset, size });

/** Writes through the guest and answers where the page is. */
function guestPage(vm: number, value: bigint, ipa = GPA): bigint {
  expect(guestAccess(machine, vm, ipa, "write", value)).toBe(0n);
  return machine.access(vm, ipa, "read").pa as bigint;
}

// prettier-ignore
test.each<[row: string, size: bigint, flags: bigint, answer: string]>([
  ["4.1 flags at creation: MMAP",                   PAGE, 1n,        "1"],
  ["4.1 flags at creation: INIT_SHARED",            PAGE, 2n,        "1"],
  ["4.1 flags at creation: both",                   PAGE, 3n,        "1"],
  ["4.2 create with flags 0: ok",                   PAGE, 0n,        "1"],
  ["4.1 others -EINVAL",                            PAGE, 4n,        "EINVAL"],
  ["4.1 others -EINVAL, before the size",           0n,   1n << 63n, "EINVAL"],
  ["no size",                                       0n,   1n,        "EINVAL"],
  ["half a page",                                   2048n, 1n,       "EINVAL"],
  ["a negative size",                               1n << 63n, 1n,   "EINVAL"],
])("%s", (_row, size, flags, answer) => {
  const vm = createVm(machine);

  expect(result(machine.apply({ op: "kvm_create_guest_memfd", vm, size, flags }))).toBe(answer);
});

describe("4.2, columns private and shared", () => {
  describe.each([
    ["private", MMAP],
    ["shared", SHARED],
  ])("%s", (_column, flags) => {
    let vm: number;
    let fd: number;
    beforeEach(() => {
      ({ vm, fd } = withFile(machine, flags));
    });

    test("mmap: ok", () => {
      expect(machine.apply({ op: "gmem_mmap", fd, offset: 0n, size: PAGE, shared: true }).ret).toBe(0);
    });

    test("mmap MAP_PRIVATE: -EINVAL", () => {
      const outcome = machine.apply({ op: "gmem_mmap", fd, offset: 0n, size: PAGE, shared: false });
      expect([outcome.errno, outcome.reason]).toEqual(["EINVAL", "gmem_map_private"]);
    });

    test("guest access: a page of zeros is allocated, and works", () => {
      const stale = 0x4300_0000n;
      machine.writePage(stale, Uint8Array.of(0x55));
      expect(guestAccess(machine, vm, GPA, "read")).toBe(0n);
      expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
      expect(machine.access(vm, GPA, "read")).toMatchObject({ pa: stale, value: 7n });
      expect(guestAccess(machine, vm, GPA, "fetch")).toBe(7n);
    });

    test("the kernel's direct map reads and writes the page (4.1)", () => {
      const pa = guestPage(vm, 7n);
      expect(machine.access("host", pa, "write", { value: 9n }).value).toBe(7n);
      expect(machine.access(vm, GPA, "read").value).toBe(9n);
    });

    test("punch hole: unmapped from the guest, page freed; the next access gets a fresh zero page", () => {
      guestPage(vm, 7n);
      const kinds = punch(fd, 0n).effects.map(({ kind }) => kind);
      expect(kinds.indexOf("descriptor")).toBeLessThan(kinds.indexOf("folio"));
      expect(kinds).toContain("tlbi_ipa");
      expect(machine.access(vm, GPA, "read").status).toBe("fault");
      expect(guestAccess(machine, vm, GPA, "read")).toBe(0n);
    });

    test("a page that was freed keeps its content until it is used again", () => {
      const pa = guestPage(vm, 7n);
      punch(fd, 0n);
      expect(machine.access("host", pa, "read").value).toBe(7n);
    });

    test("punch hole of nothing: success", () => {
      expect(punch(fd, 0n, 16n * PAGE).effects.filter(({ kind }) => kind === "folio")).toEqual([]);
    });

    // prettier-ignore
    test.each<[row: string, mode: bigint, errno: string]>([
      ["fallocate mode 0: -EOPNOTSUPP",              0n,         "EOPNOTSUPP"],
      ["punch hole, KEEP_SIZE required",             PUNCH_HOLE, "EOPNOTSUPP"],
      ["an unknown mode",                            9n,         "EOPNOTSUPP"],
    ])("%s", (_row, mode, errno) => {
      expect(machine.apply({ op: "gmem_fallocate", fd, mode, offset: 0n, size: PAGE }).errno).toBe(errno);
    });

    test("fallocate KEEP_SIZE allocates within the file", () => {
      must(machine, { op: "gmem_fallocate", fd, mode: KEEP_SIZE, offset: 0n, size: 2n * PAGE });
      const beyond = machine.apply({ op: "gmem_fallocate", fd, mode: KEEP_SIZE, offset: 15n * PAGE, size: 2n * PAGE });
      expect([beyond.errno, beyond.reason]).toEqual(["EINVAL", "gmem_beyond_size"]);
    });

    test("ftruncate, read, write: -EINVAL", () => {
      expect(machine.apply({ op: "gmem_ftruncate", fd, size: 0n }).errno).toBe("EINVAL");
      expect(machine.apply({ op: "gmem_read", fd, offset: 0n, size: 8n }).errno).toBe("EINVAL");
      expect(machine.apply({ op: "gmem_write", fd, offset: 0n, size: 8n }).errno).toBe("EINVAL");
    });

    test("migration of a folio: refused (4.1)", () => {
      expect(machine.apply({ op: "gmem_migrate_folio", fd, offset: 0n }).errno).toBe("EINVAL");
    });

    test("bind a second slot to the same range: -EEXIST", () => {
      const second = region({ vm, slot: 1, gpa: GPA + 0x100_0000n, pages: 1n, fd, offset: 15n * PAGE });
      const outcome = machine.apply(second);
      expect([outcome.errno, outcome.reason, outcome.found]).toEqual(["EEXIST", "gmem_bound", 0]);
    });

    test("close(fd), then guest access: KVM_RUN EFAULT with exit reason 39, gpa, size 0x1000", () => {
      const pa = guestPage(vm, 7n);
      must(machine, { op: "gmem_close", fd });
      const outcome = machine.apply(fault({ vm, esr: READ, ipa: GPA + 8n }));
      expect([outcome.errno, outcome.reason]).toEqual(["EFAULT", "gmem_file_gone"]);
      expect(outcome.details.runExit).toEqual({ reason: 39, gpa: GPA, size: PAGE });
      expect(machine.access("host", pa, "read").value).toBe(7n);
      expect(machine.apply({ op: "gmem_read", fd, offset: 0n, size: 8n }).errno).toBe("EBADF");
    });

    test("fault beyond size: SIGBUS", () => {
      const outcome = machine.apply({ op: "gmem_host_fault", fd, offset: 16n * PAGE });
      expect([outcome.errno, outcome.reason]).toEqual(["EFAULT", "gmem_beyond_size"]);
    });

    test("hardware poison: the file keeps the page, guest access -EHWPOISON with exit reason 39 (4.1)", () => {
      guestPage(vm, 7n);
      must(machine, { op: "gmem_memory_failure", fd, offset: 0n });
      const outcome = machine.apply(fault({ vm, esr: READ, ipa: GPA }));
      expect([outcome.errno, outcome.details.runExit?.reason]).toEqual(["EHWPOISON", 39]);
    });

    test("the VMM dies: pages return to the allocator without zeroing, and are cleared for their next user", () => {
      const pa = guestPage(vm, 7n);
      must(machine, { op: "kvm_destroy_vm", vm });
      expect(machine.vms()).toMatchObject([{ vm, state: "dying" }]);
      must(machine, { op: "gmem_close", fd });
      expect(machine.vms()).toEqual([]);
      expect(machine.access("host", pa, "read").value).toBe(7n);

      const next = withFile(machine, flags);
      expect(guestAccess(machine, next.vm, GPA, "read")).toBe(0n);
      expect(machine.access(next.vm, GPA, "read").pa).toBe(pa);
    });
  });

  test("private, host load or store: SIGBUS", () => {
    const { fd } = withFile(machine, MMAP);
    const outcome = machine.apply({ op: "gmem_host_fault", fd, offset: 0n });
    expect([outcome.errno, outcome.reason]).toEqual(["EFAULT", "gmem_private"]);
  });

  test("shared, host load or store: works, on the guest's page", () => {
    const { vm, fd } = withFile(machine, SHARED);
    const pa = hostMap(fd, PAGE + 8n);
    machine.access("host", pa, "write", { value: 5n });
    expect(guestAccess(machine, vm, GPA + PAGE, "read")).toBe(5n);
    expect(guestAccess(machine, vm, GPA + PAGE, "write", 6n)).toBe(5n);
    expect(hostMap(fd, PAGE)).toBe(pa);
    expect(machine.access("host", pa, "read").value).toBe(6n);
  });

  test("shared, punch hole: the host's mapping goes as well", () => {
    const { fd } = withFile(machine, SHARED);
    const pa = hostMap(fd, 0n);
    expect(punch(fd, 0n).effects).toContainEqual({
      ...{ kind: "folio", fd, offset: 0n, before: pa, after: null },
      hostUnmapped: true,
    });
  });

  test("munmap of the host mapping: no effect on the guest", () => {
    const { vm, fd } = withFile(machine, SHARED);
    hostMap(fd, 0n);
    guestPage(vm, 7n);
    must(machine, { op: "kvm_unmap_gfn_range", vm, gfn: GPA / PAGE, nr: 16 });
    expect(guestAccess(machine, vm, GPA, "read")).toBe(7n);
  });

  // prettier-ignore
  test.each<[flags: bigint, what: string]>([
    [0n,          "create with flags 0"],
    [INIT_SHARED, "OBSERVED 4: guest_memfd without MMAP"],
  ])("flags %i, %s: mmap -ENODEV, memslot -EINVAL", (flags) => {
    const vm = createVm(machine);
    const fd = createFile(machine, vm, flags);
    const mapped = machine.apply({ op: "gmem_mmap", fd, offset: 0n, size: PAGE, shared: true });
    expect([mapped.errno, mapped.reason]).toEqual(["ENODEV", "gmem_no_mmap"]);
    const bound = machine.apply(region({ vm, fd }));
    expect([bound.errno, bound.reason]).toEqual(["EINVAL", "gmem_no_mmap"]);
  });
});

test("OBSERVED 4: guest_memfd with MMAP and INIT_SHARED in a VM that is not protected works", () => {
  const { vm } = withFile(machine, SHARED);
  expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
  expect(guestAccess(machine, vm, GPA, "read")).toBe(7n);
});

test("two slots may share a file if their ranges do not overlap; a hole reaches both", () => {
  const vm = createVm(machine);
  const fd = createFile(machine, vm, MMAP);
  must(machine, region({ vm, slot: 0, fd, pages: 8n }));
  must(machine, region({ vm, slot: 1, fd, pages: 8n, gpa: GPA + 0x100_0000n, offset: 8n * PAGE }));
  guestPage(vm, 7n, GPA + 7n * PAGE);
  guestPage(vm, 8n, GPA + 0x100_0000n);
  punch(fd, 7n * PAGE, 2n * PAGE);
  expect(guestAccess(machine, vm, GPA + 7n * PAGE, "read")).toBe(0n);
  expect(guestAccess(machine, vm, GPA + 0x100_0000n, "read")).toBe(0n);
});

test("a deleted slot frees the range for another", () => {
  const { vm, fd } = withFile(machine, MMAP);
  guestPage(vm, 7n);
  must(machine, region({ vm, pages: 0n }));
  expect(machine.access(vm, GPA, "read").status).toBe("fault");
  must(machine, region({ vm, slot: 3, fd, gpa: 2n * GPA }));
  expect(guestAccess(machine, vm, 2n * GPA, "read")).toBe(7n);
});

test("a file of another VM cannot be bound; its pages run out together with everyone's", () => {
  const { vm } = withFile(machine, MMAP);
  const other = createVm(machine);
  const fd = createFile(machine, other, MMAP, 32n);
  expect(machine.apply(region({ vm, slot: 1, gpa: 2n * GPA, fd })).reason).toBe("gmem_other_vm");
  const outcome = machine.apply({ op: "gmem_fallocate", fd, mode: KEEP_SIZE, offset: 0n, size: 32n * PAGE });
  expect([outcome.errno, outcome.reason, outcome.subject]).toEqual(["ENOMEM", "kvm_no_folio", BigInt(FOLIOS) * PAGE]);
});

test("sparse files: pages at both ends, then a hole over all of it", () => {
  const vm = createVm(machine);
  const pages = 1n << 40n;
  const fd = must(machine, { op: "kvm_create_guest_memfd", vm, size: pages * PAGE, flags: SHARED }).ret;
  const offsets = [0n, 63n, 64n, 4096n, pages - 1n].map((page) => page * PAGE);
  const places = offsets.map((offset) => hostMap(fd, offset));
  expect(new Set(places).size).toBe(offsets.length);
  expect(offsets.map((offset) => hostMap(fd, offset))).toEqual(places);

  const freed = punch(fd, PAGE, (pages - 1n) * PAGE).effects.filter((effect) => effect.kind === "folio");
  expect(freed.map(({ offset }) => offset)).toEqual(offsets.slice(1));
  expect(hostMap(fd, 0n)).toBe(places[0]);
});
