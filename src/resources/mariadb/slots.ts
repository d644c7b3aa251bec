/** How many prepares run at once: each has a numbered slot, taken by a lock on the server. */
import { Gate } from '../../participant/gate.ts';
import type { SqlSettings } from '../sql/sql.ts';

/** What a start looks through for sessions of the process before. */
export const maxSlots = 256;

export class Slots {
  readonly #gate: Gate;
  readonly #free: number[];
  readonly #settings: SqlSettings;

  constructor(settings: SqlSettings) {
    const { maxSessions: max } = settings;
    if (!Number.isInteger(max) || max < 1 || max > maxSlots)
      throw new RangeError(`maxSessions must be a whole number from 1 to ${maxSlots}.`);
    this.#gate = new Gate(max);
    this.#free = Array.from({ length: max }, (_, index) => max - 1 - index);
    this.#settings = settings;
  }

  /** Null where none was free in time. */
  take(signal: AbortSignal): Promise<number | null> {
    return new Promise((resolve) => {
      let waiting = true;
      const giveUp = (): void => {
        waiting = false;
        resolve(null);
      };
      const timer = this.#settings.clock.setTimer(this.#settings.sessionWaitMs, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#gate.enter(() => {
        timer.cancel();
        signal.removeEventListener('abort', giveUp);
        const slot = waiting ? this.#free.pop() : undefined;
        if (slot === undefined) this.#gate.leave();
        else resolve(slot);
      });
    });
  }

  give(slot: number): void {
    this.#free.push(slot);
    this.#gate.leave();
  }
}
