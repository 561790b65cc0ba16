// The operation, for words: a few times a second is enough for them, and the map goes first. It moves the ownership and hears what
// changed; whoever moves it before the map does makes the map compare all pages.

import { useEffect, useState } from "preact/hooks";
import type { OpenTrace, Store } from "../store.js";

/** Milliseconds. */
const FOLLOW_EVERY = 100;

/** The operation a moment ago; the ownership is there too, whether a map is shown or not. */
export function useFollowedOperation({ operation }: Pick<Store, "operation">, { ownership }: OpenTrace): number {
  const go = () => {
    const now = operation.peek();
    if (ownership.after !== now) ownership.goTo(now);
    return { operation: now };
  };
  const [followed, setFollowed] = useState(go);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let frame = 0;
    const follow = () => {
      timer = undefined;
      setFollowed(go());
    };
    // A frame asked for later comes after the one that the map asked for when the operation changed.
    const schedule = () => (timer ??= setTimeout(() => (frame = requestAnimationFrame(follow)), FOLLOW_EVERY));
    const stop = operation.subscribe(schedule);
    return () => {
      stop();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [operation, ownership]);
  return followed.operation;
}
