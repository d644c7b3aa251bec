/** One life of the test coordinator's node, which can end as kill -9 ends it. */
import type { CrashPoint } from '../coordinator/crash-points.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import { openMemoryLog } from '../decision-log/memory/log.ts';
import type { MemoryLogStore } from '../decision-log/memory/store.ts';
import { CoordinatorNode } from '../node/node.ts';
import { everyone } from '../ports/access.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Acceptor, Listener } from '../ports/transport.ts';
import { systemRandom } from '../system/random.ts';
import { realClock, turn } from '../system/real-time.ts';
import { webSocketAcceptor } from '../transport/websocket/listen.ts';
import type { Door } from './door.ts';
import { Life, mortal, mortalClock } from './mortal.ts';
import type { Accept } from './wire.ts';

const nodeName = 'test-coordinator';
const host = '127.0.0.1';

export interface IncarnationOptions {
  readonly store: MemoryLogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: CoordinatorOptions;
  readonly door: Door;
  /** 0: any that is free. */
  readonly port: number;
  readonly reached: (point: CrashPoint) => void;
  readonly onFatal: (error: unknown) => void;
}

export class Incarnation {
  readonly #given: IncarnationOptions;
  readonly #life = new Life();
  readonly #node: CoordinatorNode;
  readonly #acceptor: Acceptor;
  #accept: Accept | null = null;
  #listener: Listener | null = null;

  constructor(given: IncarnationOptions) {
    this.#given = given;
    const { store, options, logger, door, reached, onFatal } = given;
    const life = this.#life;
    const clock = mortalClock(given.clock, life);
    // Sockets keep real time: a pong takes as long as it takes.
    this.#acceptor = webSocketAcceptor({ ...options, clock: realClock, host, port: given.port });
    this.#node = new CoordinatorNode({
      node: nodeName,
      advertise: null,
      version: 'test',
      log: openMemoryLog({
        store: mortal(store, life, ['run']),
        node: nodeName,
        url: `ws://${host}`,
        clock,
      }),
      acceptor: {
        listen: async (accept) => {
          const behind = door.behind(accept, life);
          this.#listener = await this.#acceptor.listen(behind);
          this.#accept = behind;
          return this.#listener;
        },
      },
      dialer: null,
      clock,
      random: systemRandom,
      logger,
      debug: false,
      options,
      access: everyone,
      reached: (point) => {
        if (!life.isOver) reached(point);
      },
      onFatal: (error) => {
        if (!life.isOver) onFatal(error);
      },
    });
  }

  /** Null while it does not listen. */
  get accept(): Accept | null {
    return this.#life.isOver ? null : this.#accept;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Resolves when it leads. */
  async start(): Promise<void> {
    await this.#node.start();
    while (!this.#node.ready && !this.#life.isOver) await turn();
  }

  /** From now on nothing of it does anything. Resolves when its port is free. */
  async kill(): Promise<void> {
    this.#life.end();
    this.#given.store.expire(0);
    await this.#listener?.close();
  }

  /** In order, without waiting for what is under way. */
  async stop(): Promise<void> {
    if (this.#life.isOver) return;
    await this.#node.stop();
    this.#life.end();
  }
}
