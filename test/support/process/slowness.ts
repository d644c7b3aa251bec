import process from 'node:process';

/**
 * How much more time a step of a test may take where CI runs it: its machines differ by a factor of
 * three. No figure of a test: what is right comes in its own time, and what is broken ends and says
 * where.
 */
export const slownessFactor: number = process.env['CI'] === undefined ? 1 : 3;

/** For a step that nothing else bounds. */
export const patienceMs: number = 30_000 * slownessFactor;
