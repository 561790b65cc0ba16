// What an operation did, in words: stage-2 descriptors decoded, effects as sentences, runs of equal effects as one.
// Encodings: pKVM EL2 reference, sections 1.4 to 1.6 and 2.1.

import { ccaSentence } from "./cca-effects.js";
import { GUEST_MMIO } from "../../assembly/abi/android.js";
import { NOPAGE, PKVM_ID_GUEST, POISON } from "../../assembly/abi/codes.js";
import { FFA_NON_SECURE_TABLE, FFA_NORMAL_WORLD_TABLE } from "../../assembly/abi/ffa.js";
import type { Effect, EffectOf, PageState, VcpuStatus, VmStatus } from "./effects.js";
import { endpointName, ffaSentence, modeWords, type FfaEffect } from "./ffa-effects.js";
import { levelShift } from "./geometry.js";
import { mapAttributesName, ownerName, vmName } from "./gunyah-names.js";
import { resourceManagerSentence } from "./gunyah-rm-effects.js";
import { componentName, count, hex, pageStateName, sizeName } from "./names.js";

const GUEST_ID = BigInt(PKVM_ID_GUEST);

/** What a description has to know of the machine. A machine is one. */
export interface TableContext {
  /** log2 of the page size. */
  readonly pageShift: number;
  /** A lone table has no owners: what its annotations mean is its user's business. */
  readonly config: {
    readonly kind: "pkvm" | "replayed" | "page_table" | "kvm" | "gunyah" | "ffa" | "cca";
    readonly secure_world?: object;
  };
}

/** Bytes that one entry of `level` covers: 1 GiB, 2 MiB, 4 KiB for levels 1 to 3 with 4 KiB pages. */
export function entrySize(level: number, pageShift: number): bigint {
  return 1n << BigInt(levelShift(pageShift, level));
}

/**
 * A stage-2 descriptor in words: `empty`, `4 KiB page at 0x41000000, RWX, SHARED_OWNED`, `donated to VM 0x1000 as gfn 0x80000`, ...
 *
 * @param vm handle of the VM whose table it is in; 0 for the host, whose leaves carry no page state
 */
export function describeDescriptor(descriptor: bigint, level: number, vm: number, context: TableContext): string {
  if (isValid(descriptor)) {
    const [kind, ...attributes] = validWords(descriptor, level, vm, context);
    return [`${kind} at ${hex(outputAddress(descriptor, context.pageShift))}`, ...attributes].join(", ");
  }
  const words = describeEntry(descriptor, level, vm, context);
  return isGuestAnnotation(descriptor) && !isLone(context)
    ? `${words} as gfn ${hex((descriptor >> 20n) & 0xff_ffff_ffffn)}`
    : words;
}

/** As {@link describeDescriptor}, without the address or gfn in it: what entries of one run have in common. */
export function describeEntry(descriptor: bigint, level: number, vm: number, context: TableContext): string {
  if (descriptor === 0n) return "empty";
  if (isValid(descriptor)) return validWords(descriptor, level, vm, context).join(", ");
  const type = descriptor >> 60n;
  if (type === 1n) return "locked (between break and make)";
  if (isFfa(vm, context)) return `lent away (O-NA), ${permissions(descriptor)} kept`;
  if (type === 4n && vm !== 0) return "registered for MMIO";
  if (isLone(context) || (type !== 2n && type !== 3n)) return `invalid, annotated ${hex(descriptor)}`;
  if (type === 3n) return "poisoned (reclaimed by force)";
  return isGuestAnnotation(descriptor)
    ? `donated to VM ${hex((descriptor >> 4n) & 0xffffn)}`
    : `donated to ${componentName(Number(ownerOf(descriptor)))}`;
}

function isLone(context: TableContext): boolean {
  return context.config.kind === "page_table";
}

function isGunyah(context: TableContext): boolean {
  return context.config.kind === "gunyah";
}

/** Gunyah counts them in bits 11:2 of a table's descriptor (reference gunyah section 4). */
function usedEntries(descriptor: bigint): string {
  return count((descriptor >> 2n) & 0x3ffn, "used entry").replace("entrys", "entries");
}

