// Calls of the host that take addresses or that only boot may make (reference pkvm-el2 section 7.2). Both sides import this
// file. They touch no page's owner in an EL2 that works, so only the exploring variant has them.

// Operations: fields a, b, c, d of the record (abi/operations.ts). Addresses are bytes.

export const HCALL_CREATE_PRIVATE_MAPPING: i32 = 780; //      phys, size
export const HCALL_ADJUST_PC: i32 = 781; //                   vcpu_pa
export const HCALL_VCPU_RUN: i32 = 782; //                    vcpu_pa
export const HCALL_VGIC_V3_SAVE_APRS: i32 = 783; //           vcpu_pa
export const HCALL_TRACING_LOAD: i32 = 784; //                desc_pa, size
export const HCALL_TRACING_UNLOAD: i32 = 785;
/** No call: the host puts an address onto the list of the loaded vCPU that need not be where a page begins. */
export const HOST_MEMCACHE_PUSH_AT: i32 = 786; //       pa

// Reasons, as in abi/codes.ts.
export const REASON_BOOT_ONLY: i32 = 780; //            the call is boot's alone
export const REASON_NOT_LOADED_VCPU: i32 = 781; //      subject PA of the vCPU that is named
export const REASON_TRACING_SIZE: i32 = 782; //         subject size
export const REASON_TRACING_DESCRIPTOR: i32 = 783; //   what a CPU's list says does not fit the descriptor; subject PA
export const REASON_TRACING_CPUS: i32 = 784; //         expected, found CPUs
export const REASON_TRACING_LOADED: i32 = 785;
export const REASON_TRACING_PAGES: i32 = 786; //        expected, found pages of a CPU

// The host's struct kvm_vcpu as far as EL2 follows it. Its word 8 is told in the packed state (DOMAIN_KVM of abi/explore.ts).
//   8 u64 address of its struct kvm | 16 u64 PC | 24 u64 active priorities of its interrupts
export const HOST_VCPU_KVM: i32 = 8;
export const HOST_VCPU_PC: i32 = 16;
export const HOST_VCPU_APRS: i32 = 24;

// Descriptor of EL2's tracing buffers. The order of the fields is this simulator's own (unverified).
//   0 u64 PA of the backing area | 8 u64 its pages | 16 u64 CPUs, then for each: u64 pages, u64 PA of each of them
export const TRACING_BACKING: i32 = 0;
export const TRACING_BACKING_PAGES: i32 = 8;
export const TRACING_CPUS: i32 = 16;
export const TRACING_LISTS: i32 = 24;
/** A meta page, and two for data. */
export const TRACING_MIN_PAGES: i32 = 3;
