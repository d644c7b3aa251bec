/**
 * A stream that says "something changed, look", and nothing more.
 *
 * Etcd3's own watcher resumes after the revision of the last header, not of the last event: a
 * disconnect while it caught up lost 2,000 of 3,001 events without a word. So no event is taken at
 * its word: each one, each (re)connection and each end only makes the reader read again, and the
 * reader reads every second or so by itself.
 */
import type { IWatchRequest, IWatchResponse } from 'etcd3';
import type { Timer } from '../../ports/clock.ts';
import type { KeyRange } from './keys.ts';
import { MemberStream } from './member-stream.ts';
import type { EtcdStore } from './store.ts';

const reopenPauseMs = 200;

export class Hints {
  readonly #store: EtcdStore;
  readonly #ranges: readonly (Pick<KeyRange, 'key'> & Partial<KeyRange>)[];
  readonly #stream: MemberStream<IWatchRequest, IWatchResponse>;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: {
    readonly store: EtcdStore;
    /** Leader keys and the nodes; never the decisions. */
    readonly ranges: readonly (Pick<KeyRange, 'key'> & Partial<KeyRange>)[];
    readonly hint: () => void;
  }) {
    const { store, ranges, hint } = options;
    this.#store = store;
    this.#ranges = ranges;
    this.#stream = new MemberStream({
      client: store.clients.watch,
      open: (stub) => stub.watchClient.watch(),
      received: (response) => {
        hint();
        if (!response.canceled) return;
        this.#stream.giveUp();
        this.#openLater();
      },
      ended: () => this.#openLater(),
    });
  }

  async open(): Promise<void> {
    await this.#stream.open();
    for (const range of this.#ranges) this.#stream.write({ create_request: range });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#stream.close();
  }

  #openLater(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#store.clock.setTimer(reopenPauseMs, () => void this.open());
  }
}
