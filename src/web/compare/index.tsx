// Scenarios on several systems, and the editor for them. The walk view has access.tsx.

export { CompareView } from "./compare-view.js";
export { ScenarioEditor } from "./scenario-editor.js";
