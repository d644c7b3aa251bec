/**
 * An operator's conversation with a cluster. Each request goes to the node that can answer it, and
 * is repeated while the answer is "not here" or "not now", until the command's time-out. Every
 * request of an operator may be repeated: the second time it finds its work done.
 */

import type { Claim } from '../../core/claims.ts';
import type {
  ConfigReply,
  InfoReply,
  LeaderInfo,
  List,
  ListReply,
  Locks,
  LocksReply,
  Recover,
  Recovered,
} from '../../core/messages.ts';
import type { Retired } from '../../core/retired.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import type { Link } from '../../peer/link.ts';
import { Nodes } from '../../peer/nodes.ts';
import type { ReplyTo, RequestType, RequestWithoutId } from '../../peer/requests.ts';
import { nodeUrl } from '../../peer/url.ts';
import { isRequestRetryable, VerdictError } from '../../peer/verdict-error.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { webSocketDialer } from '../../transport/websocket/connect.ts';
import { dialCredential } from '../credential.ts';
import type { ConnectionFlags } from '../options.ts';
import { dialTls } from '../tls-options.ts';
import { unreachable } from '../unreachable.ts';

export type ListFilter = Pick<List, 'state' | 'attention'> & { readonly limit: number };
export type LocksFilter = Pick<Locks, 'group' | 'waiting'> & { readonly limit: number };
export type TransactionList = Pick<ListReply, 'transactions' | 'truncated'>;
export type LocksList = Pick<LocksReply, 'locks' | 'truncated'>;

/** For the audit log of the node that does it. */
export type Why = Pick<Recover, 'reason'>;

/** What to wait for where a node says "not now" and names no time. */
const retryDelayMs = 100;

export async function withOperator<T>(
  flags: ConnectionFlags,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const operator = new Operator(flags);
  try {
    await operator.connect();
    return await work(operator);
  } finally {
    await operator.close();
  }
}

