/**
 * Refused connections in the audit log: strangers make them, as many as they like. Some of each
 * address and some in all are written; of the others a line says how many they were. At the pace
 * that lasts it takes weeks to fill the files, so that no one can push out what was before.
 */
import { shareOf } from '../core/access/address-share.ts';
import type { Audit, ConnectionRefused } from '../ports/audit.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { type Pace, PeerBudget } from './peer-budget.ts';

const all: Pace = { burst: 100, perSecond: 1 };
const each: Pace = { burst: 10, perSecond: 0.1 };
const summaryMs = 10_000;

export class Refusals {
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #budget: PeerBudget;
  readonly #leftOut = new Map<string, number>();
  #summary: Timer | null = null;

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
    this.#budget = new PeerBudget({ clock, each, all });
  }

  refused(refused: ConnectionRefused): void {
    if (this.#budget.take(shareOf(refused.address))) {
      this.#audit.write(refused);
      return;
    }
    this.#leftOut.set(refused.code, (this.#leftOut.get(refused.code) ?? 0) + 1);
    this.#summary ??= this.#clock.setTimer(summaryMs, () => this.#sum());
  }

  /** Says what was left out so far. */
  close(): void {
    this.#summary?.cancel();
    this.#sum();
  }

  #sum(): void {
    this.#summary = null;
    if (this.#leftOut.size === 0) return;
    let count = 0;
    for (const each of this.#leftOut.values()) count += each;
    this.#audit.write({
      event: 'refusals-left-out',
      count,
      codes: Object.fromEntries(this.#leftOut),
    });
    this.#leftOut.clear();
  }
}
