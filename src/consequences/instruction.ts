// Kinds of instructions with which a host touches memory, as the kernel's exception tables tell them apart (reference
// host-and-vmm section 1.5).

/** With which instruction the host touches memory: this decides what the kernel makes of a fault. */
export const INSTRUCTIONS = ["user", "uaccess", "nofault", "bpf", "zeropad", "direct-map"] as const;
export type Instruction = (typeof INSTRUCTIONS)[number];
