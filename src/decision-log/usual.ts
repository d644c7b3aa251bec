/** What a log is made and kept with where nothing else is asked for; helps name these, too. */

/** Longer than what clients and networks hold a copy of a request for. */
export const usualRequestWindowMs = 120_000;
export const usualShards = 1;
export const usualLeaseTtlMs = 3_000;
/** Etcd grants no shorter one. */
export const minLeaseTtlMs = 2_000;
