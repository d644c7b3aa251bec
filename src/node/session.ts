/**
 * One connection to a node: who is at the other end, what it may do, and where its messages go.
 * A fault of one session never touches another.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import { shareOf } from '../core/access/address-share.ts';
import { beginProblem, callProblem } from '../core/access/judge-access.ts';
import type { Rights } from '../core/access/rights.ts';
import { type ErrorCode, errorCatalogue } from '../core/catalogue.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import {
  type ErrorMessage,
  type FromNode,
  type Hello,
  type PeerRole,
  protocolVersion,
  type Renew,
  type ToNode,
} from '../core/messages.ts';
import type { Member } from '../core/retired.ts';
import type { Refusal, Sender } from '../core/term/events.ts';
import type { Credited, Who } from '../ports/access.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { CloseInfo, Connection, ConnectionHandler } from '../ports/transport.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import { type Admittance, isRefusal } from './admission.ts';
import type { CoordinatorNode } from './node.ts';
import type { OperatorActions } from './operator-actions.ts';

/** Which role a message needs; any of several. The others need none. */
export const rolesFor: Readonly<
  Record<Exclude<ToNode['type'], 'hello' | 'renew' | 'error' | 'goaway'>, readonly PeerRole[]>
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
  config: ['operator'],
  list: ['operator'],
  locks: ['operator'],
  recover: ['operator'],
  retire: ['operator'],
  rebind: ['operator'],
};

function allowedTo(roles: readonly PeerRole[]): ReadonlySet<ToNode['type']> {
  const types = Object.keys(rolesFor) as (keyof typeof rolesFor)[];
  return new Set(types.filter((type) => rolesFor[type].some((role) => roles.includes(role))));
}

/** A peer that sends this many broken messages is not going to send better ones. */
const maxInvalid = 100;
/** That a peer may send before it is welcomed, while it is looked up whether it may be let in. */
const maxEarly = 64;

