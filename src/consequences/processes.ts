// Processes of the host: what they handle, what they may lock, what they map; and how they end.

import type { HostPage } from "./host-memory.js";

/** What a process is made from. */
export interface ProcessOptions {
  readonly name: string;
  /** Signals that it handles and survives. */
  readonly handlers?: readonly string[];
  /** RLIMIT_MEMLOCK in bytes; null: no limit (CAP_IPC_LOCK). */
  readonly memlock?: number | null;
  /** What it does when its run ioctl fails (vmm.ts). */
  readonly onRunFailure?: "exit" | "stay";
}

export class Process {
  readonly name: string;
  readonly handlers: ReadonlySet<string>;
  readonly memlock: number | null;
  readonly onRunFailure: "exit" | "stay";
  /** Pages charged to RLIMIT_MEMLOCK. */
  lockedPages = 0;
  alive = true;
  /** What signal frames tell of ESR: the last fault that was recorded (set_thread_esr), not necessarily this one. */
  recordedEsr: bigint | null = null;
  /** RLIMIT_CORE is not 0: signals that kill by default leave a core file. */
  dumpsCore = false;
  readonly #pages: HostPage[] = [];

  constructor({ name, handlers = [], memlock = null, onRunFailure = "exit" }: ProcessOptions) {
    this.name = name;
    this.handlers = new Set(handlers);
    this.memlock = memlock;
    this.onRunFailure = onRunFailure;
  }

  /** Its pages, in the order in which they were mapped. */
  get pages(): readonly HostPage[] {
    return this.#pages;
  }

  add(page: HostPage): void {
    this.#pages.push(page);
  }

  /** The page at a virtual address (bytes), if there is a VMA. */
  pageAt(va: bigint): HostPage | null {
    return this.#pages.find((page) => page.va === va && page.protection !== "gone") ?? null;
  }
}
