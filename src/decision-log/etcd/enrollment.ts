/** This node's entry: that it is up, its address, and up to where it has heard of the retired. */
import { defined } from '../../core/defined.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { NodeLease } from './lease.ts';
import { decodeNode, encodeNode } from './records.ts';
import { type KeyValue, putUnderLease } from './requests.ts';
import type { EtcdStore } from './store.ts';

const againPauseMs = 1_000;
const retryPauseMs = 50;

export interface EnrollmentOptions {
  readonly store: EtcdStore;
  readonly lease: NodeLease;
  readonly node: string;
  readonly url: string;
  readonly heardTo: () => string;
  readonly access: () => string | undefined;
}

export class Enrollment {
  readonly #options: EnrollmentOptions;
  #againAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: EnrollmentOptions) {
    this.#options = options;
  }

  /** Tells the others that this node is there, for as long as the lease lives that it has now. */
  async enter(): Promise<void> {
    const { store, lease, node, url, heardTo, access } = this.#options;
    const { clock, logger } = store;
    const { id } = lease;
    const startedMs = clock.wallMs();
    while (id !== null && lease.id === id && !store.ended.aborted) {
      try {
        this.#againAtMs = Number.POSITIVE_INFINITY;
        const value = encodeNode({
          ...{ node, url, startedMs, retired: heardTo() },
          ...defined({ access: access() }),
        });
        await store.insist({ success: [putUnderLease(store.keys.node(node), value, id)] });
        this.#againAtMs = clock.monotonicMs() + againPauseMs;
        return;
      } catch (error) {
        logger.warn({ error: thrownLine(error) }, 'This node is not entered among the nodes yet.');
        await store.pause(retryPauseMs).catch(() => undefined);
      }
    }
  }

  /**
   * The entry may not be its own: a late request of the process before it has put it under that
   * one's lease, and it goes with it. Or it is an older one of its own, which who retires would
   * wait for.
   */
  check(nodes: readonly KeyValue[]): void {
    const { store, lease, node } = this.#options;
    const key = store.keys.node(node);
    const { id } = lease;
    // Two processes under one name would else write against each other as fast as etcd takes it.
    if (id === null || store.clock.monotonicMs() < this.#againAtMs) return;
    const own = nodes.find((entry) => entry.lease === id && entry.key.equals(key));
    if (own !== undefined && this.#isNew(own)) return;
    if (own === undefined) {
      store.logger.warn(
        { node },
        'The entry of this node is missing or not its own, and is written again. Where this repeats, another process runs under its name: give each node a name of its own.',
      );
    }
    void this.enter();
  }

  #isNew({ value }: KeyValue): boolean {
    const { heardTo, access } = this.#options;
    const entry = decodeNode(value);
    return BigInt(entry.retired) >= BigInt(heardTo()) && entry.access === access();
  }
}
