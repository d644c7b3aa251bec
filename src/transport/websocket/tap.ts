/** Whether a connection is read from: several may hold it back, each lets go of its own hold. */
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../../ports/clock.ts';
import { atEndOfTurn } from '../../system/turn.ts';

/** What one connection may bring in one turn: reading costs by the frame, of two bytes or more. */
const maxTurnBytes = 65_536;

/** Its pongs must be read, too: a peer that answers none is given up. */
const maxWaitMs = 1_000;

export class Tap {
  readonly #socket: WebSocket;
  #held = false;
  #resting = false;
  #shut = false;
  #bytes = 0;
  #pace: { readonly clock: Clock; readonly waitMs: (bytes: number) => number } | null = null;
  #waiting: Timer | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Asked after each read. */
  pace(clock: Clock, waitMs: (bytes: number) => number): void {
    this.#pace = { clock, waitMs };
  }

  close(): void {
    this.#pace = null;
    this.#waiting?.cancel();
    this.#waiting = null;
    this.#turn();
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#turn();
  }

  /** What the peer goes on sending stays where it is. */
  shut(): void {
    this.#shut = true;
    this.#turn();
  }

  came(bytes: number): void {
    this.#wait(bytes);
    if (this.#bytes === 0) atEndOfTurn(this.#turnOver);
    this.#bytes += bytes;
    if (this.#bytes < maxTurnBytes || this.#resting) return;
    this.#resting = true;
    this.#turn();
  }

  #wait(bytes: number): void {
    const ms = this.#pace?.waitMs(bytes) ?? 0;
    if (ms === 0 || this.#pace === null || this.#waiting !== null) return;
    this.#waiting = this.#pace.clock.setTimer(Math.min(ms, maxWaitMs), () => {
      this.#waiting = null;
      this.#turn();
    });
    this.#turn();
  }

  readonly #turnOver = (): void => {
    this.#bytes = 0;
    if (!this.#resting) return;
    this.#resting = false;
    this.#turn();
  };

  #turn(): void {
    if (this.#held || this.#resting || this.#shut || this.#waiting !== null) this.#socket.pause();
    else this.#socket.resume();
  }
}
