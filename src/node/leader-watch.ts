/**
 * Fast failover: a connection to every other node, and what its breaking says of one that leads.
 *
 *     watching --reset or closed--> probing --refused--> gone: told to the log
 *        ^                            |
 *        +------- answered -----------+--- probeMs without an answer: left to the lease
 *
 * - A connection that breaks says little: it may be a proxy, a limit, the network. An address that
 *   then *refuses* says that no one listens there any more: the process is gone, and waiting for
 *   its lease would only cost time. Just after a kill the listener may still be closing and accept
 *   once more, so the probing goes on for a while.
 * - Followers are watched too: who leads next may die before a connection to it could stand. News
 *   of a leader whose connection is broken begins the probing anew: the process may be another.
 * - An address that was never reached proves nothing by refusing: it may be wrong. It is told as
 *   such, and the log looks whether that leader's lease is still kept alive.
 * - A wrong guess costs an election, never an outcome (I6, the fence).
 */
import type {
  Explanation,
  LeaderInfo,
  NodeInfo,
  TakenOver,
  TakeOver,
  TransactionStatus,
} from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import { Link } from '../peer/link.ts';
import type { CloseInfo, Dialer } from '../ports/transport.ts';
import type { NodeOptions } from './node-options.ts';

export interface LeaderWatchOptions
  extends Pick<NodeOptions, 'node' | 'credential' | 'log' | 'clock' | 'random' | 'logger'> {
  readonly instance: string;
  readonly dialer: Dialer;
}

const probeMs = 500;
const probePauseMs = 10;
const maxProbePauseMs = 100;
const connectTimeoutMs = 1_000;
const heartbeatMs = 1_000;
/** Whoever is in doubt waits so much longer for a leader that stands still. */
const statusTimeoutMs = 200;
/** The leader itself waits for the log and for participants. */
const explainTimeoutMs = 3_000;

export type LeaderAnswer =
  | { readonly node: string; readonly explanation: Explanation }
  | { readonly node: string | null; readonly why: string };

interface Watched {
  readonly url: string;
  readonly link: Link;
  /** Whether the node was ever met at this address. */
  reached: boolean;
  /** Why it could not be spoken to, as far as that was logged. */
  told: string;
  /** Until then a refusal says that the process is gone. */
  probingUntilMs: number;
}

