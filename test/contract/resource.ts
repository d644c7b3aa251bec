/**
 * The contract of the Resource port (src/ports/resource.ts), run on every resource that comes with
 * Verdict.
 *
 * Every branch that is prepared here has a competing write raced against it, from its vote to its
 * outcome: it must wait or be refused, and it must not be kept waiting afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeEpoch, type Txid } from '../../src/core/txid.ts';
import type { BranchRef, HeldBranch, PrepareResult } from '../../src/ports/resource.ts';
import { txidAt } from '../support/logs/stores.ts';
import { CrashedError, type ListingResource } from '../support/resources/hosted-resource.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { killSomewhere } from './resource-kills.ts';
import { resourceWithSdk } from './resource-with-sdk.ts';

export type Writes = Readonly<Record<string, string>>;

/** One resource on one set of durable data. All keys and values are short text. */
export interface ResourceHarness {
  /** Opens the resource on the data as the last `crash` left them; at first, on none. */
  start(): Promise<void>;
  /** The one that the last `start` opened. */
  readonly resource: ListingResource;
  /** The payload of a branch that writes these values, whatever was there before. */
  payloadThatWrites(writes: Writes): unknown;
  /** The payload of a branch that takes this key as a write would, and then votes `abort`. */
  payloadThatRefuses(key: string): unknown;
  /** What anybody outside of the transactions sees there now; null for nothing. */
  visible(key: string): Promise<string | null>;
  /**
   * Ends the resource's process or connections as kill -9 does, whatever is under way; nothing is
   * cleaned up.
   */
  crash(): Promise<void>;
  /** Ends it and removes the data. */
  dispose(): Promise<void>;
}

export interface ResourceContractOptions {
  /**
   * Two branches that write one key exclude each other. Default true; false for one that only adds.
   */
  readonly writesCompete?: boolean;
}

const epoch = makeEpoch({ generation: 0, revision: 1n });

/** Long enough for a write that nothing holds back to show; how long it takes is not judged. */
const raceMs = 60;

