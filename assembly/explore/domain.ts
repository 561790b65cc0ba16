// The pages, guest frames and operations that a search is about, as the caller wrote them (layout: abi/explore.ts).

import {
  DOMAIN_ABANDONS,
  DOMAIN_FLAGS,
  DOMAIN_FRAME_LIST,
  DOMAIN_FRAMES,
  DOMAIN_GROUP_SHIFT,
  DOMAIN_HOST_LIST,
  DOMAIN_KVM,
  DOMAIN_MAX_FRAMES,
  DOMAIN_MAX_OPERATIONS,
  DOMAIN_MAX_PAGES,
  DOMAIN_OPERATION_LIST,
  DOMAIN_OPERATIONS,
  DOMAIN_PAGE_FLAGS,
  DOMAIN_PAGE_LIST,
  DOMAIN_PAGE_OWNER,
  DOMAIN_PAGE_SIZE,
  DOMAIN_PAGES,
  DOMAIN_TRACER,
} from "../abi/explore";
import { OPERATION_SIZE } from "../abi/operations";
import { pageSize } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { pageOf } from "../memory/regions";
import { maxVms } from "../systems/pkvm/vm";

let domain: usize = 0;
export let pages: u32 = 0;
export let frames: u32 = 0;
export let operations: u32 = 0;
/** Byte offset in every page of the word that tells whose contents it holds. */
export let tracer: u64 = 0;
/** The longest list that the host makes for a vCPU. */
export let longestList: u32 = 0;
/** Whether the host ends VMs that still have pages. */
export let abandons: bool = false;
/** Pages that are parts of their own. */
export let ownPages: u32 = 0;

export function domainWindow(): usize {
  const bytes = DOMAIN_OPERATION_LIST + DOMAIN_MAX_OPERATIONS * OPERATION_SIZE;
  if (domain == 0) domain = reserve(bytes);
  return domain;
}

/** Takes over what is in the window, once the machine is there. False if it cannot be. */
export function readDomain(): bool {
  pages = load<u32>(domain, DOMAIN_PAGES);
  frames = load<u32>(domain, DOMAIN_FRAMES);
  operations = load<u32>(domain, DOMAIN_OPERATIONS);
  tracer = load<u32>(domain, DOMAIN_TRACER) as u64;
  longestList = load<u32>(domain, DOMAIN_HOST_LIST);
  abandons = (load<u32>(domain, DOMAIN_FLAGS) & DOMAIN_ABANDONS) != 0;
  ownPages = 0;
  if (pages > (DOMAIN_MAX_PAGES as u32) || frames > (DOMAIN_MAX_FRAMES as u32)) return false;
  if (operations > (DOMAIN_MAX_OPERATIONS as u32) || tracer > pageSize - 8 || (tracer & 7) != 0) return false;
  for (let i: u32 = 0; i < pages; i++) {
    if (pageOf(domainPfn(i)) == 0 || ownerOf(i) > maxVms) return false;
    if (ownerOf(i) == 0) ownPages++;
  }
  return true;
}

function pageAt(index: u32): usize {
  return domain + DOMAIN_PAGE_LIST + (index as usize) * DOMAIN_PAGE_SIZE;
}

export function domainPfn(index: u32): u64 {
  return load<u64>(pageAt(index));
}

/** 0: a part of its own; n: packed with the VM in slot n - 1. */
export function ownerOf(index: u32): u32 {
  return load<u32>(pageAt(index), DOMAIN_PAGE_OWNER);
}

/** Whether it is a struct of the host's of which EL2 reads a word later. */
export function isHostKvm(index: u32): bool {
  return (load<u32>(pageAt(index), DOMAIN_PAGE_FLAGS) & DOMAIN_KVM) != 0;
}

/** From 1: pages of their own with the same number are interchangeable, and VMs with pages of the same number. 0: with none. */
export function groupOf(index: u32): u32 {
  return load<u32>(pageAt(index), DOMAIN_PAGE_FLAGS) >> DOMAIN_GROUP_SHIFT;
}

export function domainGfn(index: u32): u64 {
  return load<u64>(domain + DOMAIN_FRAME_LIST + ((index as usize) << 3));
}

/** The record of an operation. */
export function operationAt(index: u32): usize {
  return domain + DOMAIN_OPERATION_LIST + (index as usize) * OPERATION_SIZE;
}
