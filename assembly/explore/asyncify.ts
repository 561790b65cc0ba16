// Binaryen's Asyncify: calls that are left half-way with their locals saved, and entered again (scripts/suspend-calls.js).
// Imports by name only: the compiler's pass puts functions of its own in their place.
//
//   what they are given: 0 u32 end of the saved locals, moves | 4 u32 end of the room | 8 the locals

export declare function start_unwind(stack: usize): void;
export declare function stop_unwind(): void;
export declare function start_rewind(stack: usize): void;
export declare function stop_rewind(): void;