export function resourceContract(
  name: string,
  make: () => Promise<ResourceHarness>,
  { writesCompete = true }: ResourceContractOptions = {},
): void {
  describe(`resource contract: ${name}`, () => {
    let harness: ResourceHarness;
    let sequence = 0;
    beforeEach(async () => {
      harness = await make();
      await harness.start();
      expect(await harness.resource.inDoubt()).toEqual([]);
    });
    afterEach(() => harness.dispose());

    function newBranch(branch = 'stock', txid: Txid = newTxid()): BranchRef {
      return { txid, branch };
    }

    function newTxid(): Txid {
      sequence += 1;
      return txidAt(epoch, sequence);
    }

    async function prepare(
      branch: BranchRef,
      payload: unknown,
      signal: AbortSignal = new AbortController().signal,
    ): Promise<PrepareResult<unknown>> {
      const { resource } = harness;
      return resource.prepare({ ...branch, payload, signal, timeoutMs: 30_000, working: nothing });
    }

    const commit = (branch: BranchRef, payload?: unknown): Promise<void> =>
      harness.resource.commit({ ...branch, payload });
    const rollback = (branch: BranchRef, payload?: unknown): Promise<void> =>
      harness.resource.rollback({ ...branch, payload });

    async function visible(...keys: string[]): Promise<(string | null)[]> {
      return Promise.all(keys.map((key) => harness.visible(key)));
    }

    async function inDoubt(): Promise<string[]> {
      return (await harness.resource.inDoubt()).map(textOf).sort();
    }

    async function reopen(): Promise<void> {
      await harness.crash();
      await harness.start();
    }

    /** A write of `key` by another transaction, ended as soon as it is granted or refused. */
    function compete(key: string): Competitor {
      const branch = newBranch('competitor');
      const state: Competitor = { vote: null, over: Promise.resolve() };
      const run = async (): Promise<void> => {
        try {
          const answer = await prepare(branch, harness.payloadThatWrites({ [key]: 'competitor' }));
          state.vote = answer.vote;
        } catch (error) {
          state.vote = 'threw';
          if (error instanceof CrashedError) return;
        }
        if (state.vote !== 'abort') await rollback(branch);
      };
      state.over = run().catch((error: unknown) => {
        if (!(error instanceof CrashedError)) throw error;
      });
      return state;
    }

    /** Prepares, and shows that no one else gets what the branch holds. */
    async function held(branch: BranchRef, writes: Writes): Promise<Held> {
      const payload = harness.payloadThatWrites(writes);
      const before = await visible(...Object.keys(writes));
      expect(await prepare(branch, payload)).toMatchObject({ vote: 'commit' });
      expect(await visible(...Object.keys(writes))).toEqual(before);
      const competitors = writesCompete ? Object.keys(writes).map(compete) : [];
      await stillHeld(competitors);
      return { payload, competitors };
    }

    /** Whoever waited for what the branch held goes on now, and lets go of it again. */
    async function letGo({ competitors }: Pick<Held, 'competitors'>): Promise<void> {
      for (const { over } of competitors) await over;
    }

    async function stillHeld(competitors: readonly Competitor[]): Promise<void> {
      if (competitors.length > 0) await sleep(raceMs);
      for (const { vote } of competitors) expect(vote).not.toBe('commit');
    }

    async function free(key: string): Promise<void> {
      const branch = newBranch('free');
      const answer = await prepare(branch, harness.payloadThatWrites({ [key]: 'free' }));
      expect(answer).toMatchObject({ vote: 'commit' });
      await rollback(branch);
    }

    it('shows all of a branch with its commit, and nothing before', async () => {
      const branch = newBranch();
      const { payload, competitors } = await held(branch, { a: '1', b: '2' });
      await stillHeld(competitors);
      await commit(branch, payload);
      expect(await visible('a', 'b')).toEqual(['1', '2']);
      await letGo({ competitors });
      expect(await visible('a', 'b')).toEqual(['1', '2']);
      await free('a');
    });

    it('shows nothing of a branch that was rolled back, and lets go of what it held', async () => {
      const branch = newBranch();
      const { payload, competitors } = await held(branch, { a: '1', b: '2' });
      await rollback(branch, payload);
      await letGo({ competitors });
      expect(await visible('a', 'b')).toEqual([null, null]);
      expect(await inDoubt()).toEqual([]);
      await free('b');
    });

    it.each(['commit', 'rollback'] as const)(
      'has what it voted for on disk before the vote: crash, then %s',
      async (outcome) => {
        const branch = newBranch();
        await held(branch, { a: '1', b: '2' });
        await reopen();
        expect(await inDoubt()).toEqual([textOf(branch)]);
        expect(await visible('a', 'b')).toEqual([null, null]);
        const competitors = writesCompete ? [compete('a'), compete('b')] : [];
        await stillHeld(competitors);
        const payload = harness.payloadThatWrites({ a: '1', b: '2' });
        if (outcome === 'commit') await commit(branch, payload);
        else await rollback(branch, payload);
        await letGo({ competitors });
        const expected = outcome === 'commit' ? ['1', '2'] : [null, null];
        expect(await visible('a', 'b')).toEqual(expected);
        expect(await inDoubt()).toEqual([]);
        await reopen();
        expect(await inDoubt()).toEqual([]);
        expect(await visible('a', 'b')).toEqual(expected);
      },
    );

    it('keeps what is in doubt through one crash after another', async () => {
      const branch = newBranch();
      await held(branch, { a: '1' });
      for (let crashes = 0; crashes < 3; crashes += 1) {
        await reopen();
        expect(await inDoubt()).toEqual([textOf(branch)]);
      }
      await commit(branch, harness.payloadThatWrites({ a: '1' }));
      expect(await visible('a')).toEqual(['1']);
    });

    it('commits once, however often it is told', async () => {
      const first = newBranch();
      const before = await held(first, { a: '1' });
      const { payload } = before;
      await commit(first, payload);
      await commit(first, payload);
      await commit(first, undefined);
      await letGo(before);
      const second = newBranch();
      const after = await held(second, { a: '2' });
      await commit(second, after.payload);
      await letGo(after);
      await commit(first, payload);
      expect(await visible('a')).toEqual(['2']);
      await reopen();
      await commit(first, payload);
      await commit(first, undefined);
      expect(await visible('a')).toEqual(['2']);
      await free('a');
    });

    it('rolls back once, however often it is told', async () => {
      const first = newBranch();
      const before = await held(first, { a: '1' });
      const { payload } = before;
      await rollback(first, payload);
      await rollback(first, payload);
      await letGo(before);
      const second = newBranch();
      const { competitors } = await held(second, { a: '2' });
      // What the first is told must not touch what the second holds.
      await rollback(first, payload);
      await stillHeld(competitors);
      await commit(second, harness.payloadThatWrites({ a: '2' }));
      await letGo({ competitors });
      await reopen();
      await rollback(first, undefined);
      expect(await visible('a')).toEqual(['2']);
      expect(await inDoubt()).toEqual([]);
    });

    it('does nothing where nothing is held', async () => {
      const other = newBranch();
      const { payload, competitors } = await held(other, { a: '1' });
      await rollback(newBranch(), harness.payloadThatWrites({ a: '2' }));
      await rollback(newBranch(), undefined);
      // Of the same transaction, and of the same name in another one.
      await rollback(newBranch('another', other.txid), undefined);
      await rollback(newBranch(other.branch), undefined);
      await stillHeld(competitors);
      expect(await inDoubt()).toEqual([textOf(other)]);
      await commit(other, payload);
      expect(await visible('a')).toEqual(['1']);
    });

    it('makes nothing up for a commit of what was never prepared, or was rolled back', async () => {
      const branch = newBranch();
      const payload = harness.payloadThatWrites({ a: '1' });
      // Whether it says so is its own affair: the SDK asks for no such thing.
      await commit(branch, payload).catch(nothing);
      expect(await visible('a')).toEqual([null]);
      const other = newBranch();
      const before = await held(other, { a: '2' });
      await rollback(other, before.payload);
      await letGo(before);
      await commit(other, harness.payloadThatWrites({ a: '2' })).catch(nothing);
      expect(await visible('a')).toEqual([null]);
      expect(await inDoubt()).toEqual([]);
    });

    it('prepares again what was rolled back before its vote was known', async () => {
      const branch = newBranch();
      const writes = { a: '1', b: '2' };
      await held(branch, writes);
      await reopen();
      await rollback(branch, undefined);
      const again = await held(branch, writes);
      await commit(branch, again.payload);
      await letGo(again);
      expect(await visible('a', 'b')).toEqual(['1', '2']);
    });

    it('holds nothing after a vote to abort', async () => {
      const branch = newBranch();
      const answer = await prepare(branch, harness.payloadThatRefuses('a'));
      expect(answer).toMatchObject({ vote: 'abort', reason: { message: expect.any(String) } });
      expect(await inDoubt()).toEqual([]);
      await free('a');
      expect(await visible('a')).toEqual([null]);
    });

    it('keeps branches apart, of one transaction as of several', async () => {
      const txid = newTxid();
      const branches = Array.from({ length: 24 }, (_, index) => ({
        ref: index < 2 ? newBranch(`part-${index}`, txid) : newBranch(`part ${index}/é"`),
        key: `key-${index}`,
        payload: harness.payloadThatWrites({
          [`key-${index}`]: String(index),
          [`more-${index}`]: 'x',
        }),
        commits: index < 2 || index % 3 !== 0,
      }));
      const votes = await Promise.all(branches.map(({ ref, payload }) => prepare(ref, payload)));
      expect(votes.map(({ vote }) => vote)).toEqual(branches.map(() => 'commit'));
      expect(await inDoubt()).toEqual(branches.map(({ ref }) => textOf(ref)).sort());
      const end = async (part: typeof branches): Promise<void> => {
        await Promise.all(
          part.map(({ ref, payload, commits }) =>
            commits ? commit(ref, payload) : rollback(ref, payload),
          ),
        );
      };
      await end(branches.slice(0, 12));
      expect(await inDoubt()).toEqual(
        branches
          .slice(12)
          .map(({ ref }) => textOf(ref))
          .sort(),
      );
      await reopen();
      expect(await inDoubt()).toEqual(
        branches
          .slice(12)
          .map(({ ref }) => textOf(ref))
          .sort(),
      );
      await end(branches.slice(12));
      for (const [index, { key, commits }] of branches.entries()) {
        const expected = commits ? [String(index), 'x'] : [null, null];
        expect(await visible(key, `more-${index}`)).toEqual(expected);
      }
    });

    if (writesCompete) {
      it('gives up waiting when the signal fires, and holds nothing then', async () => {
        const first = newBranch();
        const { payload, competitors } = await held(first, { a: '1' });
        const second = newBranch();
        const controller = new AbortController();
        const answer = prepare(
          second,
          harness.payloadThatWrites({ z: '9', a: '2' }),
          controller.signal,
        );
        const ended = answer.then(
          ({ vote }) => vote,
          () => 'threw',
        );
        await sleep(raceMs);
        controller.abort(new Error('The transaction was rolled back.'));
        const vote = await ended;
        expect(vote).not.toBe('commit');
        // As the SDK does: after a throw no one knows how far it came.
        if (vote === 'threw') await rollback(second, undefined);
        await free('z');
        await commit(first, payload);
        await letGo({ competitors });
        await free('a');
        expect(await visible('a', 'z')).toEqual(['1', null]);
      });
    }

    it('is atomic wherever it is killed', async () => {
      const random = seededRandom();
      for (let round = 0; round < 4; round += 1) {
        const branches = Array.from({ length: 12 }, () => newBranch());
        await killSomewhere(harness, { branches, random });
      }
    });

    resourceWithSdk(() => harness);
  });
}

interface Held {
  readonly payload: unknown;
  readonly competitors: readonly Competitor[];
}

interface Competitor {
  /** What became of it; null while it waits. */
  vote: PrepareResult<unknown>['vote'] | 'threw' | null;
  over: Promise<void>;
}

function textOf({ txid, branch }: HeldBranch): string {
  return `${txid} ${branch}`;
}

function nothing(): void {}
