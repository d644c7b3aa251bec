/** Votes, payloads and results are in these files in clear: they are for the account that runs the process, and no one else. */
export const privateFile = 0o600;
/** Of directories that are made here; one that was there keeps its mode. */
export const privateDirectory = 0o700;
