/**
 * One connection to a node: who is at the other end, what it may do, and where its messages go.
 * A fault of one session never touches another.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import type { Rights } from '../core/access/rights.ts';
import { type ErrorCode, errorCatalogue } from '../core/catalogue.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import type { Figures } from '../core/figures.ts';
import type { ErrorMessage, FromNode, Hello, PeerRole, ToNode } from '../core/messages.ts';
import type { Member } from '../core/retired.ts';
import type { Origin } from '../core/shares.ts';
import type { Refusal, Sender } from '../core/term/events.ts';
import type { Clock } from '../ports/clock.ts';
import type { CloseInfo, Connection, ConnectionHandler } from '../ports/transport.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import type { Admission, Admitted } from './admission.ts';
import { Handshake } from './handshake.ts';
import { HeldCredential } from './held-credential.ts';
import { allowedTo, denialOf, rolesFor } from './may-ask.ts';
import type { CoordinatorNode } from './node.ts';
import type { NodeLines } from './node-lines.ts';
import type { OperatorActions } from './operator-actions.ts';
import { type PeerSender, senderOf, strangerOf } from './sender.ts';
import type { Uses } from './uses.ts';

/** A peer that sends this many broken messages is not going to send better ones. */
const maxInvalid = 100;

export interface SessionHost
  extends Pick<CoordinatorNode, 'opened' | 'renewed' | 'received' | 'ended'> {
  readonly admission: Pick<Admission, 'admit' | 'connect' | 'renews' | 'rightsOf'>;
  readonly uses: Pick<Uses, 'requestIdProblem' | 'came'>;
  readonly lines: Pick<NodeLines, 'unsendable' | 'invalid'>;
  readonly figures: Pick<Figures, 'refused'>;
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
  /** What the audit log waits for the answers to; null where it is no operator. */
  actions: OperatorActions | null = null;
  /** Its participant said that it stops. */
  leaving = false;
  readonly #host: SessionHost;
  readonly #handshake: Handshake;
  readonly #credential: HeldCredential;
  #hello: Hello | null = null;
  #refusal: Pick<ErrorMessage, 'code' | 'message'> | null = null;
  /** By its roles; empty before its hello. */
  #mayAsk: ReadonlySet<ToNode['type']> = new Set();
  #sender: PeerSender;
  #ended = false;
  #invalid = 0;
  #rights: Rights | null = null;

  constructor(given: { id: number; connection: Connection<FromNode>; host: SessionHost }) {
    this.id = given.id;
    this.connection = given.connection;
    this.#host = given.host;
    this.forcing = new RateLimit(given.host.given.clock, 1_000, 200);
    this.#sender = strangerOf(given.id, given.connection.remoteAddress);
    this.#credential = new HeldCredential(this, given.host);
    this.#handshake = new Handshake(this, given.host);
  }

  get hello(): Hello | null {
    return this.#hello;
  }

  /** What it said in its hello, accepted or not. */
  get claimed(): Hello | null {
    return this.#handshake.claimed;
  }

  /** Why it is closed by the node, the first reason. */
  get refusal(): Pick<ErrorMessage, 'code' | 'message'> | null {
    return this.#refusal;
  }

  /** As the terms know it. */
  get sender(): Sender {
    return this.#sender;
  }

  /** Whose share what it asks for counts to. */
  get origin(): Origin {
    return this.#sender.origin;
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

  /** By its name in the access file; null: no one in particular, or not greeted yet. */
  get identity(): string | null {
    return this.#credential.who?.identity ?? null;
  }

  /** Also of one that is refused for what it says: who it showed to be as it came. */
  get proved(): string | null {
    return (this.#credential.who ?? this.connection.authenticated)?.identity ?? null;
  }

  /** Whose word it is: its identity, or the name of its hello. */
  get operator(): string {
    return this.proved ?? this.hello?.name ?? 'operator';
  }

  /** Null: it may do everything, or is not greeted yet. */
  get rights(): Rights | null {
    return this.#rights;
  }

  /** When its credential ends; absent: never. */
  get expiresInMs(): number | undefined {
    return this.#credential.expiresInMs;
  }

  is(role: PeerRole): boolean {
    return this.#hello?.roles.includes(role) === true;
  }

  /**
   * What cannot be sent ends this connection only: its peer asks again or reports, and all others
   * go on. It is a fault of this program: nothing is accepted that could not be sent.
   */
  send(message: FromNode): void {
    this.actions?.answered(message);
    if (message.type === 'error') this.#host.figures.refused(message.code);
    try {
      this.connection.send(message);
    } catch (error) {
      this.#host.lines.unsendable(this, { type: message.type, error });
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

  refuse(code: ErrorCode, message: string, more: Pick<ErrorMessage, 'retryAfterMs'> = {}): void {
    this.#refusal ??= { code, message };
    this.fail(undefined, code, message, more);
    this.end(1008, code);
  }

  /**
   * Not while a term takes a step: it is told. Closing may take long if the peer is half-open: from
   * now on the session counts as gone, and its participant gets nothing more.
   */
  end(code: number, reason: string): void {
    this.connection.close(code, reason);
    this.closed({ code, reason, kind: 'closed' });
  }

  message(message: ToNode): void {
    if (this.#ended) return;
    const host = this.#host;
    // What comes may have lain in a buffer since then: `requestAgeMs` would mean nothing.
    if (this.connection.answeredPingAgeMs() > host.given.options.maxPingAgeMs) {
      this.connection.terminate();
      return;
    }
    if (this.#handshake.isPending) return this.#handshake.wait(message);
    if (message.type === 'hello') return this.#handshake.greet(message);
    if (this.#hello === null) return this.refuse('UNAUTHENTICATED', 'Say hello first.');
    if (message.type === 'renew') return this.#credential.renew(message);
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
    if (this.actions !== null && 'id' in message && this.actions.waitsFor(message.id)) {
      // Its answer would be taken for that of what is under way, in the audit log too.
      this.refuse('INVALID_MESSAGE', 'That id is of a request that is not answered yet.');
      return;
    }
    const denied = this.#rights === null ? null : denialOf(message, this.#rights, this, host);
    if (denied === null) host.received(this, message);
    else if ('id' in message) this.fail(message.id, denied.code, denied.message, denied);
  }

  invalid(problem: { code: ErrorCode; message: string; id?: number }): void {
    this.#host.lines.invalid(this, problem);
    this.#invalid += 1;
    // A stranger is told once.
    if (this.#invalid > maxInvalid || this.#hello === null)
      this.refuse(problem.code, problem.message);
    else this.fail(problem.id, problem.code, problem.message);
  }

  closed(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handshake.end();
    this.#credential.end();
    this.#host.ended(this, info);
  }

  /** As what the handshake found it to be. */
  letIn(hello: Hello, { who, rights }: Admitted): void {
    this.#hello = hello;
    this.#rights = rights;
    this.#credential.take(who);
    this.connection.greeted?.();
    if (rights !== null) this.connection.paceInput?.((bytes) => this.#inputWaitMs(bytes));
    this.#mayAsk = allowedTo(hello.roles);
    this.#know(hello, rights);
    this.#host.opened(this);
  }

  /** As the terms are to know it. */
  #know(hello: Hello, rights: Rights | null): void {
    this.#sender = senderOf(this.id, this.connection.remoteAddress, { hello, rights });
  }

  /** The access file has changed: what it was let in as may be no one's any more. */
  rightsChanged(problemOf: (rights: Rights, hello: Hello) => Refusal | null): void {
    const { hello } = this;
    const { who } = this.#credential;
    if (hello === null || who === null) return;
    const rights = this.#host.admission.rightsOf(who);
    if (rights === null) return;
    const problem = 'code' in rights ? rights : problemOf(rights, hello);
    if (problem !== null) {
      this.refuse(problem.code, problem.message);
      return;
    }
    this.#rights = rights as Rights;
    this.#know(hello, this.#rights);
  }

  #inputWaitMs(bytes: number): number {
    return this.#rights === null ? 0 : this.#host.uses.came(this.#rights, bytes);
  }
}
