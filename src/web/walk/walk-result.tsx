// How a walk ends: the physical address, or the fault with what EL2 finds in its registers.

import { hex } from "../../machine/names.js";
import type { WalkDetails } from "../../timeline/timeline.js";
import type { OpenTrace, Store } from "../store.js";

interface WalkResultProps {
  readonly details: WalkDetails;
  readonly store: Store;
  readonly open: OpenTrace;
}

export function WalkResult({ details: { result, faults, pa, registers }, store, open }: WalkResultProps) {
  return (
    <div class={faults ? "walk-result faults" : "walk-result"}>
      <div class="walk-end">
        <p role="status">
          <strong>{faults ? "Faults" : "Translated"}</strong>: {result}
        </p>
        {pa === null ? null : <PageLink pfn={pa >> BigInt(open.trace.pageShift)} store={store} open={open} />}
      </div>
      {registers.length === 0 ? null : (
        <table class="walk-registers">
          <caption>What EL2 reads</caption>
          <tbody>
            {registers.map(({ name, value, words }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <code>{hex(value)}</code>
                </td>
                <td>{words}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function PageLink({ pfn, store, open }: { pfn: bigint; store: Store; open: OpenTrace }) {
  if (open.ownership.pageOf(pfn) === null) return <p class="walk-note">No memory is modelled there: a device.</p>;
  if (store.page.value === pfn) return null;
  return (
    <button type="button" onClick={() => (store.page.value = pfn)}>
      Select page {hex(pfn)}
    </button>
  );
}
