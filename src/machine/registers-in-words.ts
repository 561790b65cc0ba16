// The registers of a stage-2 translation in words (DDI 0487 D24.2: VTCR_EL2, VTTBR_EL2, HCR_EL2, HPFAR_EL2; reference
// stage2-walk sections 1, 3 and 9).

import { bits, choice, type Decoded, decodeFields, type Field, flag, numberAt } from "./fields.js";
import { hex } from "./names.js";
import { decodeEsr } from "./syndrome-in-words.js";

export type RegisterName = "esr" | "vtcr" | "vttbr" | "hcr" | "hpfar";

/** The registers that can be told in words: the manual's name, and how a value is taken apart. */
export const REGISTERS: Readonly<
  Record<RegisterName, { readonly name: string; readonly decode: (value: bigint) => Decoded }>
> = {
  esr: { name: "ESR_EL2", decode: decodeEsr },
  vtcr: { name: "VTCR_EL2", decode: decodeVtcr },
  vttbr: { name: "VTTBR_EL2", decode: decodeVttbr },
  hcr: { name: "HCR_EL2", decode: decodeHcr },
  hpfar: { name: "HPFAR_EL2", decode: decodeHpfar },
};

// VTCR_EL2

const CACHEABILITY = [
  "Non-cacheable",
  "Write-Back Read- and Write-Allocate",
  "Write-Through",
  "Write-Back Read-Allocate",
];
export const SHAREABILITY = ["non-shareable", "reserved", "outer shareable", "inner shareable"];
/** Not the order of TCR_EL1.TG1. */
const GRANULES = ["4 KiB", "64 KiB", "16 KiB", "reserved"];
const PHYSICAL_SIZES = [32, 36, 40, 42, 44, 48, 52, 56];

const VTCR: readonly Field[] = [
  { name: "T0SZ", msb: 5, lsb: 0, words: (t0sz) => `${64 - t0sz}-bit input address` },
  { name: "SL0", msb: 7, lsb: 6, words: (_, vtcr) => startLevelWords(vtcr) },
  choice(
    "IRGN0",
    9,
    8,
    CACHEABILITY.map((words) => `inner cacheability of table reads: ${words}`),
  ),
  choice(
    "ORGN0",
    11,
    10,
    CACHEABILITY.map((words) => `outer cacheability of table reads: ${words}`),
  ),
  choice(
    "SH0",
    13,
    12,
    SHAREABILITY.map((words) => `table reads are ${words}`),
  ),
  choice(
    "TG0",
    15,
    14,
    GRANULES.map((words) => `${words} granule`),
  ),
  { name: "PS", msb: 18, lsb: 16, words: (ps) => `${PHYSICAL_SIZES[ps]}-bit output address` },
  flag("VS", 19, "16-bit VMID", "8-bit VMID"),
  flag("HA", 21, "hardware sets the access flag", "an access flag of 0 faults"),
  flag("HD", 22, "with HA=1 hardware manages the dirty state", "no hardware management of the dirty state"),
  {
    name: "HWU",
    msb: 28,
    lsb: 25,
    words: (hwu) => (hwu === 0 ? "bits 62:59 are software's" : "hardware may use bits 62:59"),
  },
  flag("NSW", 29, "Non-secure walks (Secure state only)", "Secure state only"),
  flag("NSA", 30, "Non-secure accesses (Secure state only)", "Secure state only"),
  flag("RES1", 31, "reserved, 1 as it must be", "reserved, should be 1"),
  flag("DS", 32, "52-bit descriptor format (FEAT_LPA2; ignored with 64 KiB)", "48-bit descriptor format"),
  flag("SL2", 33, "start level -1 (with DS=1, 4 KiB, SL0=00)", "no fifth level"),
];

function decodeVtcr(value: bigint): Decoded {
  const granule = GRANULES[numberAt(value, 15, 14)] ?? "";
  const input = 64 - numberAt(value, 5, 0);
  const output = PHYSICAL_SIZES[numberAt(value, 18, 16)] ?? 0;
  const summary = `${granule} granule, ${input}-bit IPA, ${output}-bit PA, ${startLevelWords(value)}`;
  return { value, summary, fields: [...decodeFields(value, VTCR), ...rest(value, 63, 34)] };
}

