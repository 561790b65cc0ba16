// The exploring variant of the core: the same machine, whose writes can be undone, with known bugs to switch on and a search
// (assembly/explore/). A module of its own; the one that replays pays for none of it.

import { compileModule, instantiateModule, type Core, type CoreExports, type CoreModule } from "../machine/module.js";

/** What assembly/explore/index.ts exports besides. */
export interface ExploreExports extends CoreExports {
  setMutation(bug: number): void;
  agreedVersion(): number;
  setFalseAnswer(what: number, instead: bigint): void;
  choosePrivateRange(wanted: number): void;
  reserveExploration(
    states: number,
    parts: number,
    partBytes: number,
    journalEntries: number,
    worker: number,
    workers: number,
    pageRenamings: number,
    vmRenamings: number,
  ): number;
  journalReserve(entries: number): number;
  journalForget(): void;
  journalLength(): number;
  journalOverflowed(): number;
  mark(): number;
  undoTo(point: number): number;
  domainWindow(): number;
  startSearch(invariants: bigint, rules: number, everywhere: number): number;
  runSearch(states: number, untilFinding: number): number;
  stateCount(): number;
  stateCountInAll(): bigint;
  transitionCountInAll(): bigint;
  expandedCount(): number;
  triedCount(): bigint;
  transitionCount(): bigint;
  deepestState(): number;
  stateBytes(): number;
  answersComparedCount(): bigint;
  statesComparedCount(): bigint;
  findingCount(): number;
  findingAt(index: number): number;
  parentOf(state: number): number;
  operationTo(state: number): number;
  startShare(): void;
  beginRound(lookOnly: number): void;
  runShare(states: number): number;
  endRound(): number;
  foundBy(worker: number): number;
  receiveFound(worker: number, rows: number): void;
  partsToSend(most: number): number;
  partsSent(): number;
  takeParts(worker: number, bytes: number): void;
  brokenStates(): number;
  brokenStatesCount(): number;
  takeBroken(count: number): void;
  takeRound(): void;
  shareIsFull(): number;
  shareWindow(): number;
  reserveWords(states: number, bytes: number): number;
  areWordsFull(): number;
  wordStates(): number;
  wordBytes(): number;
  reserveSteps(records: number): number;
  startAny(keepMailboxes: number, watchesTranslation: number): number;
  brokenTranslation(): number;
  translationAddress(): bigint;
  visitAny(): number;
  performSteps(first: number, count: number): number;
  lastReason(): number;
  makeHost(firstPfn: bigint, frames: number, kind: number, pages: number, reserved: bigint): number;
  hostWindow(): number;
  serve(record: number): number;
  brokenByHostStep(breaches: number): number;
  brokenInHost(breaches: number): number;
  hostBreachAt(): bigint;
  freeFragments(): number;
  ffaBufferPages(id: number): number;
  mmLevel(table: number, ipa: bigint): number;
  mmMode(table: number, ipa: bigint): number;
  mmOutput(table: number, ipa: bigint): bigint;
  keepDead(keep: number): void;
  countWord(pa: bigint): number;
  reachOf(vmid: number, pa: bigint, index: number): bigint;
  objectNumbersEnd(): number;
  highestCap(vmid: number): number;
  capObject(vmid: number, cap: number): number;
  objectWord(object: number, word: number): bigint;
  parcelAttribute(handle: number, index: number): bigint;
  parcelTag(handle: number): bigint;
  lockLeft(): bigint;
  lockPairCount(): number;
  lockHeld(pair: number): bigint;
  lockTaken(pair: number): bigint;
  monitorAnswer(register: number): bigint;
  pendingRequest(recPa: bigint): number;
  realmEntry(rdPa: bigint, ipa: bigint): bigint;
  realmEntryLevel(): number;
  realmStateAt(rdPa: bigint): number;
  readWord(pa: bigint): bigint;
  writeWord(pa: bigint, value: bigint): void;
  wayWindow(): number;
  runWay(steps: number): number;
  takenSteps(): number;
  reachedInAll(): number;
}

/** One instance of the variant. */
export interface ExploreCore extends Core {
  readonly exports: ExploreExports;
}

let compiled: Promise<CoreModule> | undefined;

/**
 * The compiled variant. The first call compiles it.
 *
 * @param bytes the module, where it cannot be read from the file beside the built package (in a browser)
 */
export function compiledVariant(bytes?: Uint8Array): Promise<CoreModule> {
  return (compiled ??= compileModule("freehold-explore.wasm", bytes));
}

/** Takes a variant that was compiled in another thread, for all searches to come. */
export function useCompiledVariant(variant: CoreModule): void {
  compiled = Promise.resolve(variant);
}

/** Makes a new instance of the exploring variant, which is compiled if that was not done yet. */
export async function instantiateVariant(bytes?: Uint8Array): Promise<ExploreCore> {
  return (await instantiateModule(await compiledVariant(bytes))) as ExploreCore;
}
