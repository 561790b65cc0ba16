// The scenarios of this folder. The sources read the YAML files; the build puts a module in the place of this one that holds
// them ready, so that nothing is parsed when the command starts (scripts/bundle-scenarios.js).

import { readScenarioFolder } from "../scenario-folder.js";

/** All of them, in the order of the matrix. */
export const scenarios = readScenarioFolder(new URL("./", import.meta.url));
