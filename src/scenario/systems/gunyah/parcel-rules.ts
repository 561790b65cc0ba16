// What Gunyah's parcels do, as rules: each verb's effect, who may end it, and what a VM's end does to them.

import { gunyahRule, hostRule } from "../../../consequences/rule-table.js";

const RM = "rm/src/memparcel/memparcel.c";

export const PARCEL_RULES = {
  donate: gunyahRule(
    "gunyah.parcel.donate",
    "the giver loses its access at creation; whoever accepts owns the memory for good, and the parcel is gone",
    "8.1",
    "S",
    `${RM}:memparcel_create`,
  ),
  lend: gunyahRule(
    "gunyah.parcel.lend",
    "the owner loses its access at creation, before anybody has accepted, and keeps its title",
    "8.1",
    "S",
    `${RM}:memparcel_create`,
  ),
  share: gunyahRule(
    "gunyah.parcel.share",
    "the owner keeps its mapping in the parcel, with the rights that its own ACL entry has",
    "8.1",
    "S",
    `${RM}:memparcel_create`,
  ),
  ownedOnly: gunyahRule(
    "gunyah.parcel.owned-only",
    "only memory of the giver's own extent can be put into a parcel: not what it has borrowed, not what is in one already",
    "6.4",
    "S",
    `${RM}:add_sgl_to_mp`,
  ),
  accept: gunyahRule(
    "gunyah.parcel.accept",
    "a VM on the access list maps the parcel, with the rights that it was given",
    "6.6",
    "S",
    `${RM}:memparcel_do_accept`,
  ),
  release: gunyahRule(
    "gunyah.parcel.release",
    "the borrower is unmapped; a wipe that it asks for happens when the owner reclaims",
    "6.7",
    "S",
    `${RM}:memparcel_do_release`,
  ),
  reclaim: gunyahRule(
    "gunyah.parcel.reclaim",
    "the owner gets back what nobody holds, wiped only if somebody asked for it",
    "6.8",
    "S",
    `${RM}:memparcel_do_reclaim`,
  ),
  noForce: gunyahRule(
    "gunyah.parcel.no-force",
    "there is no way to force: an owner depends on the borrower's release or on the reset of its VM",
    "6.8",
    "S",
    `${RM}:memparcel_do_reclaim`,
  ),
} as const;

export const VM_RULES = {
  pinned: hostRule(
    "gunyah.parcel.pinned",
    "memory in a parcel is pinned: a VM keeps the frame, whatever becomes of the address space of HLOS's process",
    "7.10",
    "U",
  ),
  exit: gunyahRule(
    "gunyah.vm.exit",
    "a VM that has ended keeps all its parcels, accepted and mapped, until it is reset",
    "6.10",
  ),
  reset: gunyahRule(
    "gunyah.vm.reset",
    "the reset releases what the VM had accepted, the last first and without a wipe; what it owned goes to parent_ddr",
    "6.10",
  ),
  lost: gunyahRule(
    "gunyah.vm.memory-lost",
    "a parcel that cannot be reclaimed is not given back to the allocator: its pages stay pinned",
    "7",
  ),
} as const;
