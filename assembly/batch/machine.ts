// Making, resetting and preserving a machine. Its whole state is one range of linear memory plus the few globals that
// `snapshotSize` writes into it, so that a snapshot is a copy of bytes.

import {
  CONFIG_FEATURES,
  CONFIG_FRAMES,
  CONFIG_HEADER_SIZE,
  CONFIG_IA_BITS,
  CONFIG_KIND,
  CONFIG_PAGE_SHIFT,
  CONFIG_REGION_SIZE,
  CONFIG_REGIONS,
  FEATURE_SECURE_WORLD,
  HYP_MEMBLOCK_REGIONS,
  KIND_CCA,
  KIND_FFA,
  KIND_GUNYAH,
  KIND_KVM,
  KIND_PAGE_TABLE,
  KIND_PKVM,
  KIND_REPLAYED,
  KIND_WALK,
} from "../abi/config";
import { BLOCK_SIZE } from "../abi/blocks";
import { CREATE_GEOMETRY, CREATE_OK, CREATE_REGIONS, CREATE_TOO_LARGE, REGION_FRAMES } from "../abi/codes";
import { iaBits, pageShift, setGeometry } from "../arch/geometry";
import { attachTlb, tlbAddress } from "../arch/tlb";
import { reserveFrames } from "../memory/dram";
import { touchAll } from "../memory/cards";
import { heapLeft, heapTop, reserve, setHeapTop } from "../memory/heap";
import { forgetChunks } from "../memory/journal";
import { addRegion, beginRegions, countPages, reserveVmemmap } from "../memory/regions";
import { setAbortRange } from "../memory/physical";
import { dropSparse } from "../memory/sparse";
import { limitReached, panicked, setVerdict } from "../memory/verdict";
import { setFeatures } from "../pagetable/attributes";
import { reserveWalkCache } from "../pagetable/walk-cache";
import { createCca } from "../systems/cca/machine";
import { createFfa, createSecureWorld } from "../systems/ffa/machine";
import { createGunyah } from "../systems/gunyah/machine";
import { createKvm } from "../systems/kvm/machine";
import { prepareFastLane } from "../systems/pkvm/fast-lane";
import { reserveProxy } from "../systems/pkvm/ffa-proxy";
import { createPkvm, isAndroid } from "../systems/pkvm/machine";
import { reserveTracing } from "../systems/pkvm/tracing";
import { startReplayed } from "../systems/pkvm/replayed";
import { createLoneTable } from "./lone-table";
import { createWalkMachine, reserveWalkWindows } from "./walk-machine";

const CONFIG_BYTES: usize = CONFIG_HEADER_SIZE + (HYP_MEMBLOCK_REGIONS + 1) * CONFIG_REGION_SIZE;
// Preserved globals: 0 u32 panicked | 4 u32 limit | 8 u64 next guest frame of a replayed machine | 16 u32 TLB | 20 u32 its vCPU
const PRESERVED_BYTES: usize = 32;

/** Where the caller writes the configuration record. */
export let configuration: usize = 0;
/** KIND_* of the machine. */
export let kind: i32 = KIND_PKVM;
/** One stage-2 table by itself. */
export let isLoneTable: bool = false;
/** A pKVM host, made as one or rebuilt from a trace. */
export let isPkvm: bool = false;
/** A pKVM host with an SPMC behind its FF-A proxy. */
export let hasSecureWorld: bool = false;
/** Whether ordinary records may take the fast lane: it knows Linux 7.3 alone. */
export let hasFastLane: bool = false;
/** Gunyah, and not pKVM. */
export let isGunyah: bool = false;

let base: usize = 0;
let preserved: usize = 0;

export function configWindow(): usize {
  if (configuration == 0) configuration = reserve(CONFIG_BYTES);
  return configuration;
}

