/**
 * Keeps one connection to one node alive.
 *
 *     idle --start()--> dialling --opened: hello--> greeting --welcome--> ready
 *                          ^                           |                    |
 *                          |              refused, failed, closed        closed
 *                          |                           v                    |
 *                          +------- pause over ----- pausing <--------------+
 *
 *     any state --close()--> closed
 *
 * All that belongs to one connection carries its dial's serial number, so that a late event of an
 * older one finds nothing to act on.
 */
import { backoffMs, type RetryDelays, retryDelays } from '../core/backoff.ts';
import type { FromNode, ToNode, Welcome } from '../core/messages.ts';
import { protocolVersion } from '../core/messages.ts';
import type { Timer } from '../ports/clock.ts';
import type { CloseInfo, Connection, ConnectionHandler, Credential } from '../ports/transport.ts';
import type { Cancellable } from './jwt-source.ts';
import type { LinkOptions } from './link-options.ts';
import { dialRejection, errorRejection, ownRejection, type Rejection } from './rejection.ts';
import { type Renewal, renewalOf } from './renewal.ts';
import {
  type Leadership,
  type ReplyTo,
  type RequestOptions,
  Requests,
  type RequestWithoutId,
  subjectOf,
} from './requests.ts';
import { nodeUrl } from './url.ts';
import { closedError, connectionLost, VerdictError } from './verdict-error.ts';

const closePatienceMs = 5_000;

type State = 'idle' | 'dialling' | 'greeting' | 'ready' | 'pausing' | 'closed';

export class Link {
  readonly url: string;
  readonly #given: LinkOptions;
  readonly #requests: Requests;
  readonly #connectTimeoutMs: number;
  readonly #delays: RetryDelays;
  #state: State = 'idle';
  #welcome: Welcome | null = null;
  #dialSerial = 0;
  #connection: Connection<ToNode> | null = null;
  #dial: Cancellable | null = null;
  /** The greeting's time-out, the pause, or the patience with a close: whichever the state has. */
  #timer: Timer | null = null;
  /** Dials since the last connection that lasted. */
  #attempts = 0;
  #welcomedAtMs = 0;
  #delayMsMin = 0;
  #lastEnd = 'not connected yet';
  #closing: PromiseWithResolvers<void> | null = null;
  readonly #renewal: Renewal | null;
  /** The connection is to end once no request is in flight, for it will expire. */
  #leaves = false;

