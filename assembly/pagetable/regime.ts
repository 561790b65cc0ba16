// The registers with which a CPU walks a stage-2 table of this machine (hyp/pgtable.c:kvm_get_vtcr; reference pkvm-el2
// section 2.1): one VTCR_EL2 for all tables, walks cacheable and inner shareable, no hardware access flag.

import { ARCH_FWB, ARCH_LPA, ARCH_XNX, INNER_SHAREABLE, WRITE_BACK } from "../abi/walk";
import { ATTRIBUTE_INNER_SHIFT, ATTRIBUTE_OUTER_SHIFT, REGISTERS_SIZE } from "../abi/walk";
import { iaBits, pageShift, startLevel } from "../arch/geometry";
import {
  HCR_FWB,
  HCR_RW,
  HCR_VM,
  Registers,
  VTCR_IRGN0_WBWA,
  VTCR_ORGN0_WBWA,
  VTCR_PS_SHIFT,
  VTCR_RES1,
  VTCR_SH0_INNER,
  VTCR_SL0_SHIFT,
  VTCR_TG0_SHIFT,
  VTTBR_VMID_SHIFT,
} from "../arch/registers";
import { hasFwb, hasXnx } from "./attributes";
import { Stage2 } from "./stage2-table";

/**
 * Writes the registers of `table`. `paBits`: implemented physical address bits; above 48 they need 64 KiB pages.
 * Stage 1 is taken to make every access Normal Write-Back, inner shareable.
 */
export function loadRegisters(registers: Registers, table: Stage2, paBits: u32): void {
  memory.fill(changetype<usize>(registers), 0, REGISTERS_SIZE);
  registers.vtcr = vtcr(paBits);
  // BADDR[51:48] stands in bits 5:2; below 2^48 the root is where it says.
  registers.vttbr = ((table.vmid as u64) << VTTBR_VMID_SHIFT) | table.root;
  registers.hcr = HCR_VM | HCR_RW | (hasFwb ? HCR_FWB : 0);
  registers.paBits = paBits;
  registers.features = (hasFwb ? ARCH_FWB : 0) | (hasXnx ? ARCH_XNX : 0) | (paBits > 48 ? ARCH_LPA : 0);
  registers.stage1Attributes =
    (WRITE_BACK << ATTRIBUTE_OUTER_SHIFT) | (WRITE_BACK << ATTRIBUTE_INNER_SHIFT) | INNER_SHAREABLE;
}

function vtcr(paBits: u32): u64 {
  const walks = VTCR_SH0_INNER | VTCR_ORGN0_WBWA | VTCR_IRGN0_WBWA;
  return VTCR_RES1 | walks | sizes(paBits) | granule() | ((64 - iaBits) as u64);
}

// VTCR_EL2.PS: 32, 36, 40, 42, 44, 48, 52 bits.
function sizes(paBits: u32): u64 {
  const ps = paBits < 42 ? (paBits - 32) >> 2 : paBits == 42 ? 3 : (paBits - 28) >> 2;
  return (ps as u64) << VTCR_PS_SHIFT;
}

// TG0 and SL0: with 4 KiB pages SL0 is 2 - level, else 3 - level.
function granule(): u64 {
  const tg0: u64 = pageShift == 12 ? 0 : pageShift == 14 ? 2 : 1;
  const sl0 = (pageShift == 12 ? 2 : 3) - startLevel;
  return (tg0 << VTCR_TG0_SHIFT) | ((sl0 as u64) << VTCR_SL0_SHIFT);
}
