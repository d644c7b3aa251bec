/** The leader's clockwork: a tick now and then, and after it the collection of old records. */
import type { Term } from '../core/term/term.ts';
import type { Timer } from '../ports/clock.ts';
import type { ShardDriverOptions } from './shard-driver.ts';

export interface CollectorOptions extends ShardDriverOptions {
  readonly term: Term;
  readonly ticked: (requestCount: number) => void;
  readonly failed: (error: unknown) => void;
}

const collectPage = 500;
/**
 * What a retention may never be shorter by: the window, and a minute for what was under way. A
 * request is younger than it says by as much as it lay in a buffer, and that is at most what
 * `maxPingAgeMs` may be set to at any node: half of this.
 */
const marginMs = 60_000;

export class Collector {
  readonly #options: CollectorOptions;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    const { clock, options } = this.#options;
    this.#timer = clock.setTimer(options.tickMs, () => void this.#tick());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #tick(): Promise<void> {
    const { log, leadership, options, term, reached, ticked } = this.#options;
    const retentionMsMin = log.meta.requestWindowMs + marginMs;
    const retentionMs = Math.max(options.retentionMs, retentionMsMin);
    try {
      await leadership.tick(options.tickMs);
      if (this.#stopped) return;
      ticked(leadership.requestCount());
      for (let more = true; more && !this.#stopped; ) {
        const step = await leadership.collect({
          // Read anew for each step: what is undecided now must stay above the floor.
          below: term.undecidedFrom(),
          retentionMs,
          retentionMsMin,
          maxRecords: options.maxFinished,
          keepsRequest: (requestId) => term.keepsRequest(requestId),
          limit: collectPage,
        });
        if (step.collected > 0) reached('after-collect');
        more = step.more;
      }
    } catch (error) {
      this.#options.failed(error);
      return;
    }
    this.start();
  }
}