export interface SessionHost
  extends Pick<
    CoordinatorNode,
    | 'admit'
    | 'credit'
    | 'rightsOf'
    | 'occupy'
    | 'requestIdProblem'
    | 'inputWaitMs'
    | 'opened'
    | 'renewed'
    | 'received'
    | 'ended'
    | 'unsendable'
    | 'invalid'
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
  /** What the audit log waits for the answers to; null where it is no operator. */
  actions: OperatorActions | null = null;
  /** Its participant said that it stops. */
  leaving = false;
  readonly #host: SessionHost;
  #hello: Hello | null = null;
  #claimed: Hello | null = null;
  #refusal: Pick<ErrorMessage, 'code' | 'message'> | null = null;
  /** By its roles; empty before its hello. */
  #mayAsk: ReadonlySet<ToNode['type']> = new Set();
  #sender: Sender;
  #helloTimer: Timer | null;
  #ended = false;
  #invalid = 0;
  /** Messages behind a hello that is being looked at; null: none is. */
  #early: ToNode[] | null = null;
  #who: Who | null = null;
  #rights: Rights | null = null;
  #expiry: Timer | null = null;
  #renewing = false;

  constructor(given: { id: number; connection: Connection<FromNode>; host: SessionHost }) {
    this.id = given.id;
    this.connection = given.connection;
    this.#host = given.host;
    const { clock, options } = given.host.given;
    this.forcing = new RateLimit(clock, 1_000, 200);
    const address = shareOf(given.connection.remoteAddress);
    this.#sender = { connection: given.id, participant: null, origin: { address, name: '' } };
    this.#helloTimer = clock.setTimer(options.handshakeTimeoutMs, () => {
      this.#helloTimer = null;
      this.refuse('UNAUTHENTICATED', `No hello came within ${options.handshakeTimeoutMs} ms.`);
    });
  }

  get hello(): Hello | null {
    return this.#hello;
  }

  /** What it said in a hello that was not accepted. */
  get claimed(): Hello | null {
    return this.#claimed;
  }

  /** Why it is closed by the node, the first reason. */
  get refusal(): Pick<ErrorMessage, 'code' | 'message'> | null {
    return this.#refusal;
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

  /** By its name in the access file; null: no one in particular, or not greeted yet. */
  get identity(): string | null {
    return this.#who?.identity ?? null;
  }

  /** Also of one that is refused for what it says: who it showed to be as it came. */
  get proved(): string | null {
    return (this.#who ?? this.connection.authenticated)?.identity ?? null;
  }

  /** Null: it may do everything, or is not greeted yet. */
  get rights(): Rights | null {
    return this.#rights;
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

  refuse(code: ErrorCode, message: string, more: Pick<ErrorMessage, 'retryAfterMs'> = {}): void {
    this.#refusal ??= { code, message };
    this.fail(undefined, code, message, more);
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
    if (this.#early !== null) {
      if (this.#early.length < maxEarly) this.#early.push(message);
      else this.refuse('INVALID_MESSAGE', 'Wait for the welcome before you send so much.');
      return;
    }
    if (message.type === 'hello') return this.#greet(message);
    if (this.#hello === null) return this.refuse('UNAUTHENTICATED', 'Say hello first.');
    if (message.type === 'renew') return this.#renew(message);
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
    const denied = this.#rights === null ? null : this.#denial(message, this.#rights);
    if (denied === null) host.received(this, message);
    else if ('id' in message) this.fail(message.id, denied.code, denied.message, denied);
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
    this.#early = null;
    this.#helloTimer?.cancel();
    this.#expiry?.cancel();
    this.#host.ended(this, info);
  }

  #greet(hello: Hello): void {
    if (this.#hello !== null) {
      this.fail(undefined, 'INVALID_MESSAGE', 'hello was said already.');
      return;
    }
    this.#claimed = hello;
    if (hello.protocol !== protocolVersion) {
      const text = `This node speaks protocol ${protocolVersion}, not ${hello.protocol}.`;
      this.refuse('UNSUPPORTED_VERSION', text);
      return;
    }
    const admittance = this.#host.admit(hello, this.connection);
    if (!(admittance instanceof Promise)) {
      this.#answer(hello, admittance);
      return;
    }
    this.#early = [];
    void admittance.then((answer) => {
      const early = this.#early ?? [];
      this.#early = null;
      if (this.#ended) return;
      this.#answer(hello, answer);
      if (this.#hello === null) return;
      for (const message of early) this.message(message);
    });
  }

  #answer(hello: Hello, admittance: Admittance): void {
    if (isRefusal(admittance)) {
      this.refuse(admittance.code, admittance.message, admittance);
      return;
    }
    // It broke a rule meanwhile, and was told so.
    if (this.#refusal !== null) return;
    const full = admittance.rights === null ? null : this.#host.occupy(admittance.rights);
    if (full !== null) {
      this.refuse(full.code, full.message, full);
      return;
    }
    this.#helloTimer?.cancel();
    this.#helloTimer = null;
    this.#hello = hello;
    this.#who = admittance.who;
    this.#rights = admittance.rights;
    this.connection.greeted?.();
    if (this.#rights !== null) this.connection.paceInput?.((bytes) => this.#inputWaitMs(bytes));
    this.#mayAsk = allowedTo(hello.roles);
    this.#know();
    this.#expire();
    this.#host.opened(this);
  }

  /** As the terms are to know it. */
  #know(): void {
    const { hello } = this;
    if (hello === null) return;
    const rights = this.#rights;
    const { name, instance } = hello;
    const own = { name, instance, ...(rights === null ? {} : { identity: rights.name }) };
    this.#sender = {
      connection: this.id,
      origin:
        rights === null
          ? { address: shareOf(this.connection.remoteAddress), name }
          : { address: `identity ${rights.name}`, name, max: rights.quotas },
      participant: this.is('participant') ? { name, instance } : null,
      ...(this.is('client') ? { client: own } : {}),
      seesAll: this.is('operator') || this.is('node') || rights?.sees === 'all',
    };
  }

  /** The access file has changed: what it was let in as may be no one's any more. */
  rightsChanged(problemOf: (rights: Rights, hello: Hello) => Refusal | null): void {
    const { hello } = this;
    if (hello === null || this.#who === null) return;
    const rights = this.#host.rightsOf(this.#who);
    if (rights === null) return;
    const problem = 'code' in rights ? rights : problemOf(rights, hello);
    if (problem !== null) {
      this.refuse(problem.code, problem.message);
      return;
    }
    this.#rights = rights as Rights;
    this.#know();
  }

  #denial(message: ToNode, rights: Rights): Refusal | null {
    if (message.type === 'begin' || message.type === 'transact') {
      const problem = beginProblem(rights, message);
      if (problem !== null || message.type === 'begin') return problem;
      return message.requestId === undefined ? null : this.#host.requestIdProblem(rights);
    }
    if (message.type !== 'enlist' || !this.is('client')) return null;
    return callProblem(rights, message.participant);
  }

  #inputWaitMs(bytes: number): number {
    return this.#rights === null ? 0 : this.#host.inputWaitMs(this.#rights, bytes);
  }

  get expiresInMs(): number | undefined {
    const atMs = this.#who?.expiresAtMs ?? null;
    if (atMs === null) return undefined;
    return Math.max(0, Math.round(atMs - this.#host.given.clock.wallMs()));
  }

  #expire(): void {
    this.#expiry?.cancel();
    const inMs = this.expiresInMs;
    if (inMs === undefined) return;
    this.#expiry = this.#host.given.clock.setTimer(Math.min(inMs, maxExpiryMs), () => {
      // The wall clock may have been set, or its time be longer than a timer's.
      if ((this.expiresInMs ?? 0) > 0) return this.#expire();
      this.send({ type: 'goaway', reason: 'The credential of this connection has expired.' });
      this.connection.close(1008, 'The credential has expired.');
    });
  }

  #renew({ id, token }: Renew): void {
    // Each may be a signature to check, or wait for an issuer.
    if (this.#renewing) {
      this.fail(id, 'BUSY', 'The credential before this one is still being looked at.');
      return;
    }
    this.#renewing = true;
    const done = (credited: Credited): void => {
      this.#renewing = false;
      if (this.#ended) return;
      if (credited.status === 'wrong' && credited.passes === true) {
        this.fail(id, 'BUSY', credited.why);
        return;
      }
      const who = credited.status === 'right' ? credited.who : null;
      if (who === null || who.identity !== this.identity) {
        const why = credited.status === 'wrong' ? credited.why : 'It is of another identity.';
        this.fail(id, 'UNAUTHENTICATED', why);
        return;
      }
      this.#who = who;
      this.#expire();
      this.#host.renewed(this, who);
      const expiresInMs = this.expiresInMs;
      this.send({ type: 'renewed', id, ...(expiresInMs === undefined ? {} : { expiresInMs }) });
    };
    const credited = this.#host.credit(token, this.connection);
    if (credited instanceof Promise) void credited.then(done);
    else done(credited);
  }
}

/** It is looked at again after so long: the wall clock may be set. */
const maxExpiryMs = 60_000;
