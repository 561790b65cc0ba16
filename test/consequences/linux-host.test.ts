// What parties see when the host touches a page that is a guest's: reference host-and-vmm 1.7, 6.2, 7.2 to 7.4; deaths.

import { expect, test } from "vitest";
import type { HostAccess } from "../../src/consequences/linux-host.js";
import { donated, scriptedHost, type ScriptedOptions } from "./scripted-host.js";

const SECRET = 0xa004n;

interface Seen {
  readonly result: string;
  readonly value?: bigint | null;
  readonly forceReclaims?: number;
  readonly died?: readonly string[];
  /** What is in the frame afterwards. */
  readonly frame: bigint;
}

/** One touch of a donated page by its VMM, or by a kernel thread for accesses through the linear map. */
function touch(options: ScriptedOptions, access: HostAccess, handlers: string[] = []): Seen & { aborts: number } {
  const scripted = scriptedHost(options);
  const vmm = scripted.host.createProcess({ name: "vmm", handlers });
  const page = donated(scripted, vmm);
  const { pa } = page.frame ?? { pa: 0n };
  const by = access.how === "user" || access.how === "uaccess" ? vmm : "kernel";
  const { result, value, forceReclaims, died } = scripted.host.access(by, page, access);
  const frame = scripted.hardware.contents.get(pa) ?? 0n;
  return { result, value, forceReclaims, died, frame, aborts: scripted.hardware.aborts };
}

const quiet = { forceReclaims: 0, died: [] };

// prettier-ignore
test.each<[string, HostAccess, Omit<Seen, "frame"> & { frame: bigint }]>([
  ["EL0 load",                    { how: "user", kind: "load" },                   { result: "SIGSEGV/SEGV_ACCERR", value: null, ...quiet, frame: SECRET }],
  ["EL0 store",                   { how: "user", kind: "store", value: 1n },       { result: "SIGSEGV/SEGV_ACCERR", value: null, ...quiet, frame: SECRET }],
  ["EL0 fetch",                   { how: "user", kind: "fetch" },                  { result: "SIGSEGV/SEGV_ACCERR", value: null, ...quiet, frame: SECRET }],
  ["EL1 uaccess load",            { how: "uaccess", kind: "load" },                { result: "EFAULT", value: null, ...quiet, frame: SECRET }],
  ["EL1 uaccess store",           { how: "uaccess", kind: "store", value: 1n },    { result: "EFAULT", value: null, ...quiet, frame: SECRET }],
  ["EL1 nofault load",            { how: "nofault", kind: "load" },                { result: "EFAULT", value: 0n, ...quiet, frame: SECRET }],
  ["EL1 BPF probe read",          { how: "bpf", kind: "load" },                    { result: "ok", value: 0n, ...quiet, frame: SECRET }],
  ["EL1 zeropad crossing into",   { how: "zeropad", kind: "load" },                { result: "ok", value: 0n, ...quiet, frame: SECRET }],
  ["EL1 zeropad starting within", { how: "zeropad", kind: "load", offset: 13 },    { result: "ok", value: 0n, forceReclaims: 1, died: [], frame: 0n }],
  ["EL1 direct-map load",         { how: "direct-map", kind: "load" },             { result: "ok", value: 0n, forceReclaims: 1, died: [], frame: 0n }],
  ["EL1 direct-map store",        { how: "direct-map", kind: "store", value: 7n }, { result: "ok", value: null, forceReclaims: 1, died: [], frame: 7n }],
  ["EL1 fetch",                   { how: "direct-map", kind: "fetch" },            { result: "oops", value: null, forceReclaims: 0, died: ["kernel"], frame: SECRET }],
])("1.7: %s", (_, access, expected) => {
  expect(touch({}, access, ["SIGSEGV"])).toMatchObject(expected);
});

test.each([
  ["load", 2],
  ["store", 2],
] as const)("observed 1: a uaccess %s gives %i aborts", (kind, aborts) => {
  expect(touch({}, { how: "uaccess", kind }).aborts).toBe(aborts);
});

