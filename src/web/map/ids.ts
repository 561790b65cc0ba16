// Names of elements that a key leads to.

export const DETAILS_ID = "page-details";
export const FIND_ID = "map-find";
