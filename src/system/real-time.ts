/**
 * Node's own timers, kept before a test puts others in their place: the fake timers of vitest, jest
 * and node:test replace the globals, and a coordinator that ran on those would stand still.
 */
import type { Clock } from '../ports/clock.ts';

const { setTimeout: startTimer, clearTimeout: stopTimer, setImmediate: nextTurn } = globalThis;
const now: () => number = performance.now.bind(performance);
const wallNow: () => number = Date.now.bind(Date);

const maxDelayMs = 2 ** 31 - 1;

/** Fake timers were on as this was loaded: what is kept here is theirs. */
export function assertRealTimers(): void {
  if (!('clock' in startTimer) && !/mock/i.test(startTimer.name)) return;
  throw new Error(
    "verdict/testing was loaded while fake timers were on. Import it at the top of the test file, before vi.useFakeTimers(), jest.useFakeTimers() or mock.timers.enable(); or move the coordinator's own clock instead.",
  );
}

export const realClock: Clock = {
  monotonicMs: now,
  wallMs: wallNow,
  setTimer: (delayMs, callback) => {
    const delay = Math.min(Math.ceil(Math.max(0, delayMs)), maxDelayMs);
    const timer = startTimer(callback, delay);
    return { cancel: () => stopTimer(timer) };
  },
};

export function later(callback: () => void): void {
  nextTurn(callback);
}

/** Everything that has arrived, and every promise that could go on, has had its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

export function realPause(delayMs: number): Promise<void> {
  return new Promise((resolve) => startTimer(resolve, delayMs));
}
