// Faults, pins and files by what backs a page: reference host-and-vmm 2.5, 4.1, 4.2; the recordings of a real host, section 4.

import { describe, expect, test } from "vitest";
import { FilePage } from "../../src/consequences/host-memory.js";
import type { GuestMemoryFile } from "../../src/consequences/vm-driver.js";
import { hostRule } from "../../src/consequences/rule-table.js";
import type { Backing } from "../../src/scenario/scenario.js";
import { scriptedHost } from "./scripted-host.js";

const LOAD = { how: "user", kind: "load" } as const;
const STORE = { how: "user", kind: "store", value: 7n } as const;

function mapped(backing: Backing, content = 0n) {
  const scripted = scriptedHost({ refusal: "pkvm" });
  const vmm = scripted.host.createProcess({ name: "vmm", handlers: ["SIGSEGV", "SIGBUS"] });
  return { ...scripted, vmm, page: scripted.host.map(vmm, { name: "page", backing, content }) };
}

// prettier-ignore
test.each<[Backing, string | null, boolean]>([
  // backing              pin        swap-backed
  ["anonymous",          null,      true],
  ["huge",               null,      true],
  ["shared-anonymous",   null,      true],
  ["memfd",              null,      true],
  ["private-file",       null,      true],
  ["shared-file",        "EFAULT",  false],
  ["read-only",          "EFAULT",  true],
  // Pinned, but no swap-backed folio: KVM answers EIO.
  ["guest_memfd-shared", null,      false],
  ["guest_memfd",        "EFAULT",  false],
  ["none",               "EFAULT",  false],
])("2.5, observed 4: a long-term write pin of %s: %s", (backing, errno, swapBacked) => {
  const { host, page } = mapped(backing);
  const pin = host.pin(page);
  expect(pin.errno).toBe(errno);
  if (pin.errno === null) expect(pin.swapBacked).toBe(swapBacked);
});

test("observed 4: RLIMIT_MEMLOCK of 64 KiB: the 17th page is ENOMEM; unpinning gives the charge back", () => {
  const { host } = scriptedHost();
  const vmm = host.createProcess({ name: "vmm", memlock: 65536 });
  const page = (i: number) => host.map(vmm, { name: `ram[${i}]`, backing: "anonymous" });
  const pins = Array.from({ length: 17 }, (_, i) => host.pin(page(i)));
  expect(pins.map(({ errno }) => errno)).toEqual([...Array<null>(16).fill(null), "ENOMEM"]);

  const first = pins[0];
  if (first?.errno === null) host.unpin(vmm, first.frame);
  expect(host.pin(page(17)).errno).toBeNull();
});

test("2.5: a bad page is EHWPOISON to a pin", () => {
  const { host, vmm, page } = mapped("anonymous", 1n);
  host.call("madvise_hwpoison", vmm, [page]);
  expect(host.pin(page)).toEqual({ errno: "EHWPOISON" });
});

// prettier-ignore
test.each<[Backing, string, string]>([
  // backing       load                   store
  ["anonymous",    "ok",                  "ok"],
  ["memfd",        "ok",                  "ok"],
  ["private-file", "ok",                  "ok"],
  ["shared-file",  "ok",                  "ok"],
  ["read-only",    "ok",                  "SIGSEGV/SEGV_ACCERR"],
  ["none",         "SIGSEGV/SEGV_MAPERR", "SIGSEGV/SEGV_MAPERR"],
])("user space touches %s: load %s, store %s", (backing, load, store) => {
  const { host, vmm, page } = mapped(backing);
  expect(host.access(vmm, page, LOAD).result).toBe(load);
  expect(host.access(vmm, page, STORE).result).toBe(store);
});

test("a page of another process is not mapped in one's own address space", () => {
  const { host, page } = mapped("anonymous", 1n);
  const other = host.createProcess({ name: "other" });
  expect(host.access(other, page, LOAD)).toMatchObject({ result: "SIGSEGV/SEGV_MAPERR", died: ["other"] });
});

test("a private mapping of a file: a write goes to a copy, the file keeps its page", () => {
  const { host, hardware, vmm, page } = mapped("private-file");
  host.access(vmm, page, LOAD);
  const filePage = page.file?.frame;
  host.access(vmm, page, STORE);
  expect(page.frame).not.toBe(filePage);
  expect(hardware.contents.get(filePage?.pa ?? 0n)).toBe(0n);
});

test("fork shares an unpinned page until somebody writes", () => {
  const { host, driver, vmm, page } = mapped("anonymous", 5n);
  const { frame } = page;
  expect(host.call("fork", vmm, [page])).toMatchObject({ result: "ok", value: 5n });
  expect(driver.heard).toEqual(["protect page"]);
  // The child is gone: its parent keeps the page for itself.
  host.access(vmm, page, STORE);
  expect(page.frame).toBe(frame);
});