/** Whether a walk goes on or ends here with a translation. */
export function isValid(descriptor: bigint): boolean {
  return (descriptor & 1n) !== 0n;
}

/** Invalid descriptors carry a type in bits 63:60, 2 for donated; bits 3:1 name the owner. */
function ownerOf(descriptor: bigint): bigint {
  return (descriptor >> 1n) & 7n;
}

/** A page donated to a guest: handle in bits 19:4, gfn in bits 59:20 (host_stage2_encode_gfn_meta). */
function isGuestAnnotation(descriptor: bigint): boolean {
  return !isValid(descriptor) && descriptor >> 60n === 2n && ownerOf(descriptor) === GUEST_ID;
}

/** Kind first: `4 KiB page`, `2 MiB block`, `table`. */
function validWords(descriptor: bigint, level: number, vm: number, context: TableContext): string[] {
  if (level < 3 && (descriptor & 2n) !== 0n) return isGunyah(context) ? ["table", usedEntries(descriptor)] : ["table"];
  const size = sizeName(entrySize(level, context.pageShift));
  const words = [`${size} ${level === 3 ? "page" : "block"}`, permissions(descriptor), ...memoryType(descriptor)];
  if ((descriptor & (1n << 10n)) === 0n) words.push("old (access flag clear)");
  if (isFfa(vm, context)) words.push(ffaState(descriptor));
  else if (vm !== 0 && !isGunyah(context) && context.config.kind !== "kvm") {
    words.push(pageStateName(leafPageState(descriptor)));
  }
  return words;
}

/** A table that partition managers keep: on a pKVM host, one of its secure world. */
function isFfa(vm: number, { config }: TableContext): boolean {
  return config.kind === "ffa" || (config.secure_world !== undefined && (vm & FFA_NORMAL_WORLD_TABLE) !== 0);
}

/** The state in an endpoint's valid leaf: bit 55 owned, 56 exclusive (reference ffa, section 3). */
function ffaState(descriptor: bigint): string {
  const owner = (descriptor & (1n << 55n)) === 0n ? "!O" : "O";
  return `${owner}-${(descriptor & (1n << 56n)) === 0n ? "SA" : "EA"}`;
}

/** The page state in a guest's leaf: bits 56:55 if valid, else POISON or NOPAGE (guest_get_page_state). */
export function leafPageState(descriptor: bigint): number {
  if (isValid(descriptor)) return Number((descriptor >> 55n) & 3n);
  const type = descriptor >> 60n;
  return type === 3n ? POISON : type === 4n ? GUEST_MMIO : NOPAGE;
}

/** Where a valid leaf or table entry points to, in bytes. */
export function outputAddress(descriptor: bigint, pageShift: number): bigint {
  const low = descriptor & 0x0000_ffff_ffff_ffffn & ~((1n << BigInt(pageShift)) - 1n);
  // With 64 KiB pages, bits 15:12 are address bits 51:48.
  return pageShift === 16 ? low | (((descriptor >> 12n) & 15n) << 48n) : low;
}

/** `RWX`, `RW-`, `R-X` for EL0 and EL1 alike; `Xu`, `Xp` where only one of them may execute (bits 54:53). */
function permissions(descriptor: bigint): string {
  const execute = ["X", "Xu", "-", "Xp"][Number((descriptor >> 53n) & 3n)] ?? "-";
  return `${(descriptor & (1n << 6n)) === 0n ? "-" : "R"}${(descriptor & (1n << 7n)) === 0n ? "-" : "W"}${execute}`;
}

/** Normal memory goes without saying: 0xf, or 6 and 7 with forced write-back. */
function memoryType(descriptor: bigint): string[] {
  const type = Number((descriptor >> 2n) & 15n);
  if (type === 1) return ["device memory"];
  if (type === 5) return ["non-cacheable"];
  return type === 15 || type === 6 || type === 7 ? [] : [`memory type ${type}`];
}

