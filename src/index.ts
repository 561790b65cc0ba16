// The public API: a simulated arm64 machine under pKVM, and the replay of recorded traces on it.
//
//   const machine = await Machine.create({ regions: [{ base: "0x40000000", size: "0x10000000" }] });
//   const { ret, reason } = machine.apply({ op: "host_share_hyp", pfn: 0x41000n });

export {
  Machine,
  type BatchOptions,
  type EffectsListener,
  type MachineOptions,
  type PackedOptions,
  type Snapshot,
  type Vcpu,
  type Vm,
} from "./machine/machine.js";
export {
  ConfigError,
  resolveConfig,
  resolveKvmConfig,
  type GunyahConfig,
  type HostConfig,
  type KvmConfig,
  type KvmHostConfig,
  type LoneTableConfig,
  type MachineConfig,
  type PageTableConfig,
  type Region,
  type ResolvedConfig,
} from "./machine/config.js";
export { resolveFfaConfig, type FfaConfig, type FfaManagersConfig } from "./machine/ffa-config.js";
export {
  FfaEndpoint,
  permissionsByte,
  type DataAccess,
  type FfaAnswer,
  type FfaEndpointOptions,
  type FfaRegion,
  type InstructionAccess,
  type NamedReceiver,
  type RetrieveOptions,
  type SendAnswer,
  type SendOptions,
} from "./machine/ffa-endpoint.js";
export {
  decodeConstituents,
  decodeDescriptor as decodeFfaDescriptor,
  descriptorBytes,
  encodeConstituents,
  encodeDescriptor as encodeFfaDescriptor,
  encodeRelinquish,
  transmit,
  type AccessDescriptor,
  type Constituent,
  type DescriptorLayout,
  type RelinquishDescriptor,
  type TransactionDescriptor,
} from "./machine/ffa-descriptor.js";
export {
  endpointName,
  modeWords,
  stateName,
  type FfaEffect,
  type FfaReply,
  type FfaVerb,
} from "./machine/ffa-effects.js";
export { FFA_INVARIANTS } from "./machine/ffa-invariants.js";
export { managersOf, type SecureWorldConfig } from "./machine/secure-world.js";
export { FfaState, type FfaReceiver, type FfaRecord } from "./machine/ffa-state.js";
export { FFA_STEP_INVARIANTS, FfaWatcher } from "./machine/ffa-step-invariants.js";
export { resolveGunyahConfig, type GunyahMachineConfig } from "./machine/gunyah-config.js";
export { decodeOwner, hypercallErrorName, ownerName, type Owner } from "./machine/gunyah-names.js";
export {
  ownerOf,
  parcel,
  parcels,
  rmVm,
  type Parcel,
  type ParcelMember,
  type ParcelRegion,
  type RmVm,
} from "./machine/gunyah-parcels.js";
export type { ParcelStatus, ResourceManagerEffect } from "./machine/gunyah-rm-effects.js";
export { rmErrorName, rmMessageName, type RmErrorName } from "./machine/gunyah-rm-reasons.js";
export {
  GunyahVm,
  type AcceptRequest,
  type Member,
  type MemoryAttribute,
  type ParcelRequest,
  type Rights as ParcelRights,
  type RmAnswer,
} from "./machine/gunyah-vm.js";
export {
  OPERATIONS,
  decodeOperation,
  encodeOperation,
  operationName,
  type Argument,
  type ArgumentKind,
  type Operation,
  type OperationName,
} from "./machine/operations.js";
export {
  errnoName,
  ffaErrorName,
  type Outcome,
  type OutcomeDetails,
  type OutcomeStatus,
  type Panic,
} from "./machine/outcome.js";
export {
  decodeEffect,
  type AbortResult,
  type Effect,
  type EffectOf,
  type KvmEffect,
  type PageState,
  type VcpuStatus,
  type VmState,
  type VmStatus,
} from "./machine/effects.js";
export {
  decodeAnswer,
  encodeAccess,
  type AccessAnswer,
  type AccessOptions,
  type AccessStatus,
  type MemoryAccess,
  type Stage2,
} from "./machine/accesses.js";
export type {
  Access,
  AccessKind,
  Fault,
  FaultKind,
  LeafUsed,
  Translation,
  WalkStep,
  WordChange,
} from "./machine/translation.js";
export {
  WalkMachine,
  type Regime,
  type RegimeStatus,
  type WalkFeatures,
  type WalkRegisters,
} from "./machine/walk-machine.js";
export {
  describeTlbReport,
  TLBI_SITES,
  Tlb,
  type TlbDescriptor,
  type TlbiSite,
  type TlbMode,
  type TlbReport,
  type TlbReportKind,
} from "./machine/tlb.js";
export { memoryAttributesName, parseMemoryAttributes } from "./machine/memory-attributes.js";
export type { Decoded, DecodedField } from "./machine/fields.js";
export { REGISTERS, type RegisterName } from "./machine/registers-in-words.js";
export {
  decodeDescriptor,
  type AddressFormat,
  type DecodedDescriptor,
  type DescriptorContext,
  type DescriptorKind,
} from "./machine/descriptor-in-words.js";
export {
  describeSteps,
  descriptorContext,
  faultWords,
  regimeWords,
  type WalkSetting,
  type WordedStep,
} from "./machine/walk-in-words.js";
export { findNamedValues, type NamedValue } from "./machine/log-values.js";
export type { Leaf, MappingRecord, OwnerRun, PageRun, Table } from "./machine/dumps.js";
export { GUNYAH_INVARIANTS, INVARIANTS, type Violation } from "./machine/invariants.js";
export { checkEffects, EFFECT_INVARIANTS, type EffectGeometry } from "./machine/effect-invariants.js";
export { describeDescriptor, describeEffects } from "./machine/describe.js";
export { panicSentence, refusalSentence, reportRefusal, type Refusal, type RefusalReport } from "./machine/reasons.js";
export { kernelFunction, type KernelFunction } from "./machine/functions.js";
export { pageStateName } from "./machine/names.js";

