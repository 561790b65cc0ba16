import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const CORE = {
  regex: "/assembly/(?!abi/)",
  message: "src/ sees the core through assembly/abi and the Wasm exports only.",
};

/**
 * Who may know whom (DESIGN.md section 1): in the files of `folder`, an import whose path matches `forbidden` is an error.
 * The last entry that fits a file counts, so those for parts of src/ forbid the core's inside too.
 * @param {string} folder
 * @param {string} forbidden
 * @param {string} message
 */
function arrow(folder, forbidden, message) {
  const patterns = [
    { regex: forbidden, message },
    ...(folder.startsWith("src/") && forbidden !== CORE.regex ? [CORE] : []),
  ];
  return { files: [folder], rules: { "no-restricted-imports": ["error", { patterns }] } };
}

const arrows = [
  arrow("assembly/abi/**", "^\\.\\./", "abi/ is read by both sides and imports nothing."),
  arrow("assembly/arch/**", "(^|/)(pagetable|systems|batch|text)/", "arch/ is what the Arm architecture says."),
  arrow("assembly/memory/**", "(^|/)(pagetable|systems|batch|text)/", "memory/ is the machine's DRAM."),
  arrow("assembly/pagetable/**", "(^|/)(systems|batch|text)/", "pagetable/ stands on arch/ and memory/ alone."),
  arrow(
    "assembly/systems/*/*.ts",
    "^\\.\\./(?!\\.\\./)|(^|/)(systems|batch|text)/",
    "No system imports another, nor what drives it.",
  ),
  arrow("src/**", CORE.regex, CORE.message),
  arrow(
    "src/machine/**",
    "^\\.\\./(trace|scenario|consequences|timeline|workers|cli|web)/",
    "machine/ is the façade of the core alone.",
  ),
  arrow("src/trace/**", "^\\.\\./(scenario|consequences|timeline|workers|cli|web)/", "trace/ stands on machine/."),
  arrow(
    "src/consequences/**",
    "(^|/)(scenario|trace|timeline|workers|cli|web)/",
    "consequences/ knows machines, and no scenarios.",
  ),
  arrow("src/scenario/**", "(^|/)(timeline|workers|cli|web)/", "Commands stand on scenarios, not the other way."),
  arrow(
    "src/timeline/**",
    "(^|/)(scenario|consequences|explore|workers|cli|web)/",
    "timeline/ stands on machine/ and trace/, and draws nothing.",
  ),
  arrow(
    "src/explore/**",
    "(^|/)(scenario|consequences|workers|cli|web)/",
    "explore/ searches, whatever runs it and shows what it found.",
  ),
  arrow("src/workers/**", "(^|/)(consequences|cli|web)/", "workers/ carry what the rooms below them do."),
  arrow("src/cli/**", "(^|/)web/", "A command has no page."),
  arrow("src/web/**", "(^|/)cli/", "A page has no command line."),
];

/** No file of arch/ or memory/ names a hypervisor. */
const hypervisorNames = {
  files: ["assembly/arch/**", "assembly/memory/**"],
  rules: {
    "no-restricted-syntax": [
      "error",
      { selector: "Identifier[name=/pkvm|gunyah|hafnium|ffa|rmm/i]", message: "arch/ and memory/ know no hypervisor." },
    ],
  },
};

export default defineConfig(
  globalIgnores([".wireit/", "dist/", "test/vectors/"]),
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ["eslint.config.js", "vite.config.ts", "vitest.config.ts"],
        },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: "error",
      // What a fixture of a test takes is told by the pattern, which may be empty.
      "no-empty-pattern": ["error", { allowObjectPatternsAsParameters: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/no-namespace": ["error", { allowDeclarations: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    // Works on the compiler's own handles, which have no types here.
    files: ["scripts/journal-stores.js", "scripts/suspend-calls.js"],
    extends: [tseslint.configs.disableTypeChecked],
  },
  {
    // AssemblyScript: another language in the same syntax. `==` is its comparison, and the types are the compiler's affair.
    files: ["assembly/**"],
    extends: [tseslint.configs.disableTypeChecked],
    rules: {
      eqeqeq: "off",
      "prefer-const": "off",
      "no-loss-of-precision": "off",
      "no-useless-assignment": "off",
      // Visitors share one signature, whether they use all of it or not.
      "@typescript-eslint/no-unused-vars": ["error", { args: "none" }],
    },
  },
  arrows,
  hypervisorNames,
);
