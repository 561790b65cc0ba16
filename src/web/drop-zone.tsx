// The whole page takes files that are dropped on it.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, TargetedDragEvent } from "preact";

interface Props {
  readonly onFiles: (files: readonly File[]) => void;
  readonly children: ComponentChildren;
}

export function DropZone({ onFiles, children }: Props) {
  /** Every element under the pointer says that it was entered and left. */
  const entered = useSignal(0);
  const over = (event: TargetedDragEvent<HTMLElement>, change: number) => {
    if (event.dataTransfer?.types.includes("Files") !== true) return;
    event.preventDefault();
    entered.value += change;
  };
  const drop = (event: TargetedDragEvent<HTMLElement>) => {
    over(event, -entered.value);
    onFiles([...(event.dataTransfer?.files ?? [])]);
  };
  return (
    <div
      class="page"
      onDragEnter={(event) => over(event, 1)}
      onDragOver={(event) => over(event, 0)}
      onDragLeave={(event) => over(event, -1)}
      onDrop={drop}
    >
      {children}
      {entered.value > 0 && <div class="drop-here">Drop a trace or a scenario</div>}
    </div>
  );
}