/** Section 3: by SL2:SL0, as the granule reads them. */
function startLevelWords(vtcr: bigint): string {
  const sl0 = numberAt(vtcr, 7, 6);
  if (numberAt(vtcr, 15, 14) !== 0) return `start level ${3 - sl0}`;
  const isFifth = numberAt(vtcr, 33, 32) === 3;
  if (isFifth) return sl0 === 0 ? "start level -1" : "no such start level";
  return `start level ${[2, 1, 0, 3][sl0]}`;
}

/** Bits that no row above stands for: a row only if one of them is set. */
function rest(value: bigint, msb: number, lsb: number): ReturnType<typeof decodeFields> {
  if (bits(value, msb, lsb) === 0n) return [];
  return decodeFields(value, [{ name: "other", msb, lsb, words: () => "features that are not modelled" }]);
}

// VTTBR_EL2

const VTTBR: readonly Field[] = [
  flag("CnP", 0, "the table is shared by the CPUs of this Inner Shareable domain", "not shared by CPUs"),
  { name: "BADDR", msb: 47, lsb: 1, words: (_, vttbr) => baseWords(vttbr) },
  { name: "VMID", msb: 63, lsb: 48, words: (vmid) => `VMID ${vmid} (bits 55:48 only, if VTCR_EL2.VS is 0)` },
];

const tableBase = (vttbr: bigint) => bits(vttbr, 47, 1) << 1n;

function baseWords(vttbr: bigint): string {
  const high = bits(vttbr, 5, 2);
  const wide = `; in the 52-bit form ${hex((high << 48n) | (bits(vttbr, 47, 6) << 6n))}`;
  return `first table at ${hex(tableBase(vttbr))}, aligned down to its size${high === 0n ? "" : wide}`;
}

function decodeVttbr(value: bigint): Decoded {
  const summary = `VMID ${numberAt(value, 63, 48)}, first table at ${hex(tableBase(value))}`;
  return { value, summary, fields: decodeFields(value, VTTBR) };
}

// HCR_EL2

/** What counts for a stage-2 walk (section 1): shown whatever its value. */
const HCR_OF_WALKS: readonly Field[] = [
  flag("VM", 0, "stage 2 translates", "stage 2 is off, unless DC is 1"),
  flag("PTW", 2, "stage-1 walks of Device memory fault", "stage-1 walks of Device memory are read as Non-cacheable"),
  flag("DC", 12, "stage 1 off: Normal Write-Back; turns stage 2 on", "no default cacheability"),
  flag("TGE", 27, "exceptions of EL0 go to EL2; PTW counts as 0", "exceptions of EL0 go to EL1"),
  flag("CD", 32, "data accesses and walks are Non-cacheable at stage 2", "stage 2 caches data as its descriptors say"),
  flag("ID", 33, "fetches are Non-cacheable at stage 2", "stage 2 caches instructions as its descriptors say"),
  flag("FWB", 46, "MemAttr[2:0] decides over stage 1 (FEAT_S2FWB)", "MemAttr[3:0] is combined with stage 1"),
];