test("1.7: a page of the hypervisor: the hypercall says -EPERM, the kernel dies", () => {
  const { host, hardware } = scriptedHost();
  const page = host.kernelPage("hyp", 0x4800_0000n);
  hardware.taken.add(0x4800_0000n);
  hardware.reclaim = -1;

  expect(host.access("kernel", page, { how: "nofault", kind: "load" })).toMatchObject({ result: "EFAULT", value: 0n });
  expect(host.access("kernel", page, { how: "direct-map", kind: "load" })).toMatchObject({
    result: "oops",
    died: ["kernel"],
  });
});

test("1.7: the page came back meanwhile: -EAGAIN, silent retry, nothing seized", () => {
  const scripted = scriptedHost();
  const { host, hardware } = scripted;
  const page = donated(scripted, host.createProcess({ name: "vmm" }));
  hardware.reclaim = -11;
  hardware.script.push({ kind: "abort", esr: 0x9600_0087n, far: null });
  hardware.taken.clear();

  expect(host.access("kernel", page, { how: "direct-map", kind: "load" })).toMatchObject({
    result: "ok",
    value: SECRET,
    forceReclaims: 0,
  });
});

test("1.7: already seized: no abort at all", () => {
  const scripted = scriptedHost();
  const page = donated(scripted, scripted.host.createProcess({ name: "vmm" }));
  const load = { how: "direct-map", kind: "load" } as const;
  scripted.host.access("kernel", page, load);
  const { aborts } = scripted.hardware;

  expect(scripted.host.access("kernel", page, load)).toMatchObject({ result: "ok", value: 0n, forceReclaims: 0 });
  expect(scripted.hardware.aborts).toBe(aborts);
});

// prettier-ignore
test.each<[string, HostAccess, string, readonly string[]]>([
  ["EL0 load",    { how: "user", kind: "load" },          "SIGBUS/BUS_OBJERR", []],
  ["EL0 store",   { how: "user", kind: "store" },         "SIGBUS/BUS_OBJERR", []],
  ["EL0 fetch",   { how: "user", kind: "fetch" },         "SIGBUS/BUS_OBJERR", []],
  ["uaccess",     { how: "uaccess", kind: "load" },       "oops",              ["vmm"]],
  ["zeropad",     { how: "zeropad", kind: "load" },       "oops",              ["kernel"]],
  ["direct map",  { how: "direct-map", kind: "load" },    "oops",              ["kernel"]],
])("6.2: over Gunyah, %s: %s", (_, access, result, died) => {
  expect(touch({ refusal: "gunyah" }, access, ["SIGBUS"])).toMatchObject({ result, died, frame: SECRET });
});

test("6.2: the external abort of EL0 taints the kernel and tells the address", () => {
  const scripted = scriptedHost({ refusal: "gunyah" });
  const vmm = scripted.host.createProcess({ name: "vmm", handlers: ["SIGBUS"] });
  const page = donated(scripted, vmm);
  scripted.log.take();

  const { signal } = scripted.host.access(vmm, page, { how: "user", kind: "load" });

  expect(signal).toEqual({ name: "SIGBUS", code: "BUS_OBJERR", address: page.va });
  expect(scripted.log.take()).toContainEqual({ kind: "saw", party: "kernel", text: "tainted: M (machine check)" });
});

// prettier-ignore
test.each<[string, HostAccess, string]>([
  ["zeropad is fixed up",        { how: "zeropad", kind: "load" },     "ok"],
  ["a no-fault read as well",    { how: "nofault", kind: "load" },     "EFAULT"],
  ["any other access: oops",     { how: "direct-map", kind: "load" },  "oops"],
])("6.2, 6.5: out of the linear map, %s", (_, access, result) => {
  const scripted = scriptedHost({ refusal: "gunyah" });
  const page = donated(scripted, scripted.host.createProcess({ name: "vmm" }));
  if (page.frame !== null) scripted.host.setDirectMap(page.frame, false);
  scripted.log.take();

  expect(scripted.host.access("kernel", page, access).result).toBe(result);
  expect(scripted.hardware.aborts).toBe(0);
  if (result === "oops") {
    expect(scripted.log.take()).toContainEqual({ kind: "saw", party: "kernel", text: "Oops: paging request" });
  }
});