export { replayChunks, replayFile, type ReplayedTrace } from "./trace/open.js";
export {
  LimitError,
  TraceError,
  type Divergence,
  type ExplainedOperation,
  type Replay,
  type ReplayOptions,
  type ReplaySummary,
} from "./trace/replay.js";
export type { ReadProgress } from "./trace/input.js";
export {
  expectationsOf,
  ffaTraceHeader,
  traceHeader,
  traceLine,
  traceReset,
  type TraceExpectations,
  type TraceLineOptions,
} from "./trace/freehold-trace-writer.js";

export { explore, type Exploration, type ExploreOptions } from "./explore/explore.js";
export type { AnyDomain } from "./explore/system-domain.js";
export { hunt, type Explorer, type Hunt } from "./explore/hunt.js";
export type { Domain, DomainAccess, DomainPage, Step as SearchStep } from "./explore/domain.js";
export type { SystemDomain } from "./explore/system-domain.js";
export type { Finding, SearchCounts, SearchEnd } from "./explore/search.js";
export { CHEAP_RULES, RULES, type FindingKind, type RuleName } from "./explore/rules.js";
export { PKVM_PRESETS, pkvmDomain, type PkvmSizes } from "./explore/pkvm-domain.js";
export { PRESETS } from "./explore/presets.js";
export { domainFromTrace } from "./explore/trace-domain.js";
export { BUGS, type Bug, type BugClass, type BugSearch, type FoundBug } from "./explore/bugs/index.js";
export { retell, type RetoldCall, type RetoldStep, type Retelling } from "./explore/counterexample/retelling.js";
export type { HolderChange, PageHolders } from "./explore/counterexample/page-holders.js";
export { minimise } from "./explore/counterexample/minimise.js";
export { traceOf } from "./explore/counterexample/trace.js";
export { itfOf, type ItfState, type ItfTrace } from "./explore/counterexample/itf.js";

export { bundledScenarios } from "./scenario/bundled-scenarios.js";
export { loadScenario } from "./scenario/load-scenario.js";
export { defineScenario, readScenario } from "./scenario/read-scenario.js";
export { runScenario, type RunOptions, type RunReport, type StepReport } from "./scenario/run-scenario.js";
export { loadSystem, SYSTEMS, type SystemRow } from "./scenario/systems/index.js";
export { ScenarioError } from "./scenario/scenario-error.js";
export type { ExpectationFailure } from "./scenario/expectations.js";
export type { Fate } from "./scenario/observer.js";
export type { ScenarioFile } from "./scenario/file-schema.js";
export type {
  Action,
  Backing,
  Expectation,
  FinalExpectation,
  Instruction,
  PageDeclaration,
  PageRef,
  Participant,
  Rights,
  Scenario,
  Step,
  Verb,
} from "./scenario/scenario.js";
export type { Lack, PageView, Setup, System, World } from "./scenario/system.js";
export type { Signal, StepResult } from "./consequences/result.js";
export type { Citation, Evidence, Mark, Party, Rule } from "./consequences/evidence.js";
export { EvidenceLog } from "./consequences/evidence-log.js";

export { openWorkerPool, type NodeJobs, type NodePoolOptions } from "./workers/node.js";
export { exposeWorkerThread } from "./workers/node-thread.js";
export { NODE_JOBS, type NodeReplayInput } from "./workers/node-jobs.js";
export type { Job, JobContext, JobTable } from "./workers/jobs.js";
export { WorkerPool, type Finished, type JobOptions, type PoolOptions, type WorkerDeath } from "./workers/pool.js";
export { RemoteMachine, type RemoteSnapshot, type RemoteTlb } from "./workers/remote-machine.js";
export type { MachineConfigs, MachineKind } from "./workers/machine-host.js";
export type { ReplayedJob, ReplayInput, ReplayLimits, ReplayProgress, TraceSource } from "./workers/replay-job.js";
export type { ScenarioInput } from "./workers/scenario-job.js";
export { giveAway } from "./workers/buffers.js";
export { WorkerDied, type Spawn, type Thread } from "./workers/thread.js";
