/** Points in time as other programs write them. */

/** Milliseconds since the Unix epoch; NaN for what is none. */
export function instantMs(text: string): number {
  return Date.parse(text);
}

/** ISO 8601, in UTC. */
export function instantText(sinceEpochMs: number): string {
  return new Date(sinceEpochMs).toISOString();
}

/** For a library that takes the time as one. */
export function instantDate(sinceEpochMs: number): Date {
  return new Date(sinceEpochMs);
}
