// Who may know whom: the arrows between the folders are lint rules (eslint.config.js). Each is seen to stop what it forbids.

import { ESLint } from "eslint";
import tseslint from "typescript-eslint";
import { expect, test } from "vitest";

/** Arrows are drawn by names alone: the types of the whole program, which other rules want, would be worked out for nothing. */
const eslint = new ESLint({ overrideConfig: tseslint.configs.disableTypeChecked });

/** The rules that an import in this file breaks. The text stands in for the file's own. */
async function broken(file: string, text: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(text, { filePath: file });
  const rules = ["no-restricted-imports", "no-restricted-syntax"];
  return result?.messages.map(({ ruleId }) => ruleId).filter((rule) => rules.includes(rule ?? "")) ?? [];
}

test.each([
  ["assembly/arch/descriptor.ts", "../memory/dram", true],
  ["assembly/arch/descriptor.ts", "../abi/codes", true],
  ["assembly/arch/descriptor.ts", "../pagetable/map", false],
  ["assembly/memory/dram.ts", "../systems/pkvm/vm", false],
  ["assembly/memory/dram.ts", "../batch/execute", false],
  ["assembly/pagetable/map.ts", "../memory/dram", true],
  ["assembly/pagetable/map.ts", "../systems/pkvm/vm", false],
  ["assembly/systems/pkvm/vm.ts", "../../pagetable/map", true],
  ["assembly/systems/pkvm/vm.ts", "./checks", true],
  ["assembly/systems/pkvm/vm.ts", "../gunyah/vm", false],
  ["assembly/systems/pkvm/vm.ts", "../../systems/gunyah/vm", false],
  ["assembly/systems/pkvm/vm.ts", "../../batch/execute", false],
  ["assembly/batch/execute.ts", "../systems/pkvm/vm", true],
  ["assembly/abi/codes.ts", "../memory/dram", false],
  ["src/machine/machine.ts", "../../assembly/abi/codes.js", true],
  ["src/machine/machine.ts", "../../assembly/memory/dram.js", false],
  ["src/machine/machine.ts", "../trace/replay.js", false],
  ["src/trace/golden.ts", "../machine/machine.js", true],
  ["src/trace/golden.ts", "../scenario/scenario.js", false],
  ["src/consequences/vmm.ts", "../machine/machine.js", true],
  ["src/consequences/kvm/memslots.ts", "../../scenario/scenario.js", false],
  ["src/scenario/system.ts", "../consequences/result.js", true],
  ["src/scenario/systems/pkvm/world.ts", "../../../cli/run.js", false],
  ["src/scenario/scenario.ts", "../web/store.js", false],
  ["src/timeline/load.ts", "../trace/replay.js", true],
  ["src/timeline/load.ts", "../scenario/scenario.js", false],
  ["src/workers/pool.ts", "../scenario/scenario.js", true],
  ["src/workers/pool.ts", "../web/store.js", false],
  ["src/cli/replay.ts", "../workers/pool.js", true],
  ["src/cli/replay.ts", "../web/store.js", false],
  ["src/web/trace-worker.ts", "../workers/connection.js", true],
  ["src/web/map/index.tsx", "../../timeline/timeline.js", true],
  ["src/web/map/index.tsx", "../../cli/run.js", false],
  ["src/web/map/index.tsx", "../../../assembly/memory/dram.js", false],
])("%s may import %s: %s", async (file, imported, allowed) => {
  expect((await broken(file, `export { x } from "${imported}";\n`)).length === 0).toBe(allowed);
});

test("arch and memory name no hypervisor", async () => {
  expect(await broken("assembly/arch/descriptor.ts", "export const pkvmOwned: i32 = 0;\n")).toEqual([
    "no-restricted-syntax",
  ]);
});
