/** From what nodes counted since their start to what happens now: differences of two readings. */
import { percentile } from '../../core/percentile.ts';
import type { Histogram, Stats } from './seam.ts';

export interface Rates {
  /** Per second. */
  readonly committed: number;
  readonly aborted: number;
  /** By how they ended, per second, the most frequent first. */
  readonly endings: readonly (readonly [string, number])[];
  /** Of the time from begin to outcome; null: nothing ended. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface Difference {
  readonly seconds: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly decide: readonly number[];
  readonly bucketsMs: readonly number[];
}

const committed: ReadonlySet<string> = new Set(['committed', 'readonly']);

/** Null: there is no time between them, or the node was started anew and counts from 0. */
export function difference(before: Stats | undefined, after: Stats): Difference | null {
  if (before === undefined) return null;
  const ms = after.atMs - before.atMs;
  const endings: Record<string, number> = {};
  for (const [ending, count] of Object.entries(after.endings)) {
    endings[ending] = count - (before.endings[ending] ?? 0);
  }
  const decide = countsBetween(before.phases['decide'], after.phases['decide']);
  const isAnew = Object.values(endings).some((count) => count < 0) || decide.some((n) => n < 0);
  if (ms <= 0 || isAnew) return null;
  return { seconds: ms / 1_000, endings, decide, bucketsMs: after.bucketsMs };
}

function countsBetween(before: Histogram | undefined, after: Histogram | undefined): number[] {
  return (after?.counts ?? []).map((count, index) => count - (before?.counts[index] ?? 0));
}

/** Of all nodes together; null: of none is anything known. */
export function ratesOf(all: readonly (Difference | null)[]): Rates | null {
  const known = all.filter((each) => each !== null);
  const [first] = known;
  if (first === undefined) return null;
  const endings = new Map<string, number>();
  const decide: number[] = [];
  for (const each of known) {
    for (const [ending, count] of Object.entries(each.endings)) {
      endings.set(ending, (endings.get(ending) ?? 0) + count / each.seconds);
    }
    each.decide.forEach((count, index) => {
      decide[index] = (decide[index] ?? 0) + count;
    });
  }
  const sorted = [...endings].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  const sum = (of: boolean): number =>
    sorted.reduce((total, [name, count]) => total + (committed.has(name) === of ? count : 0), 0);
  return {
    committed: sum(true),
    aborted: sum(false),
    endings: sorted,
    p50Ms: percentile(decide, first.bucketsMs, 0.5),
    p99Ms: percentile(decide, first.bucketsMs, 0.99),
  };
}

/** The newest points of several lines over time. */
export class Series {
  readonly #max: number;
  #columns: (number | null)[][];

  /** `lines`: without that of the times. */
  constructor(lines: number, max: number) {
    this.#max = max;
    this.#columns = Array.from({ length: lines + 1 }, () => []);
  }

  add(atSeconds: number, values: readonly (number | null)[]): void {
    this.#columns = this.#columns.map((column, index) =>
      [...column, index === 0 ? atSeconds : (values[index - 1] ?? null)].slice(-this.#max),
    );
  }

  get columns(): readonly (readonly (number | null)[])[] {
    return this.#columns;
  }
}
