/** As many as a node lists at most. */
export const listLimitMax = 1_000;
