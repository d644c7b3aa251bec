/** The client's way to the cluster: who leads, how to get there, and when to try again. */
import { backoffMs, spreadMs } from '../core/backoff.ts';
import { scopedLockGroup } from '../core/locks/names.ts';
import type { LeaderInfo, TransactionStatus } from '../core/messages.ts';
import { requestShard } from '../core/request-shard.ts';
import { scoped } from '../core/scope.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { JwtSource } from '../peer/jwt-source.ts';
import type { Link } from '../peer/link.ts';
import { Nodes } from '../peer/nodes.ts';
import type { RequestOptions } from '../peer/requests.ts';
import {
  closedError,
  isRequestRetryable,
  isVerdictError,
  VerdictError,
  withoutEffect,
} from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { CloseInfo, Dialer } from '../ports/transport.ts';
import { widestLimits } from '../wire/limits.ts';
import type { Call } from './call.ts';
import type { ConnectOptions } from './client.ts';
import { ClientFigures } from './figures.ts';
import type { ClientReading } from './metrics.ts';
import type { TransactRequest } from './types.ts';
import { TooManyWait, type Waiting, Windows } from './windows.ts';

export interface ClusterOptions extends Required<Pick<ConnectOptions, 'urls' | 'name'>> {
  readonly tls: boolean;
  readonly token: string | undefined;
  readonly jwt: JwtSource | undefined;
  // The published declarations of `ConnectOptions` are without these.
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Route {
  readonly link: Link;
  readonly leader: LeaderInfo;
}

export interface Insistence<Reply> {
  /** A function: another one at each attempt. */
  readonly shard: number | (() => number);
  readonly call: Call;
  /** Of a one-shot: each attempt waits its turn. */
  readonly turn?: Omit<Waiting, 'call'>;
  /** Default: `mayBeSentAgain`. */
  readonly again?: (error: VerdictError) => boolean;
  readonly send: (route: Route) => Promise<Reply>;
}

/** For a request that ends with the call, and with the leadership it is for. */
export function requestOptions({ leader }: Route, call: Call): RequestOptions {
  return { timeoutMs: call.leftMs(), signal: call.signal, leader };
}

/** After a refusal; short at first, for a failover takes some ten milliseconds at best. */
const delays = { retryDelayMs: 10, maxRetryDelayMs: 500 };
/** A node that is silent this long is asked again, or another is. */
const statusTimeoutMs = 2_000;

/** Refused, certainly without any effect, for a reason that passes: the same may be sent anew. */
export function isRefusedForNow(error: unknown): error is VerdictError {
  return isRequestRetryable(error) && error.acted === 'nothing';
}

/** For requests that may be repeated. Their time-out is the call's own end. */
export function mayBeSentAgain(error: unknown): error is VerdictError {
  return isRequestRetryable(error) && error.code !== 'TIMEOUT';
}

export class Cluster {
  readonly clock: Clock;
  readonly random: Random;
  /** Of one-shots. */
  readonly windows: Windows;
  readonly figures: ClientFigures;
  readonly #name: string;
  readonly #nodes: Nodes;
  /** Each is told when something changed. */
  readonly #waiting = new Set<() => void>();
  /** Of calls that wait for no node: ended by `close`. */
  readonly #pauses = new Set<() => void>();
  #welcomed = false;
  #closed = false;
  #refusal: VerdictError | null = null;
  #lastFailure = '';
  #opened = false;

