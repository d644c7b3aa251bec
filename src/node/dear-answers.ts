/**
 * Answers to operators that took long to make are given again for a while, in proportion to that
 * time. So they take a small part of the node's time, however often they are asked for. Cheap ones
 * are made anew each time.
 */
import type { Clock } from '../ports/clock.ts';

/** Cheaper ones are not kept. */
const dearMs = 2;
/** So many times as long as it took to make. */
const keepFactor = 20;
const maxKeepMs = 1_000;
const maxAnswers = 32;

export class DearAnswers {
  readonly #clock: Clock;
  readonly #answers = new Map<string, { readonly value: unknown; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `question`: all that the answer depends on, but for the time. */
  take<T>(question: string, make: () => T): T {
    const startMs = this.#clock.monotonicMs();
    const known = this.#answers.get(question);
    if (known !== undefined && startMs < known.untilMs) return known.value as T;
    this.#answers.delete(question);
    const value = make();
    const endMs = this.#clock.monotonicMs();
    const tookMs = endMs - startMs;
    if (tookMs >= dearMs) {
      const [oldest] = this.#answers.keys();
      if (oldest !== undefined && this.#answers.size >= maxAnswers) this.#answers.delete(oldest);
      const untilMs = endMs + Math.min(maxKeepMs, tookMs * keepFactor);
      this.#answers.set(question, { value, untilMs });
    }
    return value;
  }
}
