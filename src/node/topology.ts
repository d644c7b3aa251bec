/** The cluster as this node sees it: told to its peers, and watched for leaders that die. */
import type { FromNode, LeaderInfo, NodeInfo, TransactionStatus } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { Link } from '../peer/link.ts';
import { encodedOnce } from '../wire/encoded-once.ts';
import { type LeaderAnswer, LeaderWatch } from './leader-watch.ts';
import type { NodeOptions } from './node-options.ts';
import { PacedNews } from './paced-news.ts';
import type { Session } from './session.ts';
import type { AskNode } from './successors.ts';

export interface TopologyOptions
  extends Pick<
    NodeOptions,
    'node' | 'credential' | 'log' | 'clock' | 'random' | 'logger' | 'dialer'
  > {
  /** Of this node. */
  readonly url: () => string;
  readonly leaders: () => (LeaderInfo | null)[];
  readonly sessions: () => Iterable<Session>;
}

export class Topology {
  readonly #given: TopologyOptions;
  readonly #leaderWatch: LeaderWatch | null;
  readonly #news: PacedNews;

  constructor(given: TopologyOptions) {
    const { dialer, random, clock } = given;
    this.#given = given;
    this.#news = new PacedNews(clock, () => this.#tell());
    this.#leaderWatch =
      dialer === null ? null : new LeaderWatch({ ...given, dialer, instance: random.token(20) });
  }

  nodes(): NodeInfo[] {
    const { log, node: own, url } = this.#given;
    const others = log.nodes().filter(({ node }) => node !== own);
    return [{ node: own, url: url() }, ...others];
  }

  watch(): void {
    this.#leaderWatch?.update(this.#given.leaders(), this.nodes());
  }

  changed(): void {
    this.watch();
    this.#news.changed();
  }

  /** What the leader says of it, where that is another node which can be asked from here. */
  async statusAtLeader(txid: Txid): Promise<TransactionStatus | null> {
    return (await this.#leaderWatch?.statusOf(txid)) ?? null;
  }

  async explanationAtLeader(txid: Txid): Promise<LeaderAnswer> {
    const why = 'Its leader is another node, which this one cannot ask.';
    return (await this.#leaderWatch?.explanationOf(txid)) ?? { node: null, why };
  }

  /** Asks another node. Rejects where it is not connected, or there are no others. */
  readonly ask: AskNode = async (node, message, timeoutMs) => {
    if (this.#leaderWatch === null) throw new Error('This node is alone.');
    return this.#leaderWatch.ask(node, message, timeoutMs);
  };

  /** Another node, where it can be asked from here. */
  linkTo(node: string): Link | null {
    return this.#leaderWatch?.linkTo(node) ?? null;
  }

  async close(): Promise<void> {
    // Who leads now, where this node has just handed it over.
    this.#news.flush();
    this.#news.close();
    await this.#leaderWatch?.close();
  }

  #tell(): void {
    const leaders = encodedOnce(this.#given.leaders());
    const nodes = encodedOnce(this.nodes());
    const message: FromNode = { type: 'topology', leaders, nodes };
    for (const session of this.#given.sessions()) {
      if (session.hello !== null) session.send(message);
    }
  }
}
