// The page starts here.

import { render } from "preact";
import { followAddress } from "./address.js";
import { App } from "./app.js";
import { compiledCore } from "./core.js";
import { loadExamples } from "./examples.js";
import { Opener } from "./open.js";
import { listenForShortcuts } from "./shortcuts.js";
import { createStore } from "./store.js";

const store = createStore();
const opener = new Opener(store);
const root = document.getElementById("app");
if (root === null) throw new Error("the page has no #app");

compiledCore().catch(() => {}); // begins now; who needs it hears of a failure
render(<App store={store} opener={opener} />, root);
listenForShortcuts();
await loadExamples().catch((error: unknown) => (store.problem.value = String(error)));
await followAddress(store, opener);
