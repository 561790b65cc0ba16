// Views that are loaded when somebody looks at them: what they stand on is large, and the first picture needs none of it.

import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import type { Store } from "./store.js";

type View = FunctionComponent<{ store: Store }>;

/** `load` is an `import()`, which fails if the server is gone. */
export function lazyView(load: () => Promise<View>): View {
  return function LazyView({ store }) {
    const loaded = useSignal<{ readonly View: View } | { readonly problem: string } | null>(null);
    useEffect(() => {
      load().then(
        (View) => (loaded.value = { View }),
        (error: unknown) => (loaded.value = { problem: String(error) }),
      );
    }, []);
    if (loaded.value === null) return <p role="status">Loading this view.</p>;
    if ("problem" in loaded.value) return <p role="alert">This view could not be loaded: {loaded.value.problem}</p>;
    return <loaded.value.View store={store} />;
  };
}
