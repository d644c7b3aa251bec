/**
 * Closes sockets a few in each turn. Thousands may go at once, by a broken network or a shared
 * time-out: closed in one turn, with all that follows, they would keep every other peer waiting.
 */
import type { Socket } from 'node:net';
import { atEndOfTurn } from '../../system/turn.ts';

/** One takes some 50 microseconds, to the last of those who hear of it. */
const maxPerTurn = 32;

export class Closings {
  #waiting: (() => void)[] = [];
  #scheduled = false;

  /** A destroyed socket closes at the end of a turn, and is not read until then. */
  watch(socket: Pick<Socket, 'destroy' | 'pause'>): void {
    const destroy = socket.destroy;
    let waits = false;
    socket.destroy = (error) => {
      if (!waits) {
        waits = true;
        socket.pause();
        this.#waiting.push(() => destroy.call(socket, error));
        this.#schedule();
      }
      return socket as Socket;
    };
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    atEndOfTurn(this.#turnOver);
  }

  readonly #turnOver = (): void => {
    this.#scheduled = false;
    for (const close of this.#waiting.splice(0, maxPerTurn)) close();
    this.#schedule();
  };
}
