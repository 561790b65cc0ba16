// KVM's guest_memfd as a file (virt/kvm/guest_memfd.c; reference host-and-vmm 4). Whether user space may map it is decided
// once for the whole inode, by the flag INIT_SHARED at its creation.

import type { Rule } from "./evidence.js";
import { hostRule } from "./rule-table.js";
import type { FileAnswer, GuestMemoryFile } from "./vm-driver.js";

const GMEM = "virt/kvm/guest_memfd.c";

const RULES = {
  private: hostRule(
    "linux.guest-memfd.private",
    "a private guest_memfd gives user space no page: VM_FAULT_SIGBUS",
    "4.2",
    "M",
    `${GMEM}:kvm_gmem_fault_user_mapping`,
  ),
  shared: hostRule(
    "linux.guest-memfd.shared",
    "a guest_memfd made with INIT_SHARED can be mapped and touched by user space",
    "4.2",
    "M",
    `${GMEM}:kvm_gmem_fault_user_mapping`,
  ),
  punch: hostRule(
    "linux.guest-memfd.punch",
    "a hole: unmapped from the guest, the folio is freed; the next guest access gets a fresh zero page",
    "4.2",
    "M",
    `${GMEM}:kvm_gmem_punch_hole`,
  ),
  allocate: hostRule(
    "linux.guest-memfd.allocate",
    "fallocate knows holes only",
    "4.2",
    "M",
    `${GMEM}:kvm_gmem_fallocate`,
  ),
  truncate: hostRule(
    "linux.guest-memfd.truncate",
    "the size is fixed at creation",
    "4.2",
    "M",
    `${GMEM}:kvm_gmem_setattr`,
  ),
  readWrite: hostRule(
    "linux.guest-memfd.read-write",
    "there is no read and no write on the descriptor",
    "4.2",
    "M",
    GMEM,
  ),
  mapPrivate: hostRule("linux.guest-memfd.map-private", "only shared mappings", "4.2", "M", `${GMEM}:kvm_gmem_mmap`),
} as const satisfies Record<string, Rule>;

const REFUSALS: Readonly<Record<Parameters<GuestMemoryFile["refuses"]>[0], FileAnswer>> = {
  allocate: { errno: "EOPNOTSUPP", rule: RULES.allocate },
  truncate: { errno: "EINVAL", rule: RULES.truncate },
  read: { errno: "EINVAL", rule: RULES.readWrite },
  write: { errno: "EINVAL", rule: RULES.readWrite },
  "map-private": { errno: "EINVAL", rule: RULES.mapPrivate },
};

/** A guest_memfd created with MMAP, and with INIT_SHARED if `initShared`. */
export function guestMemfd(initShared: boolean): GuestMemoryFile {
  return {
    name: initShared ? "guest_memfd (INIT_SHARED)" : "guest_memfd",
    mayMapToUser: () => (initShared ? { errno: null, rule: RULES.shared } : { errno: "EFAULT", rule: RULES.private }),
    punchHole: () => ({ errno: null, rule: RULES.punch }),
    refuses: (request) => REFUSALS[request],
  };
}