/** `host OWNED -> NOPAGE, shares 0 -> 1`: what differs between two entries of the hyp vmemmap; empty if nothing that matters does. */
export function describePageChange(before: PageState, after: PageState): string {
  const changes: string[] = [];
  if (before.host !== after.host) changes.push(`host ${pageStateName(before.host)} -> ${pageStateName(after.host)}`);
  if (before.hyp !== after.hyp) changes.push(`EL2 ${pageStateName(before.hyp)} -> ${pageStateName(after.hyp)}`);
  if (before.shares !== after.shares) changes.push(`guest shares ${before.shares} -> ${after.shares}`);
  if (before.refcount !== after.refcount) changes.push(`EL2 references ${before.refcount} -> ${after.refcount}`);
  if (before.order !== after.order) changes.push(`pool order ${before.order} -> ${after.order}`);
  return changes.join(", ");
}

/** One line of a description: its words depend on how many equal effects it stands for. */
interface Line {
  /** Effects with equal signatures at consecutive addresses are one line. */
  readonly signature: string;
  readonly start: bigint;
  /** Bytes from one effect to the next; 0 if the line cannot grow. */
  readonly step: bigint;
  readonly write: (start: bigint, n: bigint) => string;
  n: bigint;
}

/**
 * The effects of one operation as sentences, in the order in which they first occurred.
 * Equal effects at consecutive addresses (a run of pages, of leaves, of TLB invalidations) are told once.
 */
export function describeEffects(effects: readonly Effect[], context: TableContext): string[] {
  const lines: Line[] = [];
  const open = new Map<string, Line>();
  for (const effect of effects) {
    const line = lineOf(effect, context);
    if (line === null) continue;
    const last = open.get(line.signature);
    if (last !== undefined && line.step !== 0n && line.start === last.start + last.n * line.step) {
      last.n += 1n;
    } else {
      lines.push(line);
      open.set(line.signature, line);
    }
  }
  return lines.map((line) => line.write(line.start, line.n));
}

function lineOf(effect: Effect, context: TableContext): Line | null {
  const { pageShift } = context;
  switch (effect.kind) {
    case "page":
      return pageLine(effect, pageShift);
    case "descriptor":
      // A partition manager's modes say what its entries do.
      return isFfa(effect.vm, context) && effect.level === 3 ? null : descriptorLine(effect, context);
    case "mode":
      return modeLine(effect, pageShift);
    case "pas":
      return spaceLine(effect, pageShift);
    case "hyp_map":
      return hypMapLine(effect, pageShift);
    case "tlbi_ipa":
    case "tlbi_ipa_nsh":
      return tlbiLine(effect, pageShift);
    case "dcache":
    case "icache":
    case "poc":
    case "wipe":
      return rangeLine(effect);
    case "hvc":
      return effect.elrDelta === 0 ? null : single(`the guest's return address moves by ${effect.elrDelta}`);
    case "reply":
    case "rx":
    case "record":
      return single(ffaSentence(effect));
    default:
      return single(sentence(effect, context));
  }
}

function single(words: string): Line {
  return { signature: "", start: 0n, step: 0n, n: 1n, write: () => words };
}

function pageLine(effect: EffectOf<"page">, pageShift: number): Line | null {
  const change = describePageChange(effect.before, effect.after);
  if (change === "") return null;
  const shift = BigInt(pageShift);
  return {
    signature: `page ${change}`,
    start: effect.pa >> shift,
    step: 1n,
    n: 1n,
    write: (pfn, n) => `${frames("pfn", pfn, n)}: ${change}`,
  };
}

/** `pfn 0x41000` or `pfn 0x41000-0x411ff (512 pages)`. */
function frames(unit: "pfn" | "gfn", first: bigint, n: bigint): string {
  return n === 1n ? `${unit} ${hex(first)}` : `${unit} ${hex(first)}-${hex(first + n - 1n)} (${count(n, "page")})`;
}

