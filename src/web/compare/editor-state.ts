// What is in the editor: kept while the editor is not on screen, and replaced when a file is opened.

import { effect, signal, untracked, type Signal } from "@preact/signals";
import type { Scenario } from "../../scenario/scenario.js";
import type { Store } from "../store.js";
import { TEMPLATES } from "./templates.js";

/** A text and the name by which messages call it. */
export interface EditedText {
  readonly file: string;
  readonly text: string;
}

export interface EditorState {
  readonly edited: Signal<EditedText>;
  /** What the editor held before another text took its place; null: nothing of the user's own. */
  readonly replaced: Signal<EditedText | null>;
  /** The text as it came: what differs from it is the user's work. */
  readonly original: Signal<string>;
  /** What was run last, and the text that it was read from; null: nothing. */
  readonly ran: Signal<{ readonly text: string; readonly scenario: Scenario } | null>;
}

const states = new WeakMap<Store, EditorState>();

export function editorStateOf(store: Store): EditorState {
  const known = states.get(store);
  if (known !== undefined) return known;
  const [{ name, text }] = TEMPLATES;
  const made: EditorState = {
    edited: signal({ file: `${name}.yaml`, text }),
    replaced: signal(null),
    original: signal(text),
    ran: signal(null),
  };
  states.set(store, made);
  effect(() => {
    const file = store.scenarioFile.value;
    if (file !== null) untracked(() => putText(made, file.name, file.text));
  });
  return made;
}

/** Puts a text into the editor. One that the user has worked on can be brought back. */
export function putText(state: EditorState, file: string, text: string): void {
  const { edited, replaced, original } = state;
  if (edited.value.text !== original.value) replaced.value = edited.value;
  edited.value = { file, text };
  original.value = text;
}

/** The text that was replaced last takes the place of the one that replaced it. */
export function bringBack(state: EditorState): void {
  const { edited, replaced } = state;
  if (replaced.value === null) return;
  edited.value = replaced.value;
  replaced.value = null;
}

/** Puts the text of a bundled scenario into the editor; false if there is none of that name. */
export async function editBundled(store: Store, name: string): Promise<boolean> {
  const { bundledText } = await import("./bundled-texts.js");
  const text = bundledText(name);
  if (text !== null) putText(editorStateOf(store), `${name}.yaml`, text);
  return text !== null;
}
