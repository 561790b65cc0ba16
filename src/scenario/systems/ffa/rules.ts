// What partition managers do about the common verbs and about accesses, as the reference has it.

import type { Mark, Rule } from "../../../consequences/evidence.js";

function ffaRule(id: string, says: string, section: string, where = "src/ffa_memory.c"): Rule {
  return { id: `ffa.${id}`, says, citation: { page: "ffa", section, mark: "S", where } };
}

function hostRule(id: string, says: string, section: string, mark: Mark): Rule {
  return { id: `ffa.${id}`, says, citation: { page: "host-and-vmm", section, mark } };
}

export const FFA_RULES = {
  donate: ffaRule(
    "donate",
    "DONATE takes the pages and their title from the sender at once; who retrieves them owns them",
    "3.1",
  ),
  lend: ffaRule("lend", "LEND takes the sender's access at once and leaves it the title (O-EA becomes O-NA)", "3.1"),
  share: ffaRule("share", "SHARE leaves the sender its access (O-EA becomes O-SA)", "3.1"),
  retrieve: ffaRule("retrieve", "RETRIEVE maps the pages for the receiver, with rights within what was sent", "7"),
  relinquish: ffaRule("relinquish", "RELINQUISH takes the pages from the borrower; the owner's table stays", "8"),
  reclaim: ffaRule("reclaim", "RECLAIM gives the owner its whole mode back, once no borrower holds the pages", "9"),
  clearAtSend: ffaRule("clear.send", "the clear flag of a lend or donate wipes before anybody gets the pages", "14"),
  clearAtRetrieve: ffaRule("clear.retrieve", "a retrieve never wipes, it only repeats what the sender said", "14"),
  clearAtRelinquish: ffaRule(
    "clear.relinquish",
    "a borrower's clear flag counts on a lend, if it was sent writable and all others have relinquished",
    "14",
  ),
  clearAtReclaim: ffaRule("clear.reclaim", "the clear flag of RECLAIM wipes before the owner sees the pages", "14"),
  death: ffaRule(
    "death",
    "for a dead endpoint its manager relinquishes what it borrowed and reclaims what it gave, and wipes nothing",
    "10",
  ),
  processDeath: hostRule("death.process", "a VM ends with the process that runs it: its host's affair", "7.11", "U"),
  access: ffaRule("access", "an endpoint reaches what its own stage 2 maps, with the rights it says", "3"),
  twoTables: ffaRule(
    "access.two-tables",
    "a secure partition's secure table is asked first, the non-secure one where the page is wholly absent from it",
    "3.1",
  ),
  fault: ffaRule("access.fault", "what is not mapped, or not with this right, is a fault at stage 2", "3.1"),
  normalWorld: hostRule(
    "access.normal-world",
    "the SPMC keeps no stage 2 in front of the normal world: only the physical address space can stop it",
    "6A",
    "S",
  ),
  granule: hostRule(
    "access.granule",
    "a page in the other physical address space is a granule protection fault",
    "6A",
    "S",
  ),
  filter: hostRule(
    "access.filter",
    "without granule checks a filter on the bus keeps secure memory from the normal world; how it shows is the platform's",
    "7.2",
    "U",
  ),
  dma: hostRule(
    "access.dma",
    "a device that no IOMMU translates for reaches all memory of its address space",
    "7.5",
    "U",
  ),
  dmaIommu: hostRule("access.dma-iommu", "an IOMMU that mirrors the primary's stage 2 stops the device", "7.5", "U"),
} as const;
