// Operations of the host on a donated page: the recordings of a real host, section 2, and reference host-and-vmm 1.8.

import { describe, expect, test } from "vitest";
import type { HostPage } from "../../src/consequences/host-memory.js";
import { CALL_DATA, HOST_CALL_NAMES, HOST_CALLS } from "../../src/consequences/host-calls.js";
import type { Process } from "../../src/consequences/processes.js";
import type { StepResult } from "../../src/consequences/result.js";
import { donated, scriptedHost, type Scripted, type ScriptedOptions } from "./scripted-host.js";

const SECRET = 0xa004n;

interface Scene extends Scripted {
  readonly vmm: Process;
  readonly page: HostPage;
  /** The frame that the guest has, as it was at the start. */
  readonly pa: bigint;
}

function scene(options: ScriptedOptions = {}, handlers: readonly string[] = ["SIGSEGV", "SIGBUS"]): Scene {
  const scripted = scriptedHost(options);
  const vmm = scripted.host.createProcess({ name: "vmm", handlers });
  const page = donated(scripted, vmm);
  return { ...scripted, vmm, page, pa: page.frame?.pa ?? 0n };
}

const load = ({ host, vmm, page }: Scene) => host.access(vmm, page, { how: "user", kind: "load" });

// prettier-ignore
test.each<[string, string, Partial<StepResult>, bigint]>([
  // action  call                  result for the host                                                     the guest's frame
  ["3",  "write",                { result: "EFAULT", bytes: null, value: null, forceReclaims: 0 },           SECRET],
  ["4",  "read",                 { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["5",  "process_vm_readv",     { result: "ok", bytes: 64, value: 0n, forceReclaims: 1 },                   0n],
  ["6",  "process_vm_writev",    { result: "ok", bytes: 64, forceReclaims: 1 },                              CALL_DATA],
  ["7",  "pread_self_mem",       { result: "ok", bytes: 64, value: 0n, forceReclaims: 1 },                   0n],
  ["8",  "vmsplice",             { result: "ok", bytes: 64, forceReclaims: 0 },                              SECRET],
  ["9",  "o_direct_write",       { result: "ok", bytes: 4096, value: SECRET, forceReclaims: 0 },             SECRET],
  ["10", "o_direct_read",        { result: "ok", bytes: 4096, forceReclaims: 0 },                            CALL_DATA],
  ["12", "madvise_dontneed",     { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["13", "munmap",               { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["14", "madvise_hwpoison",     { result: "SIGBUS/BUS_MCEERR_AR", forceReclaims: 0, died: [] },             SECRET],
  ["15", "mprotect_none",        { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["16", "futex_wait",           { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["18", "madvise_pageout",      { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["18", "compact_memory",       { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["19", "madvise_soft_offline", { result: "EBUSY", forceReclaims: 0 },                                      SECRET],
  ["22", "read_zero",            { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["23", "write_memfd",          { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["24", "rt_sigprocmask",       { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["24", "clock_gettime",        { result: "EFAULT", forceReclaims: 0 },                                     SECRET],
  ["25", "vfork",                { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["25", "mremap",               { result: "ok", forceReclaims: 0 },                                         SECRET],
  ["27", "kprobe_fetch",         { result: "ok", value: 0n, forceReclaims: 0 },                              SECRET],
])("observed 2, action %s: %s", (_, call, expected, content) => {
  const { host, hardware, vmm, page, pa } = scene();
  expect(host.call(call, vmm, [page])).toMatchObject({ died: [], ...expected });
  expect(hardware.contents.get(pa)).toBe(content);
});

// prettier-ignore
test.each([
  ["write", 2],
  ["read", 2],
  ["read_zero", 1],
  ["kprobe_fetch", 1],
])("observed 1 and 2: %s meets %i aborts", (call, aborts) => {
  const { host, hardware, vmm, page } = scene();
  host.call(call, vmm, [page]);
  expect(hardware.aborts).toBe(aborts);
});

describe("observed 2", () => {
  test("action 8: the reclaim comes when the pipe is read", () => {
    const { host, vmm, page } = scene();
    host.call("vmsplice", vmm, [page]);
    expect(host.call("read_pipe", vmm, [page])).toMatchObject({ result: "ok", bytes: 64, value: 0n, forceReclaims: 1 });
    expect(host.call("read_pipe", vmm, [page]).result).toBe("EAGAIN");
  });

  test("action 11: fork copies all pinned pages; the child reads zeros", () => {
    const scripted = scriptedHost();
    const vmm = scripted.host.createProcess({ name: "vmm" });
    const pages = Array.from({ length: 20 }, (_, i) => donated(scripted, vmm, `ram[${i}]`));
    scripted.host.map(vmm, { name: "own", backing: "anonymous", content: 1n });

    expect(scripted.host.call("fork", vmm, pages)).toMatchObject({
      result: "ok",
      value: 0n,
      forceReclaims: 20,
      died: [],
    });
  });

  test("action 12: after MADV_DONTNEED the host reads 0 from a fresh page", () => {
    const here = scene();
    here.host.call("madvise_dontneed", here.vmm, [here.page]);
    expect(load(here)).toMatchObject({ result: "ok", value: 0n, forceReclaims: 0 });
    expect(here.page.frame?.pa).not.toBe(here.pa);
  });

  test("action 14: after it, a load gives SIGBUS/4; where a huge page was behind it, SIGSEGV/2", () => {
    const small = scene();
    small.host.call("madvise_hwpoison", small.vmm, [small.page]);
    expect(load(small).result).toBe("SIGBUS/BUS_MCEERR_AR");

    const huge = scene();
    huge.page.backing = "huge";
    huge.host.call("madvise_hwpoison", huge.vmm, [huge.page]);
    expect(load(huge).result).toBe("SIGSEGV/SEGV_ACCERR");
  });

  test("action 15: under PROT_NONE a new page cannot be pinned", () => {
    const { host, vmm } = scene();
    const fresh = host.map(vmm, { name: "fresh", backing: "anonymous" });
    host.call("mprotect_none", vmm, [fresh]);
    expect(host.pin(fresh)).toEqual({ errno: "EFAULT" });
  });

  test("action 17: memslot changes are the driver's to answer", () => {
    const { host, driver, vmm, page } = scene();
    driver.refused.set("delete", "EPERM").set("dirty-logging", "EPERM").set("read-only", "EINVAL").set("move", "EPERM");
    const calls = ["memslot_delete", "memslot_dirty_logging", "memslot_read_only", "memslot_move", "memslot_add"];
    expect(calls.map((call) => host.call(call, vmm, [page]).result)).toEqual([
      "EPERM",
      "EPERM",
      "EINVAL",
      "EPERM",
      "ok",
    ]);
  });

  test("action 18: after MADV_PAGEOUT and compaction a load still gives SIGSEGV", () => {
    const here = scene();
    for (const call of ["madvise_pageout", "compact_memory"]) here.host.call(call, here.vmm, [here.page]);
    expect(load(here).result).toBe("SIGSEGV/SEGV_ACCERR");
    expect(here.page.frame?.pa).toBe(here.pa);
  });

  test("action 20: the fork seizes all pages, /proc/PID/mem then reads zeros", () => {
    const { host, vmm, page } = scene();
    expect(host.call("fork", vmm, [page]).forceReclaims).toBe(1);
    const other = host.createProcess({ name: "other" });
    expect(host.call("pread_pid_mem", other, [page])).toMatchObject({
      result: "ok",
      bytes: 64,
      value: 0n,
      forceReclaims: 0,
    });
  });

  test("action 21: once seized, the page is the host's again", () => {
    const here = scene();
    const { host, vmm, page } = here;
    expect(host.call("process_vm_readv", vmm, [page]).forceReclaims).toBe(1);
    expect(host.call("process_vm_readv", vmm, [page])).toMatchObject({ result: "ok", value: 0n, forceReclaims: 0 });
    expect(load(here)).toMatchObject({ result: "ok", value: 0n });
    expect(host.access(vmm, page, { how: "user", kind: "store", value: 5n }).result).toBe("ok");
  });

  test("action 23: writev stops before the bad page", () => {
    const { host, vmm, page } = scene();
    const good = host.map(vmm, { name: "good", backing: "anonymous", content: 1n });
    expect(host.call("writev_memfd", vmm, [good, page])).toMatchObject({ result: "ok", bytes: 4096 });
    expect(host.call("writev_memfd", vmm, [page, good]).result).toBe("EFAULT");
  });

  test("action 25: after mremap a load at the new address gives SIGSEGV there", () => {
    const here = scene();
    const old = here.page.va;
    here.host.call("mremap", here.vmm, [here.page]);
    expect(here.page.va).not.toBe(old);
    expect(load(here).signal).toEqual({ name: "SIGSEGV", code: "SEGV_ACCERR", address: here.page.va });
  });

  test("action 26: killed by the fault; the core dump seizes what it reads", () => {
    const here = scene({}, []);
    here.host.call("setrlimit_core", here.vmm, []);
    expect(load(here)).toMatchObject({ result: "SIGSEGV/SEGV_ACCERR", died: ["vmm"], forceReclaims: 1 });
    expect(here.hardware.contents.get(here.pa)).toBe(0n);
  });
});

// prettier-ignore
test.each<[string, Partial<StepResult>, bigint]>([
  ["pwrite_self_mem", { result: "ok", bytes: 64, forceReclaims: 1 },      CALL_DATA],
  ["read_kcore",      { result: "ok", value: 0n, forceReclaims: 0 },      SECRET],
  ["stat_path",       { result: "EFAULT", forceReclaims: 0 },             SECRET],
  ["hibernate",       { result: "ok", forceReclaims: 1 },                 0n],
  ["kexec_copy",      { result: "ok", forceReclaims: 1 },                 0n],
  ["page_poison",     { result: "ok", forceReclaims: 1 },                 CALL_DATA],
])("1.8: %s", (call, expected, content) => {
  const { host, hardware, vmm, page, pa } = scene();
  expect(host.call(call, vmm, [page])).toMatchObject(expected);
  expect(hardware.contents.get(pa)).toBe(content);
});

describe("1.8", () => {
  test("fork with MADV_DONTFORK on the range: intact", () => {
    const { host, hardware, vmm, page, pa } = scene();
    host.call("madvise_dontfork", vmm, [page]);
    expect(host.call("fork", vmm, [page])).toMatchObject({ result: "ok", value: null, forceReclaims: 0 });
    expect(hardware.contents.get(pa)).toBe(SECRET);
  });

  test("KSM scans mergeable memory only", () => {
    const { host, vmm, page } = scene();
    expect(host.call("ksm_scan", "kernel", []).forceReclaims).toBe(0);
    host.call("madvise_mergeable", vmm, [page]);
    expect(host.call("ksm_scan", "kernel", []).forceReclaims).toBe(1);
  });

  test("pread on the memfd that backs the page: zeros", () => {
    const scripted = scriptedHost();
    const vmm = scripted.host.createProcess({ name: "vmm" });
    const page = scripted.host.map(vmm, { name: "page", backing: "memfd", content: SECRET });
    const pin = scripted.host.pin(page);
    if (pin.errno === null) scripted.hardware.taken.add(pin.pa);
    expect(scripted.host.call("pread_memfd", vmm, [page])).toMatchObject({
      result: "ok",
      bytes: 64,
      value: 0n,
      forceReclaims: 1,
    });
  });

  test("page pinned while shared, later unshared, then read through the pin", () => {
    const { host, hardware, vmm, page, pa } = scene();
    hardware.taken.delete(pa);
    host.call("vmsplice", vmm, [page]);
    hardware.taken.add(pa);
    expect(host.call("read_pipe", vmm, [page])).toMatchObject({ value: 0n, forceReclaims: 1 });
  });

  test("what was not looked into is marked as such", () => {
    const marks = HOST_CALLS.filter(({ name }) => ["hibernate", "kexec_copy", "page_poison"].includes(name));
    expect(marks.map(({ rule }) => rule.citation.mark)).toEqual(["U", "U", "U"]);
  });
});

test("3: shared pages work for every call", () => {
  const { host, hardware, vmm, page, pa } = scene();
  hardware.taken.delete(pa);
  expect(host.call("write", vmm, [page])).toMatchObject({ result: "ok", bytes: 64, value: SECRET });
  expect(host.call("process_vm_readv", vmm, [page])).toMatchObject({ result: "ok", bytes: 64, value: SECRET });
  expect(host.call("futex_wait", vmm, [page]).result).toBe("EAGAIN");
});

test("1.7: read(2) into two pages of which the second is refused: a short count", () => {
  const { host, vmm, page } = scene();
  const good = host.map(vmm, { name: "good", backing: "anonymous" });
  expect(host.call("read", vmm, [good, page])).toMatchObject({ result: "ok", bytes: 4096 });
});

// prettier-ignore
test.each<[string, string, readonly string[]]>([
  ["write",            "oops", ["vmm"]],
  ["process_vm_readv", "oops", ["vmm"]],
  ["fork",             "oops", ["vmm"]],
])("6.2: over Gunyah %s ends the process: %s", (call, result, died) => {
  const { host, hardware, vmm, page, pa } = scene({ refusal: "gunyah" });
  expect(host.call(call, vmm, [page])).toMatchObject({ result, died, forceReclaims: 0 });
  expect(hardware.contents.get(pa)).toBe(SECRET);
});

test("7.5: behind an IOMMU that mirrors stage 2 the transfer is blocked", () => {
  const { host, vmm, page } = scene({ diskIommu: "stage2" });
  expect(host.call("o_direct_write", vmm, [page])).toMatchObject({ result: "I/O error", value: null });
});

test("2.9: boot memory cannot be taken offline", () => {
  expect(scene().host.call("offline_memory", "kernel", []).result).toBe("EPERM");
});

test("2.6: drivers hear of what happens to the address space", () => {
  const { host, driver, vmm } = scene();
  const page = (name: string) => host.map(vmm, { name, backing: "anonymous", content: 1n });
  host.call("madvise_dontneed", vmm, [page("a")]);
  host.call("munmap", vmm, [page("b")]);
  host.call("map_fixed", vmm, [page("c")]);
  host.call("mprotect_none", vmm, [page("d")]);
  host.call("mremap", vmm, [page("e")]);
  host.call("madvise_soft_offline", vmm, [page("f")]);
  expect(driver.heard).toEqual(["unmap a", "unmap b", "replace c", "protect d", "move e", "replace f"]);
});

test("7.10: MAP_FIXED puts another page at the address", () => {
  const here = scene();
  here.host.call("map_fixed", here.vmm, [here.page]);
  expect(here.host.access(here.vmm, here.page, { how: "user", kind: "store", value: 0x2222n }).result).toBe("ok");
  expect(load(here).value).toBe(0x2222n);
  expect(here.hardware.contents.get(here.pa)).toBe(SECRET);
});

test("7.13: a hole in the memfd: the host reads a fresh zero page", () => {
  const scripted = scriptedHost();
  const vmm = scripted.host.createProcess({ name: "vmm" });
  const page = scripted.host.map(vmm, { name: "page", backing: "memfd", content: SECRET });
  const pin = scripted.host.pin(page);
  expect(scripted.host.call("punch_hole", vmm, [page]).result).toBe("ok");
  expect(scripted.host.access(vmm, page, { how: "user", kind: "load" })).toMatchObject({ result: "ok", value: 0n });
  expect(pin.errno === null && scripted.hardware.contents.get(pin.pa)).toBe(SECRET);
});

test("every call has a name and a rule of its own", () => {
  expect(new Set(HOST_CALL_NAMES).size).toBe(HOST_CALLS.length);
  expect(new Set(HOST_CALLS.map(({ rule }) => rule.id)).size).toBe(HOST_CALLS.length);
});

test("a call that is none, or lacks what it acts on, is no such verb", () => {
  const { host, vmm, page } = scene();
  expect(host.call("open_sesame", vmm, [page])).toMatchObject({
    result: "no such verb",
    why: "the host has no call open_sesame",
  });
  expect(host.call("punch_hole", vmm, [page])).toMatchObject({
    result: "no such verb",
    why: "punch_hole: no file is behind the page",
  });
  expect(host.call("write", vmm, [])).toMatchObject({ result: "no such verb", why: "write: it needs a page" });
});
