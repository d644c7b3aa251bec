/**
 * Fast failover: a connection to every other node that leads, and what its breaking says.
 *
 *     watching --reset or closed--> probing --refused--> gone: told to the log
 *        ^                            |
 *        +------- answered -----------+--- probeMs without an answer: left to the lease
 *
 * A connection that breaks says little: it may be a proxy, a limit, the network. An address that
 * then *refuses* says that no one listens there any more: the process is gone, and waiting for its
 * lease would only cost time. Just after a kill the listener may still be closing and accept once
 * more, so the probing goes on for a while. An address that was never reached proves nothing by
 * refusing: it may be wrong. A wrong guess costs an election, never an outcome (I6, the fence).
 */
import type { LeaderInfo } from '../core/messages.ts';
import { Link } from '../peer/link.ts';
import type { CloseInfo, Dialer } from '../ports/transport.ts';
import type { NodeOptions } from './node.ts';

export interface LeaderWatchOptions
  extends Pick<NodeOptions, 'node' | 'token' | 'log' | 'clock' | 'random' | 'logger'> {
  readonly instance: string;
  readonly dialer: Dialer;
}

const probeMs = 500;
const probePauseMs = 10;
const maxProbePauseMs = 100;
const connectTimeoutMs = 1_000;
const heartbeatMs = 1_000;

interface Watched {
  readonly url: string;
  readonly link: Link;
  /** When the connection broke; null while it stands or never stood. */
  brokeAtMs: number | null;
}

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  /** By node name. */
  readonly #watched = new Map<string, Watched>();
  #leaders: readonly LeaderInfo[] = [];
  #closed = false;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  update(leaders: readonly (LeaderInfo | null)[]): void {
    if (this.#closed) return;
    this.#leaders = leaders.filter(
      (leader): leader is LeaderInfo => leader !== null && leader.node !== this.#options.node,
    );
    const urls = new Map(this.#leaders.map(({ node, url }) => [node, url]));
    for (const [node, watched] of this.#watched) {
      if (urls.get(node) === watched.url) continue;
      this.#watched.delete(node);
      void watched.link.close();
    }
    for (const [node, url] of urls) {
      if (!this.#watched.has(node)) this.#watch(node, url);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const links = [...this.#watched.values()].map(({ link }) => link.close());
    this.#watched.clear();
    await Promise.all(links);
  }

  #watch(node: string, url: string): void {
    const { dialer, clock, random, token, instance } = this.#options;
    const watched: Watched = {
      url,
      brokeAtMs: null,
      link: new Link({
        url,
        dialer,
        clock,
        random,
        connectTimeoutMs,
        heartbeatMs,
        // Its address stands in the log.
        credential: token === null ? undefined : { token, given: false },
        retryDelayMs: probePauseMs,
        maxRetryDelayMs: maxProbePauseMs,
        hello: () => ({ name: this.#options.node, instance, roles: ['node'] }),
        events: {
          welcome: () => {
            watched.brokeAtMs = null;
          },
          lost: (info) => {
            // Silence alone (a host that vanished, a cut cable) refuses nothing: left to the lease.
            watched.brokeAtMs = info.kind === 'silent' ? null : clock.monotonicMs();
          },
          failed: (info) => this.#failed(node, watched, info),
        },
      }),
    };
    this.#watched.set(node, watched);
    watched.link.start();
  }

  #failed(node: string, watched: Watched, info: CloseInfo): void {
    if (watched.brokeAtMs === null || this.#watched.get(node) !== watched) return;
    if (this.#options.clock.monotonicMs() - watched.brokeAtMs > probeMs) {
      watched.brokeAtMs = null;
      return;
    }
    if (info.kind !== 'refused') return;
    watched.brokeAtMs = null;
    for (const leader of this.#leaders) {
      if (leader.node !== node) continue;
      this.#options.logger.warn(
        { shard: leader.shard, leader: node, epoch: leader.epoch },
        'The leader is gone: its connection broke and its address refuses new ones.',
      );
      this.#options.log.leaderGone(leader);
    }
  }
}
