/** The contract of the Journal port (src/ports/journal.ts), run on every implementation. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maxEarlierRuns } from '../../src/core/messages.ts';
import { type Epoch, epochZero, makeEpoch } from '../../src/core/txid.ts';
import {
  type BranchKey,
  type Journal,
  type JournalEntry,
  JournalError,
  type JournalState,
  type KeptVote,
  type VoteWrite,
} from '../../src/ports/journal.ts';
import { txidAt } from '../support/logs/stores.ts';

export interface JournalFixture {
  /** Opens the fixture's store; it is closed. */
  open(): Promise<Journal>;
  /** Opens the store as one of several; the others are open. */
  openShared(): Promise<Journal>;
  /** Closes what is open and removes everything. */
  dispose(): Promise<void>;
}

const epochs: readonly Epoch[] = [0, 1, 2, 3].map((revision) =>
  makeEpoch({ generation: 0, revision: BigInt(revision) }),
);
const epochOne = epochs[1] as Epoch;
const epochTwo = epochs[2] as Epoch;

function keyAt(sequence: number, epoch: Epoch = epochOne, branch = 'inventory'): BranchKey {
  return { txid: txidAt(epoch, sequence), branch };
}

function voteOf(
  key: BranchKey,
  state: VoteWrite['state'] = 'prepared',
  epoch: Epoch = epochOne,
): VoteWrite {
  return {
    txid: key.txid,
    branch: key.branch,
    state,
    epoch,
    witness: { generation: 0, revision: '12345678901234567890' },
    payload: { sku: 'apple', quantity: 2, nested: [null, true, 1.5, 'é'] },
    result: { reserved: 2 },
    atMs: 1_000,
  };
}

/** As the port has them, with the two kinds of tombstone told apart. */
type State = JournalState | 'nothing' | 'forgotten';

function stateOf(entry: JournalEntry | null): State {
  if (entry === null) return 'nothing';
  return entry.forgotten === true ? 'forgotten' : entry.state;
}