const notProbing = Number.NEGATIVE_INFINITY;

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  /** By node name. */
  readonly #watched = new Map<string, Watched>();
  #leaders: readonly LeaderInfo[] = [];
  #closed = false;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  update(all: readonly (LeaderInfo | null)[], nodes: readonly NodeInfo[]): void {
    if (this.#closed) return;
    const { node: own, clock } = this.#options;
    const before = new Set(this.#leaders.map(({ epoch }) => epoch));
    const leaders = all.filter(
      (leader): leader is LeaderInfo => leader !== null && leader.node !== own,
    );
    this.#leaders = leaders;
    const urls = new Map([...nodes, ...leaders].map(({ node, url }) => [node, url]));
    urls.delete(own);
    for (const [node, watched] of this.#watched) {
      if (urls.get(node) === watched.url) continue;
      this.#watched.delete(node);
      void watched.link.close();
    }
    for (const [node, url] of urls) {
      if (!this.#watched.has(node)) this.#watch(node, url);
    }
    for (const { node, epoch } of leaders) {
      const watched = this.#watched.get(node);
      if (before.has(epoch) || watched === undefined || watched.link.connected) continue;
      watched.probingUntilMs = clock.monotonicMs() + probeMs;
    }
  }

  /** What the shard's leader says of it; null: it says nothing, or cannot be asked from here. */
  async statusOf(txid: Txid): Promise<TransactionStatus | null> {
    const leader = this.#leaders.find(({ shard }) => shard === shardOf(txid));
    const link = leader === undefined ? undefined : this.#watched.get(leader.node)?.link;
    if (link?.connected !== true) return null;
    const message = { type: 'status', txid } as const;
    return link.request(message, { timeoutMs: statusTimeoutMs, leader }).catch(() => null);
  }

  /** What the shard's leader says of the transaction, or why it says nothing. */
  async explanationOf(txid: Txid): Promise<LeaderAnswer> {
    const leader = this.#leaders.find(({ shard }) => shard === shardOf(txid));
    if (leader === undefined) return { node: null, why: 'No node leads its shard at the moment.' };
    const { node } = leader;
    const link = this.#watched.get(node)?.link;
    if (link?.connected !== true) return { node, why: `Its leader ${node} cannot be reached.` };
    // One that does not know the message would count it as broken, and end the connection in time.
    if (link.welcome?.understands?.includes('explain') !== true) {
      return { node, why: `Its leader ${node} runs a version that cannot explain.` };
    }
    try {
      const options = { timeoutMs: explainTimeoutMs, leader };
      return { node, explanation: await link.request({ type: 'explain', txid }, options) };
    } catch (error) {
      return { node, why: `Its leader ${node} does not answer: ${thrownLine(error)}` };
    }
  }

  /** Asks another node. Rejects where it is not connected. */
  async ask(node: string, message: Omit<TakeOver, 'id'>, timeoutMs: number): Promise<TakenOver> {
    const link = this.#watched.get(node)?.link;
    if (link?.connected !== true) throw new Error(`There is no connection to ${node}.`);
    return link.request(message, { timeoutMs });
  }

  /** Where that node can be asked from here; null: it cannot, for now. */
  linkTo(node: string): Link | null {
    const link = this.#watched.get(node)?.link;
    return link?.connected === true ? link : null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const links = [...this.#watched.values()].map(({ link }) => link.close());
    this.#watched.clear();
    await Promise.all(links);
  }

  #watch(node: string, url: string): void {
    const { dialer, clock, random, credential, instance } = this.#options;
    const watched: Watched = {
      url,
      reached: false,
      told: '',
      probingUntilMs: notProbing,
      link: new Link({
        url,
        dialer,
        clock,
        random,
        connectTimeoutMs,
        heartbeatMs,
        // Its address stands in the log.
        credential: credential && { ...credential, given: false },
        retryDelayMs: probePauseMs,
        maxRetryDelayMs: maxProbePauseMs,
        hello: () => ({ name: this.#options.node, instance, roles: ['node'] }),
        events: {
          welcome: () => {
            watched.reached = true;
            watched.told = '';
            watched.probingUntilMs = notProbing;
          },
          lost: (info) => {
            // Silence alone (a host that vanished, a cut cable) refuses nothing: left to the lease.
            watched.probingUntilMs =
              info.kind === 'silent' ? notProbing : clock.monotonicMs() + probeMs;
          },
          failed: (info) => {
            this.#tell(node, watched, info);
            this.#failed(node, watched, info);
          },
        },
      }),
    };
    this.#watched.set(node, watched);
    watched.link.start();
  }

  /** Else no one would know, until its end is noticed late. */
  #tell(node: string, watched: Watched, { kind, reason }: CloseInfo): void {
    const { url } = watched;
    if (kind !== 'failed' || !url.startsWith('wss:') || watched.told === reason) return;
    watched.told = reason;
    this.#options.logger.warn(
      { node, url, reason },
      'This node cannot speak to another one: that it has ended will be known by its lease alone.',
    );
  }

  #failed(node: string, watched: Watched, info: CloseInfo): void {
    if (info.kind !== 'refused' || this.#watched.get(node) !== watched) return;
    const { log, logger, clock } = this.#options;
    const gone = watched.reached && clock.monotonicMs() <= watched.probingUntilMs;
    for (const leader of this.#leaders) {
      if (leader.node !== node) continue;
      if (!gone) {
        log.leaderRefuses(leader);
        continue;
      }
      watched.probingUntilMs = notProbing;
      logger.warn(
        { shard: leader.shard, leader: node, epoch: leader.epoch },
        'The leader is gone: its connection broke and its address refuses new ones.',
      );
      log.leaderGone(leader);
    }
  }
}
