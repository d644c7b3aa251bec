/**
 * The next branch's connection, opened while the one before is at work: a branch has a connection
 * of its own, and to open one takes longer than a statement. One that has waited for more than a
 * moment is closed: it may have been dropped in silence.
 */
import type mysql from 'mysql2/promise';
import type { Clock, Timer } from '../../ports/clock.ts';

const maxAgeMs = 2_000;

interface Next {
  readonly connection: Promise<mysql.Connection>;
  readonly timer: Timer;
}

export class Spare {
  readonly #open: () => Promise<mysql.Connection>;
  readonly #clock: Clock;
  #next: Next | null = null;
  #closed = false;

  constructor(open: () => Promise<mysql.Connection>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  async take(): Promise<mysql.Connection> {
    const spare = this.#next;
    this.#next = null;
    spare?.timer.cancel();
    const taken = spare?.connection.catch(() => this.#open()) ?? this.#open();
    if (!this.#closed) {
      // After this one: they would be slower side by side.
      const connection = taken.then(() => this.#open());
      connection.catch(() => undefined);
      const timer = this.#clock.setTimer(maxAgeMs, () => this.#drop());
      const before = this.#swap({ connection, timer });
      if (before !== null) endOf(before.connection);
    }
    return taken;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    const spare = this.#swap(null);
    if (spare === null) return;
    spare.timer.cancel();
    endOf(spare.connection);
  }

  #swap(next: Next | null): Next | null {
    const before = this.#next;
    this.#next = next;
    return before;
  }
}

function endOf(connection: Promise<mysql.Connection>): void {
  void connection.then((one) => one.destroy()).catch(() => undefined);
}
