/**
 * A closed loop: `inFlight` transactions at a time. It warms up and goes on without a gap; what
 * ends within `durationMs` after that counts, so that neither the start nor the end, when fewer are
 * in flight, is in the figures.
 */
import { performance } from 'node:perf_hooks';
import { pause, within } from '../support/process/child.ts';

export interface Measured {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Those that failed: only with `tolerant`, for there is no other measurement with them. */
  readonly failed: number;
}

/** How long those in flight at the end may take. */
const drainTimeoutMs = 60_000;
/** One that failed is tried again then, not at once. */
const afterFailureMs = 20;

export async function closedLoop(given: {
  readonly inFlight: number;
  readonly durationMs: number;
  readonly warmUpMs?: number;
  readonly one: () => Promise<unknown>;
  /** Counts failures in place of ending with the first. */
  readonly tolerant?: boolean;
}): Promise<Measured> {
  const { inFlight, durationMs, warmUpMs = 0, one, tolerant = false } = given;
  const latencies: number[] = [];
  let failed = 0;
  let over = false;
  const fromMs = performance.now() + warmUpMs;
  const untilMs = fromMs + durationMs;
  const loop = async (): Promise<void> => {
    for (;;) {
      const sentMs = performance.now();
      if (over || sentMs >= untilMs) return;
      let done = true;
      try {
        await one();
      } catch (error) {
        if (!tolerant) {
          over = true;
          throw error;
        }
        done = false;
      }
      const endedMs = performance.now();
      if (endedMs >= fromMs && endedMs < untilMs) {
        if (done) latencies.push(endedMs - sentMs);
        else failed += 1;
      }
      if (!done) await pause(afterFailureMs);
    }
  };
  await within(
    Promise.all(Array.from({ length: inFlight }, loop)),
    `${inFlight} transactions in flight to end`,
    warmUpMs + durationMs + drainTimeoutMs,
  );
  return { ...latenciesOf(latencies), perSecond: (latencies.length / durationMs) * 1_000, failed };
}

export function latenciesOf(
  latencies: readonly number[],
): Pick<Measured, 'count' | 'p50Ms' | 'p99Ms' | 'p999Ms'> {
  const sorted = Float64Array.from(latencies).sort();
  return {
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
  };
}

/** The least that at least this part of all is not above (nearest rank). NaN of none. */
export function percentile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** Of an even number the lower of the two in the middle: one that was measured. */
export function median(numbers: readonly number[]): number {
  return percentile(Float64Array.from(numbers).sort(), 0.5);
}

/** Each figure's median over the rounds. */
export function medians(rounds: readonly Measured[]): Measured {
  const of = (name: keyof Measured): number => median(rounds.map((round) => round[name]));
  return {
    count: of('count'),
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    p999Ms: of('p999Ms'),
    failed: of('failed'),
  };
}
