/**
 * Ends the waiting for a leader that another one has followed.
 *
 * A node that stands still (stopped, starved, cut off) closes nothing, and heart-beats take many
 * seconds to tell; another node names a newer epoch much earlier. A deposed leader that still runs
 * reads what became of its transactions, and knows more than anyone else: it gets a little time for
 * that. What has no answer by then counts as lost with its connection.
 */
import type { LeaderInfo } from '../core/messages.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Link } from './link.ts';

const graceMs = 250;

export interface SuccessionOptions {
  readonly clock: Clock;
  readonly links: () => Iterable<Link>;
  /** Requests were given up: a link may not be needed any more. */
  readonly after: () => void;
}

export class Succession {
  readonly #given: SuccessionOptions;
  /** By shard. */
  readonly #timers = new Map<number, Timer>();

  constructor(options: SuccessionOptions) {
    this.#given = options;
  }

  /** A leader with a newer epoch than any before. */
  newLeader(leader: LeaderInfo): void {
    const { clock, links, after } = this.#given;
    this.#timers.get(leader.shard)?.cancel();
    this.#timers.delete(leader.shard);
    if (![...links()].some((link) => link.requestsInFlight > 0)) return;
    const timer = clock.setTimer(graceMs, () => {
      this.#timers.delete(leader.shard);
      for (const link of links()) link.giveUp(leader);
      after();
    });
    this.#timers.set(leader.shard, timer);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
