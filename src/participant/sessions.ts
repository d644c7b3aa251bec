/** What branches and questions see of the connections: one session with every node. */
import type { ConnectionId } from '../core/branch/branch.ts';
import type { FromNode, Limits, ToNode, Welcome } from '../core/messages.ts';
import type { Link } from '../peer/link.ts';
import { Nodes, type NodesOptions } from '../peer/nodes.ts';
import { advertisedUrl } from '../peer/url.ts';
import type { VerdictError } from '../peer/verdict-error.ts';
import type { Logger } from '../ports/logger.ts';
import { connectedText } from './stderr-logger.ts';

/** A connection that was welcomed and is still open. */
export interface Session {
  readonly id: ConnectionId;
  readonly node: string;
  readonly link: Link;
  readonly welcome: Welcome;
}

export interface SessionsOptions
  extends Pick<NodesOptions, 'urls' | 'tls' | 'token' | 'jwt' | 'link'> {
  readonly logger: Logger;
  readonly events: SessionEvents;
}

export interface SessionEvents {
  welcome(session: Session): void;
  /** A leader, or a connection to one, may have changed. */
  changed(): void;
  message(session: Session, message: FromNode): void;
  lost(connection: ConnectionId): void;
  refused(url: string, error: VerdictError): void;
}

export class Sessions {
  readonly nodes: Nodes;
  readonly #given: SessionsOptions;
  readonly #byId = new Map<ConnectionId, Session>();
  readonly #byLink = new Map<Link, Session>();
  #lastId = 0;
  /** Told once, until one was welcomed. */
  #jwtProblem = '';

  constructor(given: SessionsOptions) {
    this.#given = given;
    const { urls, tls = false, token, jwt, link, events } = given;
    this.nodes = new Nodes({
      urls,
      tls,
      token,
      jwt,
      link,
      reach: 'every',
      events: {
        welcome: (from, welcome) => this.#welcomed(from, welcome),
        message: (from, message) => this.#received(from, message),
        dropped: (from) => this.#lost(from),
        lost: (from) => this.#lost(from),
        refused: (from, error) => events.refused(from.url, error),
        withoutTls: ({ node, url }, problem) => given.logger.warn({ node, url }, problem),
        withoutJwt: (_from, problem) => this.#withoutJwt(problem),
        changed: () => events.changed(),
      },
    });
  }

  /** False where that connection is not open any more. Throws what cannot be sent at all. */
  send(connection: ConnectionId, message: ToNode): boolean {
    return this.#byId.get(connection)?.link.send(message) ?? false;
  }

  isOpen(connection: ConnectionId): boolean {
    return this.#byId.has(connection);
  }

  all(): readonly Session[] {
    return [...this.#byId.values()];
  }

  /** The session with the shard's leader, as far as this participant knows who leads. */
  leader(shard: number): Session | null {
    const leader = this.nodes.newestLeader(shard);
    const link = leader === null ? null : this.nodes.linkTo(leader.node);
    return (link && this.#byLink.get(link)) ?? null;
  }

  /** What every node connected now takes; null while there is none. */
  limits(): Pick<Limits, 'maxFrameBytes' | 'maxDepth'> | null {
    const all = this.all().map(({ welcome }) => welcome.limits);
    if (all.length === 0) return null;
    return {
      maxFrameBytes: Math.min(...all.map((limits) => limits.maxFrameBytes)),
      maxDepth: Math.min(...all.map((limits) => limits.maxDepth)),
    };
  }

  #welcomed(link: Link, welcome: Welcome): void {
    this.#lastId += 1;
    this.#jwtProblem = '';
    const session: Session = { id: this.#lastId, node: welcome.node, link, welcome };
    this.#byId.set(session.id, session);
    this.#byLink.set(link, session);
    this.#given.logger.info({ node: welcome.node, url: link.url }, connectedText);
    this.#warn(welcome);
    this.#given.events.welcome(session);
  }

  #received(link: Link, message: FromNode): void {
    if (message.type === 'topology') this.#warn(message);
    const session = this.#byLink.get(link);
    if (message.type === 'topology' || session === undefined) return;
    this.#given.events.message(session, message);
  }

  #lost(link: Link): void {
    const session = this.#byLink.get(link);
    if (session === undefined) return;
    this.#byId.delete(session.id);
    this.#byLink.delete(link);
    this.#given.logger.info({ node: session.node, url: link.url }, 'lost a node');
    this.#given.events.lost(session.id);
  }

  #withoutJwt(problem: string): void {
    if (problem === this.#jwtProblem) return;
    this.#jwtProblem = problem;
    this.#given.logger.warn({}, problem);
  }

  #warn({ nodes }: Pick<Welcome, 'nodes'>): void {
    for (const info of nodes) {
      if (advertisedUrl(info) !== null) continue;
      this.#given.logger.warn(info, 'a node advertises no usable address');
    }
  }
}
