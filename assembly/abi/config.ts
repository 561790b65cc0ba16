// The machine's configuration as one packed record: what `machineCreate` reads from the configuration window.
//
//    0 u32 kind | 4 u32 page_shift | 8 u32 ia_bits | 12 u32 features | 16 u32 regions | 20 u32 host_s2_pool_pages
//   24 u64 hyp_carveout base | 32 u64 size | 40 u64 hyp_text base | 48 u64 size
//   56 u32 vm_bytes | 60 u32 vm_bytes_per_vcpu | 64 u32 vcpu_bytes | 68 u32 host_kvm_bytes | 72 u32 host_vcpu_bytes
//   76 u32 handle_base | 80 u32 max_vms | 84 u32 vmid (PAGE_TABLE) | 88 u32 pool_pages (PAGE_TABLE) | 92 u32 table flags (PAGE_TABLE)
//   96 u32 frames (REPLAYED: simulator-side table frames) | 100 u32 0
//   GUNYAH: 76 u32 heap bytes | 80 u32 bytes for the ownership database | 88 u32 table pages
//   96 u32 frames (REPLAYED, FFA: simulator-side table frames) | 100 u32 0
//  PKVM with FEATURE_SECURE_WORLD: 84 transactions | 88 fragments | 92 recipients | 96 frames | 100 buffer pages
//  FFA: 20 flavour | 56 transactions | 60 fragments | 64 recipients | 68 buffer pages | 72 protect
//  CCA: 76 VMIDs
//  104 regions, 24 bytes each: 0 u64 base | 8 u64 size | 16 u32 flags (MEMBLOCK_NOMAP) | 20 u32 0

export const CONFIG_KIND: i32 = 0;
export const CONFIG_PAGE_SHIFT: i32 = 4;
export const CONFIG_IA_BITS: i32 = 8;
export const CONFIG_FEATURES: i32 = 12;
export const CONFIG_REGIONS: i32 = 16;
export const CONFIG_HOST_S2_POOL_PAGES: i32 = 20;
export const CONFIG_CARVEOUT_BASE: i32 = 24;
export const CONFIG_CARVEOUT_SIZE: i32 = 32;
export const CONFIG_TEXT_BASE: i32 = 40;
export const CONFIG_TEXT_SIZE: i32 = 48;
export const CONFIG_VM_BYTES: i32 = 56;
export const CONFIG_VM_BYTES_PER_VCPU: i32 = 60;
export const CONFIG_VCPU_BYTES: i32 = 64;
export const CONFIG_HOST_KVM_BYTES: i32 = 68;
export const CONFIG_HOST_VCPU_BYTES: i32 = 72;
export const CONFIG_HANDLE_BASE: i32 = 76;
export const CONFIG_MAX_VMS: i32 = 80;
export const CONFIG_VMID: i32 = 84;
export const CONFIG_POOL_PAGES: i32 = 88;
export const CONFIG_TABLE_FLAGS: i32 = 92;
export const CONFIG_FRAMES: i32 = 96;
/** GUNYAH: bytes of the heap of objects and records, and of the one of the ownership database. */
export const CONFIG_HEAP_BYTES: i32 = 76;
export const CONFIG_MEMDB_BYTES: i32 = 80;
export const CONFIG_HEADER_SIZE: i32 = 104;
export const CONFIG_REGION_SIZE: i32 = 24;
/** HYP_MEMBLOCK_REGIONS: more regions than this and pKVM does not come up. */
export const HYP_MEMBLOCK_REGIONS: i32 = 128;

/** A whole pKVM host. */
export const KIND_PKVM: i32 = 0;
/** One stage-2 table by itself (vectors of kind `pgtable`). */
export const KIND_PAGE_TABLE: i32 = 1;
/** A pKVM host rebuilt from a trace's snapshot: tables live in frames outside DRAM, VMs come into being when named. */
export const KIND_REPLAYED: i32 = 2;
/** Sparse memory and the registers of one regime: walks alone (abi/walk.ts). Nothing else of the record counts. */
export const KIND_WALK: i32 = 3;
/** A plain KVM host: carve-out = the pages that guest_memfd takes its folios from, frames = table pages outside DRAM. */
export const KIND_KVM: i32 = 5;
/** Gunyah: the hypervisor and its resource manager, with HLOS as an ordinary VM (abi/gunyah.ts). */
export const KIND_GUNYAH: i32 = 4;

/** FF-A partition managers alone: no pKVM (abi/ffa.ts). */
export const KIND_FFA: i32 = 6;
/** EL3 and a Realm Management Monitor (abi/cca.ts): in the exploring variant alone. */
export const KIND_CCA: i32 = 7;

export const CONFIG_SECURE_TRANSACTIONS: i32 = 84;
export const CONFIG_SECURE_FRAGMENTS: i32 = 88;
export const CONFIG_SECURE_RECIPIENTS: i32 = 92;
export const CONFIG_SECURE_BUFFER_PAGES: i32 = 100;

export const CONFIG_FFA_FLAVOUR: i32 = 20;
export const CONFIG_FFA_TRANSACTIONS: i32 = 56;
export const CONFIG_FFA_FRAGMENTS: i32 = 60;
export const CONFIG_FFA_RECIPIENTS: i32 = 64;
export const CONFIG_FFA_BUFFER_PAGES: i32 = 68;
export const CONFIG_FFA_PROTECT: i32 = 72;

export const FEATURE_FWB: i32 = 1;
export const FEATURE_DIC: i32 = 2;
export const FEATURE_XNX: i32 = 4;
export const FEATURE_TLB_RANGE: i32 = 8;
export const FEATURE_EL2_DEBUG: i32 = 16;
/** Not a feature of the CPU: Android's variant of pKVM. */
export const FEATURE_ANDROID: i32 = 256;
/** Behind pKVM's FF-A proxy there is an SPMC with partitions. */
export const FEATURE_SECURE_WORLD: i32 = 512;
/** Firmware moves pages between physical address spaces, and the CPU checks them (granule protection). */
export const FEATURE_GRANULE_PROTECTION: i32 = 1024;

/** Table flags: identity addresses demanded; memory type always "as stage 1"; page leaves forced. */
export const TABLE_IDMAP: i32 = 1;
export const TABLE_AS_S1: i32 = 2;
export const TABLE_FORCE_PTE: i32 = 4;
