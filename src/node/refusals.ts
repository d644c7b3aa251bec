/**
 * Refused connections in the audit log: strangers make them, as many as they like. Some of each
 * address and some in all are written; of the others a line says how many they were. At the pace
 * that lasts it takes weeks to fill the files, so that no one can push out what was before.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import type { Audit, ConnectionRefused } from '../ports/audit.ts';
import type { Clock, Timer } from '../ports/clock.ts';

const burst = 100;
const perSecond = 1;
const addressBurst = 10;
const addressPerSecond = 0.1;
const maxAddresses = 1_000;
const summaryMs = 10_000;

export class Refusals {
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #all: RateLimit;
  /** The longest known first. Whoever has more addresses than these meets the limit of all. */
  readonly #addresses = new Map<string, RateLimit>();
  readonly #leftOut = new Map<string, number>();
  #summary: Timer | null = null;

  constructor(audit: Audit, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
    this.#all = new RateLimit(clock, burst, perSecond);
  }

  refused(refused: ConnectionRefused): void {
    if (this.#ofAddress(refused.address).take() === 0 && this.#all.take() === 0) {
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

  #ofAddress(address: string): RateLimit {
    let limit = this.#addresses.get(address);
    if (limit !== undefined) return limit;
    if (this.#addresses.size >= maxAddresses) {
      for (const oldest of this.#addresses.keys()) {
        this.#addresses.delete(oldest);
        break;
      }
    }
    limit = new RateLimit(this.#clock, addressBurst, addressPerSecond);
    this.#addresses.set(address, limit);
    return limit;
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
