/** A closed loop: `inFlight` transactions at a time for `durationMs`, and what each took. */
import { performance } from 'node:perf_hooks';

export interface Measured {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function closedLoop(given: {
  readonly inFlight: number;
  readonly durationMs: number;
  readonly one: () => Promise<void>;
}): Promise<Measured> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  const untilMs = startedMs + given.durationMs;
  const loop = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const sentMs = performance.now();
      await given.one();
      latencies.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: given.inFlight }, loop));
  const tookMs = performance.now() - startedMs;
  latencies.sort((a, b) => a - b);
  return {
    count: latencies.length,
    perSecond: (latencies.length / tookMs) * 1_000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
