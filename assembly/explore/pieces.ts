// The rules about states, asked piece by piece: of each page by itself and of what each VM is made of. A state in which every
// piece was found right before needs no look at the machine (decisions.ts); what no piece speaks of, EL2's own pages and the
// insides of its tables and the host's, changes only where an operation is carried out, and is asked of all of it there.

import { VM_STATE_LIVE } from "../abi/records";
import { isValid, outputAddress } from "../arch/descriptor";
import { granuleSize, pageShift, pfnToPa } from "../arch/geometry";
import { pageOf } from "../memory/regions";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";
import { guestStateOf } from "../systems/pkvm/annotation";
import {
  beginPiece,
  checkMemcaches,
  checkOnePage,
  checkVmTable,
  countMapping,
  countPins,
  endPiece,
} from "../systems/pkvm/invariants";
import { maxVms, Vm, vmAt } from "../systems/pkvm/vm";
import { isPageSecret } from "./contents";
import { domainGfn, domainPfn, frames, ownerOf, ownPages, pages } from "./domain";
import { isEverythingBack } from "./leaks";

// What holds of a state without VMs is one piece: while there is a VM it looks at nothing else. It is the first.
const LEAK: u32 = 0;
const FIRST: u32 = 1;
// Of each VM slot: its pages, its table, its vCPUs' lists.
const VM_PIECES: u32 = 3;

export function pieceCount(): u32 {
  return FIRST + ownPages + maxVms * VM_PIECES;
}

/** Whether a piece keeps the invariants asked for, and its secrets and what is to come back if that is asked for. */
export function isPieceRight(piece: u32, invariants: u64, isSecrecyAsked: bool, isLeakAsked: bool): bool {
  if (piece == LEAK) return !isLeakAsked || isEverythingBack();
  const number = piece - FIRST;
  if (number < ownPages) return arePagesRight(0, number, invariants, isSecrecyAsked);
  const slot = (number - ownPages) / VM_PIECES;
  const kind = (number - ownPages) % VM_PIECES;
  if (kind == 0) return arePagesRight(slot + 1, ALL, invariants, isSecrecyAsked);
  const vm = vmAt(slot);
  if (vm.state < VM_STATE_LIVE) return true;
  if (!beginPiece(invariants)) return false;
  if (kind == 1) checkVmTable(vm);
  else checkMemcaches(vm);
  return endPiece() == 0;
}

const ALL: u32 = u32.MAX_VALUE;

// Number `which` of the pages that have this owner, or all of them.
function arePagesRight(owner: u32, which: u32, invariants: u64, isSecrecyAsked: bool): bool {
  let number: u32 = 0;
  for (let i: u32 = 0; i < pages; i++) {
    if (ownerOf(i) != owner) continue;
    if (which != ALL && number++ != which) continue;
    if (!isPageRight(i, invariants) || (isSecrecyAsked && !isPageSecret(i))) return false;
  }
  return true;
}

function isPageRight(index: u32, invariants: u64): bool {
  const pfn = domainPfn(index);
  if (!beginPiece(invariants)) return false;
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const vm = vmAt(slot);
    if (vm.state < VM_STATE_LIVE) continue;
    countMappings(vm, pfn);
    countPins(vm);
  }
  checkOnePage(pfn);
  return endPiece() == 0;
}

// Other guest frames than the domain's map nothing.
function countMappings(vm: Vm, pfn: u64): void {
  for (let i: u32 = 0; i < frames; i++) {
    getLeaf(vm.table, pfnToPa(domainGfn(i)));
    if (!isValid(leaf)) continue;
    const first = outputAddress(leaf) >> pageShift;
    if (pfn - first < granuleSize(leafLevel) >> pageShift) countMapping(pageOf(pfn), guestStateOf(leaf));
  }
}
