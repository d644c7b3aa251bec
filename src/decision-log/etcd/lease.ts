/**
 * A node's one lease: every leader key of the node and its entry among the nodes hang on it.
 *
 *     none --granted--> held --no beat answered in time--> lapsed --beat answered--> held
 *       ^                |                                   |
 *       +----------------+---- etcd says that it is gone ----+
 *
 * - It is granted ahead of need: a full etcd refuses new leases but keeps old ones alive, and a
 *   node without one could not take over.
 * - It is valid until (beat *sent* + TTL - margin), a sleep of the machine included. Counted from
 *   the answer's arrival it would be too long by the time the answer took: another node could lead
 *   while this one still believes in it. A wall clock that is set has no say where the machine
 *   tells its sleep.
 * - A lapse ends every leadership, forever, though the lease may be found alive again: a node that
 *   was paused must not go on where it stopped.
 * - Etcd3's own lease object is not used: it reports a loss after twice the TTL by the wall clock.
 */
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import { thrownLine } from '../../core/thrown.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { LeaseAge } from '../../ports/decision-log.ts';
import { elapsedMs, type Mark, mark } from '../../system/age.ts';
import { MemberStream } from './member-stream.ts';
import { type EtcdStore, patienceMs } from './store.ts';

/** Of the TTL: for the drift between two machines' clocks, and a stalled event loop. */
const marginShare = 0.25;
export const beatsPerTtl = 4;
const retryPauseMs = 100;
const grantPauseMs = 500;

export interface LeaseOptions {
  readonly store: EtcdStore;
  readonly ttlMs: number;
  readonly lapsed: (reason: string) => void;
  readonly renewed: (id: string) => void;
}

export class NodeLease {
  readonly #options: LeaseOptions;
  readonly #clock: Clock;
  #id: string | null = null;
  #grantedTtlMs = 0;
  /** When the newest answered beat was sent; null: there is no lease, or it lapsed. */
  #confirmed: Mark | null = null;
  #lapseTimer: Timer | null = null;
  #beatTimer: Timer | null = null;
  readonly #stream: MemberStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;
  /** When the beats that have no answer yet were sent, oldest first. */
  #sent: Mark[] = [];
  #closed = false;

  constructor(options: LeaseOptions) {
    const { store } = options;
    this.#options = options;
    this.#clock = store.clock;
    this.#stream = new MemberStream({
      client: store.clients.lease,
      open: (stub) => stub.leaseClient.leaseKeepAlive(),
      received: (response) => this.#answered(response),
      ended: () => {
        this.#sent = [];
        this.#scheduleBeat(retryPauseMs);
      },
    });
  }

  /** A string of digits; null while there is none. */
  get id(): string | null {
    return this.#id;
  }

  /** Whether the lease `id` certainly lives at this moment. */
  isValid(id: string): boolean {
    return id === this.#id && this.#leftMs() > 0;
  }

  age(): LeaseAge {
    const ageMs = this.#confirmed === null ? null : elapsedMs(this.#clock, this.#confirmed);
    return { ageMs, validMs: this.#grantedTtlMs * (1 - marginShare) };
  }

  /** Resolves with the first lease. Rejects with DecisionLogError where etcd grants none. */
  start(): Promise<string> {
    return this.#obtain({ giveUpAtMs: this.#clock.monotonicMs() + patienceMs });
  }

  async #obtain({ giveUpAtMs }: { readonly giveUpAtMs: number }): Promise<string> {
    const { store } = this.#options;
    for (;;) {
      try {
        return await this.#grant();
      } catch (error) {
        store.ended.throwIfAborted();
        if (this.#clock.monotonicMs() >= giveUpAtMs) throw store.unreachable(error);
        store.logger.warn({ error: thrownLine(error) }, 'Etcd grants no lease; it is asked again.');
      }
      await store.pause(grantPauseMs);
    }
  }

  /** Gives the lease back, and with it every key that hangs on it. */
  async close(): Promise<void> {
    this.#closed = true;
    const id = this.#id;
    this.#forget();
    this.#stream.close();
    if (id === null) return;
    const { clients } = this.#options.store;
    // One attempt: where it fails, the lease runs out by itself.
    await clients.kv.call((client) => client.leaseClient.leaseRevoke({ ID: id }));
  }

  async #grant(): Promise<string> {
    const { store, ttlMs } = this.#options;
    const sent = mark(this.#clock);
    const { ID, TTL } = await store.clients.lease.call((client) =>
      client.leaseClient.leaseGrant({ TTL: Math.ceil(ttlMs / 1_000) }),
    );
    // Granted while the log was being closed: it runs out by itself.
    if (this.#closed) return ID;
    this.#id = ID;
    this.#grantedTtlMs = Number(TTL) * 1_000;
    this.#extend(sent);
    this.#scheduleBeat(this.#grantedTtlMs / beatsPerTtl);
    return ID;
  }

  #leftMs(): number {
    if (this.#confirmed === null) return Number.NEGATIVE_INFINITY;
    return this.#grantedTtlMs * (1 - marginShare) - elapsedMs(this.#clock, this.#confirmed);
  }

  #extend(sent: Mark): void {
    const { monotonicMs = Number.NEGATIVE_INFINITY } = this.#confirmed ?? {};
    if (sent.monotonicMs <= monotonicMs) return;
    // Timers sleep with the machine: a beat may be answered before the lapse was noticed.
    if (this.#confirmed !== null && this.#leftMs() <= 0) this.#lapse();
    this.#confirmed = sent;
    this.#lapseTimer?.cancel();
    this.#lapseTimer = this.#clock.setTimer(Math.max(0, this.#leftMs()), () => this.#checkLapse());
  }

  #checkLapse(): void {
    const leftMs = this.#leftMs();
    if (leftMs > 0) {
      this.#lapseTimer = this.#clock.setTimer(Math.ceil(leftMs), () => this.#checkLapse());
      return;
    }
    this.#lapse();
  }

  #lapse(): void {
    this.#confirmed = null;
    this.#options.lapsed('its lease was not confirmed in time');
  }

  #scheduleBeat(delayMs: number): void {
    this.#beatTimer?.cancel();
    if (this.#closed) return;
    this.#beatTimer = this.#clock.setTimer(delayMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const id = this.#id;
    if (this.#closed || id === null) return;
    this.#scheduleBeat(this.#grantedTtlMs / beatsPerTtl);
    // A whole beat without an answer: this member is no use.
    if (this.#sent.length > 0) {
      this.#sent = [];
      this.#stream.giveUp();
    }
    if (!this.#stream.isOpen) await this.#stream.open();
    if (!this.#stream.isOpen || this.#id !== id || this.#closed) return;
    this.#sent.push(mark(this.#clock));
    this.#stream.write({ ID: id });
  }

  #answered(response: ILeaseKeepAliveResponse): void {
    const sent = this.#sent.shift();
    if (sent === undefined || response.ID !== this.#id) return;
    if (Number(response.TTL) > 0) {
      this.#extend(sent);
      return;
    }
    this.#forget();
    this.#options.lapsed('its lease has run out');
    // For as long as it takes: it ends with a lease or with the store.
    this.#obtain({ giveUpAtMs: Number.POSITIVE_INFINITY })
      .then((id) => this.#options.renewed(id))
      .catch(() => undefined);
  }

  #forget(): void {
    this.#id = null;
    this.#confirmed = null;
    this.#lapseTimer?.cancel();
    this.#beatTimer?.cancel();
    this.#sent = [];
    this.#stream.cancel();
  }
}
