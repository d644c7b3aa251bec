/** The two streams that the log opens: beats of a lease, and watches. */
import type {
  IEvent,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  IWatchRequest,
  IWatchResponse,
} from 'etcd3';
import type { EtcdStream } from '../../../src/decision-log/etcd/client.ts';
import type { SimProcess } from '../world/process.ts';
import { assertKnownWatch } from './known.ts';
import type { SimEtcd } from './server.ts';
import { type Change, keyValue } from './state.ts';

interface StreamOptions {
  readonly etcd: SimEtcd;
  readonly process: SimProcess;
  readonly member: string;
}

type Listener = (what: never) => void;

abstract class SimStream<Request, Response> implements EtcdStream<Request, Response> {
  protected readonly options: StreamOptions;
  protected cancelled = false;
  readonly #listeners = new Map<string, Listener>();
  #arrivesAtMs = 0;

  constructor(options: StreamOptions) {
    this.options = options;
  }

  abstract write(request: Request): void;

  cancel(): void {
    this.cancelled = true;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, listener);
  }

  protected get answers(): boolean {
    const { etcd, process, member } = this.options;
    return !this.cancelled && etcd.answers(process, member);
  }

  /** In order. */
  protected tell(response: Response): void {
    const { etcd, process } = this.options;
    const { nowMs } = etcd.world;
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, nowMs + etcd.latencyMs());
    process.io(this.#arrivesAtMs - nowMs, () => {
      if (!this.cancelled) this.#listeners.get('data')?.(response as never);
    });
  }

  /** The member is cut off, or is gone: the stream ends, or says nothing forever. */
  protected fail(): void {
    const { etcd, process } = this.options;
    if (!etcd.world.chance.happens(0.5)) return;
    process.io(etcd.latencyMs(), () => {
      if (this.cancelled) return;
      this.cancelled = true;
      this.#listeners.get('error')?.(new Error('14 UNAVAILABLE: Connection dropped') as never);
    });
  }
}

export class KeepAliveStream extends SimStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse> {
  override write({ ID }: ILeaseKeepAliveRequest): void {
    const { etcd, process } = this.options;
    if (!process.effect()) return;
    etcd.world.after(etcd.latencyMs(), () => {
      if (!this.answers) {
        this.fail();
        return;
      }
      const TTL = String(etcd.leases.keepAlive(String(ID)));
      this.tell({ header: etcd.state.header(), ID: String(ID), TTL });
    });
  }
}

export class WatchStream extends SimStream<IWatchRequest, IWatchResponse> {
  readonly #ranges: { readonly start: string; readonly end: string }[] = [];
  readonly #deaf: boolean;

  constructor(options: StreamOptions & { readonly deaf: boolean }) {
    super(options);
    this.#deaf = options.deaf;
  }

  override write({ create_request: range }: IWatchRequest): void {
    const { etcd, process } = this.options;
    if (range === undefined || !process.effect()) return;
    try {
      assertKnownWatch(range);
    } catch (error) {
      // Its caller would take it for an error of the connection's.
      etcd.world.broken(error as Error);
    }
    const start = range.key?.toString('latin1') ?? '';
    const end = range.range_end?.toString('latin1') ?? `${start}\u0000`;
    etcd.world.after(etcd.latencyMs(), () => {
      if (!this.answers) {
        this.fail();
        return;
      }
      const id = String(this.#ranges.length);
      this.#ranges.push({ start, end });
      if (!this.#deaf) this.tell(this.#response(id, { created: true }));
    });
  }

  override cancel(): void {
    super.cancel();
    this.options.etcd.forget(this);
  }

  changed(changes: readonly Change[]): void {
    if (this.#deaf || !this.options.process.alive) return;
    for (const [index, { start, end }] of this.#ranges.entries()) {
      const met = changes.filter(({ key }) => key >= start && key < end);
      if (met.length === 0) continue;
      if (!this.answers) {
        this.fail();
        return;
      }
      this.tell(
        this.#response(String(index), { events: met.map((change) => this.#event(change)) }),
      );
    }
  }

  #event({ key, after }: Change): IEvent {
    if (after !== null) return { type: 'Put', kv: keyValue(after), prev_kv: none };
    const kv = {
      key: Buffer.from(key, 'latin1'),
      value: Buffer.of(),
      create_revision: '0',
      mod_revision: String(this.options.etcd.state.revision),
      version: '0',
      lease: '0',
    };
    return { type: 'Delete', kv, prev_kv: none };
  }

  #response(
    id: string,
    content: Partial<Pick<IWatchResponse, 'created' | 'events'>>,
  ): IWatchResponse {
    return {
      header: this.options.etcd.state.header(),
      watch_id: id,
      created: false,
      canceled: false,
      compact_revision: '0',
      cancel_reason: '',
      fragment: false,
      events: [],
      ...content,
    };
  }
}

/** What etcd3 makes of a message that is not there; its types do not say so. */
const none = null as unknown as IEvent['prev_kv'];
