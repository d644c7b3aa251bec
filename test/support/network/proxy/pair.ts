/**
 * One connection through the proxy: the socket of whoever dialled, the socket to the target, a lane
 * each way.
 */
import type { Socket } from 'node:net';
import type { Disturbance } from './disturbance.ts';
import { FrameSplitter } from './frames.ts';
import { Lane } from './lane.ts';

/** `forward`: from whoever dialled to the target. */
export type Direction = 'forward' | 'backward';
export const directions: readonly Direction[] = ['forward', 'backward'];
export type End = 'dialler' | 'target';

export interface PairOptions {
  readonly dialler: Socket;
  readonly target: Socket;
  readonly unit: 'message' | 'byte';
  readonly chance: () => number;
  readonly ended: () => void;
}

export class Pair {
  readonly #sockets: Readonly<Record<End, Socket>>;
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  readonly #options: PairOptions;
  #open = 2;

  constructor(options: PairOptions) {
    const { dialler, target } = options;
    this.#options = options;
    this.#sockets = { dialler, target };
    this.#lanes = {
      forward: this.#join(dialler, target),
      backward: this.#join(target, dialler),
    };
  }

  block(direction: Direction): void {
    this.#lanes[direction].block();
  }

  unblock(direction: Direction): void {
    this.#lanes[direction].unblock();
  }

  disturb(direction: Direction, disturbance: Disturbance | null): void {
    this.#lanes[direction].disturb(disturbance);
  }

  /** Resets both ends. */
  cut(): void {
    for (const lane of Object.values(this.#lanes)) lane.close();
    for (const socket of Object.values(this.#sockets)) socket.resetAndDestroy();
  }

  /**
   * The other end is reset; this one goes on as if the connection stood, and nothing answers it.
   */
  halfOpen(believer: End): void {
    this.#lanes[believer === 'dialler' ? 'backward' : 'forward'].block();
    this.#sockets[believer === 'dialler' ? 'target' : 'dialler'].resetAndDestroy();
  }

  #join(from: Socket, to: Socket): Lane {
    const { unit, chance } = this.#options;
    const lane = new Lane({
      chance,
      write: (bytes) => to.destroyed || to.write(bytes),
      flow: (flowing) => {
        if (flowing) from.resume();
        else from.pause();
      },
    });
    const splitter = new FrameSplitter(unit);
    let failed = false;
    from.setNoDelay(true);
    to.on('drain', () => lane.writable());
    from.on('data', (bytes: Buffer) => {
      try {
        for (const each of splitter.push(bytes)) lane.push(each);
      } catch {
        this.cut();
      }
    });
    from.on('error', () => {
      failed = true;
    });
    from.on('close', () => {
      lane.end(() => {
        if (failed) to.resetAndDestroy();
        else to.destroySoon();
      });
      this.#open -= 1;
      if (this.#open === 0) this.#options.ended();
    });
    return lane;
  }
}
