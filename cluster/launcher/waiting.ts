/** Waiting, with a limit on all of it. */
import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  /** What is waited for: `the node to be ready`. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Resolves when `done` says so; throws with the last reason it gave when time is up. */
export async function waitUntil(
  options: WaitOptions,
  done: () => Promise<true | string>,
): Promise<void> {
  const { what, timeoutMs, intervalMs, signal } = options;
  const endsAtMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await done();
    signal.throwIfAborted();
    if (answer === true) return;
    if (performance.now() > endsAtMs) {
      throw new Error(`Waited ${timeoutMs / 1_000} s for ${what}: ${answer}`);
    }
    await pause(intervalMs, undefined, { signal });
  }
}

/** Rejects when `promise` takes longer than `timeoutMs`, or when the signal fires. */
export async function within<T>(
  promise: Promise<T>,
  options: { readonly what: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<T> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.signal]);
  const late = async (): Promise<never> => {
    await pause(options.timeoutMs, undefined, { signal }).catch((error: unknown) => {
      throw options.signal.aborted ? options.signal.reason : error;
    });
    throw new Error(`Waited ${options.timeoutMs / 1_000} s for ${options.what}.`);
  };
  const limit = late();
  // Whichever loses the race is of no more interest.
  limit.catch(() => undefined);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    over.abort();
  }
}
