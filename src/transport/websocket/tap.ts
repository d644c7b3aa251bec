/** Whether a connection is read from: several may hold it back, each lets go of its own hold. */
import type { WebSocket } from 'ws';
import { atEndOfTurn } from '../../system/turn.ts';

/** What one connection may bring in one turn: reading costs by the frame, of two bytes or more. */
const maxTurnBytes = 65_536;

export class Tap {
  readonly #socket: WebSocket;
  #held = false;
  #resting = false;
  #shut = false;
  #bytes = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
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
    if (this.#bytes === 0) atEndOfTurn(this.#turnOver);
    this.#bytes += bytes;
    if (this.#bytes < maxTurnBytes || this.#resting) return;
    this.#resting = true;
    this.#turn();
  }

  readonly #turnOver = (): void => {
    this.#bytes = 0;
    if (!this.#resting) return;
    this.#resting = false;
    this.#turn();
  };

  #turn(): void {
    if (this.#held || this.#resting || this.#shut) this.#socket.pause();
    else this.#socket.resume();
  }
}
