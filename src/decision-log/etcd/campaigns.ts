/**
 * How this node comes to lead a shard.
 *
 *   waiting --key absent, or ours by a stopped epoch, or its leader is known to be gone--> taking
 *   taking --won--> leading          taking --lost, or etcd silent--> waiting
 *
 * - A key under our own lease whose epoch is not led here is retaken at once under a new nonce: no
 *   lease will run out to free it, for our own beats keep it alive.
 * - A key of a node of our name under another lease is of the process before this one: it is gone.
 * - On evidence (`leaderGone`) the key is taken over by its mod revision, without waiting for its
 *   lease. The old leader, if it lives after all, is fenced by that compare.
 * - Where the leader hands the shard over itself (`leaderHandsOver`) so too, and without pacing:
 *   it is alive and says so. The same compare fences what it still has under way.
 * - On suspicion (`leaderRefuses`) so too, once etcd says that the old leader's lease has had no
 *   beat for longer than a living process lets pass.
 */
import type { LeaderInfo } from '../../core/messages.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { Epoch } from '../../core/txid.ts';
import type { Random } from '../../ports/random.ts';
import type { Evidence } from '../boards.ts';
import { type ObservedLeader, takeLeaderKey } from './leader-key.ts';
import type { Leaders } from './leaders.ts';
import type { EtcdLeadership } from './leadership.ts';
import type { NodeLease } from './lease.ts';
import type { AgreedMeta } from './meta.ts';
import type { KeyValue } from './requests.ts';
import type { EtcdStore } from './store.ts';
import { TakeoverPace } from './takeover-pace.ts';

const retryPauseMs = 200;
/** Changes are told; this is for the one that was missed. */
const maxWaitMs = 5_000;
/** A suspicion that was not repeated for so long has gone. */
const suspicionMs = 1_000;
/** A leader that was not followed by then leads on: who follows it later deposes it. */
const handedOverMs = 1_000;
const nonceDigits = 20;

export interface CampaignsOptions {
  readonly store: EtcdStore;
  readonly lease: NodeLease;
  readonly leaders: Leaders;
  readonly evidence: Evidence;
  readonly node: string;
  readonly url: string;
  readonly random: Random;
  readonly meta: () => AgreedMeta;
  /** `meta` as a failed take has shown it. */
  readonly metaSeen: (meta: KeyValue | null, revision: string) => void;
  /** The leadership that this node has of the shard, if any. */
  readonly leading: (shard: number) => EtcdLeadership | undefined;
  readonly adopt: (held: ObservedLeader) => EtcdLeadership;
}

/** What one look came to. */
type Look =
  | { readonly kind: 'leading'; readonly leadership: EtcdLeadership }
  | { readonly kind: 'wait' }
  | { readonly kind: 'retry'; readonly pauseMs: number };

export class Campaigns {
  readonly #options: CampaignsOptions;
  readonly #pace: TakeoverPace;
  readonly #waiting = new Map<number, Set<() => void>>();
  readonly #taking = new Map<number, Promise<unknown>>();
  readonly #suspicions = new Map<number, { readonly epoch: Epoch; readonly atMs: number }>();
  readonly #handedOver = new Map<number, { readonly epoch: Epoch; readonly atMs: number }>();

  constructor(options: CampaignsOptions) {
    this.#options = options;
    const { clients, clock } = options.store;
    const timeToLive = async (lease: string) => {
      const { TTL, grantedTTL } = await clients.kv.call((client) =>
        client.leaseClient.leaseTimeToLive({ ID: lease }),
      );
      return { leftS: Number(TTL), grantedS: Number(grantedTTL) };
    };
    this.#pace = new TakeoverPace({ clock, timeToLive });
    options.evidence.watch((shard) => this.wake(shard));
  }

  /** Whether someone campaigns for the shard, or is just now taking it. */
  isOn(shard: number): boolean {
    return this.#waiting.has(shard) || this.#taking.has(shard);
  }

