/** What a client counts. */
import { Histogram } from '../core/figures.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';

export class ClientFigures {
  readonly calls: Record<'committed' | 'aborted' | 'unknown' | 'failed', number> = {
    committed: 0,
    aborted: 0,
    unknown: 0,
    failed: 0,
  };
  readonly retries: Record<'aborted' | 'unanswered', number> = { aborted: 0, unanswered: 0 };
  readonly latency: Histogram = new Histogram();
  inFlight = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call that ends a transaction. */
  async count<T extends { readonly outcome: 'committed' | 'aborted' }>(
    call: Promise<T>,
  ): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    this.inFlight += 1;
    try {
      const ended = await call;
      this.calls[ended.outcome] += 1;
      return ended;
    } catch (error) {
      const unknown = isVerdictError(error) && error.acted === 'unknown';
      this.calls[unknown ? 'unknown' : 'failed'] += 1;
      throw error;
    } finally {
      this.inFlight -= 1;
      this.latency.record(this.#clock.monotonicMs() - startMs);
    }
  }
}
