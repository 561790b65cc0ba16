// What Android's EL2 does with a guest's firmware (pvmfw), which the machine below has nothing of: where the host has asked for it,
// a page that is given to the guest is filled with firmware first. Reference bugs.md section 6, host-and-vmm section 5.

import { RELINQUISH_RESETS_FIRMWARE } from "../../abi/mutations";
import { pfnToPa } from "../../arch/geometry";
import { readU64, writeU64 } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { Kvm, KVMS, numberOf } from "./kvm";

/** Stands for the page of firmware that the guest boots from. */
const FIRMWARE: u64 = 0x6677_6d76_7000_0001;
/** The page of the guest's slot at which it is loaded. */
export const FIRMWARE_PAGE: u32 = 0;

// u32 for each VM: 1 = EL2 knows where its firmware goes.
let addresses: usize = 0;

/** False if linear memory is used up. */
export function makeFirmware(): bool {
  addresses = reserve((KVMS as usize) << 2);
  return addresses != 0;
}

function addressOf(kvm: Kvm): usize {
  return addresses + ((numberOf(kvm) as usize) << 2);
}

/** init_vm, for a VM that is to have firmware. */
export function noteFirmware(kvm: Kvm): void {
  store<u32>(addressOf(kvm), 1);
}

export function forgetFirmware(kvm: Kvm): void {
  store<u32>(addressOf(kvm), 0);
}

/** A page was given to the guest. */
export function loadFirmware(kvm: Kvm, page: u32, pfn: u64): void {
  if (page == FIRMWARE_PAGE && load<u32>(addressOf(kvm)) != 0) writeU64(pfnToPa(pfn), FIRMWARE);
}

/** The guest gave a page back. If it is that of its firmware, it wants none any more. */
export function pageRelinquished(kvm: Kvm, page: u32): void {
  if (page == FIRMWARE_PAGE) kvm.wantsFirmware = false;
  if (page == FIRMWARE_PAGE || isMutated(RELINQUISH_RESETS_FIRMWARE)) forgetFirmware(kvm);
}

/** Whether the page is what a guest boots from. */
export function holdsFirmware(pfn: u64): bool {
  return readU64(pfnToPa(pfn)) == FIRMWARE;
}
