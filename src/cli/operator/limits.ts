/** As many as a node lists at most. */
export const maxListLimit = 1_000;