// prettier-ignore
test.each<[string, HostAccess, string, readonly string[]]>([
  ["EL0 load",    { how: "user", kind: "load" },        "SIGSEGV/SEGV_ACCERR", ["vmm"]],
  ["uaccess",     { how: "uaccess", kind: "load" },     "EFAULT",              []],
  ["direct map",  { how: "direct-map", kind: "load" },  "oops",                ["kernel"]],
])("5: Android, %s: %s; the guest keeps its page", (_, access, result, died) => {
  expect(touch({ kernel: "android-6.12" }, access)).toMatchObject({ result, died, forceReclaims: 0, frame: SECRET });
});

test.each([
  ["SIGSEGV unhandled", [], ["vmm"]],
  ["SIGSEGV handled", ["SIGSEGV"], []],
])("1.3: the signal is forced: %s", (_, handlers, died) => {
  expect(touch({}, { how: "user", kind: "load" }, handlers).died).toEqual(died);
});

test("1.3: the signal frame's ESR record is that of an earlier fault, or absent", () => {
  const scripted = scriptedHost();
  const { host } = scripted;
  const vmm = host.createProcess({ name: "vmm", handlers: ["SIGSEGV"] });
  const page = donated(scripted, vmm);
  const hole = host.map(vmm, { name: "hole", backing: "none" });

  host.access(vmm, page, { how: "user", kind: "load" });
  expect(vmm.recordedEsr).toBeNull();
  host.access(vmm, hole, { how: "user", kind: "load" });
  host.access(vmm, page, { how: "user", kind: "fetch" });
  expect(vmm.recordedEsr).toBe(0x9200_0007n);
});

test("a dead process does nothing any more; its VMs go first, then its pages", () => {
  const scripted = scriptedHost();
  const { host, driver } = scripted;
  const vmm = host.createProcess({ name: "vmm" });
  const page = host.map(vmm, { name: "page", backing: "anonymous", content: 1n });

  expect(host.kill(vmm)).toMatchObject({ result: "ok", died: ["vmm"] });
  expect(driver.heard).toEqual(["exit vmm"]);
  expect(page.frame).toBeNull();
  expect(host.access(vmm, page, { how: "user", kind: "load" }).result).toBe("not run");
  expect(host.kill(vmm).result).toBe("not run");
});

test("panic_on_oops: an oops is the end of everybody", () => {
  const scripted = scriptedHost({ refusal: "gunyah", panicOnOops: true });
  const { host } = scripted;
  const vmm = host.createProcess({ name: "vmm" });
  const page = donated(scripted, vmm);

  expect(host.access("kernel", page, { how: "direct-map", kind: "load" })).toMatchObject({
    result: "oops",
    died: ["kernel", "vmm"],
  });
  expect(host.access("kernel", page, { how: "direct-map", kind: "load" }).result).toBe("machine stopped");
});

test("the hypervisor stops: so does everything", () => {
  const { host, hardware } = scriptedHost();
  const vmm = host.createProcess({ name: "vmm" });
  const page = host.map(vmm, { name: "page", backing: "anonymous", content: 1n });
  hardware.script.push({ kind: "stopped", why: "EL2 panicked" });

  expect(host.access(vmm, page, { how: "user", kind: "load" })).toMatchObject({
    result: "machine stopped",
    died: ["hypervisor"],
  });
  expect(host.access(vmm, page, { how: "user", kind: "load" }).result).toBe("machine stopped");
});

test("1.1: an access that is retried for ever", () => {
  const { host, hardware } = scriptedHost();
  const vmm = host.createProcess({ name: "vmm" });
  const page = host.map(vmm, { name: "page", backing: "anonymous", content: 1n });
  hardware.script.push({ kind: "spins" });

  expect(host.access(vmm, page, { how: "user", kind: "fetch" })).toMatchObject({ result: "spins", died: [] });
});
