/** The pause before the next try. */

/** As the options say it: the first pause, which doubles, up to the longest. */
export interface RetryDelays {
  readonly retryDelayMs: number;
  readonly maxRetryDelayMs: number;
}

/** With what is usual between two machines where nothing else is asked for. */
export function retryDelays(
  options: {
    readonly [Name in keyof RetryDelays]?: number | undefined;
  },
): RetryDelays {
  const { retryDelayMs = 50, maxRetryDelayMs = 2_000 } = options;
  return { retryDelayMs, maxRetryDelayMs };
}

/**
 * `failures`: tries that failed so far, 1 at least. Half of the pause is fixed and half is chance:
 * peers that lost one node together must not come back together. `fraction` is that chance, from 0
 * up to 1; without it the pause is whole.
 */
export function backoffMs(failures: number, delays: RetryDelays, fraction = 1): number {
  const doublings = Math.min(Math.max(0, failures - 1), 30);
  const wholeMs = Math.min(delays.maxRetryDelayMs, delays.retryDelayMs * 2 ** doublings);
  return wholeMs * (0.5 + fraction / 2);
}

/**
 * The pause of one who was asked to come again: no shorter, and up to twice as long. All who were
 * refused together were told the same, and must not come together.
 */
export function spreadMs(retryAfterMs: number, fraction: number): number {
  return retryAfterMs * (1 + fraction);
}
