// How a step of a scenario ended, whoever took it: one canonical result that expectations compare, and its particulars.

/** A signal as its receiver's siginfo has it. */
export interface Signal {
  /** SIGSEGV, SIGBUS, SIGKILL. */
  readonly name: string;
  /** SEGV_ACCERR, BUS_OBJERR, ... */
  readonly code: string;
  /** si_addr in bytes; null where siginfo carries none. */
  readonly address: bigint | null;
}

/**
 * `result` is one of
 *   `ok`
 *   `SIGSEGV/SEGV_ACCERR`           a signal: name/si_code
 *   `EFAULT`                        an errno that a system call or ioctl returned
 *   `oops`                          the kernel ended the task that made the access
 *   `KVM_RUN EFAULT`                the run ioctl failed: errno; with an exit reason other than 0: `KVM_RUN EFAULT MEMORY_FAULT`
 *   `KVM_RUN MMIO`                  the run ioctl returned 0 with this exit reason; Gunyah: `VCPU_RUN PAGE_FAULT ENOENT`
 *   `guest SEA`, `guest <name>`     an exception taken inside the guest
 *   `INVALID_PARAMETER`, `MEM_INUSE`, `DENIED`, ...    a hypercall's or a resource manager's error by name
 *   `I/O error`                     what a blocked device reports
 *   `machine stopped`               the hypervisor stopped
 *   `spins`                         the instruction is executed again for ever
 *   `no such verb`                  the system cannot express the step; `why` tells
 *   `not run`                       who should act is dead
 */
export interface StepResult {
  readonly result: string;
  /** What a load, a call or a device read (the page's first 64 bits); null if nothing was read. */
  readonly value: bigint | null;
  readonly signal: Signal | null;
  /** Bytes that a system call answered with; null if it failed or is no such call. */
  readonly bytes: number | null;
  /** Pages seized by the host kernel in this step. */
  readonly forceReclaims: number;
  /** Participants that died in this step, and what follows from it. */
  readonly died: readonly string[];
  /** Behind `no such verb`: the reason. */
  readonly why: string | null;
}

/** A result with nothing in it but what is given. */
export function stepResult(result: string, details: Partial<StepResult> = {}): StepResult {
  return { result, value: null, signal: null, bytes: null, forceReclaims: 0, died: [], why: null, ...details };
}