  /** Something has changed that a campaign may have waited for. */
  wake(shard: number): void {
    for (const wake of [...(this.#waiting.get(shard) ?? [])]) wake();
  }

  /** The leader's address refuses. */
  suspect({ shard, epoch }: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    const isNew = !this.#isSuspect({ shard, epoch });
    this.#suspicions.set(shard, { epoch, atMs: this.#options.store.clock.monotonicMs() });
    if (isNew) this.wake(shard);
  }

  /** The leader itself says that this node is to follow it. */
  handedOver({ shard, epoch }: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#handedOver.set(shard, { epoch, atMs: this.#options.store.clock.monotonicMs() });
    this.wake(shard);
  }

  #isHandedOver({ shard, epoch }: Pick<LeaderInfo, 'shard' | 'epoch'>): boolean {
    const handed = this.#handedOver.get(shard);
    return (
      handed?.epoch === epoch &&
      this.#options.store.clock.monotonicMs() - handed.atMs < handedOverMs
    );
  }

  #isSuspect({ shard, epoch }: Pick<LeaderInfo, 'shard' | 'epoch'>): boolean {
    const suspicion = this.#suspicions.get(shard);
    return (
      suspicion?.epoch === epoch &&
      this.#options.store.clock.monotonicMs() - suspicion.atMs < suspicionMs
    );
  }

  async campaign(shard: number, signal: AbortSignal): Promise<EtcdLeadership> {
    const { store } = this.#options;
    for (;;) {
      store.ended.throwIfAborted();
      signal.throwIfAborted();
      // Listening begins before the look, so that a change in between is not missed.
      const change = this.#listen(shard);
      try {
        const look = await this.#inTurn(shard, () => this.#look(shard));
        if (look.kind === 'leading') {
          if (signal.aborted) await look.leadership.resign();
          signal.throwIfAborted();
          return look.leadership;
        }
        const pauseMs = look.kind === 'wait' ? maxWaitMs : look.pauseMs;
        const over = new AbortController();
        try {
          const pause = store.pause(pauseMs, signal, over.signal);
          pause.catch(() => undefined);
          await Promise.race([pause, ...(look.kind === 'wait' ? [change.happened] : [])]);
        } finally {
          over.abort();
        }
      } finally {
        change.forget();
      }
    }
  }

  async #look(shard: number): Promise<Look> {
    const { store, leaders, lease, evidence, node, leading } = this.#options;
    const observed = leaders.at(shard);
    const leaseId = lease.id;
    if (leaseId === null || !lease.isValid(leaseId))
      return { kind: 'retry', pauseMs: retryPauseMs };
    let guess = false;
    const handed = observed !== null && this.#isHandedOver(observed.info);
    if (observed !== null && observed.lease === leaseId) {
      if (leading(shard)?.epoch === observed.info.epoch) return { kind: 'wait' };
    } else if (observed !== null && !handed) {
      guess = evidence.against(observed.info) || observed.info.node === node;
      if (!guess && !this.#isSuspect(observed.info)) return { kind: 'wait' };
    }
    try {
      if (observed !== null && !guess && !handed && observed.lease !== leaseId) {
        if (await this.#pace.isBeating(observed.lease)) {
          return { kind: 'retry', pauseMs: retryPauseMs };
        }
        store.logger.warn(
          { shard, leader: observed.info.node, epoch: observed.info.epoch },
          'The leader is gone: its address refuses connections and its lease is not kept alive.',
        );
        guess = true;
      }
      if (guess) {
        const pauseMs = await this.#pace.pauseMs();
        if (pauseMs > 0) return { kind: 'retry', pauseMs };
      }
      return await this.#take({ shard, observed, leaseId, guess });
    } catch (error) {
      store.ended.throwIfAborted();
      store.logger.warn(
        { shard, error: thrownLine(error) },
        'The leadership could not be taken; again soon.',
      );
      return { kind: 'retry', pauseMs: retryPauseMs };
    }
  }

  async #take(options: {
    readonly shard: number;
    readonly observed: ObservedLeader | null;
    readonly leaseId: string;
    readonly guess: boolean;
  }): Promise<Look> {
    const { shard, observed, leaseId } = options;
    const { store, leaders, lease, node, url, random, meta, adopt } = this.#options;
    const agreed = meta();
    const { generation } = agreed.meta;
    const taken = await takeLeaderKey({
      store,
      shard,
      value: { node, url, nonce: random.token(nonceDigits), generation },
      lease: leaseId,
      observed,
      metaRevision: agreed.modRevision,
    });
    if (taken.kind === 'lost') {
      leaders.learn(shard, taken.there, taken.revision);
      this.#options.metaSeen(taken.meta, taken.revision);
      return { kind: 'retry', pauseMs: 0 };
    }
    if (options.guess && observed !== null) this.#pace.took(observed.lease);
    if (observed === null) this.#pace.expired();
    const leadership = adopt(taken.held);
    leaders.learn(shard, taken.held, taken.held.modRevision);
    // While the reply was under way, the lease may have come to its end.
    if (!lease.isValid(leaseId)) leadership.end('its lease was not confirmed in time');
    try {
      await leadership.begin(taken.beginning);
    } catch (error) {
      // Not ended it would pass for led, and no one would take it again.
      leadership.end('what the leaderships before have left could not be read');
      throw error;
    }
    return { kind: 'leading', leadership };
  }

  /** One taker a shard: two campaigns of one node would take it from each other. */
  async #inTurn(shard: number, body: () => Promise<Look>): Promise<Look> {
    const before = this.#taking.get(shard) ?? Promise.resolve();
    const own = before.then(body, body);
    this.#taking.set(shard, own);
    try {
      return await own;
    } finally {
      if (this.#taking.get(shard) === own) this.#taking.delete(shard);
    }
  }

  #listen(shard: number): { readonly happened: Promise<void>; forget(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(shard) ?? new Set();
    waiting.add(resolve);
    this.#waiting.set(shard, waiting);
    return {
      happened: promise,
      forget: () => {
        waiting.delete(resolve);
        if (waiting.size === 0 && this.#waiting.get(shard) === waiting) this.#waiting.delete(shard);
      },
    };
  }
}
