/**
 * News that go to every peer: told at once, then no more often than their cost allows.
 *
 * With many peers one telling takes long, and changes come in crowds: a node that dies changes the
 * leader of each shard that it led, twice or more. Told one by one they would take the thread from
 * the leases and the work of all. What is told is the state at that time, so a later telling stands
 * for those before it. Nothing waits for news: they are hints (docs/PROTOCOL.md, section 7).
 */
import type { Clock, Timer } from '../ports/clock.ts';

/** What changes in one turn is told together. */
const pauseMsMin = 1;
const maxPauseMs = 1_000;
/** Of what the last telling took: so it has a fifth of the time, unless one takes very long. */
const pauseFactor = 4;

export class PacedNews {
  readonly #clock: Clock;
  readonly #tell: () => void;
  #nextMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #closed = false;

  constructor(clock: Clock, tell: () => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  changed(): void {
    if (this.#closed || this.#timer !== null) return;
    const waitMs = this.#nextMs - this.#clock.monotonicMs();
    if (waitMs <= 0) {
      this.#tellNow();
      return;
    }
    this.#timer = this.#clock.setTimer(waitMs, () => {
      this.#timer = null;
      this.#tellNow();
    });
  }

  /** What waits to be told is told now. */
  flush(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#tellNow();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tellNow(): void {
    const startedMs = this.#clock.monotonicMs();
    this.#tell();
    const nowMs = this.#clock.monotonicMs();
    const pauseMs = Math.max(pauseMsMin, (nowMs - startedMs) * pauseFactor);
    this.#nextMs = nowMs + Math.min(maxPauseMs, pauseMs);
  }
}