function descriptorLine(effect: EffectOf<"descriptor">, context: TableContext): Line {
  const { vm, level } = effect;
  const step = entrySize(level, context.pageShift);
  const before = describeDescriptor(effect.before, level, vm, context);
  const after = describeDescriptor(effect.after, level, vm, context);
  const varies = [effect.before, effect.after].some((value) => isValid(value) || isGuestAnnotation(value));
  const signature = [vm, level, relative(effect.before, effect.ipa), relative(effect.after, effect.ipa)].join(" ");
  const write = (ipa: bigint, n: bigint): string => {
    const where =
      n === 1n ? hex(ipa) : `${hex(ipa)}-${hex(ipa + n * step - 1n)} (${count(n, "entry").replace("ys", "ies")})`;
    return `${stage2Name(vm, context)}, IPA ${where}, level ${level}: ${before} -> ${after}${n > 1n && varies ? " (the first)" : ""}`;
  };
  return { signature: `descriptor ${signature}`, start: effect.ipa, step, n: 1n, write };
}

/** A valid leaf grows with its address and a guest's annotation with its gfn: what stays equal over a run of them. */
function relative(descriptor: bigint, ipa: bigint): string {
  if (isValid(descriptor)) return `valid ${descriptor - ipa}`;
  return isGuestAnnotation(descriptor) ? `guest ${descriptor & 0xf_ffffn}` : `invalid ${descriptor}`;
}

function hypMapLine(effect: EffectOf<"hyp_map">, pageShift: number): Line {
  const mapped = (effect.after & 1n) !== 0n;
  return {
    signature: `hyp_map ${mapped}`,
    start: effect.pa >> BigInt(pageShift),
    step: 1n,
    n: 1n,
    write: (pfn, n) => `EL2 stage 1: ${frames("pfn", pfn, n)} ${mapped ? "mapped" : "unmapped"}`,
  };
}

function modeLine({ vm, table, pa, before, after }: EffectOf<"mode">, pageShift: number): Line {
  const whose = `${endpointName(vm)}${table === 1 ? ", non-secure table" : ""}`;
  const change = `${modeWords(before)} -> ${modeWords(after)}`;
  return {
    signature: `mode ${whose} ${change}`,
    start: pa >> BigInt(pageShift),
    step: 1n,
    n: 1n,
    write: (pfn, n) => `${whose}: ${frames("pfn", pfn, n)}: ${change}`,
  };
}

function spaceLine({ pa, secure }: EffectOf<"pas">, pageShift: number): Line {
  const space = secure ? "secure" : "non-secure";
  return {
    signature: `pas ${space}`,
    start: pa >> BigInt(pageShift),
    step: 1n,
    n: 1n,
    write: (pfn, n) => `${frames("pfn", pfn, n)}: moved to the ${space} physical address space`,
  };
}

function tlbiLine(effect: EffectOf<"tlbi_ipa" | "tlbi_ipa_nsh">, pageShift: number): Line {
  const { vmid, level, kind } = effect;
  const step = level === null ? 0n : entrySize(level, pageShift);
  const details = `VMID ${vmid}, ${level === null ? "no level hint" : `level ${level}`}`;
  const scope = kind === "tlbi_ipa_nsh" ? ", this CPU only" : "";
  const write = (ipa: bigint, n: bigint): string =>
    n === 1n
      ? `TLB: IPA ${hex(ipa)} invalidated (${details}${scope})`
      : `TLB: ${n} invalidations by IPA from ${hex(ipa)} on (${details}${scope})`;
  return { signature: `${kind} ${vmid} ${level}`, start: effect.ipa, step, n: 1n, write };
}

const RANGE_WORDS = {
  dcache: "data cache cleaned and invalidated",
  icache: "instruction cache invalidated",
  poc: "cleaned to the point of coherency",
  wipe: "filled with zeros",
} as const;

function rangeLine(effect: EffectOf<"dcache" | "icache" | "poc" | "wipe">): Line {
  const { kind, size } = effect;
  return {
    signature: `${kind} ${size}`,
    start: effect.pa,
    step: size,
    n: 1n,
    write: (pa, n) => `memory at PA ${hex(pa)}, ${sizeName(n * size)}: ${RANGE_WORDS[kind]}`,
  };
}

