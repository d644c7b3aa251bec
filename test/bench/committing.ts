import { performance } from 'node:perf_hooks';
import type { Client } from '../../src/client.ts';
import { type Epoch, epochOf } from '../../src/core/txid.ts';
import { eventually, pause } from '../support/process/child.ts';

const branches = ['a', 'b', 'c'].map((participant) => ({ participant }));

/** Clients that commit one after the other all the time, and tell of each commit. */
export class Committing {
  readonly #loops: Promise<void>[];
  #over = false;
  /** When the first commit under an epoch was acknowledged. */
  readonly firstAtMs: Map<Epoch, number> = new Map();

  constructor(clients: readonly (() => Promise<Client>)[], timeoutMs: number) {
    this.#loops = clients.map((client) => this.#loop(client, timeoutMs));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  /** The first commit under a newer epoch than that. */
  async after(epoch: Epoch | ''): Promise<number> {
    return eventually(
      () => {
        for (const [each, atMs] of this.firstAtMs) if (each > epoch) return atMs;
        return null;
      },
      () => `a commit after ${epoch}`,
      60_000,
    );
  }

  async #loop(client: () => Promise<Client>, timeoutMs: number): Promise<void> {
    while (!this.#over) {
      try {
        const { outcome, txid } = await (await client()).transact({ branches }, { timeoutMs });
        const epoch = epochOf(txid);
        if (outcome === 'committed' && !this.firstAtMs.has(epoch)) {
          this.firstAtMs.set(epoch, performance.now());
        }
      } catch {
        // In between no one leads: the next call counts.
      }
      await pause(1);
    }
  }
}
