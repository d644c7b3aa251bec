/**
 * Shares out the event loop among the connections of a listener, so that one that sends without
 * end, or sends what is dear, does not keep the others waiting.
 *
 * Each connection may use a slice of every turn as its frames come in: nearly all need less. The
 * rest waits, its connection reads no more meanwhile, and at the end of the turn all that wait
 * share a small budget in rounds. A connection over its slice stays among them for a moment, so
 * that a hundred such cost one budget a turn, and not a hundred slices.
 */
import type { Clock } from '../../ports/clock.ts';
import { atEndOfTurn } from '../../system/turn.ts';

export interface Worker {
  readonly share: Share;
  /** Handles what has come in, until then; one message at least. True: there is more. */
  work(untilMs: number): boolean;
  /** Whether to leave unread what the peer sends. */
  hold(held: boolean): void;
}

/** Of one connection, before the others have had theirs. */
const sliceMs = 1;
/** How long a connection that was over its slice waits with its like. */
const heavyMs = 50;
/** For all that wait, in one turn: while others are at work, and while no one is. */
const budgetMs = { beside: 1, alone: 8 } as const;
/** How long after a frame that did not have to wait others count as being at work. */
const besideMs = 20;

/** What `Turns` keeps with a worker. */
export class Share {
  turn = 0;
  spentMs = 0;
  heavyUntilMs = 0;
  waiting = false;
}

export class Turns {
  readonly #clock: Clock;
  #waiting: Worker[] = [];
  #turn = 1;
  #scheduled = false;
  #lightAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something has come in: it is handled now, or when its turn comes. */
  offer(worker: Worker): void {
    const { share } = worker;
    if (share.waiting) return;
    this.#schedule();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= share.heavyUntilMs) {
      if (share.turn !== this.#turn) {
        share.turn = this.#turn;
        share.spentMs = 0;
      }
      if (share.spentMs < sliceMs) {
        const more = worker.work(nowMs + sliceMs - share.spentMs);
        const afterMs = this.#clock.monotonicMs();
        share.spentMs += afterMs - nowMs;
        if (!more) {
          this.#lightAtMs = afterMs;
          return;
        }
      }
      share.heavyUntilMs = this.#clock.monotonicMs() + heavyMs;
    }
    share.waiting = true;
    worker.hold(true);
    this.#waiting.push(worker);
  }

  /** Nothing of it will be handled any more. */
  leave(worker: Worker): void {
    if (!worker.share.waiting) return;
    worker.share.waiting = false;
    worker.hold(false);
    this.#waiting = this.#waiting.filter((other) => other !== worker);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#turnOver);
  }

  readonly #turnOver = (): void => {
    this.#scheduled = false;
    this.#turn += 1;
    let nowMs = this.#clock.monotonicMs();
    const beside = nowMs - this.#lightAtMs < besideMs;
    const untilMs = nowMs + (beside ? budgetMs.beside : budgetMs.alone);
    do {
      const worker = this.#waiting.shift();
      if (worker === undefined) return;
      const { share } = worker;
      const more = worker.work(Math.min(untilMs, nowMs + sliceMs));
      nowMs = this.#clock.monotonicMs();
      // It may have ended itself.
      if (!share.waiting) continue;
      if (more) {
        share.heavyUntilMs = nowMs + heavyMs;
        this.#waiting.push(worker);
      } else {
        share.waiting = false;
        worker.hold(false);
      }
    } while (nowMs < untilMs);
    if (this.#waiting.length > 0) this.#schedule();
  };
}
