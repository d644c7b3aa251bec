/**
 * A set of links: to the given addresses, and to those that welcome and topology teach.
 *
 * Given addresses are always kept: they may be the only ones that work from here (a port forwarded
 * into a container), and the only way back when every advertised node is gone. An advertised
 * address is dialled only while no link reaches the same node.
 *
 * `every`, for participants: a link to every node. A connection ends only when a newer one reaches
 * its node. `leaders`, for clients: while each shard's leader is known and connected, links to
 * these and, if one node leads all, to one other, the lookout: a leader that stands still does not
 * say so, and the others' topology names its successor. Otherwise to every node, for any may know
 * first.
 */
import type { FromNode, LeaderInfo, NodeInfo, Welcome } from '../core/messages.ts';
import { maxShards } from '../core/txid.ts';
import type { CloseInfo } from '../ports/transport.ts';
import type { JwtSource } from './jwt-source.ts';
import { Link } from './link.ts';
import type { LinkCredential, LinkOptions } from './link-options.ts';
import type { NotLeader } from './requests.ts';
import { Succession } from './succession.ts';
import { advertisedUrl, nodeUrl } from './url.ts';
import type { VerdictError } from './verdict-error.ts';

export interface NodesOptions {
  readonly urls: readonly string[];
  /** TLS options are given: an address without a scheme is one with TLS. */
  readonly tls?: boolean;
  readonly reach: 'every' | 'leaders';
  /** What the given addresses are sent as it is, and advertised ones a proof of. */
  readonly token?: string | undefined;
  /** What is shown at each, given or advertised, where the connection has TLS. */
  readonly jwt?: JwtSource | undefined;
  readonly link: Omit<LinkOptions, 'url' | 'events' | 'credential' | 'names'>;
  readonly events: NodesEvents;
}

export interface NodesEvents {
  welcome?(link: Link, welcome: Welcome): void;
  /** Everything that is not a reply; `topology` too, after it was taken in. */
  message?(link: Link, message: FromNode): void;
  /** This side ended a connection: it is not wanted any more, or hello is to be said anew. */
  dropped?(link: Link): void;
  lost?(link: Link, info: CloseInfo): void;
  failed?(link: Link, info: CloseInfo): void;
  refused?(link: Link, error: VerdictError): void;
  /** A node is not dialled: it advertises itself without TLS. Told once for each address. */
  withoutTls?(node: NodeInfo, problem: string): void;
  /** There is no fresh JWT to show. It is asked for again. */
  withoutJwt?(link: Link, problem: string): void;
  /** A leader, or a connection to one, may have changed. */
  changed?(): void;
}

/** Advertised nodes taken in: a broken node must not make its peers dial without end. */
export const maxAdvertised = { every: 256, leaders: 64 } as const;

/** Such addresses told of: no more, whatever nodes make up. */
const maxWithoutTls = 64;

/** Of a shard: the newest heard of. Its end may be known while others still speak of it. */
interface Leadership {
  readonly leader: LeaderInfo;
  ended: boolean;
}

export class Nodes {
  readonly #given: NodesOptions;
  readonly #givenUrls: readonly string[];
  /** All of them have TLS: then no address without it is dialled, whoever names it. */
  readonly #onlyTls: boolean;
  /** Of the given addresses: what an advertised node's certificate must have one of. */
  readonly #hosts: readonly string[];
  readonly #withoutTls = new Set<string>();
  readonly #links = new Map<string, Link>();
  readonly #leaderships = new Map<number, Leadership>();
  /** Of shards that no leader was heard of yet: nodes that said that they know of none. */
  readonly #leaderless = new Map<number, Set<string>>();
  #advertised: readonly NodeInfo[] = [];
  /** Addresses that lead to a node which a newer connection reached by another one. */
  readonly #doubles = new Map<string, string>();
  /** Which node answered at an address, the last time that one did. */
  readonly #nodeAt = new Map<string, string>();
  readonly #succession: Succession;
  #shards = 0;
  #started = false;
  #closed = false;