type RunEffect = "page" | "descriptor" | "hyp_map" | "tlbi_ipa" | "tlbi_ipa_nsh" | "dcache" | "icache" | "poc" | "wipe";
type SingleEffect = Exclude<Effect, { readonly kind: RunEffect | "hvc" | FfaEffect["kind"] }>;

function sentence(effect: SingleEffect, context: TableContext): string {
  switch (effect.kind) {
    case "table": {
      const what = effect.present ? "taken into use" : "given back";
      return `${stage2Name(effect.vm, context)}: table of level-${effect.level} entries from IPA ${hex(effect.ipa)} ${what}`;
    }
    case "tlbi_range":
      return `TLB: ${count(effect.pages, "page")} from IPA ${hex(effect.ipa)} on invalidated (VMID ${effect.vmid}, range)`;
    case "tlbi_vmid":
      return `TLB: everything of VMID ${effect.vmid} invalidated`;
    case "tlbi_stage1":
      return `TLB: combined stage-1 translations of VMID ${effect.vmid} invalidated`;
    case "ownership": {
      const { pa, size, before, after } = effect;
      return `memory at PA ${hex(pa)}, ${sizeName(size)}: ${ownerName(before)} -> ${ownerName(after)} in the ownership database`;
    }
    case "mapping":
      return mappingSentence(effect);
    case "exception":
      return `${vmName(effect.vm)} takes an exception at VBAR_EL1 + ${hex(effect.vector)}: FAR_EL1 ${hex(effect.far)}, PSTATE ${hex(effect.pstate)}`;
    case "range":
      return `${hex(effect.start)}, ${sizeName(effect.size)}: ${hex(effect.value)}`;
    case "vm":
      return `VM ${hex(effect.vm)}: ${vmWords(effect.before)} -> ${vmWords(effect.after)}`;
    case "vcpu":
      return `VM ${hex(effect.vm)}, vCPU ${effect.vcpu}: ${vcpuWords(effect.before)} -> ${vcpuWords(effect.after)}`;
    case "abort":
      return isGunyah(context) ? gunyahAbortSentence(effect) : abortSentence(effect);
    case "parcel":
    case "notification":
    case "accept_reply":
    case "rm_vm":
    case "reset_stage":
      return resourceManagerSentence(effect);
    case "registers":
      return effect.values.map((value, i) => `x${effect.first + i} = ${hex(value)}`).join(", ");
    case "guest_exit":
      return `shown to the host: exit code ${effect.exitCode}, ESR ${hex(effect.esr)}, HPFAR ${hex(effect.hpfar)}, FAR ${hex(effect.far)}`;
    case "teardown":
      return `handed back: ${count(effect.teardownPages, "page")} of the VM and its vCPUs, ${count(effect.stage2TeardownPages, "page")} of its tables and memcaches`;
    case "host_memcache":
      return `${count(effect.pages, "page")} left on the host's list of table pages`;
    case "loaded":
      return effect.vm === 0 ? "no vCPU is loaded" : `VM ${hex(effect.vm)}, vCPU ${effect.vcpu} is loaded`;
    case "leaf":
      return `the walk ends at level ${effect.level}: ${describeDescriptor(effect.descriptor, effect.level, 0, context)}`;
    case "memslot":
      return memslotSentence(effect);
    case "folio": {
      const page = `guest_memfd ${effect.fd}, offset ${hex(effect.offset)}`;
      if (effect.before === null) return `${page}: page at PA ${hex(effect.after ?? 0n)} allocated`;
      return `${page}: page at PA ${hex(effect.before)} freed${effect.hostUnmapped ? ", the process's mapping of it goes" : ""}`;
    }
    case "host_map":
      return `guest_memfd ${effect.fd}, offset ${hex(effect.offset)}: mapped for the process at PA ${hex(effect.pa)}`;
    case "run_exit":
      return `KVM_RUN returns with exit reason ${effect.reason}, gpa ${hex(effect.gpa)}, ${sizeName(effect.size)}`;
    case "pool":
      return `${count(effect.free, "pool page")} not in use, ${count(effect.splitPages, "page")} in the split cache`;
    case "smc_result":
    case "granule":
      return ccaSentence(effect);
  }
}

