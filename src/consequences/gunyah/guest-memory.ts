// Where a driver takes pages for its guests from, and what becomes of the host's own access to them.

import type { Frame } from "../host-memory.js";
import type { Binding, Bound, BoundPage } from "./bindings.js";
import type { LinuxVm } from "./linux-vm.js";

/** A page that the driver holds, or why there is none. */
export type Taken = { readonly errno: null; readonly frame: Frame } | { readonly errno: string };

/** Backing memory of one kind of driver. */
export interface GuestMemory {
  /** Whether the driver can bind it at all. */
  fits(page: BoundPage): boolean;
  /** Whether two pages are the same memory: it is bound once. */
  isSame(a: BoundPage, b: BoundPage): boolean;
  /** Finds the page behind an address that is bound, and holds it. */
  take(vm: LinuxVm, bound: Bound): Taken;
  /** Holds a page that was found in another way. */
  hold(vm: LinuxVm, frame: Frame): void;
  /** The page has been given to the guest. */
  given(frame: Frame, binding: Pick<Binding, "lends">): void;
  /** The page is the host's again, or was never given: it is let go. */
  putBack(vm: LinuxVm, frame: Frame): void;
}
