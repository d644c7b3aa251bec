/** A resource under test, its branches, and rivals for what they hold. */
import assert from 'node:assert/strict';
import type { Txid } from '../../core/txid.ts';
import type { BranchRef, HeldBranch, PrepareResult } from '../../ports/resource.ts';
import { realPause } from '../../system/real-time.ts';
import { newTxid } from '../call.ts';
import { isCrash, type ResourceHarness, type Writes } from './harness.ts';

/** Long enough for a write that nothing holds back to show; how long it takes is not judged. */
export const raceMs = 60;

export interface Competitor {
  /** What became of it; null while it waits. */
  vote: PrepareResult<unknown>['vote'] | 'threw' | null;
  over: Promise<void>;
}

export interface Held {
  readonly payload: unknown;
  readonly competitors: readonly Competitor[];
}

export class Branches {
  readonly harness: ResourceHarness;
  readonly #writesCompete: boolean;

  constructor(harness: ResourceHarness, writesCompete: boolean) {
    this.harness = harness;
    this.#writesCompete = writesCompete;
  }

  newBranch(branch = 'stock', txid: Txid = newTxid()): BranchRef {
    return { txid, branch };
  }

  async prepare(
    branch: BranchRef,
    payload: unknown,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<PrepareResult<unknown>> {
    const { resource } = this.harness;
    return resource.prepare({ ...branch, payload, signal, timeoutMs: 30_000, working: nothing });
  }

  async commit(branch: BranchRef, payload?: unknown): Promise<void> {
    await this.harness.resource.commit({ ...branch, payload });
  }

  async rollback(branch: BranchRef, payload?: unknown): Promise<void> {
    await this.harness.resource.rollback({ ...branch, payload });
  }

  async visible(...keys: string[]): Promise<(string | null)[]> {
    return Promise.all(keys.map((key) => this.harness.visible(key)));
  }

  async inDoubt(): Promise<string[]> {
    return [...(await this.harness.resource.inDoubt())].map(textOf).sort();
  }

  async reopen(): Promise<void> {
    await this.harness.crash();
    await this.harness.start();
  }

  rivalsFor(...keys: string[]): readonly Competitor[] {
    return this.#writesCompete ? keys.map((key) => this.#compete(key)) : [];
  }

  /** Prepares, and shows that no one else gets what the branch holds. */
  async held(branch: BranchRef, writes: Writes): Promise<Held> {
    const payload = this.harness.payloadThatWrites(writes);
    const before = await this.visible(...Object.keys(writes));
    assert.equal((await this.prepare(branch, payload)).vote, 'commit');
    assert.deepEqual(
      await this.visible(...Object.keys(writes)),
      before,
      'A prepared branch must not be visible before its commit.',
    );
    const competitors = this.rivalsFor(...Object.keys(writes));
    await this.stillHeld(competitors);
    return { payload, competitors };
  }

  /** Whoever waited for what the branch held goes on now, and lets go of it again. */
  async letGo({ competitors }: Pick<Held, 'competitors'>): Promise<void> {
    for (const { over } of competitors) await over;
  }

  async stillHeld(competitors: readonly Competitor[]): Promise<void> {
    if (competitors.length > 0) await realPause(raceMs);
    for (const { vote } of competitors) {
      assert.notEqual(vote, 'commit', 'Another transaction got what a prepared branch holds.');
    }
  }

  async free(key: string): Promise<void> {
    const branch = this.newBranch('free');
    const answer = await this.prepare(branch, this.harness.payloadThatWrites({ [key]: 'free' }));
    assert.equal(answer.vote, 'commit', `${key} is still held.`);
    await this.rollback(branch);
  }

  /** A write of `key` by another transaction, ended as soon as it is granted or refused. */
  #compete(key: string): Competitor {
    const branch = this.newBranch('competitor');
    const state: Competitor = { vote: null, over: Promise.resolve() };
    const run = async (): Promise<void> => {
      try {
        const payload = this.harness.payloadThatWrites({ [key]: 'competitor' });
        state.vote = (await this.prepare(branch, payload)).vote;
      } catch (error) {
        state.vote = 'threw';
        if (isCrash(error)) return;
      }
      if (state.vote !== 'abort') await this.rollback(branch);
    };
    state.over = run().catch((error: unknown) => {
      if (!isCrash(error)) throw error;
    });
    return state;
  }
}

export function textOf({ txid, branch }: HeldBranch): string {
  return `${txid} ${branch}`;
}

export function nothing(): void {}
