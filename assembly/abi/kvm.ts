// Plain KVM on an arm64 host (Linux 7.3, VHE, no pKVM): its operations, with the layout of operations.ts, what they answer
// beyond an errno, and its reasons and effects. Sections are those of reference host-and-vmm.
//
// The comment behind an operation names a, b, c, d; (vm) says that the field counts, (fd) that the vcpu field holds a
// guest_memfd. Addresses, sizes and offsets are bytes, gfn and pfn frame numbers.

// The VM and its memory slots (virt/kvm/kvm_main.c).
export const KVM_CREATE_VM: i32 = 192; //           type; answers the handle
export const KVM_DESTROY_VM: i32 = 193; //          (vm) the VMM's last descriptor of the VM is closed
export const KVM_SET_MEMORY_REGION: i32 = 194; //   (vm, fd: 0 = memory of the VMM; bit 31 = read-only) gpa, size (0 = delete), slot, offset in the file
// The fault handler and the MMU notifiers (arch/arm64/kvm/mmu.c).
export const KVM_GUEST_FAULT: i32 = 195; //         (vm) esr, ipa, pfn behind the VMM's address, HVA_*
export const KVM_UNMAP_GFN_RANGE: i32 = 196; //     (vm) gfn, nr
export const KVM_AGE_GFN: i32 = 197; //             (vm) gfn, nr, mkold
// guest_memfd (virt/kvm/guest_memfd.c).
export const KVM_CREATE_GUEST_MEMFD: i32 = 198; //  (vm) size, flags; answers the file, from 1 on
export const GMEM_MMAP: i32 = 199; //               (fd) offset, size, 1 = MAP_SHARED
export const GMEM_HOST_FAULT: i32 = 200; //         (fd) offset
export const GMEM_FALLOCATE: i32 = 201; //          (fd) mode, offset, size
export const GMEM_FTRUNCATE: i32 = 202; //          (fd) size
export const GMEM_READ: i32 = 203; //               (fd) offset, size
export const GMEM_WRITE: i32 = 204; //              (fd) offset, size
export const GMEM_MIGRATE_FOLIO: i32 = 205; //      (fd) offset
export const GMEM_MEMORY_FAILURE: i32 = 206; //     (fd) offset
export const GMEM_CLOSE: i32 = 207; //              (fd) the last reference goes: the descriptor and every mapping

/** The field's bit of KVM_SET_MEMORY_REGION that makes a slot read-only. */
export const REGION_READONLY: i32 = -2147483648;

/** VM type (8.5): protected bit 31, IPA bits 7:0, nothing else. */
export const VM_TYPE_PROTECTED: i32 = -2147483648;
export const VM_TYPE_IPA_BITS: i32 = 255;

/** guest_memfd flags (4.1). */
export const GUEST_MEMFD_FLAG_MMAP: i32 = 1;
export const GUEST_MEMFD_FLAG_INIT_SHARED: i32 = 2;

/** fallocate modes. */
export const FALLOC_FL_KEEP_SIZE: i32 = 1;
export const FALLOC_FL_PUNCH_HOLE: i32 = 2;

/** What the VMM's address space has behind a guest address, as get_user_pages finds it. */
export const HVA_MAPPED: i32 = 1;
export const HVA_WRITABLE: i32 = 2;
/** A huge page, which the pfn lies in. */
export const HVA_HUGE: i32 = 4;

// What KVM_GUEST_FAULT answers if it is no errno: the guest goes on where it was, or KVM_RUN returns with an exit reason
// (KVM_EXIT_*), or the guest goes on with an exception, or behind the instruction.
export const FAULT_RESUMED: i32 = 0;
export const FAULT_SEA_INJECTED: i32 = 256;
export const FAULT_ADDRESS_SIZE_INJECTED: i32 = 257;
export const FAULT_SKIPPED: i32 = 258;
/** An external abort that hardware raised: the host's own handling of it. */
export const FAULT_HOST_SEA: i32 = 259;

/** Exit reasons of KVM_RUN (8.5). */
export const KVM_EXIT_MMIO: i32 = 6;
export const KVM_EXIT_MEMORY_FAULT: i32 = 39;

