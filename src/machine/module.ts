// The compiled core: found, compiled once, instantiated per machine with a memory of its own.

/** The part of the WebAssembly interface that is used here; node's types do not declare it. */
declare namespace WebAssembly {
  class Memory {
    constructor(limits: { initial: number; maximum: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  function compile(bytes: Uint8Array): Promise<CoreModule>;
  function instantiate(module: CoreModule, imports: object): Promise<{ readonly exports: object }>;
}

/** A compiled WebAssembly.Module: the core, or the variant of it that searches. It may be sent to other threads, which then need not compile it again. */
export type CoreModule = object;

/** What assembly/index.ts exports. Pointers and counts are numbers, 64-bit arguments and results bigint. */
export interface CoreExports {
  configWindow(): number;
  machineCreate(): number;
  machineReset(): void;
  operationWindow(): number;
  resultWindow(): number;
  runBatch(operations: number, recordEffects: number): number;
  effectsHead(): number;
  dumpWindow(): number;
  dumpCapacity(): number;
  dumpPages(fromPage: number): number;
  dumpLeaves(handle: number, fromIpa: bigint): number;
  dumpTables(handle: number, from: number): number;
  framePointer(pa: bigint): number;
  frameForWrite(pa: bigint): number;
  pageWord(pfn: bigint): bigint;
  panickedCode(): number;
  limitCode(): number;
  memoryUsed(): number;
  findLeaf(handle: number, ipa: bigint): number;
  entryPointer(handle: number, ipa: bigint): number;
  leafDescriptor(): bigint;
  lookupLeaves(handle: number, count: number): number;
  countRefused(count: number): number;
  pagePointer(pfn: bigint): number;
  entryPointer(handle: number, ipa: bigint): number;
  hypEntryPointer(pa: bigint): number;
  geometry(): number;
  vmInfo(slot: number): bigint;
  vcpuInfo(handle: number, vcpu: number): bigint;
  snapshotBase(): number;
  snapshotSize(): number;
  hashState(from: number, end: number): void;
  denseStart(): number;
  denseEnd(): number;
  reserveCards(): number;
  clearCards(): void;
  beginPatch(bytes: number): number;
  reserveEffects(chunks: number): number;
  beginRestore(bytes: number): number;
  finishRestore(bytes: number): void;
  dumpOwners(fromPa: bigint): number;
  dumpRecords(skip: number): number;
  heapUsed(heap: number): bigint;
  checkInvariants(mask: bigint): number;
  violationSubject(): bigint;
  violationExpected(): bigint;
  violationFound(): bigint;
  runAccessBatch(count: number): void;
  translateBatch(handle: number, access: number, count: number): number;
  translateSingles(handle: number, access: number, count: number): number;
  translateDependent(handle: number, access: number, mask: bigint, count: number): number;
  explainAccess(handle: number, ipa: bigint, access: number): number;
  tlbSwitch(mode: number): number;
  tlbModeNow(): number;
  tlbNumberOperations(next: number): void;
  tlbReportCount(): number;
  tlbReportPointer(index: number): number;
  tlbForgetReports(): void;
  tlbInvalidateAll(): void;
  tlbSuppress(site: number): void;
  dumpParcels(handle: number): number;
  dumpMembers(handle: number): number;
  dumpRegions(handle: number, from: number): number;
  dumpIpas(handle: number, vmid: number, from: number): number;
  rmVmInfo(vmid: number): bigint;
  gunyahOwner(pa: bigint): bigint;
  ffaRecord(manager: number, slot: number): number;
  ffaConstituents(manager: number, slot: number, fragment: number): number;
  ffaConstituentCount(manager: number, slot: number, fragment: number): number;
  ffaRxAddress(id: number): bigint;
  ffaIsRxFull(id: number): number;
  ffaMode(id: number, table: number, pa: bigint): number;
  ffaIsSecure(pa: bigint): number;
  walkRegisters(): number;
  walkSetRegisters(): void;
  walkRequests(): number;
  walkTranslations(): number;
  walkExplain(count: number): number;
  walkWriteWords(count: number): number;
  walkReadWord(pa: bigint): bigint;
  walkDigest(): bigint;
}

/** One instance of the core and the memory it works in. */
export interface Core {
  readonly exports: CoreExports;
  /** Its buffer changes whenever the core grows it: read `memory.buffer` anew after every call. */
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}

/** Pages of 64 KiB: all that WebAssembly can address with 32 bits. */
const WASM_PAGES = 65536;

let compiled: Promise<CoreModule> | undefined;

/**
 * The compiled core. The first call compiles it.
 *
 * @param bytes the module, where it cannot be read from the file beside the built package (in a browser)
 */
export function compiledCore(bytes?: Uint8Array): Promise<CoreModule> {
  return (compiled ??= compileModule("freehold.wasm", bytes));
}

/** Takes a core that was compiled elsewhere, in another thread for example, for all machines to come. */
export function useCompiledCore(core: CoreModule): void {
  compiled = Promise.resolve(core);
}

/**
 * Makes a new instance of the core, which is compiled if that was not done yet.
 *
 * @param bytes as of {@link compiledCore}
 */
export async function instantiateCore(bytes?: Uint8Array): Promise<Core> {
  return instantiateModule(await compiledCore(bytes));
}

/** Makes a new instance of a module, with a memory of its own. */
export async function instantiateModule(module: CoreModule): Promise<Core> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: WASM_PAGES });
  const env = { memory, abort: abortHook(memory) };
  const instance = await WebAssembly.instantiate(module, { env });
  return { exports: instance.exports as CoreExports, memory };
}

/**
 * Compiles a module of the package.
 *
 * @param file its name
 * @param bytes the module, where it cannot be read from the file beside the built package (in a browser)
 */
export async function compileModule(file: string, bytes?: Uint8Array): Promise<CoreModule> {
  return WebAssembly.compile(bytes ?? (await readModule(file)));
}

/** Node only: the file is beside the built package, or in dist/ when the sources run directly. */
async function readModule(file: string): Promise<Uint8Array> {
  const { readFile } = await import("node:fs/promises");
  try {
    return await readFile(new URL(/* @vite-ignore */ `../../${file}`, import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return readFile(new URL(/* @vite-ignore */ `../../dist/${file}`, import.meta.url));
  }
}

/** AssemblyScript's abort: a bug of the core, never an answer to input. */
function abortHook(memory: { readonly buffer: ArrayBuffer }) {
  return (message: number, file: number, line: number, column: number): never => {
    const text = (at: number) => readString(memory.buffer, at);
    throw new Error(`core stopped: ${text(message)} at ${text(file)}:${line}:${column}`);
  };
}

/** An AssemblyScript string: UTF-16, its length in bytes in the 4 bytes before it. */
function readString(buffer: ArrayBuffer, at: number): string {
  if (at === 0) return "";
  const length = new DataView(buffer).getUint32(at - 4, true);
  return new TextDecoder("utf-16le").decode(new Uint8Array(buffer, at, length));
}
