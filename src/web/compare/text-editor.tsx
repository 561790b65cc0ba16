// A text area with line numbers. Lines are not broken, so that the numbers stand beside them by arithmetic alone.

import type { Ref } from "preact";
import { useImperativeHandle, useRef, useState } from "preact/hooks";
import { lineCount, spanOf } from "./text-lines.js";

export interface EditorHandle {
  /** Selects what a message names and brings it into view. */
  select(line: number, column: number): void;
}

interface EditorProps {
  readonly handle: Ref<EditorHandle>;
  readonly label: string;
  readonly text: string;
  /** Lines to mark, from 1. */
  readonly badLines: readonly number[];
  /** Id of the element that says what is wrong. */
  readonly describedBy: string;
  readonly onInput: (text: string) => void;
}

/** Of a line of the text, in em; compare.css has the same. */
const LINE_EM = 1.5;

export function TextEditor({ handle, label, text, badLines, describedBy, onInput }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [scrolled, setScrolled] = useState(0);
  useImperativeHandle(handle, () => ({ select: (line, column) => selectPlace(area.current, line, column) }), []);
  const numbers = Array.from({ length: lineCount(text) }, (_, i) => i + 1).join("\n");
  const shift = { transform: `translateY(${-scrolled}px)` };
  return (
    <div class="text-editor">
      <div class="gutter" aria-hidden="true">
        <pre style={shift}>{numbers}</pre>
        {[...new Set(badLines)].map((line) => (
          <span key={line} class="bad-line" style={{ ...shift, top: `${(line - 1) * LINE_EM}em` }}>
            ▶
          </span>
        ))}
      </div>
      <textarea
        ref={area}
        aria-label={label}
        aria-invalid={badLines.length > 0}
        aria-describedby={describedBy}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        wrap="off"
        value={text}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
        onScroll={({ currentTarget }) => setScrolled(currentTarget.scrollTop)}
      />
    </div>
  );
}

function selectPlace(area: HTMLTextAreaElement | null, line: number, column: number): void {
  if (area === null) return;
  const { start, end } = spanOf(area.value, line, column);
  area.focus();
  area.setSelectionRange(start, end);
  const lineHeight = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = (line - 1) * lineHeight - area.clientHeight / 2;
}