describe("4.2: guest_memfd", () => {
  // prettier-ignore
  test.each<[Backing, string, string, string, string]>([
    // inode               load                 store                write(pipe)  /proc/self/mem
    ["guest_memfd",        "SIGBUS/BUS_ADRERR", "SIGBUS/BUS_ADRERR", "EFAULT",    "EIO"],
    ["guest_memfd-shared", "ok",                "ok",                "ok",        "ok"],
  ])("%s: load %s, store %s, write %s, pread %s", (backing, load, store, write, pread) => {
    const { host, vmm, page } = mapped(backing);
    expect(host.access(vmm, page, LOAD).result).toBe(load);
    expect(host.access(vmm, page, STORE).result).toBe(store);
    expect(host.call("write", vmm, [page]).result).toBe(write);
    expect(host.call("pread_self_mem", vmm, [page]).result).toBe(pread);
  });

  test("private: the ESR record is that of an ordinary translation fault", () => {
    const { host, vmm, page, log } = mapped("guest_memfd");
    const syndromes = () => log.take().flatMap((entry) => (entry.kind === "syndrome" ? [entry.value] : []));
    host.access(vmm, page, LOAD);
    expect(syndromes()).toEqual(["0x92000007"]);
    host.access(vmm, page, STORE);
    expect(syndromes()).toEqual(["0x92000047"]);
  });

  test("the linear map reaches it all the same", () => {
    const { host, page, rules } = mapped("guest_memfd", 9n);
    rules();
    expect(page.file === null ? null : host.fileFrame(page.file)).not.toBeNull();
    expect(host.access("kernel", page, { how: "direct-map", kind: "load" })).toMatchObject({ result: "ok", value: 9n });
    expect(rules()).toContain("linux.linear-map.guest-memory");
  });

  // prettier-ignore
  test.each([
    ["fallocate",    "EOPNOTSUPP"],
    ["ftruncate",    "EINVAL"],
    ["pread_memfd",  "EINVAL"],
    ["pwrite_memfd", "EINVAL"],
    ["mmap_private", "EINVAL"],
  ])("%s on the descriptor: %s", (call, errno) => {
    for (const backing of ["guest_memfd", "guest_memfd-shared"] as const) {
      const { host, vmm, page } = mapped(backing);
      expect(host.call(call, vmm, [page]).result).toBe(errno);
    }
  });

  test.each(["punch_hole", "close_memfd"])("%s: drivers hear of it, then the folio is gone", (call) => {
    const { host, driver, vmm, page } = mapped("guest_memfd-shared", 9n);
    expect(host.call(call, vmm, [page]).result).toBe("ok");
    expect(driver.heard[0]).toBe("file");
    expect(page.file?.frame).toBeNull();
    expect(host.access(vmm, page, LOAD)).toMatchObject({ result: "ok", value: 0n });
  });

  test("a folio of it is not moved", () => {
    const { host, vmm, page } = mapped("guest_memfd-shared", 9n);
    expect(host.call("madvise_soft_offline", vmm, [page]).result).toBe("EBUSY");
  });
});

describe("6.5: a driver's own file of guest memory", () => {
  const rule = hostRule("test.file", "a file", "6.5", "S");
  const lent = (keepsFrame: boolean): GuestMemoryFile => ({
    name: "guest-memory file",
    mayMapToUser: () => ({ errno: "EFAULT", rule }),
    punchHole: () => ({ errno: keepsFrame ? null : "EBUSY", rule, keepsFrame }),
    refuses: () => ({ errno: "EINVAL", rule }),
  });

  test("lent: SIGBUS/BUS_ADRERR and EFAULT without any stage-2 event; no hole is punched", () => {
    const { host, hardware } = scriptedHost({ refusal: "gunyah" });
    const vmm = host.createProcess({ name: "vmm", handlers: ["SIGBUS"] });
    const page = host.map(vmm, { name: "page", backing: "guest_memfd", file: new FilePage(lent(false)) });
    expect(host.access(vmm, page, LOAD).result).toBe("SIGBUS/BUS_ADRERR");
    expect(host.call("write", vmm, [page]).result).toBe("EFAULT");
    expect(host.call("punch_hole", vmm, [page]).result).toBe("EBUSY");
    expect(hardware.aborts).toBe(0);
  });

  test("older code answers 0 to the hole without freeing the page", () => {
    const { host } = scriptedHost({ refusal: "gunyah" });
    const vmm = host.createProcess({ name: "vmm" });
    const file = new FilePage(lent(true));
    const page = host.map(vmm, { name: "page", backing: "guest_memfd", file });
    const frame = host.fileFrame(file);
    expect(host.call("punch_hole", vmm, [page]).result).toBe("ok");
    expect(file.frame).toBe(frame);
  });
});