  constructor(options: ClusterOptions) {
    const { clock, random, dialer, name, tls, token, jwt, urls } = options;
    this.#name = name;
    this.clock = clock;
    this.windows = new Windows(clock);
    this.figures = new ClientFigures(clock);
    this.random = random;
    const instance = random.token(20);
    const hello = { name, instance, roles: ['client'] as const };
    const failed = (link: Link, info: CloseInfo): void => {
      this.#lastFailure = `${link.url}: ${info.reason || info.kind}`;
    };
    this.#nodes = new Nodes({
      urls,
      tls,
      reach: 'leaders',
      token,
      jwt,
      link: { dialer, clock, random, hello: () => hello },
      events: {
        welcome: () => {
          this.#welcomed = true;
          this.#refusal = null;
        },
        failed,
        lost: failed,
        withoutTls: (_node, problem) => {
          this.#lastFailure = problem;
        },
        refused: (_link, error) => {
          this.#refusal = error;
          this.#tell();
        },
        changed: () => this.#tell(),
      },
    });
  }

  /** Resolves with the first welcome; rejects with the node's error where the hello is refused. */
  async open(call: Call): Promise<void> {
    this.#opened = true;
    this.#nodes.start();
    while (!this.#welcomed) {
      if (this.#closed) throw closedError('client');
      if (this.#refusal !== null) throw this.#refusal;
      await this.#change(call);
    }
  }

  /** Nesting that every connected node takes in a message. */
  maxDepth(): number {
    const limits = this.#nodes.connected().map(({ welcome }) => welcome?.limits ?? widestLimits);
    return Math.min(widestLimits.maxDepth, ...limits.map(({ maxDepth }) => maxDepth));
  }

  /** How it stands, for metrics. */
  reading(): ClientReading {
    const { sent, waiting } = this.windows.counts();
    const connections = this.#nodes.connected().length;
    return { name: this.#name, figures: this.figures, connections, sent, waiting };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.windows.close();
    this.#tell();
    for (const end of [...this.#pauses]) end();
    await this.#nodes.close();
  }

  /**
   * A lock group's shard comes before a request id's, so that all who compete meet one leader. With
   * neither, any shard will do: chance spreads the load.
   */
  shardFor({ requestId, lockGroup }: Pick<TransactRequest, 'requestId' | 'lockGroup'>): number {
    const { shards } = this.#nodes;
    if (shards <= 1) return 0;
    if (lockGroup !== undefined)
      return requestShard(scopedLockGroup(this.#name, lockGroup), shards);
    if (requestId !== undefined) return requestShard(scoped(this.#name, requestId), shards);
    return Math.floor(this.random.fraction() * shards);
  }

  /** Waits until the shard's leader is known and connected. */
  async leader(shard: number, call: Call): Promise<Route> {
    return this.#found(call, () => {
      const over = call.over();
      if (over !== null) throw over;
      const link = this.#nodes.leaderLink(shard);
      const leader = this.#nodes.leader(shard);
      return link === null || leader === null ? null : { link, leader };
    });
  }

  /** Waits until the leader of every shard is known and connected. */
  async led(call: Call): Promise<void> {
    await this.#found(call, () => {
      if (!this.#welcomed) return null;
      const shards = Array.from({ length: Math.max(1, this.#nodes.shards) }, (_, shard) => shard);
      return shards.every((shard) => this.#nodes.leaderLink(shard) !== null) || null;
    });
  }

  /** Sends to the shard's leader until it answers with anything but what may be sent `again`. */
  async insist<Reply>({
    shard,
    call,
    turn,
    again = mayBeSentAgain,
    send,
  }: Insistence<Reply>): Promise<Reply> {
    const attempt = async (): Promise<Reply> =>
      send(await this.leader(typeof shard === 'number' ? shard : shard(), call));
    for (let failures = 1; ; failures += 1) {
      try {
        return await (turn === undefined
          ? attempt()
          : this.windows.inTurn({ ...turn, call }, attempt));
      } catch (error) {
        if (!isVerdictError(error) || !again(error)) throw error;
        await this.recover({ error, failures, call });
      }
    }
  }

  /**
   * After an error: waits, longer with each failure; not at all where a node that was asked first
   * says who leads instead. Throws a `BUSY` when half of the call's time would be over after the
   * wait.
   */
  async recover(options: { error: VerdictError; failures: number; call: Call }): Promise<void> {
    const { error, failures, call } = options;
    if (error instanceof TooManyWait) throw error;
    this.figures.retries.unanswered += 1;
    const isShownOn = error.code === 'NOT_LEADER' && error.leader != null;
    if (isShownOn && failures === 1 && error.retryAfterMs === undefined) return;
    if (error.code !== 'BUSY') return this.pause(call, this.pauseMs(failures, error.retryAfterMs));
    const askedMs = spreadMs(error.retryAfterMs ?? 0, this.random.fraction());
    const pauseMs = this.pauseMs(failures) + askedMs;
    // What gets in late may be cut off by the end of the call, its outcome unknown. A refusal from
    // which nothing came is the better answer.
    if (pauseMs >= call.leftMs() - call.timeoutMs / 2) throw error;
    await this.pause(call, pauseMs);
  }

  /** Asks the leader, or any node while there is none, until one answers. */
  async status(
    { txid, share }: { readonly txid: Txid; readonly share?: string | undefined },
    call: Call,
  ): Promise<TransactionStatus> {
    const shard = shardOf(txid);
    for (let failures = 1; ; failures += 1) {
      const link = await this.#found(
        call,
        () => this.#nodes.leaderLink(shard) ?? this.#nodes.connected()[0],
      );
      try {
        const reply = await link.request(
          { type: 'status', txid, ...(share === undefined ? {} : { share }) },
          {
            timeoutMs: Math.min(call.leftMs(), statusTimeoutMs),
            signal: call.signal,
            leader: this.#nodes.leader(shard) ?? undefined,
          },
        );
        const { type: _type, id: _id, ...status } = reply;
        return status;
      } catch (error) {
        if (!isRequestRetryable(error)) throw onlyAsked(error);
        await this.recover({ error, failures, call });
      }
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Is over at once where the client is closed: what is asked next is told so. */
  pause(call: Call, delayMs: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return call.hold((done) => {
      const end = (): void => done();
      const timer = this.clock.setTimer(delayMs, end);
      this.#pauses.add(end);
      return () => {
        timer.cancel();
        this.#pauses.delete(end);
      };
    });
  }

  /** Resolves when it has ended, however; rejects where the call, or the client, ends before. */
  until(call: Call, ended: Promise<unknown>): Promise<void> {
    if (this.#closed) return Promise.reject(closedError('client'));
    return call.hold((done) => {
      const close = (): void => done(closedError('client'));
      this.#pauses.add(close);
      ended.then(
        () => done(),
        () => done(),
      );
      return () => this.#pauses.delete(close);
    });
  }

  pauseMs(failures: number, retryAfterMs = 0): number {
    return Math.max(backoffMs(failures, delays, this.random.fraction()), retryAfterMs);
  }

  async #found<Found>(call: Call, look: () => Found | null | undefined): Promise<Found> {
    for (;;) {
      if (this.#closed) throw closedError('client');
      const found = look() ?? null;
      if (found !== null) return found;
      await this.#change(call);
    }
  }

  async #change(call: Call): Promise<void> {
    try {
      await call.hold((done) => {
        const told = (): void => done();
        this.#waiting.add(told);
        return () => this.#waiting.delete(told);
      });
    } catch (error) {
      if (!isVerdictError(error) || error.code !== 'TIMEOUT') throw error;
      const { acted, retryable } = error;
      const text = `No leader could be reached within ${Math.round(call.timeoutMs)} ms.${this.#why()}`;
      throw new VerdictError('TIMEOUT', text, { acted, retryable, cause: this.#refusal ?? error });
    }
  }

  #why(): string {
    if (!this.#opened) {
      return ' This client was made and not opened: it is when the application starts. In a test with NestJS, await app.init() first.';
    }
    return this.#lastFailure === '' ? '' : ` The last failure: ${this.#lastFailure}`;
  }

  #tell(): void {
    for (const told of [...this.#waiting]) told();
  }
}

/** A question changes nothing. What it is about may be unknown for good, as EXPIRED says. */
function onlyAsked(error: unknown): unknown {
  if (!isVerdictError(error) || error.code === 'EXPIRED') return error;
  return withoutEffect(error, 'It was only a question: nothing was changed.');
}