// Reasons: one per check (codes.ts). expected and found are what the comment says.
export const REASON_KVM_NO_SUCH_VM: i32 = 192; //      no descriptor of such a VM; subject handle
export const REASON_KVM_VM_TYPE: i32 = 193; //         unknown bits; found type
export const REASON_KVM_NOT_PROTECTED_MODE: i32 = 194; // the protected bit without pKVM; found type
export const REASON_KVM_IPA_BITS: i32 = 195; //        expected the limit, found IPA bits
export const REASON_KVM_VM_LIMIT: i32 = 196; //        found VMs
export const REASON_KVM_UNALIGNED: i32 = 197; //       address, size or offset; subject the unaligned value
export const REASON_KVM_SLOT_ID: i32 = 198; //         expected less than, found slot
export const REASON_KVM_REGION_SIZE: i32 = 199; //     size or end of a region that cannot be; subject size
export const REASON_KVM_SLOT_OVERLAP: i32 = 200; //    another slot is there; subject gpa; found its slot
export const REASON_KVM_NO_SUCH_SLOT: i32 = 201; //    deletion of nothing; found slot
export const REASON_KVM_SLOT_CHANGE: i32 = 202; //     a slot keeps its size and kind; found slot
export const REASON_KVM_GMEM_READONLY: i32 = 203; //   a slot on a guest_memfd cannot be read-only; found slot
export const REASON_KVM_BEYOND_IPA: i32 = 204; //      slot beyond the VM's IPA space; subject gpa; expected IPA bits
export const REASON_GMEM_NO_SUCH_FILE: i32 = 205; //   found fd
export const REASON_GMEM_FILE_LIMIT: i32 = 206; //     found open files
export const REASON_GMEM_FLAGS: i32 = 207; //          expected flags that exist, found flags
export const REASON_GMEM_SIZE: i32 = 208; //           subject size
export const REASON_GMEM_OTHER_VM: i32 = 209; //       subject handle of the file's VM
export const REASON_GMEM_BOUND: i32 = 210; //          the range is bound to another slot; subject offset; found that slot
export const REASON_GMEM_NO_MMAP: i32 = 211; //        file without the MMAP flag; found flags
export const REASON_GMEM_MAP_PRIVATE: i32 = 212; //    mmap without MAP_SHARED
export const REASON_GMEM_PRIVATE: i32 = 213; //        user fault on a private file: SIGBUS; subject offset
export const REASON_GMEM_BEYOND_SIZE: i32 = 214; //    subject offset
export const REASON_GMEM_FALLOCATE_MODE: i32 = 215; // found mode
export const REASON_GMEM_NO_OPERATION: i32 = 216; //   the file has no such file operation
export const REASON_GMEM_FILE_GONE: i32 = 217; //      the slot's file was closed; subject IPA; found slot
export const REASON_GMEM_POISONED: i32 = 218; //       hardware poison; subject offset
export const REASON_KVM_NO_FOLIO: i32 = 219; //        no page is free; subject offset
export const REASON_KVM_FAULT_STATUS: i32 = 220; //    a fault KVM does not handle; found FSC; subject IPA
export const REASON_KVM_HVA_UNMAPPED: i32 = 221; //    nothing behind the VMM's address; subject IPA
export const REASON_KVM_HVA_READONLY: i32 = 222; //    a write, and the VMM may not write there; subject IPA
export const REASON_KVM_NO_SYNDROME: i32 = 223; //     an access for emulation whose syndrome says nothing (ISV = 0); subject IPA

// Effects (records.ts).
/** A memory slot: owner = handle, level = 0, address = gpa, before and after = size in bytes, extra = slot | fd << 32. */
export const EFFECT_MEMSLOT: i32 = 60;
/** A guest_memfd's folio: owner = fd, address = offset, before and after = PA (0 = none); level 1: the host's user mapping goes. */
export const EFFECT_FOLIO: i32 = 61;
/** Where a user fault of the host leads: owner = fd, address = offset, after = PA. */
export const EFFECT_HOST_MAP: i32 = 62;
/** KVM_RUN returns with an exit reason: level = KVM_EXIT_*, owner = handle, address = gpa, extra = size. */
export const EFFECT_RUN_EXIT: i32 = 63;