export class Operator {
  readonly #flags: ConnectionFlags;
  readonly #hasTls: boolean;
  readonly #nodes: Nodes;
  readonly #deadlineMs: number;
  /** Why each address could not be reached, the last time. */
  readonly #failures = new Map<string, string>();
  #refusal: VerdictError | null = null;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(flags: ConnectionFlags) {
    const { url: urls, timeout: timeoutMs } = flags;
    const tls = dialTls(flags, urls);
    this.#hasTls = tls !== undefined;
    this.#flags = flags;
    this.#deadlineMs = systemClock.monotonicMs() + timeoutMs;
    const instance = systemRandom.token(13);
    this.#nodes = new Nodes({
      urls,
      tls: this.#hasTls,
      reach: 'leaders',
      ...dialCredential(flags),
      link: {
        dialer: webSocketDialer({ clock: systemClock, tls }),
        clock: systemClock,
        random: systemRandom,
        connectTimeoutMs: timeoutMs,
        hello: () => ({ name: 'verdict-cli', instance, roles: ['operator'] }),
      },
      events: {
        changed: () => this.#wake(),
        failed: (link, info) => {
          this.#failures.set(link.url, info.reason === '' ? info.kind : info.reason);
          this.#wake();
        },
        withoutTls: ({ url }, problem) => this.#failures.set(url, problem),
        refused: (_link, error) => {
          this.#refusal = error;
          this.#wake();
        },
      },
    });
  }

  /** Waits for a first node. Fails as soon as every given address has failed once. */
  async connect(): Promise<void> {
    const given = this.#flags.url.map((url) => nodeUrl(url, this.#hasTls));
    this.#nodes.start();
    while (this.#nodes.connected().length === 0) {
      if (this.#refusal !== null) throw this.#refusal;
      if (given.every((url) => this.#failures.has(url)) || this.#leftMs() <= 0) {
        throw unreachable(this.#flags.url, this.#failures, { tls: this.#hasTls });
      }
      await this.#pause(this.#leftMs());
    }
  }

  /** From the node that answers first. */
  info(): Promise<InfoReply> {
    return this.#ask({ type: 'info' }, () => this.#nodes.connected()[0] ?? null);
  }

  /** Of the node that answers first. */
  config(): Promise<ConfigReply> {
    return this.#ask({ type: 'config' }, () => this.#nodes.connected()[0] ?? null);
  }

  status(txid: Txid): Promise<ReplyTo['status']> {
    return this.#ask({ type: 'status', txid }, () => this.#nodes.leaderLink(shardOf(txid)));
  }

  resolve(txid: Txid, why: Why): Promise<ReplyTo['resolve']> {
    const message = { type: 'resolve', txid, ...why } as const;
    return this.#ask(message, () => this.#nodes.leaderLink(shardOf(txid)));
  }

  /**
   * Any node can do it. That of shard 0's leader reaches etcd; where there is none, another says
   * why. A log that is silent is not waited for: the node has waited already.
   */
  async retire(retired: Retired, why: Why): Promise<void> {
    await this.#tellAll({ type: 'retire', ...retired, ...why });
  }

  async rebind(claim: Claim, identity: string, why: Why): Promise<void> {
    await this.#tellAll({ type: 'rebind', ...claim, identity, ...why });
  }

  async #tellAll(message: RequestWithoutId & { type: 'retire' | 'rebind' }): Promise<void> {
    await this.#ask(
      message,
      () =>
        this.#nodes.leader(0) === null
          ? (this.#nodes.connected()[0] ?? null)
          : this.#nodes.leaderLink(0),
      (error) => error.code === 'LOG_UNAVAILABLE',
    );
  }

  /** Of every shard, newest first. */
  async list(filter: ListFilter): Promise<TransactionList> {
    const replies = await this.#askLeaders({ type: 'list', ...filter });
    const all = replies.flatMap(({ transactions }) => transactions);
    if (replies.length > 1) all.sort((a, b) => a.ageMs - b.ageMs);
    return {
      transactions: all.slice(0, filter.limit),
      truncated: all.length > filter.limit || replies.some(({ truncated }) => truncated),
    };
  }

  /** Of every shard, those that most wait for first. */
  async locks(filter: LocksFilter): Promise<LocksList> {
    const replies = await this.#askLeaders({ type: 'locks', ...filter });
    const all = replies.flatMap(({ locks }) => locks);
    if (replies.length > 1) all.sort((a, b) => b.waiting - a.waiting);
    return {
      locks: all.slice(0, filter.limit),
      truncated: all.length > filter.limit || replies.some(({ truncated }) => truncated),
    };
  }

  async recover(why: Why): Promise<Pick<Recovered, 'pending' | 'resumed'>> {
    const replies = await this.#askLeaders({ type: 'recover', ...why });
    return {
      pending: replies.reduce((sum, { pending }) => sum + pending, 0),
      resumed: replies.reduce((sum, { resumed }) => sum + resumed, 0),
    };
  }

  close(): Promise<void> {
    return this.#nodes.close();
  }

  /** Each node that leads a shard, once: it answers for all that it leads. */
  async #askLeaders<Type extends 'list' | 'locks' | 'recover'>(
    message: Extract<RequestWithoutId, { type: Type }>,
  ): Promise<ReplyTo[Type][]> {
    const replies = new Map<string, ReplyTo[Type]>();
    for (let shard = 0; shard < Math.max(1, this.#nodes.shards); shard += 1) {
      const leader = this.#nodes.leader(shard)?.node;
      if (leader !== undefined && replies.has(leader)) continue;
      let answered = leader ?? '';
      const reply = await this.#ask(message, () => {
        const link = this.#nodes.leaderLink(shard);
        answered = link?.welcome?.node ?? answered;
        return link;
      });
      replies.set(answered, reply);
    }
    return [...replies.values()];
  }

  async #ask<Type extends RequestType>(
    message: Extract<RequestWithoutId, { type: Type }>,
    findLink: () => Link | null,
    isFinal: (error: VerdictError) => boolean = () => false,
  ): Promise<ReplyTo[Type]> {
    let last: VerdictError | null = null;
    for (;;) {
      if (this.#refusal !== null && this.#nodes.connected().length === 0) throw this.#refusal;
      const leftMs = this.#leftMs();
      if (leftMs <= 0) throw last ?? this.#noAnswer(message.type);
      const link = findLink();
      if (link === null) {
        await this.#pause(leftMs);
        continue;
      }
      try {
        return (await link.request(message, {
          timeoutMs: leftMs,
          leader: 'txid' in message ? this.#leader(message.txid) : undefined,
        })) as ReplyTo[Type];
      } catch (error) {
        if (!isRequestRetryable(error) || isFinal(error)) throw error;
        last = error;
        await this.#pause(Math.min(this.#leftMs(), error.retryAfterMs ?? retryDelayMs));
      }
    }
  }

  #leader(txid: Txid): LeaderInfo | undefined {
    return this.#nodes.leader(shardOf(txid)) ?? undefined;
  }

  #noAnswer(type: string): VerdictError {
    const tried = [...this.#failures].map(([url, why]) => ` ${url}: ${why}.`).join('');
    const text = `No leader could be asked for ${type} within ${this.#flags.timeout} ms.${tried} Ask \`verdict status\` who leads, or give more time with --timeout.`;
    return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'nothing' });
  }

  #leftMs(): number {
    return Math.ceil(this.#deadlineMs - systemClock.monotonicMs());
  }

  /** Until something changes, at most `delayMs`. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = systemClock.setTimer(Math.max(0, delayMs), resolve);
      void this.#changed.promise.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