  constructor(options: LinkOptions) {
    this.url = nodeUrl(options.url);
    this.#given = options;
    this.#requests = new Requests(
      options.clock,
      (said) => options.events.notLeader?.(said),
      () => {
        if (this.#leaves) this.#leave();
      },
    );
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
    this.#delays = retryDelays(options);
    const timeoutMs = this.#connectTimeoutMs;
    this.#renewal = renewalOf(options, {
      timeoutMs,
      show: (token) => this.request({ type: 'renew', token }, { timeoutMs }),
      refused: () => this.#leaveWhenIdle(),
    });
  }

  /** A welcome was received, and the connection is still open. */
  get connected(): boolean {
    return this.#state === 'ready';
  }

  /** Of the current connection. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  get requestsInFlight(): number {
    return this.#requests.count;
  }

  start(): void {
    if (this.#state === 'idle') this.#connect();
  }

  /**
   * False: dropped, as there is no connection. True: on its way, which promises nothing. Throws a
   * RangeError for a message larger than the node takes, a TypeError for one that cannot be
   * encoded.
   */
  send(message: ToNode): boolean {
    if (this.#state !== 'ready' || this.#connection === null) return false;
    this.#connection.send(message);
    return true;
  }

  /**
   * Adds the id and resolves with the one reply. Rejects with a VerdictError: the node's own, or
   * CONNECTION_LOST, TIMEOUT, ABORTED_BY_CALLER, CLOSED, TOO_LARGE; `acted` says whether it acted.
   */
  request<Message extends RequestWithoutId>(
    message: Message,
    options: RequestOptions,
  ): Promise<ReplyTo[Message['type']]> {
    if (this.#state === 'closed') return Promise.reject(closedError('link'));
    return this.#requests.start<Message['type']>(message.type, {
      ...options,
      about: subjectOf(message),
      send: (id) => {
        // With its id the message is whole again; the compiler cannot see that.
        if (!this.send({ ...message, id } as unknown as ToNode)) {
          throw connectionLost({ sent: false, reason: this.#lastEnd });
        }
      },
    });
  }

  /** Another leads the shard: requests to older leaderships reject with CONNECTION_LOST. */
  giveUp(newer: Leadership): void {
    const reason = 'another node leads by now, and this one does not answer';
    this.#requests.failOlder(newer, () => connectionLost({ sent: true, reason }));
  }

  /** Skips the current pause. */
  retryNow(): void {
    if (this.#state === 'pausing') this.#connect();
  }

  /** Sends what is queued and closes, finally. Requests in flight reject with CLOSED. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.promise;
    this.#closing = Promise.withResolvers<void>();
    const { promise, resolve } = this.#closing;
    const connection = this.#connection;
    this.#clearTimer();
    this.#dial?.cancel();
    this.#dial = null;
    this.#renewal?.stop();
    this.#leaves = false;
    this.#state = 'closed';
    this.#welcome = null;
    const text = 'The link was closed before the reply came.';
    const details = { retryable: false, acted: 'unknown' } as const;
    this.#requests.failAll(() => new VerdictError('CLOSED', text, details));
    if (connection === null) {
      resolve();
    } else {
      connection.close(1000, 'done');
      this.#timer = this.#given.clock.setTimer(closePatienceMs, () => connection.terminate());
    }
    return promise;
  }

  #connect(): void {
    const { credential, clock, dialer, heartbeatMs = 5_000, names, events } = this.#given;
    this.#clearTimer();
    this.#state = 'dialling';
    this.#dialSerial += 1;
    this.#attempts += 1;
    this.#delayMsMin = 0;
    const serial = this.#dialSerial;
    const timeoutMs = this.#connectTimeoutMs;
    const failed = (info: CloseInfo): void => this.#dialFailed(info, serial);
    const connect = (shown: Credential | undefined): Cancellable =>
      dialer.connect(
        { url: this.url, timeoutMs, heartbeatMs, credential: shown, names },
        { opened: (connection) => this.#opened(connection, serial), failed },
      );
    if (credential === undefined || 'token' in credential) {
      this.#dial = connect(credential);
      return;
    }
    const without = (problem: string): void => events.withoutJwt?.(problem);
    this.#dial = credential.jwt.dial(this.url, { clock, timeoutMs }, { connect, without, failed });
  }

  #dialFailed(info: CloseInfo, serial: number): void {
    if (serial !== this.#dialSerial || this.#state !== 'dialling') return;
    const rejection = dialRejection(info);
    if (rejection !== null) this.#rejected(rejection);
    // The event may have closed this link.
    if (this.#state === 'dialling') this.#ended(info);
  }

  #opened(connection: Connection<ToNode>, serial: number): ConnectionHandler<FromNode> {
    const { clock, hello } = this.#given;
    this.#dial = null;
    this.#connection = connection;
    this.#state = 'greeting';
    this.#timer = clock.setTimer(this.#connectTimeoutMs, () => connection.terminate());
    const { proof } = connection;
    const own = proof === undefined ? hello() : { ...hello(), proof };
    connection.send({ type: 'hello', protocol: protocolVersion, ...own });
    const current = (): boolean => serial === this.#dialSerial;
    return {
      message: (message) => {
        if (!current()) return;
        if (this.#state === 'greeting') this.#greeted(message, connection);
        else if (this.#state === 'ready') this.#received(message);
      },
      // What the node sent cannot be read: a reply with an id would otherwise only time out.
      invalid: (problem) => {
        if (!current() || problem.id === undefined) return;
        this.#requests.receive({ type: 'error', id: problem.id, retryable: false, ...unreadable });
      },
      closed: (info) => {
        if (!current()) return;
        this.#connection = null;
        if (this.#state !== 'closed') return this.#ended(info);
        this.#clearTimer();
        this.#closing?.resolve();
      },
    };
  }

  #greeted(message: FromNode, connection: Connection<ToNode>): void {
    const { events, clock, refuses } = this.#given;
    if (message.type === 'goaway') {
      events.message?.(message);
    } else if (message.type === 'welcome') {
      const refusal = refuses?.(message) ?? null;
      if (refusal !== null) return this.#reject(ownRejection(refusal), connection);
      this.#clearTimer();
      this.#state = 'ready';
      this.#welcome = message;
      this.#welcomedAtMs = clock.monotonicMs();
      this.#renewal?.start(message.expiresInMs);
      events.welcome?.(message);
    } else if (message.type === 'error') {
      this.#reject(errorRejection(message), connection);
    } else {
      connection.close(1002, `The first message must be welcome, not ${message.type}.`);
    }
  }

  #reject(rejection: Rejection, connection: Connection<ToNode>): void {
    const { code, reason } = rejection.close;
    this.#rejected(rejection);
    // The event may have closed this link.
    if (this.#state === 'greeting') connection.close(code, reason);
  }

  #rejected({ error, delayMs }: Pick<Rejection, 'error' | 'delayMs'>): void {
    this.#delayMsMin = delayMs;
    if (error !== null) this.#given.events.refused?.(error);
  }

  #received(message: FromNode): void {
    if (this.#requests.receive(message)) return;
    // A planned end is no failure: the pause after it is the shortest.
    if (message.type === 'goaway') this.#attempts = 0;
    this.#given.events.message?.(message);
  }

  /** The dial failed or the connection ended. */
  #ended(info: CloseInfo): void {
    const { clock, events } = this.#given;
    this.#clearTimer();
    this.#dial = null;
    this.#renewal?.stop();
    this.#leaves = false;
    const wasReady = this.#state === 'ready';
    this.#state = 'pausing';
    this.#welcome = null;
    this.#lastEnd = info.reason === '' ? info.kind : info.reason;
    // One that ended as soon as it stood counts as a failure, or it would be redialled at speed.
    if (wasReady && clock.monotonicMs() - this.#welcomedAtMs >= this.#delays.maxRetryDelayMs)
      this.#attempts = 0;
    this.#timer = clock.setTimer(this.#pauseMs(), () => this.#connect());
    if (!wasReady) {
      events.failed?.(info);
      return;
    }
    this.#requests.failAll(() => connectionLost({ sent: true, reason: this.#lastEnd }));
    events.lost?.(info);
  }

  /** The connection serves until nothing is in flight, or the node ends it as it expires. */
  #leaveWhenIdle(): void {
    if (this.#requests.count > 0) this.#leaves = true;
    else this.#leave();
  }

  /** A planned end: the next dial shows another JWT, or certificate. */
  #leave(): void {
    if (this.#state !== 'ready') return;
    this.#leaves = false;
    this.#attempts = 0;
    this.#connection?.close(1000, 'The next connection shows a fresh credential.');
  }

  #pauseMs(): number {
    const fraction = this.#given.random.fraction();
    return Math.max(this.#delayMsMin, backoffMs(this.#attempts, this.#delays, fraction));
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

const unreadable = {
  code: 'INTERNAL',
  message: 'The reply cannot be read. The node speaks another protocol, or is broken.',
} as const;
