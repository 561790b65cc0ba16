// The ownership map, and the details of the page that is looked at.

export { MapView } from "./map-view.jsx";
export { PageDetailsPanel } from "./page-details-panel.jsx";
