/**
 * One of two etcds that are asked the same: carries the steps out, and tells what it was answered
 * in terms of both.
 */
import type { IWatchRequest, IWatchResponse } from 'etcd3';
import type { EtcdStream, EtcdStub } from '../../../../src/decision-log/etcd/client.ts';
import type { Compare, Op, Txn } from '../../../../src/decision-log/etcd/requests.ts';
import { Plain } from './plain.ts';
import { patiently } from './real.ts';
import type { CompareDraft, OpDraft, SpanDraft, Step, TxnDraft } from './steps.ts';

/** One that was never granted. */
const noLease = '12345';

export interface SideOptions {
  readonly stub: EtcdStub;
  /** All that is asked lies below it. */
  readonly prefix: string;
  /** The time of a simulated one goes on only while somebody waits. */
  readonly during: <T>(work: () => Promise<T>) => Promise<T>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Where it can be set back. */
  readonly copy?: () => void;
  readonly setBack?: () => Promise<void>;
}

type BeatStream = Awaited<ReturnType<EtcdStub['leaseClient']['leaseKeepAlive']>>;
type WatchStream = EtcdStream<IWatchRequest, IWatchResponse>;

export class EtcdSide {
  readonly #options: SideOptions;
  readonly #plain: Plain;
  readonly #leases: string[] = [];
  readonly #watches: Watch[] = [];
  #beats: { readonly stream: BeatStream; readonly answers: Queue<string> } | null = null;
  /** After the latest answer, counted from the start. */
  #revision = 0;

  private constructor(options: SideOptions, start: number) {
    this.#options = options;
    this.#plain = new Plain(start, options.prefix, () => this.#leases);
  }

  static async begin(options: SideOptions): Promise<EtcdSide> {
    const { stub, prefix, during } = options;
    const key = Buffer.from(prefix);
    const { header } = await during(() =>
      stub.kv.txn({ success: [{ request_range: { key } }] }, patiently()),
    );
    return new EtcdSide(options, Number(header.revision));
  }

  /** What is answered to it; an error of etcd's is an answer. */
  async answer(step: Step): Promise<unknown> {
    try {
      return await this.#options.during(() => this.#do(step));
    } catch (error) {
      return this.#plain.refusal(error);
    }
  }

