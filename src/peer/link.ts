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
import type { ErrorMessage, FromNode, Hello, ToNode, Welcome } from '../core/messages.ts';
import { protocolVersion } from '../core/messages.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type {
  CloseInfo,
  Connection,
  ConnectionHandler,
  Credential,
  Dialer,
  TokenCredential,
} from '../ports/transport.ts';
import { jwtProblem } from '../wire/jwt.ts';
import { freshJwt, type Jwt } from './jwt.ts';
import { Renewal } from './renewal.ts';
import {
  type Leadership,
  type NotLeader,
  type ReplyTo,
  type RequestOptions,
  Requests,
  type RequestWithoutId,
  subjectOf,
} from './requests.ts';
import { nodeUrl } from './url.ts';
import {
  closedError,
  connectionLost,
  errorFromMessage,
  retryAfterMsOf,
  VerdictError,
} from './verdict-error.ts';

export type LinkCredential = TokenCredential | { readonly jwt: Jwt };

export interface LinkOptions {
  /** `host:port`, `ws://host:port` or `http://host:port`; the path /v1 is added. */
  readonly url: string;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  /** For a node that asks for a token. */
  readonly credential?: LinkCredential | undefined;
  /** As the dialer's: of nodes at addresses that were only advertised. */
  readonly names?: readonly string[] | undefined;
  readonly hello: () => Omit<Hello, 'type' | 'protocol'>;
  /** For the WebSocket handshake, and again from there to the welcome. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** How often the node is pinged; one that answers none of two is given up. Default 5,000. */
  readonly heartbeatMs?: number;
  /** The first pause before the next dial; it doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** Default 2,000. */
  readonly maxRetryDelayMs?: number;
  /** Why a node that welcomes is not to be served; null: it is. */
  readonly refuses?: (welcome: Welcome) => Refusal | null;
  readonly events: LinkEvents;
}

/** Of a node, by this side. */
export interface Refusal {
  readonly error: VerdictError;
  /** For the node's log. */
  readonly close: { readonly code: number; readonly reason: string };
}

export interface LinkEvents {
  /** After every (re)connect; requests may be sent from here on. */
  welcome?(welcome: Welcome): void;
  /** Everything that is not a reply to a request of this link. */
  message?(message: FromNode): void;
  /** In the order of this node's messages. */
  notLeader?(said: NotLeader): void;
  /** A connection that had been welcomed ended; the link goes on trying by itself. */
  lost?(info: CloseInfo): void;
  /** A dial or a greeting failed; the link goes on trying by itself. */
  failed?(info: CloseInfo): void;
  /** The node refused the hello: tried again only rarely, until a token or setting is corrected. */
  refused?(error: VerdictError): void;
  /** There is no fresh JWT to show; a dial that needs it fails. It is asked for again. */
  withoutJwt?(problem: string): void;
}

const refusedDelayMs = 15_000;
const closePatienceMs = 5_000;

const refusals: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'UNSUPPORTED_VERSION',
  'JOURNAL_COPIED',
]);

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
  #dial: { cancel(): void } | null = null;
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
    this.#renewal = this.#renewalOf(options);
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
    const { credential, clock } = this.#given;
    this.#clearTimer();
    this.#state = 'dialling';
    this.#dialSerial += 1;
    this.#attempts += 1;
    this.#delayMsMin = 0;
    const serial = this.#dialSerial;
    if (credential === undefined || 'token' in credential) {
      this.#dialWith(credential, serial);
      return;
    }
    const { jwt } = credential;
    const problem = jwtProblem(this.url);
    if (problem !== null) {
      const timer = clock.setTimer(0, () => {
        this.#dialFailed({ ...failed, reason: problem, status: 401, said: problem }, serial);
      });
      this.#dial = { cancel: () => timer.cancel() };
      return;
    }
    if (typeof jwt === 'string') {
      this.#dialWith({ jwt }, serial);
      return;
    }
    this.#dial = freshJwt(
      jwt,
      { clock, timeoutMs: this.#connectTimeoutMs },
      {
        got: (fresh) => this.#dialWith({ jwt: fresh }, serial),
        failed: (reason) => {
          this.#given.events.withoutJwt?.(reason);
          this.#dialFailed({ ...failed, reason }, serial);
        },
      },
    );
  }

  #dialWith(credential: Credential | undefined, serial: number): void {
    const { dialer, heartbeatMs = 5_000, names } = this.#given;
    this.#dial = dialer.connect(
      { url: this.url, timeoutMs: this.#connectTimeoutMs, heartbeatMs, credential, names },
      {
        opened: (connection) => this.#opened(connection, serial),
        failed: (info) => this.#dialFailed(info, serial),
      },
    );
  }

  #dialFailed(info: CloseInfo, serial: number): void {
    if (serial !== this.#dialSerial || this.#state !== 'dialling') return;
    if (info.status === 401) {
      this.#delayMsMin = refusedDelayMs;
      const { said: message = unauthenticated.message } = info;
      this.#given.events.refused?.(errorFromMessage({ ...unauthenticated, message }));
    }
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
    const { events, clock } = this.#given;
    const refusal = message.type === 'welcome' ? this.#given.refuses?.(message) : null;
    if (refusal) {
      this.#delayMsMin = refusedDelayMs;
      events.refused?.(refusal.error);
      // The event may have closed this link.
      if (this.#state === 'greeting') connection.close(refusal.close.code, refusal.close.reason);
    } else if (message.type === 'welcome') {
      this.#clearTimer();
      this.#state = 'ready';
      this.#welcome = message;
      this.#welcomedAtMs = clock.monotonicMs();
      this.#renewal?.start(message.expiresInMs);
      events.welcome?.(message);
    } else if (message.type === 'error') {
      this.#delayMsMin = retryAfterMsOf(message) ?? 0;
      if (refusals.has(message.code)) {
        this.#delayMsMin = Math.max(this.#delayMsMin, refusedDelayMs);
        events.refused?.(errorFromMessage(message));
      }
      // The event may have closed this link.
      if (this.#state === 'greeting') connection.close(1000, message.message);
    } else if (message.type === 'goaway') {
      events.message?.(message);
    } else {
      connection.close(1002, `The first message must be welcome, not ${message.type}.`);
    }
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

  #renewalOf({ credential, clock, random, events }: LinkOptions): Renewal | null {
    const given = credential !== undefined && 'jwt' in credential ? credential.jwt : null;
    // One that does not change is over when it is over.
    if (typeof given === 'string') return null;
    const jwt = given;
    const timeoutMs = this.#connectTimeoutMs;
    return new Renewal({
      jwt,
      clock,
      random,
      timeoutMs,
      show: (token) => this.request({ type: 'renew', token }, { timeoutMs }),
      events: {
        failed: (problem) => events.withoutJwt?.(problem),
        refused: () => {
          // Until then the connection serves; the node ends it when it expires.
          if (this.#requests.count > 0) this.#leaves = true;
          else this.#leave();
        },
      },
    });
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

const failed = { code: 1006, kind: 'failed' } as const;
const unauthenticated: ErrorMessage = {
  type: 'error',
  code: 'UNAUTHENTICATED',
  message: 'The token is wrong.',
  retryable: false,
};
const unreadable = {
  code: 'INTERNAL',
  message: 'The reply cannot be read. The node speaks another protocol, or is broken.',
} as const;
