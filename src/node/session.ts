/**
 * One connection to a node: who is at the other end, what it may do, and where its messages go.
 * A fault of one session never touches another.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import { type ErrorCode, errorCatalogue } from '../core/catalogue.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import {
  type ErrorMessage,
  type FromNode,
  type Hello,
  type PeerRole,
  protocolVersion,
  type ToNode,
} from '../core/messages.ts';
import type { Member } from '../core/retired.ts';
import type { Sender } from '../core/term/events.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { CloseInfo, Connection, ConnectionHandler } from '../ports/transport.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import type { CoordinatorNode } from './node.ts';

/** Which role a message needs; any of several. `hello`, `error` and `goaway` need none. */
export const rolesFor: Readonly<
  Record<Exclude<ToNode['type'], 'hello' | 'error' | 'goaway'>, readonly PeerRole[]>
> = {
  begin: ['client'],
  enlist: ['client', 'participant'],
  lock: ['client'],
  commit: ['client'],
  rollback: ['client', 'operator'],
  transact: ['client'],
  status: ['client', 'participant', 'operator', 'node'],
  query: ['participant', 'node', 'operator'],
  resolve: ['participant', 'node', 'operator'],
  report: ['participant'],
  vote: ['participant'],
  working: ['participant'],
  ack: ['participant'],
  info: ['operator', 'node'],
  list: ['operator'],
  locks: ['operator'],
  recover: ['operator'],
  retire: ['operator'],
};

function allowedTo(roles: readonly PeerRole[]): ReadonlySet<ToNode['type']> {
  const types = Object.keys(rolesFor) as (keyof typeof rolesFor)[];
  return new Set(types.filter((type) => rolesFor[type].some((role) => roles.includes(role))));
}

/** A peer that sends this many broken messages is not going to send better ones. */
const maxInvalid = 100;

export interface SessionHost
  extends Pick<
    CoordinatorNode,
    'admit' | 'opened' | 'received' | 'ended' | 'unsendable' | 'invalid'
  > {
  readonly given: {
    readonly clock: Clock;
    readonly options: Pick<CoordinatorOptions, 'handshakeTimeoutMs' | 'maxPingAgeMs'>;
  };
}

export class Session implements ConnectionHandler<ToNode> {
  readonly id: number;
  readonly connection: Connection<FromNode>;
  /**
   * Of forced aborts at a node that does not lead: each may be a write to the log. A participant
   * that comes back with thousands of doubts gets through in seconds; no one fills the log.
   */
  readonly forcing: RateLimit;
  /** Its participant said that it stops. */
  leaving = false;
  readonly #host: SessionHost;
  #hello: Hello | null = null;
  /** By its roles; empty before its hello. */
  #mayAsk: ReadonlySet<ToNode['type']> = new Set();
  #sender: Sender;
  #helloTimer: Timer | null;
  #ended = false;
  #invalid = 0;

  constructor(given: { id: number; connection: Connection<FromNode>; host: SessionHost }) {
    this.id = given.id;
    this.connection = given.connection;
    this.#host = given.host;
    const { clock, options } = given.host.given;
    this.forcing = new RateLimit(clock, 1_000, 200);
    const address = given.connection.remoteAddress;
    this.#sender = { connection: given.id, participant: null, origin: { address, name: '' } };
    this.#helloTimer = clock.setTimer(options.handshakeTimeoutMs, () => {
      this.#helloTimer = null;
      this.refuse('UNAUTHENTICATED', `No hello came within ${options.handshakeTimeoutMs} ms.`);
    });
  }

  get hello(): Hello | null {
    return this.#hello;
  }

  /** As the terms know it. */
  get sender(): Sender {
    return this.#sender;
  }

  /** As a participant; null where it is none. */
  get member(): Member | null {
    if (this.#hello === null || !this.is('participant')) return null;
    const { name, instance, sharedResource } = this.#hello;
    return { participant: name, instance, sharedResource: sharedResource ?? null };
  }

  /** Who it is, for the log. */
  get peer(): { readonly participant: string | undefined; readonly instance: string | undefined } {
    return { participant: this.#hello?.name, instance: this.#hello?.instance };
  }

  is(role: PeerRole): boolean {
    return this.#hello?.roles.includes(role) === true;
  }

  /**
   * What cannot be sent ends this connection only: its peer asks again or reports, and all others
   * go on. It is a fault of this program: nothing is accepted that could not be sent.
   */
  send(message: FromNode): void {
    try {
      this.connection.send(message);
    } catch (error) {
      this.#host.unsendable(this, { type: message.type, error });
      this.connection.close(1011, 'INTERNAL');
    }
  }

  fail(
    id: number | undefined,
    code: ErrorCode,
    message?: string,
    more: Pick<ErrorMessage, 'retryAfterMs' | 'leader'> = {},
  ): void {
    const entry = errorCatalogue[code];
    this.send({
      type: 'error',
      ...(id === undefined ? {} : { id }),
      code,
      message: fitText(message ?? entry.text, maxTextBytes),
      retryable: entry.retryable,
      ...more,
    });
  }

  refuse(code: ErrorCode, message: string): void {
    this.fail(undefined, code, message);
    this.connection.close(1008, code);
  }

  message(message: ToNode): void {
    if (this.#ended) return;
    const host = this.#host;
    // What comes may have lain in a buffer since then: `requestAgeMs` would mean nothing.
    if (this.connection.answeredPingAgeMs() > host.given.options.maxPingAgeMs) {
      this.connection.terminate();
      return;
    }
    if (message.type === 'hello') return this.#greet(message);
    if (this.#hello === null) return this.refuse('UNAUTHENTICATED', 'Say hello first.');
    if (message.type === 'error' || message.type === 'goaway') return host.received(this, message);
    if (!this.#mayAsk.has(message.type)) {
      const roles = rolesFor[message.type];
      this.fail(
        'id' in message ? message.id : undefined,
        'FORBIDDEN',
        `${message.type} needs the role ${roles.join(' or ')}; this connection said ${this.#hello.roles.join(', ')} in its hello.`,
      );
      return;
    }
    host.received(this, message);
  }

  invalid(problem: { code: ErrorCode; message: string; id?: number }): void {
    this.#host.invalid(this, problem);
    this.#invalid += 1;
    // A stranger is told once.
    if (this.#invalid > maxInvalid || this.#hello === null)
      this.refuse(problem.code, problem.message);
    else this.fail(problem.id, problem.code, problem.message);
  }

  closed(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#helloTimer?.cancel();
    this.#host.ended(this, info);
  }

  #greet(hello: Hello): void {
    if (this.#hello !== null) {
      this.fail(undefined, 'INVALID_MESSAGE', 'hello was said already.');
      return;
    }
    if (hello.protocol !== protocolVersion) {
      const text = `This node speaks protocol ${protocolVersion}, not ${hello.protocol}.`;
      this.refuse('UNSUPPORTED_VERSION', text);
      return;
    }
    const refusal = this.#host.admit(hello, this.connection);
    if (refusal !== null) {
      this.refuse(refusal.code, refusal.message);
      return;
    }
    this.#helloTimer?.cancel();
    this.#helloTimer = null;
    this.#hello = hello;
    this.connection.greeted?.();
    this.#mayAsk = allowedTo(hello.roles);
    const address = this.connection.remoteAddress;
    const { name, instance } = hello;
    this.#sender = {
      connection: this.id,
      origin: { address, name },
      participant: this.is('participant') ? { name, instance } : null,
      ...(this.is('client') ? { client: { name, instance } } : {}),
      seesAll: this.is('operator') || this.is('node'),
    };
    this.#host.opened(this);
  }
}