  /** All that is there, and all that the watches have told, once they have told all. */
  async end(keys: readonly number[]): Promise<unknown> {
    return this.#options.during(async () => {
      const { stub, prefix } = this.#options;
      const all = { key: Buffer.from(prefix), range_end: Buffer.from(`${prefix}~`) };
      const before = await stub.kv.txn({ success: [{ request_range: all }] }, patiently());
      const success = keys.map((key): Op => ({ request_put: { key: this.#key(key) } }));
      const last = await stub.kv.txn({ success }, patiently());
      for (const watch of this.#watches) await watch.reached(BigInt(last.header.revision));
      const told = this.#watches.map(({ responses }) => this.#plain.told(responses));
      return { there: this.#plain.txn(before), told };
    });
  }

  async close(): Promise<void> {
    const { stub, during } = this.#options;
    for (const { stream } of this.#watches) stream.cancel();
    this.#beats?.stream.cancel();
    for (const ID of this.#leases) {
      await during(() => stub.leaseClient.leaseRevoke({ ID })).catch(() => undefined);
    }
  }

  async #do(step: Step): Promise<unknown> {
    const { leaseClient, kv } = this.#options.stub;
    switch (step.do) {
      case 'txn': {
        const result = await kv.txn(this.#txn(step.txn), patiently());
        return this.#revised(this.#plain.txn(result));
      }
      case 'grant': {
        const { ID, TTL, header } = await leaseClient.leaseGrant({ TTL: step.ttlS }, patiently());
        this.#leases.push(ID);
        return this.#revised({ granted: TTL, revision: this.#plain.revision(header) });
      }
      case 'revoke': {
        const { header } = await leaseClient.leaseRevoke(
          { ID: this.#lease(step.lease) },
          patiently(),
        );
        return this.#revised({ revision: this.#plain.revision(header) });
      }
      case 'left': {
        const ID = this.#lease(step.lease);
        const { TTL, grantedTTL } = await leaseClient.leaseTimeToLive({ ID }, patiently());
        // How much is left depends on how long the test has taken.
        return { alive: Number(TTL) >= 0, grantedTTL };
      }
      case 'beat':
        return { ttl: await this.#beat(this.#lease(step.lease)) };
      case 'watch':
        return { watch: await this.#watch(step.spans) };
      case 'wait':
        return this.#options.sleep(step.ms);
      case 'copy':
        return this.#options.copy?.();
      case 'set-back':
        return this.#options.setBack?.();
    }
  }

  #revised<T extends { readonly revision: number }>(answer: T): T {
    this.#revision = answer.revision;
    return answer;
  }

  async #beat(ID: string): Promise<string> {
    if (this.#beats === null) {
      const stream = await this.#options.stub.leaseClient.leaseKeepAlive();
      const answers = new Queue<string>();
      stream.on('data', ({ TTL }) => answers.put(TTL));
      stream.on('error', () => undefined);
      this.#beats = { stream, answers };
    }
    this.#beats.stream.write({ ID });
    return this.#beats.answers.take();
  }

  async #watch(spans: readonly SpanDraft[]): Promise<readonly string[]> {
    const stream = await this.#options.stub.watchClient.watch();
    const watch = new Watch(stream, spans.length);
    for (const span of spans) stream.write({ create_request: this.#span(span) });
    await watch.created;
    this.#watches.push(watch);
    return watch.responses.map(({ watch_id: id }) => id);
  }

  #txn({ compare, success, failure }: TxnDraft): Txn {
    return {
      compare: compare.map((each) => this.#compare(each)),
      success: success.map((each) => this.#op(each)),
      failure: failure.map((each) => this.#op(each)),
    };
  }

  #compare({ target, result, at, back, value }: CompareDraft): Compare {
    const relative = back === null ? 0 : this.#revision - back;
    const revision = relative <= 0 ? '0' : String(this.#plain.start + relative);
    return {
      ...this.#span(at),
      target,
      result,
      ...(target === 'Create' ? { create_revision: revision } : {}),
      ...(target === 'Mod' ? { mod_revision: revision } : {}),
      ...(target === 'Value' ? { value: Buffer.from(value, 'latin1') } : {}),
    };
  }

  #op(draft: OpDraft): Op {
    switch (draft.op) {
      case 'put':
        return {
          request_put: {
            key: this.#key(draft.key),
            value: Buffer.from(draft.value, 'latin1'),
            ...(draft.lease === 0 ? {} : { lease: this.#lease(draft.lease) }),
          },
        };
      case 'get':
        return { request_range: { ...this.#span(draft.at), limit: draft.limit } };
      case 'count':
        return { request_range: { ...this.#span(draft.at), count_only: true } };
      case 'remove':
        return { request_delete_range: this.#span(draft.at) };
      case 'txn':
        return { request_txn: this.#txn(draft.txn) };
    }
  }

  #key(key: number): Buffer {
    return Buffer.from(`${this.#options.prefix}${key}`);
  }

  #span({ from, to }: SpanDraft): { key: Buffer; range_end?: Buffer } {
    return { key: this.#key(from), ...(to === null ? {} : { range_end: this.#key(to) }) };
  }

  #lease(lease: number): string {
    return this.#leases[lease - 1] ?? noLease;
  }
}

class Watch {
  readonly stream: WatchStream;
  readonly responses: IWatchResponse[] = [];
  readonly #changes = new Set<() => void>();
  readonly #count: number;

  constructor(stream: WatchStream, count: number) {
    this.stream = stream;
    this.#count = count;
    stream.on('data', (response: IWatchResponse) => {
      this.responses.push(response);
      for (const change of this.#changes) change();
    });
    stream.on('error', () => undefined);
  }

  get created(): Promise<void> {
    return this.#until(() => this.responses.length >= this.#count);
  }

  /** Each of them has told of a change at `revision`, or of a later one. */
  async reached(revision: bigint): Promise<void> {
    await this.#until(() => {
      const there = this.responses.filter(({ events }) =>
        events.some(({ kv }) => BigInt(kv.mod_revision) >= revision),
      );
      return new Set(there.map(({ watch_id: id }) => id)).size === this.#count;
    });
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#changes.delete(look);
        resolve();
      };
      this.#changes.add(look);
      look();
    });
  }
}

class Queue<T> {
  readonly #items: T[] = [];
  #taker: ((item: T) => void) | null = null;

  put(item: T): void {
    const taker = this.#taker;
    this.#taker = null;
    if (taker === null) this.#items.push(item);
    else taker(item);
  }

  take(): Promise<T> {
    const [item] = this.#items.splice(0, 1);
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => {
      this.#taker = resolve;
    });
  }
}