  constructor(options: NodesOptions) {
    if (options.urls.length === 0) throw new TypeError('Give the address of one node at least.');
    this.#given = options;
    this.#givenUrls = [...new Set(options.urls.map((url) => nodeUrl(url, options.tls)))];
    this.#onlyTls = this.#givenUrls.every((url) => url.startsWith('wss:'));
    this.#hosts = this.#givenUrls.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ''));
    this.#succession = new Succession({
      clock: options.link.clock,
      links: () => this.#links.values(),
      after: () => this.#reconcile(),
    });
  }

  /** How many shards the cluster has; 0 before the first welcome. */
  get shards(): number {
    return this.#shards;
  }

  get links(): readonly Link[] {
    return [...this.#links.values()];
  }

  connected(): Link[] {
    return this.links.filter((link) => link.connected);
  }

  /** Nodes that are known of, connected or not. */
  get count(): number {
    const advertised = new Map(this.#known().map((info) => [advertisedUrl(info), info.node]));
    const given = this.#givenUrls.map((url) => this.#nodeAt.get(url) ?? advertised.get(url) ?? url);
    const connected = this.connected().map((link) => link.welcome?.node);
    return new Set([...given, ...connected, ...advertised.values()]).size;
  }

  leader(shard: number): LeaderInfo | null {
    const known = this.#leaderships.get(shard);
    return known === undefined || known.ended ? null : known.leader;
  }

  /** Of each shard the newest leader heard of, though it may have ended. */
  newestLeaders(): LeaderInfo[] {
    return Array.from(this.#leaderships.values(), ({ leader }) => leader);
  }

  newestLeader(shard: number): LeaderInfo | null {
    return this.#leaderships.get(shard)?.leader ?? null;
  }

  leaderLink(shard: number): Link | null {
    const leader = this.leader(shard);
    return leader === null ? null : this.linkTo(leader.node);
  }

  linkTo(node: string): Link | null {
    for (const link of this.#links.values()) {
      if (link.connected && link.welcome?.node === node) return link;
    }
    return null;
  }

  start(): void {
    this.#started = true;
    this.#reconcile();
  }

  /** Ends what is connected and says hello anew: something in it has changed. */
  redial(): void {
    for (const link of this.connected()) this.#drop(link);
    this.#reconcile();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#succession.close();
    await Promise.all(this.links.map((link) => link.close()));
    this.#links.clear();
  }

  #open(url: string): void {
    const { link: linkOptions, events } = this.#given;
    const given = this.#givenUrls.includes(url);
    const link: Link = new Link({
      ...linkOptions,
      url,
      credential: this.#credential(given),
      names: given ? undefined : this.#hosts,
      events: {
        welcome: (welcome) => {
          this.#shards = Math.min(welcome.shards, maxShards);
          this.#nodeAt.set(link.url, welcome.node);
          this.#learn(link, welcome);
          this.#nodeReached(link, welcome.node);
          events.welcome?.(link, welcome);
          this.#reconcile();
        },
        message: (message) => {
          if (message.type === 'topology') this.#learn(link, message);
          events.message?.(link, message);
          if (message.type === 'topology') this.#reconcile();
        },
        notLeader: (said) => {
          this.#notLeader(said, link.welcome?.node);
          this.#reconcile();
        },
        lost: (info) => {
          events.lost?.(link, info);
          this.#reconcile();
        },
        failed: (info) => events.failed?.(link, info),
        refused: (error) => events.refused?.(link, error),
        withoutJwt: (problem) => events.withoutJwt?.(link, problem),
      },
    });
    this.#links.set(url, link);
    link.start();
  }

  #credential(given: boolean): LinkCredential | undefined {
    const { token, jwt } = this.#given;
    if (jwt !== undefined) return { jwt };
    return token === undefined ? undefined : { token, given };
  }

  #learn(
    link: Link,
    said: { leaders: readonly (LeaderInfo | null)[]; nodes: readonly NodeInfo[] },
  ): void {
    const from = link.welcome?.node;
    this.#advertised = said.nodes.slice(0, maxAdvertised[this.#given.reach]);
    for (const [shard, leader] of said.leaders.slice(0, maxShards).entries()) {
      if (leader === null) this.#vacant(shard, from);
      else this.#learnLeader(leader, from);
    }
  }

  /**
   * A newer epoch always counts. One that is known to have ended counts again only on its leader's
   * own word: nodes that have not heard of the end would send everyone back to it.
   */
  #learnLeader(leader: LeaderInfo, from: string | undefined): void {
    if (leader.shard >= maxShards) return;
    const known = this.#leaderships.get(leader.shard);
    const isNew = known === undefined || leader.epoch > known.leader.epoch;
    if (!isNew) {
      if (leader.epoch < known.leader.epoch) return;
      if (known.ended && from !== leader.node) return;
    }
    // It has said itself that it does not lead: whoever names it has not heard of the end.
    const denied = from !== leader.node && this.#leaderless.get(leader.shard)?.has(leader.node);
    this.#leaderless.delete(leader.shard);
    this.#leaderships.set(leader.shard, { leader, ended: denied === true });
    if (isNew && !this.#closed) this.#succession.newLeader(leader);
    // Its link may be pausing after failed dials of a time before it led.
    for (const link of this.#links.values()) {
      if (link.url === advertisedUrl(leader) || this.#nodeAt.get(link.url) === leader.node)
        link.retryNow();
    }
  }

  #notLeader({ asked, leader }: NotLeader, from: string | undefined): void {
    // The answer of a leadership before this one says nothing of it, whenever it comes.
    if (asked !== undefined && leader?.shard !== asked.shard) {
      const known = this.#leaderships.get(asked.shard);
      if (known !== undefined && known.leader.epoch <= asked.epoch) this.#vacant(asked.shard, from);
    }
    if (leader) this.#learnLeader(leader, from);
  }

  /** Only the leader itself is believed that it leads no more; another node may just not know. */
  #vacant(shard: number, from: string | undefined): void {
    const known = this.#leaderships.get(shard);
    if (known !== undefined) {
      if (known.leader.node === from) known.ended = true;
    } else if (from !== undefined) {
      const all = this.#leaderless.get(shard) ?? new Set();
      this.#leaderless.set(shard, all.add(from));
    }
  }

  /** Opens the links that are wanted and missing, closes those that are there and not wanted. */
  #reconcile(): void {
    if (!this.#started || this.#closed) return;
    const wanted = this.#wanted();
    for (const url of wanted) if (!this.#links.has(url)) this.#open(url);
    for (const [url, link] of this.#links) {
      if (!wanted.has(url) && !this.#isKept(link)) this.#drop(link);
    }
    this.#given.events.changed?.();
  }

  /** Though it is not wanted any more. */
  #isKept(link: Link): boolean {
    // A node that is not told of may still be at work; what is in flight there would end with it.
    if (this.#given.reach === 'every') return link.connected;
    // It is looked at again when something changes.
    return link.requestsInFlight > 0;
  }

  #drop(link: Link): void {
    const { connected } = link;
    this.#links.delete(link.url);
    void link.close();
    if (connected) this.#given.events.dropped?.(link);
  }

  #wanted(): Set<string> {
    const leaders = this.#leaderLinks();
    if (this.#given.reach === 'leaders' && leaders !== null) {
      return new Set([...leaders.map((link) => link.url), ...this.#lookouts(leaders)]);
    }
    const wanted = new Set(this.#givenUrls.filter((url) => !this.#isDouble(url)));
    const reached = new Map(
      this.connected()
        .filter(({ url }) => !this.#isDouble(url))
        .map((link) => [link.welcome?.node, link.url]),
    );
    const most = wanted.size + maxAdvertised[this.#given.reach];
    for (const info of this.#known()) {
      if (wanted.size === most) break;
      const url = reached.get(info.node) ?? this.#dialled(info);
      if (url !== null) wanted.add(url);
    }
    return wanted;
  }

  /** A leader's entry among the nodes may be missing for a while. */
  #known(): NodeInfo[] {
    const leaders = [...this.#leaderships.values()].filter(({ ended }) => !ended);
    return [...leaders.map(({ leader }) => leader), ...this.#advertised];
  }

  /** To one node that does not lead; without one, all addresses that may lead to one. */
  #lookouts(leaders: readonly Link[]): string[] {
    const leading = new Set(leaders.map((link) => link.welcome?.node));
    // Several leaders tell of each other; and a node that is alone has no one to tell of it.
    if (leading.size > 1 || this.#advertised.every(({ node }) => leading.has(node))) return [];
    const open = this.connected().find((link) => !leading.has(link.welcome?.node));
    if (open !== undefined) return [open.url];
    const given = this.#givenUrls.filter((url) => !leading.has(this.#nodeAt.get(url)));
    const reached = new Set(given.map((url) => this.#nodeAt.get(url)));
    const advertised = this.#advertised
      .filter(({ node }) => !leading.has(node) && !reached.has(node))
      .map((info) => this.#dialled(info));
    return [...given, ...advertised.filter((url) => url !== null)];
  }

  /** Where the node is dialled; null: nowhere. */
  #dialled(info: NodeInfo): string | null {
    const url = advertisedUrl(info);
    if (url === null || !this.#onlyTls || url.startsWith('wss:')) return url;
    if (!this.#withoutTls.has(url) && this.#withoutTls.size < maxWithoutTls) {
      this.#withoutTls.add(url);
      this.#given.events.withoutTls?.(
        info,
        `Node ${info.node} is not dialled: it advertises ${info.url}, without TLS, and all given addresses have TLS. Start it with --tls-cert and --tls-key, or with an --advertise that begins with wss://.`,
      );
    }
    return null;
  }

  /**
   * Of two connections of one instance a node keeps the newer. If the older were made again, the
   * two would oust each other forever: its address waits until the newer connection is lost.
   */
  #nodeReached(newer: Link, node: string): void {
    this.#doubles.delete(newer.url);
    for (const link of this.connected()) {
      if (link === newer || link.welcome?.node !== node) continue;
      this.#doubles.set(link.url, node);
      // Told ahead of the newer one's welcome: there is one connection to a node.
      if (this.#given.reach === 'every') this.#drop(link);
    }
  }

  #isDouble(url: string): boolean {
    const node = this.#doubles.get(url);
    if (node === undefined) return false;
    return this.connected().some((link) => link.url !== url && link.welcome?.node === node);
  }

  /** A link to the leader of each shard, given addresses first; null while one is missing. */
  #leaderLinks(): Link[] | null {
    if (this.#shards === 0) return null;
    const links = new Set<Link>();
    for (let shard = 0; shard < this.#shards; shard += 1) {
      const link = this.leaderLink(shard);
      if (link === null) return null;
      links.add(link);
    }
    return [...links];
  }
}