function memslotSentence({ vm, slot, gpa, before, after, fd }: EffectOf<"memslot">): string {
  const behind = fd === 0 ? "" : ` on guest_memfd ${fd}`;
  const what = after === 0n ? "deleted" : "made";
  return `VM ${hex(vm)}, memory slot ${slot}${behind}: ${sizeName(before + after)} at IPA ${hex(gpa)} ${what}`;
}

function abortSentence(effect: EffectOf<"abort">): string {
  const ipa = hex(effect.ipa);
  switch (effect.result) {
    case "mapped":
      return `host access to IPA ${ipa}: ${sizeName(effect.size)} at ${hex(effect.start)} mapped, the instruction is retried`;
    case "spurious":
      return `host access to IPA ${ipa}: mapped already, the instruction is retried`;
    case "injected":
      return `host access to IPA ${ipa}: denied, an abort is injected with ESR ${hex(effect.injectedEsr)}`;
    default:
      return "host access: the address could not be translated, the instruction is retried";
  }
}

function gunyahAbortSentence({ result, ipa, injectedEsr }: EffectOf<"abort">): string {
  const access = `access to IPA ${hex(ipa)}`;
  switch (result) {
    case "emulated":
      return `${access}: answered by a virtual device of EL2`;
    case "vmmio_read":
    case "vmmio_write":
      return `${access}: the vCPU is blocked, its VMM gets the ${result === "vmmio_read" ? "read" : "write"}`;
    case "blocked":
      return `${access}: the vCPU is blocked with a fault`;
    case "injected":
      return `${access}: a synchronous external abort is injected with ESR ${hex(injectedEsr)}`;
    default:
      return `${access}: nothing stands in its way any more, the instruction is retried`;
  }
}

function mappingSentence({ vm, slot, ipa, pa, size, attributes }: EffectOf<"mapping">): string {
  const record = `record for ${vmName(vm)} in slot ${slot}: PA ${hex(pa)}, ${sizeName(size)}, at IPA ${hex(ipa)}`;
  return attributes === null ? `${record}: removed` : `${record}, ${mapAttributesName(attributes)}: made`;
}

/** Whose stage-2 table: `host stage 2`, `VM 0x1000 stage 2`, `SP 0x8001 non-secure stage 2`. */
export function stage2Name(vm: number, context: TableContext): string {
  if (isLone(context)) return "stage 2";
  if (isGunyah(context)) return `${vmName(vm)} stage 2`;
  if (isFfa(vm, context)) return ffaTableName(vm, context);
  return vm === 0 ? "host stage 2" : `VM ${hex(vm)} stage 2`;
}

function ffaTableName(vm: number, { config }: TableContext): string {
  const isOther = (vm & FFA_NON_SECURE_TABLE) !== 0;
  const id = vm & ~FFA_NON_SECURE_TABLE;
  // On a pKVM host 0 is the host's own stage 2.
  const isNormalWorlds = config.kind !== "ffa" && id === FFA_NORMAL_WORLD_TABLE;
  return `${endpointName(isNormalWorlds ? 0 : id)} ${isOther ? "non-secure " : ""}stage 2`;
}

/** `live, protected, 2 vCPUs`. */
export function vmWords(status: VmStatus): string {
  if (status.state === "free" || status.state === "reserved") return status.state;
  return `${status.state}, ${status.protected ? "protected" : "not protected"}, ${count(status.vcpus, "vCPU")}`;
}

/** `present, loaded, 3 memcache pages`. */
export function vcpuWords(status: VcpuStatus): string {
  if (!status.present) return "absent";
  return `present, ${status.loaded ? "loaded" : "not loaded"}, ${count(status.memcache, "memcache page")}`;
}