export function journalContract(name: string, make: () => Promise<JournalFixture>): void {
  describe(`journal contract: ${name}`, () => {
    let fixture: JournalFixture;
    let journal: Journal;
    beforeEach(async () => {
      fixture = await make();
      journal = await fixture.open();
    });
    afterEach(() => fixture.dispose());

    async function reopen(): Promise<void> {
      await journal.close();
      journal = await fixture.open();
    }

    /** Brings a branch to a state by the port's own calls. */
    async function bring(key: BranchKey, state: State): Promise<void> {
      switch (state) {
        case 'nothing':
          return;
        case 'tombstone':
          await journal.tombstone(key);
          return;
        case 'committed':
          await journal.vote(voteOf(key));
          await journal.committed(key);
          return;
        case 'forgotten':
          await bring(key, 'committed');
          await journal.forget([key.txid]);
          return;
        default:
          await journal.vote(voteOf(key, state));
      }
    }

    const states = [
      'nothing',
      'started',
      'prepared',
      'readonly',
      'committed',
      'tombstone',
      'forgotten',
    ] as const;
    type Call = 'started' | 'prepared' | 'readonly' | 'committed' | 'tombstone' | 'forget';
    type Cell = readonly [answer: string, after: State];
    const table: Record<(typeof states)[number], Record<Call, Cell>> = {
      nothing: {
        started: ['written', 'started'],
        prepared: ['written', 'prepared'],
        readonly: ['written', 'readonly'],
        committed: ['contradicted', 'nothing'],
        tombstone: ['written', 'tombstone'],
        forget: ['-', 'nothing'],
      },
      started: {
        started: ['refused', 'started'],
        prepared: ['written', 'prepared'],
        readonly: ['written', 'readonly'],
        committed: ['written', 'committed'],
        tombstone: ['written', 'tombstone'],
        forget: ['-', 'started'],
      },
      prepared: {
        started: ['refused', 'prepared'],
        prepared: ['written', 'prepared'],
        readonly: ['refused', 'prepared'],
        committed: ['written', 'committed'],
        tombstone: ['written', 'tombstone'],
        forget: ['-', 'prepared'],
      },
      readonly: {
        started: ['refused', 'readonly'],
        prepared: ['refused', 'readonly'],
        readonly: ['written', 'readonly'],
        committed: ['contradicted', 'readonly'],
        tombstone: ['written', 'tombstone'],
        forget: ['-', 'tombstone'],
      },
      committed: {
        started: ['refused', 'committed'],
        prepared: ['refused', 'committed'],
        readonly: ['refused', 'committed'],
        committed: ['repeated', 'committed'],
        tombstone: ['contradicted', 'committed'],
        forget: ['-', 'forgotten'],
      },
      tombstone: {
        started: ['refused', 'tombstone'],
        prepared: ['refused', 'tombstone'],
        readonly: ['refused', 'tombstone'],
        committed: ['contradicted', 'tombstone'],
        tombstone: ['repeated', 'tombstone'],
        forget: ['-', 'tombstone'],
      },
      forgotten: {
        started: ['refused', 'forgotten'],
        prepared: ['refused', 'forgotten'],
        readonly: ['refused', 'forgotten'],
        committed: ['repeated', 'forgotten'],
        tombstone: ['contradicted', 'forgotten'],
        forget: ['-', 'forgotten'],
      },
    };

    const cells = states.flatMap((state) =>
      Object.entries(table[state]).map(
        ([call, [answer, after]]) => [state, call as Call, answer, after] as const,
      ),
    );
    it.each(cells)('%s + %s: %s, then %s', async (state, call, answer, after) => {
      const key = keyAt(1);
      await bring(key, state);
      const before = await journal.find(key);
      const said = await act(key, call);
      expect(said.kind).toBe(answer);
      if (said.kind === 'refused' || said.kind === 'contradicted') {
        expect(said).toMatchObject({ entry: before });
        expect(await journal.find(key)).toEqual(before);
      }
      expect(stateOf(await journal.find(key))).toBe(after);
      await reopen();
      expect(stateOf(await journal.find(key))).toBe(after);
    });

    async function act(key: BranchKey, call: Call): Promise<{ kind: string }> {
      switch (call) {
        case 'committed':
          return journal.committed(key);
        case 'tombstone':
          return journal.tombstone(key);
        case 'forget':
          await journal.forget([key.txid]);
          return { kind: '-' };
        default:
          return journal.vote(voteOf(key, call));
      }
    }

    it('keeps what phase 2 and repeats need, and drops the payload with the outcome', async () => {
      const key = keyAt(1);
      await journal.vote(voteOf(key));
      await reopen();
      expect(await journal.find(key)).toEqual(voteOf(key));
      await journal.committed(key);
      const entry = await journal.find(key);
      expect(entry).toMatchObject({ state: 'committed', result: { reserved: 2 }, epoch: epochOne });
      expect(entry).not.toHaveProperty('payload');
    });

    it('keeps payloads and results whose fields have names that mean something to JavaScript', async () => {
      const odd = { constructor: 'a', toJSON: 'b', length: -1, hasOwnProperty: null };
      const value = { odd, list: [odd], valueOf: { toString: [] } };
      // Several, one after the other: stores write the first another way.
      const keys = [1, 2, 3].map((sequence) => keyAt(sequence));
      for (const key of keys) {
        const vote = { ...voteOf(key), payload: { ...odd, value }, result: value };
        await expect(journal.vote(vote)).resolves.toEqual({ kind: 'written' });
      }
      const all = { payload: { ...odd, value }, result: value };
      for (const key of keys) expect(await journal.find(key)).toMatchObject(all);
      await reopen();
      for (const key of keys) expect(await journal.find(key)).toMatchObject(all);
    });

    it('keeps why it refused, and under which epoch', async () => {
      const reason = {
        code: 'CONFLICT',
        message: 'stale',
        retryable: true,
        detail: { key: 'a' },
      } as const;
      await journal.tombstone(keyAt(1), { reason, epoch: epochTwo });
      await journal.tombstone(keyAt(2));
      await reopen();
      expect(await journal.find(keyAt(1))).toMatchObject({
        state: 'tombstone',
        reason,
        epoch: epochTwo,
        witness: null,
      });
      expect((await journal.find(keyAt(2)))?.epoch).toBe(epochZero);
    });

    it('tells branches of one transaction apart, and forgets them together', async () => {
      const names = ['a', 'a/b', 'A', '"', '\0', '\ufffd', 'é'.repeat(60)];
      for (const branch of names) await journal.vote(voteOf(keyAt(1, epochOne, branch)));
      for (const branch of names.slice(1)) await journal.committed(keyAt(1, epochOne, branch));
      await journal.vote(voteOf(keyAt(2)));
      await journal.committed(keyAt(2));
      await journal.forget([keyAt(1).txid]);
      for (const [index, branch] of names.entries()) {
        const entry = await journal.find(keyAt(1, epochOne, branch));
        expect(entry?.state, JSON.stringify(branch)).toBe(index === 0 ? 'prepared' : 'tombstone');
        expect(entry?.branch).toBe(branch);
      }
      expect((await journal.find(keyAt(2)))?.state).toBe('committed');
    });

    it('lets a readonly vote go alone: what else the participant holds of the transaction stays', async () => {
      const [look, take, ask] = ['look', 'take', 'ask'].map((branch) =>
        keyAt(1, epochOne, branch),
      ) as [BranchKey, BranchKey, BranchKey];
      await journal.vote(voteOf(look, 'readonly'));
      await journal.vote(voteOf(take));
      await journal.committed(take);
      await journal.vote(voteOf(ask));
      await journal.forgetReadonly([look, take, ask]);
      await reopen();
      expect((await journal.find(look))?.state).toBe('tombstone');
      expect((await journal.find(take))?.state).toBe('committed');
      expect((await journal.find(ask))?.state).toBe('prepared');
    });

    it('refuses a branch whose name is no text, or too long for a key', async () => {
      for (const branch of ['\ud800', 'x'.repeat(2_000)]) {
        await expect(journal.vote(voteOf(keyAt(1, epochOne, branch)))).rejects.toThrow(RangeError);
      }
    });

    describe('I7', () => {
      it('refuses a prepare of an older epoch than one that voted', async () => {
        await journal.vote(voteOf(keyAt(1, epochTwo), 'prepared', epochTwo));
        expect(await journal.vote(voteOf(keyAt(2)))).toEqual({
          kind: 'stale-epoch',
          known: epochTwo,
        });
        expect(await journal.find(keyAt(2))).toBeNull();
      });

      it('refuses a prepare of an older epoch than one that was adopted, after a restart too', async () => {
        expect(await journal.adoptEpoch(0, epochTwo)).toBe(epochTwo);
        expect(await journal.adoptEpoch(0, epochOne)).toBe(epochTwo);
        await reopen();
        expect(await journal.vote(voteOf(keyAt(1)))).toMatchObject({ kind: 'stale-epoch' });
        expect((await journal.load()).epochs).toEqual(new Map([[0, epochTwo]]));
      });

      it('keeps one shard out of the other', async () => {
        await journal.adoptEpoch(1, epochTwo);
        expect(await journal.vote(voteOf(keyAt(1)))).toEqual({ kind: 'written' });
        const loaded = await journal.load();
        expect(loaded.epochs).toEqual(
          new Map([
            [0, epochOne],
            [1, epochTwo],
          ]),
        );
      });

      it('a rollback that came first stops the prepare, in one turn of the event loop', async () => {
        const [rolledBack, voted] = await Promise.all([
          journal.tombstone(keyAt(1)),
          journal.vote(voteOf(keyAt(1))),
        ]);
        expect(rolledBack).toEqual({ kind: 'written' });
        expect(voted).toMatchObject({ kind: 'refused', entry: { state: 'tombstone' } });
      });

      it('a newer epoch that came first stops the prepare, in one turn of the event loop', async () => {
        const [, voted] = await Promise.all([
          journal.adoptEpoch(0, epochTwo),
          journal.vote(voteOf(keyAt(1))),
        ]);
        expect(voted).toEqual({ kind: 'stale-epoch', known: epochTwo });
      });

      it('a forget that came first stops the prepare, in one turn of the event loop', async () => {
        await bring(keyAt(1), 'committed');
        const [, voted] = await Promise.all([
          journal.forget([keyAt(1).txid]),
          journal.vote(voteOf(keyAt(1))),
        ]);
        expect(voted).toMatchObject({ kind: 'refused', entry: { state: 'tombstone' } });
      });
    });

    describe('the cluster that it serves', () => {
      it('is the first that it votes for, for good; another leaves nothing behind', async () => {
        expect((await journal.load()).cluster).toBeNull();
        expect(await journal.bind('one')).toBe(true);
        await journal.vote(voteOf(keyAt(1)));
        await reopen();
        expect((await journal.load()).cluster).toEqual({ id: 'one', voted: true });
        const before = await journal.load();
        expect(await journal.bind('two')).toBe(false);
        expect(await journal.load()).toEqual(before);
        expect(await journal.bind('one')).toBe(true);
      });

      it('may change as long as nothing was voted, and the epochs of the one before go', async () => {
        await journal.bind('one');
        await journal.adoptEpoch(0, epochTwo);
        expect(await journal.bind('two')).toBe(true);
        expect((await journal.load()).cluster).toEqual({ id: 'two', voted: false });
        expect(await journal.vote(voteOf(keyAt(1)))).toEqual({ kind: 'written' });
        await reopen();
        expect((await journal.load()).epochs.get(0)).toBe(epochOne);
      });

      it('changes by an operator only where nothing is in doubt; what ended is forgotten', async () => {
        await journal.bind('one');
        await bring(keyAt(1), 'committed');
        await bring(keyAt(2), 'readonly');
        await bring(keyAt(3), 'prepared');
        await expect(journal.rebind('two')).rejects.toThrow(keyAt(3).txid);
        expect((await journal.load()).cluster?.id).toBe('one');
        await journal.committed(keyAt(3));
        await journal.adoptEpoch(0, epochTwo);
        await journal.rebind('two');
        await reopen();
        const { cluster, entries, epochs } = await journal.load();
        expect(cluster).toEqual({ id: 'two', voted: false });
        expect(entries).toEqual([]);
        expect(epochs.get(0)).toBe(epochZero);
        expect(stateOf(await journal.find(keyAt(1)))).toBe('forgotten');
      });

      it('is one for all processes that share it: a vote for another is refused', async () => {
        await journal.close();
        const [here, there] = [await fixture.openShared(), await fixture.openShared()];
        journal = there;
        expect(await here.bind('one')).toBe(true);
        expect(await there.bind('two')).toBe(true);
        await expect(here.vote(voteOf(keyAt(1)))).rejects.toThrow(/another cluster/);
        await expect(here.adoptEpoch(0, epochTwo)).rejects.toThrow(/another cluster/);
        expect(await there.vote(voteOf(keyAt(1)))).toEqual({ kind: 'written' });
        await here.close();
      });
    });

    it('loads all but tombstones', async () => {
      for (const [index, state] of states.entries()) await bring(keyAt(index), state);
      await reopen();
      const { entries } = await journal.load();
      const loaded = entries.map((entry) => entry.state).sort();
      expect(loaded).toEqual(['committed', 'prepared', 'readonly', 'started']);
      expect(entries.find((entry) => entry.state === 'prepared')).toEqual(voteOf(keyAt(2)));
    });

    it('loads more than one page', async () => {
      const count = 2_500;
      const keys = Array.from({ length: count }, (_, sequence) => keyAt(sequence));
      await Promise.all(keys.map((key) => journal.vote(voteOf(key))));
      const { entries } = await journal.load();
      expect(new Set(entries.map((entry) => entry.txid)).size).toBe(count);
    });

    describe('sweep', () => {
      const sweepAll = { beforeMs: Number.MAX_SAFE_INTEGER, limit: 1_000 };
      const sweepNone = { beforeMs: 0, limit: 1_000 };

      it('takes tombstones by age, in bounded steps, and nothing else', async () => {
        for (let sequence = 1; sequence <= 5; sequence += 1)
          await bring(keyAt(sequence), 'tombstone');
        await bring(keyAt(6), 'prepared');
        await bring(keyAt(7), 'readonly');
        await bring(keyAt(8), 'committed');
        expect(await journal.sweep(sweepNone)).toBe(0);
        expect(await journal.sweep({ ...sweepAll, limit: 2 })).toBe(2);
        expect(await journal.sweep({ ...sweepAll, limit: 2 })).toBe(2);
        expect(await journal.sweep({ ...sweepAll, limit: 2 })).toBe(1);
        expect(await journal.sweep(sweepAll)).toBe(0);
        expect(await journal.find(keyAt(1))).toBeNull();
        expect((await journal.load()).entries).toHaveLength(3);
      });

      it('takes tombstones and readonly entries of older epochs, whatever their age', async () => {
        const states = ['tombstone', 'readonly', 'prepared', 'committed', 'started'] as const;
        for (const [index, state] of states.entries()) await bring(keyAt(index), state);
        await journal.adoptEpoch(0, epochTwo);
        await journal.tombstone(keyAt(9, epochTwo));
        expect(await journal.sweep({ ...sweepNone, limit: 1 })).toBe(1);
        expect(await journal.sweep(sweepNone)).toBe(1);
        expect(await journal.sweep(sweepNone)).toBe(0);
        const left = (await journal.load()).entries.map((entry) => entry.state).sort();
        expect(left).toEqual(['committed', 'prepared', 'started']);
        expect((await journal.find(keyAt(9, epochTwo)))?.state).toBe('tombstone');
        // What the tombstone kept out, the epoch keeps out now.
        expect(await journal.vote(voteOf(keyAt(0)))).toMatchObject({ kind: 'stale-epoch' });
      });
    });

    it('keeps its instance id from one start to the next', async () => {
      const { instance } = journal;
      expect(instance.length).toBeGreaterThanOrEqual(16);
      await reopen();
      expect(journal.instance).toBe(instance);
    });

    it('keeps who started on it, and tells the newest of them', async () => {
      const runs: string[] = [];
      for (let start = 0; start < maxEarlierRuns + 3; start += 1) {
        await reopen();
        expect(await journal.started(`run ${start}`)).toEqual(runs.slice(0, maxEarlierRuns));
        runs.unshift(`run ${start}`);
      }
    });

    it('says so in every method once it is closed', async () => {
      await journal.close();
      await journal.close();
      const calls = [
        () => journal.load(),
        () => journal.find(keyAt(1)),
        () => journal.vote(voteOf(keyAt(1))),
        () => journal.committed(keyAt(1)),
        () => journal.tombstone(keyAt(1)),
        () => journal.forget([keyAt(1).txid]),
        () => journal.adoptEpoch(0, epochOne),
        () => journal.sweep({ beforeMs: 0, limit: 1 }),
        () => journal.started('run'),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(JournalError);
    });

    describe('of votes that the store keeps', () => {
      const keptOf = (key: BranchKey, epoch: Epoch = epochOne): KeptVote => ({
        ...voteOf(key, 'prepared', epoch),
        state: 'prepared',
      });
      /** The first of an epoch is written like any other. */
      const first = (epoch: Epoch = epochOne) =>
        journal.vote(voteOf(keyAt(0, epoch), 'prepared', epoch));

      it('takes them from the second of an epoch on, and knows them at once', async () => {
        expect(journal.voteKept(keptOf(keyAt(0)))).toBeNull();
        await first();
        expect(journal.voteKept(keptOf(keyAt(0)))).toBeNull();
        expect(journal.voteKept(keptOf(keyAt(1)))).not.toBeNull();
        expect(journal.isUnwritten(keyAt(1))).toBe(false);
        expect(await journal.find(keyAt(1))).toEqual(voteOf(keyAt(1)));
        expect(journal.voteKept(keptOf(keyAt(1)))).toBeNull();
        expect(await journal.vote(voteOf(keyAt(1)))).toEqual({ kind: 'written' });
        expect(await journal.vote(voteOf(keyAt(1), 'readonly'))).toMatchObject({ kind: 'refused' });
      });

      it.each(['prepared', 'committed', 'forgotten', 'tombstone'] as const)(
        'writes what became of one: %s',
        async (state) => {
          await first();
          void journal.voteKept(keptOf(keyAt(1)));
          if (state === 'tombstone')
            expect(await journal.tombstone(keyAt(1))).toEqual({ kind: 'written' });
          else if (state !== 'prepared')
            expect(await journal.committed(keyAt(1))).toEqual({ kind: 'written' });
          const forgotten = state === 'forgotten' ? journal.forget([keyAt(1).txid]) : null;
          expect(stateOf(await journal.find(keyAt(1)))).toBe(state);
          await reopen();
          await forgotten;
          expect(stateOf(await journal.find(keyAt(1)))).toBe(state);
          expect(await journal.vote(voteOf(keyAt(1), 'readonly'))).toMatchObject({
            kind: 'refused',
          });
        },
      );

      it('is contradicted by a tombstone of a commit', async () => {
        await first();
        void journal.voteKept(keptOf(keyAt(1)));
        await journal.committed(keyAt(1));
        expect(await journal.committed(keyAt(1))).toMatchObject({ kind: 'written' });
        const grave = journal.tombstone(keyAt(1));
        expect(['contradicted', 'written']).toContain((await grave).kind);
      });

      it('takes none of what has an end, nor past a newer epoch that is known or on its way', async () => {
        await first();
        await journal.tombstone(keyAt(1));
        expect(journal.voteKept(keptOf(keyAt(1)))).toBeNull();
        const adopting = journal.adoptEpoch(0, epochTwo);
        expect(journal.voteKept(keptOf(keyAt(2)))).toBeNull();
        await adopting;
        expect(journal.voteKept(keptOf(keyAt(2)))).toBeNull();
        expect(journal.voteKept(keptOf(keyAt(3, epochTwo), epochTwo))).toBeNull();
        await first(epochTwo);
        expect(journal.voteKept(keptOf(keyAt(3, epochTwo), epochTwo))).not.toBeNull();
      });

      it('keeps where the log stood when they were given', async () => {
        await first();
        const later = { generation: 0, revision: '12345678901234567891' };
        void journal.voteKept({ ...keptOf(keyAt(1)), witness: later });
        await journal.committed(keyAt(1));
        await journal.forget([keyAt(1).txid]);
        await reopen();
        expect((await journal.load()).witnesses).toEqual(new Map([[0, later]]));
      });

      it('takes none where others write the same journal', async () => {
        await journal.close();
        const one = await fixture.openShared();
        await one.vote(voteOf(keyAt(0)));
        expect(one.voteKept(keptOf(keyAt(1)))).toBeNull();
        await one.close();
      });
    });

    it('writes what was lazy before it closes', async () => {
      await bring(keyAt(1), 'committed');
      const forgotten = journal.forget([keyAt(1).txid]);
      await reopen();
      await forgotten;
      expect((await journal.find(keyAt(1)))?.state).toBe('tombstone');
    });

    it('is shared by several, each of which sees the others at once', async () => {
      await journal.close();
      const one = await fixture.openShared();
      const other = await fixture.openShared();
      expect(other.instance).toBe(one.instance);
      await one.vote(voteOf(keyAt(1)));
      expect((await other.find(keyAt(1)))?.state).toBe('prepared');
      expect(await other.committed(keyAt(1))).toEqual({ kind: 'written' });
      expect(await one.tombstone(keyAt(1))).toMatchObject({ kind: 'contradicted' });
      await other.adoptEpoch(0, epochTwo);
      expect(await one.vote(voteOf(keyAt(2)))).toMatchObject({ kind: 'stale-epoch' });
      await one.close();
      await other.close();
    });
  });
}