/** Builds the machine that the configuration window describes. CREATE_*; after an error there is no machine. */
export function createMachine(): i32 {
  reserveWalkWindows();
  if (base == 0) base = (heapTop() + BLOCK_SIZE - 1) & ~(BLOCK_SIZE - 1);
  setHeapTop(base);
  touchAll();
  forgetChunks();
  attachTlb(0);
  setVerdict(0, 0);
  const config = configWindow();
  kind = load<u32>(config, CONFIG_KIND);
  isLoneTable = kind == KIND_PAGE_TABLE;
  isGunyah = kind == KIND_GUNYAH;
  hasFastLane = false;
  isPkvm = kind == KIND_PKVM || kind == KIND_REPLAYED;
  hasSecureWorld = kind == KIND_PKVM && (load<u32>(config, CONFIG_FEATURES) & FEATURE_SECURE_WORLD) != 0;
  preserved = reserve(PRESERVED_BYTES);
  setAbortRange(0, 0);
  if (kind == KIND_WALK) return createWalkMachine();
  dropSparse();
  if (!setGeometry(load<u32>(config, CONFIG_PAGE_SHIFT), load<u32>(config, CONFIG_IA_BITS))) return CREATE_GEOMETRY;
  setFeatures(load<u32>(config, CONFIG_FEATURES));
  const memory = createMemory(config);
  if (memory != CREATE_OK) return memory;
  if (isLoneTable) return createLoneTable(config);
  if (isGunyah) return createGunyah(config);
  if (isDefined(EXPLORING) && kind == KIND_CCA) return createCca(config);
  if (kind == KIND_KVM) return createKvm(config);
  if (kind == KIND_FFA) return createFfa(config);
  let created = createPkvm(config);
  if (isDefined(EXPLORING) && !reserveTracing()) return CREATE_TOO_LARGE;
  if (created == CREATE_OK && hasSecureWorld) created = createBehindProxy(config);
  if (created == CREATE_OK) prepareFastLane();
  hasFastLane = created == CREATE_OK && !isAndroid;
  if (created == CREATE_OK && kind == KIND_REPLAYED) startReplayed(preserved + 8);
  return created;
}

function createBehindProxy(config: usize): i32 {
  return reserveProxy() ? createSecureWorld(config) : CREATE_TOO_LARGE;
}

function createMemory(config: usize): i32 {
  const count = load<u32>(config, CONFIG_REGIONS) as i32;
  if (count > HYP_MEMBLOCK_REGIONS || !beginRegions(count + 1)) return CREATE_REGIONS;
  for (let i = 0; i < count; i++) {
    const at = config + CONFIG_HEADER_SIZE + (i as usize) * CONFIG_REGION_SIZE;
    if (!addRegion(load<u64>(at), load<u64>(at, 8), load<u32>(at, 16))) return CREATE_REGIONS;
  }
  // Table frames of a replayed machine lie behind everything an input address can reach.
  const frames = load<u32>(config, CONFIG_FRAMES) as u64;
  if (frames != 0 && !addFrames(frames)) return CREATE_REGIONS;
  // 12 bytes a page for state and contents, and the tables that map it twice.
  const pages = countPages();
  if (pages > 1 << 28 || pages * 12 + ((pages * 8 * 9) >> 3) > (heapLeft() as u64)) return CREATE_TOO_LARGE;
  if (!reserveVmemmap() || !reserveFrames() || !reserveWalkCache(pages)) return CREATE_TOO_LARGE;
  return CREATE_OK;
}

function addFrames(frames: u64): bool {
  const size = frames << pageShift;
  const start = iaBits < 47 ? (1 as u64) << iaBits : ((1 as u64) << 48) - size;
  return addRegion(start, size, REGION_FRAMES);
}

/** First byte of the machine's state. */
export function snapshotBase(): usize {
  return base;
}

/** Writes the globals that belong to the state into it; the number of bytes of the state. */
export function snapshotSize(): usize {
  store<u32>(preserved, panicked);
  store<u32>(preserved, limitReached, 4);
  store<u32>(preserved, tlbAddress() as u32, 16);
  return heapTop() - base;
}

/** Makes room for `bytes` bytes of state; the caller then copies them to `snapshotBase`. False if they do not fit. */
export function beginRestore(bytes: usize): bool {
  setHeapTop(base);
  return reserve(bytes) != 0;
}

/**
 * As `beginRestore`, but what is there stays: the caller writes only the blocks that differ. False if `bytes` do not fit.
 */
export function beginPatch(bytes: usize): bool {
  const have = heapTop() - base;
  if (bytes > have) return reserve(bytes - have) != 0;
  setHeapTop(base + bytes);
  return true;
}

/** After the bytes were copied back. */
export function finishRestore(bytes: usize): void {
  setHeapTop(base + bytes);
  forgetChunks();
  attachTlb(load<u32>(preserved, 16) as usize);
  setVerdict(load<u32>(preserved), load<u32>(preserved, 4));
}
