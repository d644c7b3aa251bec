/**
 * One session with every node: those given, and those that welcome and topology tell of.
 *
 * A node drops the earlier of two connections of one instance, so two addresses of one node - the
 * given 127.0.0.1:7070 and the advertised host:7070 - would push each other out for ever. The link
 * that is found to reach a node that another one reaches already is parked: closed, until that other
 * one is lost.
 */
import type { ConnectionId } from '../core/branch/branch.ts';
import type {
  FromNode,
  Hello,
  LeaderInfo,
  Limits,
  NodeInfo,
  ToNode,
  Welcome,
} from '../core/messages.ts';
import type { VerdictError } from '../peer/errors.ts';
import { Link, type Refusal } from '../peer/link.ts';
import { Succession } from '../peer/succession.ts';
import { advertisedUrl, nodeUrl } from '../peer/url.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Dialer } from '../ports/transport.ts';

import { connectedText } from './stderr-logger.ts';

/** A connection that was welcomed and is still open. */
export interface Session {
  readonly id: ConnectionId;
  readonly node: string;
  readonly link: Link;
  readonly welcome: Welcome;
}

export interface SessionsOptions {
  readonly urls: readonly string[];
  /** What the given addresses are sent as it is, and advertised ones a proof of. */
  readonly token?: string | undefined;
  readonly hello: () => Omit<Hello, 'type' | 'protocol'>;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly maxRetryDelayMs: number;
  readonly logger: Logger;
  /** Why a node that welcomes is not to be served; null: it is. */
  readonly refuses: (welcome: Welcome) => Refusal | null;
  readonly events: SessionEvents;
}

export interface SessionEvents {
  welcome(session: Session): void;
  /** Leaders with newer epochs than were known. */
  leaders(): void;
  message(session: Session, message: FromNode): void;
  lost(connection: ConnectionId): void;
  refused(url: string, error: VerdictError): void;
}

interface Place {
  readonly url: string;
  readonly given: boolean;
  link: Link | null;
  session: Session | null;
  /** The node that answered here last. */
  node: string | null;
}

