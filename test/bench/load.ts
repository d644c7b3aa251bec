/**
 * A closed loop: `inFlight` transactions at a time. It warms up and goes on without a gap, so that
 * neither the start nor the end, when fewer are in flight, is in the figures.
 *
 * Many in flight come and go in waves at first. So the warm-up lasts until as many have ended as
 * are in flight, and the measurement until three times as many more have: a wave less or more is
 * little then.
 */
import { performance } from 'node:perf_hooks';
import type { AbortReason } from '../../src/core/catalogue.ts';
import { pause, within } from '../support/process/child.ts';

export interface Measured {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly failed: number;
  /** Those that failed, by the code of the error, or else by its text. */
  readonly failures: Readonly<Record<string, number>>;
}

/** How long those in flight at the end may take. */
const drainTimeoutMs = 60_000;
/** Warm-up and measurement last at most so many times as long as they were meant to. */
const longest = 10;
const measuredWaves = 3;
/** One that failed is tried again then, not at once, or later where it was asked to. */
const afterFailureMs = 20;

export interface ClosedLoop {
  readonly inFlight: number;
  readonly durationMs: number;
  readonly warmUpMs?: number;
  readonly one: () => Promise<unknown>;
  /** Counts failures in place of ending with the first. */
  readonly tolerant?: boolean;
}

export async function closedLoop(given: ClosedLoop): Promise<Measured> {
  const { inFlight, durationMs, warmUpMs = 0, one, tolerant = false } = given;
  const window = new Window(given);
  const loop = async (): Promise<void> => {
    while (!window.over) {
      const sentMs = performance.now();
      try {
        await one();
        window.ended(sentMs, null);
      } catch (error) {
        if (!tolerant) {
          window.over = true;
          throw error;
        }
        window.ended(sentMs, error);
        await pause(Math.max(afterFailureMs, askedMsOf(error)));
      }
    }
  };
  await within(
    Promise.all(Array.from({ length: inFlight }, loop)),
    `${inFlight} transactions in flight to end`,
    (warmUpMs + durationMs) * longest + drainTimeoutMs,
  );
  return window.measured;
}

/** What ends in it counts. */
class Window {
  over = false;
  readonly #loop: ClosedLoop;
  readonly #startedMs = performance.now();
  readonly #latencies: number[] = [];
  readonly #failures: Record<string, number> = {};
  #fromMs: number | null = null;
  #toMs = Number.NaN;
  #ended = 0;

  constructor(loop: ClosedLoop) {
    this.#loop = loop;
    if (loop.warmUpMs === undefined) this.#fromMs = this.#startedMs;
  }

  ended(sentMs: number, error: unknown): void {
    if (this.over) return;
    const nowMs = performance.now();
    this.#ended += 1;
    if (this.#fromMs === null) {
      if (!this.#isEnough(nowMs - this.#startedMs, this.#loop.warmUpMs ?? 0, 1)) return;
      this.#fromMs = nowMs;
      this.#ended = 0;
      return;
    }
    if (error === null) this.#latencies.push(nowMs - sentMs);
    else {
      const name = nameOf(error);
      this.#failures[name] = (this.#failures[name] ?? 0) + 1;
    }
    if (!this.#isEnough(nowMs - this.#fromMs, this.#loop.durationMs, measuredWaves)) return;
    this.#toMs = nowMs;
    this.over = true;
  }

  get measured(): Measured {
    const tookMs = this.#toMs - (this.#fromMs ?? Number.NaN);
    return {
      ...latenciesOf(this.#latencies),
      perSecond: (this.#latencies.length / tookMs) * 1_000,
      failed: Object.values(this.#failures).reduce((sum, count) => sum + count, 0),
      failures: this.#failures,
    };
  }

  #isEnough(tookMs: number, durationMs: number, waves: number): boolean {
    if (tookMs < durationMs) return false;
    return this.#ended >= waves * this.#loop.inFlight || tookMs >= durationMs * longest;
  }
}

/** What was not committed, as an error of its reason. */
export function refused(reason: AbortReason): Error {
  const { code, message, retryAfterMs } = reason;
  return Object.assign(new Error(message), { code, retryAfterMs });
}

function askedMsOf(error: unknown): number {
  const asked = error instanceof Error && 'retryAfterMs' in error ? error.retryAfterMs : 0;
  return typeof asked === 'number' ? asked : 0;
}

export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
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

/** Each figure's median over the rounds; failures of all of them. */
export function medians(rounds: readonly Measured[]): Measured {
  type Figure = 'count' | 'perSecond' | 'p50Ms' | 'p99Ms' | 'p999Ms';
  const of = (name: Figure): number => median(rounds.map((round) => round[name]));
  const failures: Record<string, number> = {};
  for (const [name, count] of rounds.flatMap((round) => Object.entries(round.failures))) {
    failures[name] = (failures[name] ?? 0) + count;
  }
  return {
    count: of('count'),
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    p999Ms: of('p999Ms'),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
    failures,
  };
}
