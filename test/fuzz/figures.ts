/** What a run of the fuzz measured, for people. */
import type { LiveResult } from './live.ts';

/** Under an attack, good clients may wait this many times longer than without one. */
export const slowdownAim = 3;

export function slowdown({ quiet, attacked }: Pick<LiveResult, 'quiet' | 'attacked'>): number {
  return attacked.p99Ms / quiet.p99Ms;
}

export function shownLatencies(result: Pick<LiveResult, 'quiet' | 'attacked'>): string {
  const { quiet, attacked } = result;
  return (
    `Good clients' commits: p50 ${attacked.p50Ms.toFixed(1)} ms, p99 ${attacked.p99Ms.toFixed(1)} ms under attack; ` +
    `p50 ${quiet.p50Ms.toFixed(1)} ms, p99 ${quiet.p99Ms.toFixed(1)} ms without. ` +
    `p99: ${slowdown(result).toFixed(1)} times, aim under ${slowdownAim}.`
  );
}

export function shownMemory(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

export function percentageOf(part: number, whole: number): string {
  return `${Math.floor((part / whole) * 100)} %`;
}