/** The others, shown where they are set: bit and name. */
const HCR_OTHERS: readonly (readonly [bit: number, name: string, words: string])[] = [
  [1, "SWIO", "set/way invalidation cleans too"],
  [3, "FMO", "physical FIQs are routed to EL2"],
  [4, "IMO", "physical IRQs are routed to EL2"],
  [5, "AMO", "physical SErrors are routed to EL2"],
  [6, "VF", "virtual FIQ pending"],
  [7, "VI", "virtual IRQ pending"],
  [8, "VSE", "virtual SError pending"],
  [9, "FB", "TLB and instruction cache maintenance is broadcast"],
  [10, "BSU[0]", "barrier shareability upgrade"],
  [11, "BSU[1]", "barrier shareability upgrade"],
  [13, "TWI", "WFI traps"],
  [14, "TWE", "WFE traps"],
  [15, "TID0", "ID group 0 traps"],
  [16, "TID1", "ID group 1 traps"],
  [17, "TID2", "ID group 2 traps"],
  [18, "TID3", "ID group 3 traps"],
  [19, "TSC", "SMC traps"],
  [20, "TIDCP", "IMPLEMENTATION DEFINED functionality traps"],
  [21, "TACR", "ACTLR_EL1 traps"],
  [22, "TSW", "set/way cache maintenance traps"],
  [23, "TPCP", "cache maintenance to the point of coherency traps"],
  [24, "TPU", "cache maintenance to the point of unification traps"],
  [25, "TTLB", "TLB maintenance traps"],
  [26, "TVM", "writes of virtual memory controls trap"],
  [28, "TDZ", "DC ZVA traps"],
  [29, "HCD", "HVC is undefined"],
  [30, "TRVM", "reads of virtual memory controls trap"],
  [31, "RW", "EL1 is AArch64"],
  [34, "E2H", "EL2 hosts an operating system (VHE)"],
  [35, "TLOR", "LOR registers trap"],
  [36, "TERR", "error record registers trap"],
  [37, "TEA", "synchronous External aborts are routed to EL2"],
  [38, "MIOCNCE", "mismatched inner/outer cacheability may lose coherency"],
  [39, "TME", "transactional memory is enabled"],
  [40, "APK", "pointer authentication keys do not trap"],
  [41, "API", "pointer authentication instructions do not trap"],
  [42, "NV", "nested virtualization"],
  [43, "NV1", "nested virtualization, behaviour of EL1"],
  [44, "AT", "address translation instructions trap"],
  [45, "NV2", "nested virtualization through memory"],
  [47, "FIEN", "fault injection does not trap"],
  [48, "GPF", "Granule Protection Faults are routed to EL2"],
  [49, "TID4", "ID group 4 traps"],
  [50, "TICAB", "ICIALLUIS and IC IALLUIS trap"],
  [51, "AMVOFFEN", "activity monitors have virtual offsets"],
  [52, "TOCU", "cache maintenance to unification traps"],
  [53, "EnSCXT", "SCXTNUM registers do not trap"],
  [54, "TTLBIS", "Inner Shareable TLB maintenance traps"],
  [55, "TTLBOS", "Outer Shareable TLB maintenance traps"],
  [56, "ATA", "allocation tags are accessible"],
  [57, "DCT", "with DC=1 memory is tagged"],
  [58, "TID5", "ID group 5 traps"],
  [59, "TWEDEn", "traps of WFE are delayed"],
];

function decodeHcr(value: bigint): Decoded {
  const others = HCR_OTHERS.filter(([bit]) => numberAt(value, bit) === 1);
  const table = [...HCR_OF_WALKS, ...others.map(([bit, name, words]) => flag(name, bit, words, ""))];
  table.sort((a, b) => a.lsb - b.lsb);
  const delay = numberAt(value, 63, 60);
  if (delay !== 0)
    table.push({ name: "TWEDEL", msb: 63, lsb: 60, words: () => `WFE traps after 2^${delay + 8} cycles` });
  const isOn = numberAt(value, 0) === 1 || numberAt(value, 12) === 1;
  const names = table.filter(({ msb, lsb }) => bits(value, msb, lsb) !== 0n).map(({ name }) => name);
  const summary = `stage 2 ${isOn ? "on" : "off"}; set: ${names.length === 0 ? "nothing" : names.join(" ")}`;
  return { value, summary, fields: decodeFields(value, table) };
}

// HPFAR_EL2

const faultingPage = (hpfar: bigint) => hex(bits(hpfar, 47, 4) << 12n);

const HPFAR: readonly Field[] = [
  { name: "FIPA", msb: 47, lsb: 4, words: (_, hpfar) => `IPA[55:12]: the page at ${faultingPage(hpfar)}` },
  flag("NS", 63, "Non-secure IPA (Secure state only)", "Secure state only"),
];

function decodeHpfar(value: bigint): Decoded {
  return { value, summary: `faulting IPA in the page at ${faultingPage(value)}`, fields: decodeFields(value, HPFAR) };
}