/** Nodes that a cluster may have; what is told beyond that is not believed. */
const maxPlaces = 256;
/** Shards likewise. */
const maxShards = 1_296;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #places = new Map<string, Place>();
  readonly #sessions = new Map<ConnectionId, Session>();
  readonly #leaders = new Map<number, LeaderInfo>();
  readonly #succession: Succession;
  #lastId = 0;
  #closed = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#succession = new Succession({
      clock: options.clock,
      links: () => this.all().map(({ link }) => link),
    });
    for (const given of options.urls) {
      const url = nodeUrl(given);
      this.#places.set(url, { url, given: true, link: null, session: null, node: null });
    }
  }

  start(): void {
    for (const place of this.#places.values()) this.#open(place);
  }

  /** False where that connection is not open any more. Throws what cannot be sent at all. */
  send(connection: ConnectionId, message: ToNode): boolean {
    return this.#sessions.get(connection)?.link.send(message) ?? false;
  }

  /** Ends what is connected and says hello anew: something in it has changed. */
  redial(): void {
    for (const place of this.#places.values()) {
      if (place.session === null) continue;
      this.#park(place);
      this.#open(place);
    }
  }

  isOpen(connection: ConnectionId): boolean {
    return this.#sessions.has(connection);
  }

  all(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  /** Nodes that are known of, connected or not. */
  get nodes(): number {
    return new Set([...this.#places.values()].map((place) => place.node ?? place.url)).size;
  }

  leaders(): IterableIterator<LeaderInfo> {
    return this.#leaders.values();
  }

  /** The session with the shard's leader, as far as this participant knows who leads. */
  leader(shard: number): Session | null {
    const info = this.#leaders.get(shard);
    if (info === undefined) return null;
    for (const session of this.#sessions.values()) {
      if (session.node === info.node) return session;
    }
    return null;
  }

  /** What every node connected now takes; null while there is none. */
  limits(): Pick<Limits, 'maxFrameBytes' | 'maxDepth'> | null {
    if (this.#sessions.size === 0) return null;
    const all = this.all().map((session) => session.welcome.limits);
    return {
      maxFrameBytes: Math.min(...all.map((limits) => limits.maxFrameBytes)),
      maxDepth: Math.min(...all.map((limits) => limits.maxDepth)),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#succession.close();
    const links = [...this.#places.values()].map((place) => place.link?.close());
    await Promise.all(links);
  }

  #open(place: Place): void {
    if (this.#closed || place.link !== null) return;
    const { dialer, clock, random, token, hello, maxRetryDelayMs, refuses, events } = this.#options;
    const link = new Link({
      url: place.url,
      dialer,
      clock,
      random,
      hello,
      credential: token === undefined ? undefined : { token, given: place.given },
      maxRetryDelayMs,
      refuses,
      events: {
        welcome: (welcome) => this.#welcomed(place, link, welcome),
        message: (message) => this.#received(place, message),
        lost: () => this.#lost(place),
        refused: (error) => events.refused(place.url, error),
      },
    });
    place.link = link;
    link.start();
  }

  /** Closes the link for good; a new one may be opened later. */
  #park(place: Place): void {
    const { link } = place;
    place.link = null;
    this.#lost(place);
    void link?.close();
  }

  #welcomed(place: Place, link: Link, welcome: Welcome): void {
    if (place.link !== link || this.#closed) return;
    this.#lastId += 1;
    const session: Session = { id: this.#lastId, node: welcome.node, link, welcome };
    place.node = welcome.node;
    for (const other of this.#places.values()) {
      if (other === place || other.link === null) continue;
      // An advertised address that was tried meanwhile and cannot be reached from here is not tried for ever.
      const tried = !other.given && other.node === welcome.node;
      if (tried || other.session?.node === welcome.node) this.#park(other);
    }
    place.session = session;
    this.#sessions.set(session.id, session);
    this.#options.logger.info({ node: welcome.node, url: place.url }, connectedText);
    this.#options.events.welcome(session);
    this.#learn(welcome);
  }

  #received(place: Place, message: FromNode): void {
    const { session } = place;
    if (session === null) return;
    if (message.type === 'topology') this.#learn(message);
    else this.#options.events.message(session, message);
  }

  #lost(place: Place): void {
    const { session } = place;
    if (session === null) return;
    place.session = null;
    this.#sessions.delete(session.id);
    this.#options.logger.info({ node: session.node, url: place.url }, 'lost a node');
    this.#options.events.lost(session.id);
    // Its other addresses may still reach it.
    for (const other of this.#places.values()) {
      if (other !== place && other.node === session.node) this.#open(other);
    }
  }

  #learn(told: { leaders: readonly (LeaderInfo | null)[]; nodes: readonly NodeInfo[] }): void {
    let news = false;
    for (const leader of told.leaders) {
      if (leader === null || leader.shard >= maxShards) continue;
      const known = this.#leaders.get(leader.shard);
      if (known !== undefined && known.epoch >= leader.epoch) continue;
      this.#leaders.set(leader.shard, leader);
      if (!this.#closed) this.#succession.newLeader(leader);
      news = true;
      this.#dialNow(leader);
    }
    // Once for all of them: whoever hears of it looks at every leader.
    if (news) this.#options.events.leaders();
    // A leader's entry among the nodes may be missing for a while.
    const nodes = [...told.nodes, ...told.leaders.filter((leader) => leader !== null)];
    for (const info of nodes) this.#learnNode(info);
    this.#dropAbsent(nodes);
  }

  /**
   * The link to a new leader may be pausing, and for long, after failed dials of a time before it led: killed, started
   * again, elected. What it prepares meanwhile would wait in vain for this participant, and abort.
   */
  #dialNow(leader: NodeInfo): void {
    const url = advertisedUrl(leader);
    for (const place of this.#places.values()) {
      if (place.node === leader.node || place.url === url) place.link?.retryNow();
    }
  }

  #learnNode(info: NodeInfo): void {
    const { node } = info;
    const url = advertisedUrl(info);
    if (url === null) {
      this.#options.logger.warn(info, 'a node advertises no usable address');
      return;
    }
    const known = this.#places.get(url);
    if (known !== undefined) {
      known.node ??= node;
      return;
    }
    if (this.#places.size >= maxPlaces) return;
    const place: Place = { url, given: false, link: null, session: null, node };
    this.#places.set(url, place);
    for (const session of this.#sessions.values()) if (session.node === node) return;
    this.#open(place);
  }

  /** A node that left the cluster is not dialled for ever; a given address is. */
  #dropAbsent(nodes: readonly NodeInfo[]): void {
    const present = new Set(nodes.map(({ node }) => node));
    for (const place of this.#places.values()) {
      if (place.given || place.session !== null || place.node === null) continue;
      if (present.has(place.node)) continue;
      this.#places.delete(place.url);
      void place.link?.close();
      place.link = null;
    }
  }
}
