/**
 * Etcd as its clients meet it: several members, one linearizable state, and all the ways in which
 * it lies.
 *
 * What a call's fate may be, drawn for each: carried out and answered; lost on the way; carried
 * out, and the answer lost; answered with an error without being carried out; carried out much
 * later, when its caller has long given it up and sent another. While it is full it refuses what
 * puts at the top level of a request - sometimes only after it has carried it out - and takes what
 * is nested (docs: batches.ts), as etcd 3.4 and 3.5 do.
 */
import { GRPCResourceExhastedError } from 'etcd3';
import type { EtcdStream, EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import { callTimeoutMs } from '../../../src/decision-log/etcd/client.ts';
import type { Txn, TxnResult } from '../../../src/decision-log/etcd/requests.ts';
import type { SimProcess } from '../world/process.ts';
import type { Reach } from '../world/reach.ts';
import type { World } from '../world/world.ts';
import { type LeaseCopy, Leases } from './leases.ts';
import { type Change, EtcdRefusal, EtcdState, leaseNotFound, type Snapshot } from './state.ts';
import { KeepAliveStream, WatchStream } from './streams.ts';

export interface EtcdFaults {
  latencyMs(): number;
  fate(name: string): CallFate;
  /** How late a call is carried out that no one waits for any more. */
  lateMs(): number;
  /** Whether the lost answer shows at once, as a broken connection, or only by the time-out. */
  showsAtOnce(): boolean;
  /** A stream of watches goes silent as it is opened. */
  deafWatch(): boolean;
  /** Being full, it says so after it has carried the request out. */
  refusesLate(): boolean;
}

export type CallFate = 'done' | 'lost' | 'answer-lost' | 'refused' | 'late';

export interface EtcdCopy {
  readonly state: Snapshot;
  readonly leases: LeaseCopy;
}

export class SimEtcd {
  readonly world: World;
  readonly state: EtcdState = new EtcdState();
  readonly leases: Leases;
  readonly members: readonly string[];
  /** No majority: nothing is answered. */
  down = false;
  /** No leader of its own: as down, for the moment. */
  full = false;
  /** Told of all that changed, as it changes. */
  applied: (changes: readonly Change[]) => void = () => undefined;
  /** Told after that: whoever waits for something to be written. */
  watched: ((changes: readonly Change[]) => void) | null = null;
  /** Told before it is set back to an earlier revision. */
  setBack: (revision: number) => void = () => undefined;
  readonly #faults: EtcdFaults;
  readonly #reach: Reach;
  readonly #watches = new Set<WatchStream>();
  /**
   * How often it was brought back from a copy: requests under way went with the servers that had
   * them.
   */
  #restores = 0;

  constructor(options: {
    readonly world: World;
    readonly members: readonly string[];
    readonly faults: EtcdFaults;
    readonly reach: Reach;
  }) {
    this.world = options.world;
    this.members = options.members;
    this.#faults = options.faults;
    this.#reach = options.reach;
    this.leases = new Leases(this.world, (lease) => {
      this.world.note('etcd', `lease ${lease.slice(-3)} is over`);
      this.#changed(this.state.dropLease(lease));
    });
  }

  get endpoints(): string[] {
    return this.members.map((member) => `http://${member}:2379`);
  }

  /** The client that a process has of one endpoint. */
  stub(process: SimProcess, endpoint: string): EtcdStub {
    const member = new URL(endpoint).hostname;
    const call = <T>(name: string, body: () => T): Promise<T> =>
      this.#call(process, member, name, body);
    return {
      kv: {
        txn: (request) => call('txn', () => this.txn(request)),
        range: () => Promise.reject(new Error('Not simulated.')),
        compact: () => Promise.reject(new Error('Not simulated.')),
      },
      leaseClient: {
        leaseGrant: ({ TTL }) =>
          call('grant', () => {
            if (this.full) throw noSpace();
            const { id, ttlS } = this.leases.grant(Number(TTL));
            return { header: this.state.header(), ID: id, TTL: String(ttlS), error: '' };
          }),
        leaseRevoke: ({ ID }) =>
          call('revoke', () => {
            if (!this.leases.end(String(ID))) throw new EtcdRefusal(leaseNotFound);
            return { header: this.state.header() };
          }),
        leaseTimeToLive: ({ ID }) =>
          call('ttl', () => {
            const { leftS, grantedS } = this.leases.left(String(ID));
            const header = this.state.header();
            return {
              header,
              ID: String(ID),
              TTL: String(leftS),
              grantedTTL: String(grantedS),
              keys: [],
            };
          }),
        leaseKeepAlive: async () => {
          const stream = new KeepAliveStream({ etcd: this, process, member });
          return stream as EtcdStream<never, never>;
        },
      },
      watchClient: {
        watch: async () => {
          const deaf = this.#faults.deafWatch();
          const stream = new WatchStream({ etcd: this, process, member, deaf });
          this.#watches.add(stream);
          return stream as EtcdStream<never, never>;
        },
      },
      close: () => undefined,
    };
  }

  forget(stream: WatchStream): void {
    this.#watches.delete(stream);
  }

  latencyMs(): number {
    return this.#faults.latencyMs();
  }

  answers(process: SimProcess, member: string): boolean {
    const { name } = process;
    return !this.down && this.#reach.reaches(name, member) && this.#reach.reaches(member, name);
  }

  txn(request: Txn): TxnResult {
    const { success = [], failure = [] } = request;
    // What it might put, whichever branch it takes; of nested ones nothing is counted.
    const puts = this.full && [...success, ...failure].some((op) => op.request_put !== undefined);
    // A full etcd may say so after it has carried the request out; from then on before.
    if (puts && !this.#faults.refusesLate()) throw noSpace();
    const { result, changes } = this.state.txn(request, (lease) => this.leases.has(lease));
    this.#changed(changes);
    if (puts) throw noSpace();
    return result;
  }

  /** What a copy of its data holds. */
  snapshot(): EtcdCopy {
    return { state: this.state.snapshot(), leases: this.leases.snapshot() };
  }

  /** Etcd is brought back from a copy: what came after it was never there. */
  restore(copy: EtcdCopy): void {
    this.world.note('etcd', `is set back from ${this.state.revision} to ${copy.state.revision}`);
    this.#restores += 1;
    this.setBack(copy.state.revision);
    this.state.restore(copy.state);
    this.leases.restore(copy.leases);
  }

  #changed(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const { key, after } of this.world.tracing ? changes : []) {
      this.world.note(
        'etcd',
        `${after === null ? 'deletes' : 'puts'} ${key} @${this.state.revision}`,
      );
    }
    this.applied(changes);
    this.watched?.(changes);
    for (const stream of this.#watches) stream.changed(changes);
  }

  #call<T>(process: SimProcess, member: string, name: string, body: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.effect()) return;
      const { world } = this;
      const fate = this.#faults.fate(name);
      if (fate !== 'done') world.note(process.name, `etcd ${name}: ${fate}`);
      const restores = this.#restores;
      let over = false;
      const end = (settle: () => void): void => {
        if (over) return;
        over = true;
        deadline.cancel();
        settle();
      };
      const deadline = process.clock.setTimer(callTimeoutMs, () =>
        end(() => reject(new Error('4 DEADLINE_EXCEEDED: Deadline exceeded'))),
      );
      const answer = (settle: () => void): void => {
        if (!this.answers(process, member)) return;
        process.io(this.#faults.latencyMs(), () => end(settle));
      };
      const run = (heard: boolean): void => {
        if (this.#restores !== restores) return answer(() => reject(unavailable()));
        let value: T;
        try {
          value = body();
        } catch (error) {
          if (!(error instanceof EtcdRefusal) && !(error instanceof GRPCResourceExhastedError)) {
            world.broken(error as Error);
          }
          if (heard) answer(() => reject(error));
          return;
        }
        if (heard) answer(() => resolve(value));
        else if (this.#faults.showsAtOnce()) answer(() => reject(unavailable()));
      };
      world.after(this.#faults.latencyMs(), () => {
        if (!this.answers(process, member)) return;
        switch (fate) {
          case 'done':
            return run(true);
          case 'answer-lost':
            return run(false);
          case 'refused':
            return answer(() => reject(unavailable()));
          case 'late': {
            world.after(this.#faults.lateMs(), () => {
              if (!this.down) run(false);
            });
            return;
          }
          case 'lost':
            return;
        }
      });
    });
  }
}

function unavailable(): Error {
  return new Error('14 UNAVAILABLE: Connection dropped');
}

function noSpace(): Error {
  return new GRPCResourceExhastedError(
    '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded',
  );
}
