// A value once it has stopped changing, for what is too much work to do while somebody scrubs.

import { useEffect, useState } from "preact/hooks";

/** The last `value` that stayed the same (===) for `milliseconds`; at first, the first one. */
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
