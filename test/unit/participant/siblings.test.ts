/**
 * A store that several instances share, each with a journal of its own: what is found there, and
 * what is not known here.
 */
import { describe, expect, it } from 'vitest';
import type { DecisionMessage, FromNode, ToNode } from '../../../src/core/messages.ts';
import type { Member } from '../../../src/core/retired.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { Participant } from '../../../src/participant/participant.ts';
import { BranchEndedError, type HeldBranch, silentLogger } from '../../../src/participant.ts';
import type { LogReading } from '../../../src/ports/decision-log.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  type Rig,
  rig,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const txid = txidOf(1);
const theirs = { txid, branch: 'stock', mine: false };

class SharedStore extends ScriptedResource {
  readonly identity: string = 'db-1';
  held: HeldBranch[] = [];

  inDoubt(): readonly HeldBranch[] {
    return this.held;
  }
}

async function beside(
  held: HeldBranch[],
  urls: readonly string[] = ['n1:7070'],
): Promise<Rig & { store: SharedStore; n1: MemoryConnection }> {
  const store = new SharedStore();
  store.held = held;
  const made = await rig({ application: store, urls });
  return { ...made, store, n1: await made.node('n1') };
}

function query(connection: MemoryConnection): Extract<ToNode, { type: 'query' }> | undefined {
  return connection.take().find((message) => message.type === 'query');
}

function answer(to: ReturnType<typeof query>, decision: DecisionMessage['decision']): FromNode {
  if (to === undefined) throw new Error('Nothing was asked.');
  return { type: 'decision', id: to.id, txid: to.txid, decision, source: 'recorded' };
}

describe('a branch that a sibling prepared', () => {
  it.each(['commit', 'abort'] as const)(
    'is left alone, asked about after the patience, and ended: %s',
    async (decision) => {
      const { store, n1, clock } = await beside([theirs]);
      await clock.advance(4_900);
      expect([store.calls, query(n1)]).toEqual([[], undefined]);
      await clock.advance(200);
      await tell(n1, answer(query(n1), decision));
      expect(store.calls).toEqual([decision === 'commit' ? 'commit stock' : 'rollback stock']);
      expect(store.ends).toMatchObject([{ takenOver: true }]);
    },
  );

  it.each(['the leader', 'another node'])(
    'is acknowledged to the leader where %s answered commit: who voted may hang, connected',
    async (from) => {
      const { store, node, n1, clock } = await beside([theirs], ['n1:7070', 'n2:7070']);
      const n2 = await node('n2', { leaders: [leaderInfo('n1')] });
      await clock.advance(5_050);
      const asked = query(n1);
      n2.take();
      expect(store.calls).toEqual([]);
      if (from === 'the leader') {
        await tell(n1, answer(asked, 'commit'));
      } else {
        await clock.advance(100);
        await tell(n2, answer(query(n2), 'commit'));
      }
      expect(store.calls).toEqual(['commit stock']);
      expect(said(n1)).toEqual(['ack commit ok']);
      expect(said(n2)).toEqual([]);
    },
  );

  it('is acknowledged to whoever leads once it is committed: that may be long after the answer', async () => {
    const { store, node, n1, clock } = await beside([theirs], ['n1:7070', 'n2:7070']);
    const n2 = await node('n2', { leaders: [leaderInfo('n1')] });
    await clock.advance(5_100);
    store.failures.push(new Error('no connection'));
    await tell(n1, answer(query(n1), 'commit'));
    store.held = [];
    const leaders = [leaderInfo('n2', { revision: 9 })];
    await tell(n2, { type: 'topology', leaders, nodes: [] });
    said(n1);
    said(n2);
    await clock.advance(2_000);
    expect(store.calls).toEqual(['commit stock', 'commit stock']);
    expect([said(n1), said(n2).filter((each) => each.startsWith('ack'))]).toEqual([
      [],
      ['ack commit ok'],
    ]);
  });

  it('is acknowledged to no one where an answer said abort: no one waits for that', async () => {
    const { store, n1, clock } = await beside([theirs]);
    await clock.advance(5_100);
    await tell(n1, answer(query(n1), 'abort'));
    expect([store.calls, said(n1)]).toEqual([['rollback stock'], []]);
  });

  it('is acknowledged to no one where the store has nothing of it, or cannot commit it yet', async () => {
    const { store, n1, clock, alarms } = await beside([theirs]);
    await clock.advance(5_100);
    store.failures.push(
      new Error('no connection'),
      new BranchEndedError('nothing', 'It was forgotten.'),
    );
    await tell(n1, answer(query(n1), 'commit'));
    store.held = [];
    await clock.advance(2_000);
    expect(store.calls).toEqual(['commit stock', 'commit stock']);
    expect(said(n1)).toEqual([]);
    expect(alarms).toEqual([]);
  });

  it('is not asked about where its own instance has ended it meanwhile', async () => {
    const { store, n1, clock } = await beside([theirs]);
    store.held = [];
    await clock.advance(20_000);
    expect([store.calls, query(n1)]).toEqual([[], undefined]);
  });

  it('is found also where it was prepared after this one began', async () => {
    const { store, n1, clock } = await beside([]);
    await clock.advance(60_000);
    store.held = [theirs];
    await clock.advance(11_000);
    await tell(n1, answer(query(n1), 'abort'));
    expect(store.calls).toEqual(['rollback stock']);
  });

  it('cannot be listed while the store is down: that is told at once, then once a minute', async () => {
    const warnings: string[] = [];
    let down = false;
    class Failing extends SharedStore {
      override inDoubt(): readonly HeldBranch[] {
        if (down) throw new Error('no connection');
        return [];
      }
    }
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
    const { clock } = await rig({ application: new Failing(), logger });
    down = true;
    await clock.advance(5_100);
    expect(warnings).toEqual([expect.stringContaining('could not be listed')]);
    await clock.advance(54_000);
    expect(warnings).toHaveLength(1);
    await clock.advance(10_000);
    expect(warnings).toHaveLength(2);
  });

  it('is listed again where a list hangs: twice, and more only when one has returned', async () => {
    const warnings: string[] = [];
    const hung: PromiseWithResolvers<HeldBranch[]>[] = [];
    let hangs = false;
    class Hanging extends SharedStore {
      override inDoubt(): readonly HeldBranch[] {
        if (!hangs) return this.held;
        const list = Promise.withResolvers<HeldBranch[]>();
        hung.push(list);
        return list.promise as unknown as readonly HeldBranch[];
      }
    }
    const warn = (_: object, text: string): void => {
      if (text.includes('could not be listed')) warnings.push(text);
    };
    const logger = { ...silentLogger, warn };
    const store = new Hanging();
    const { clock, participant, node } = await rig({ application: store, logger });
    const n1 = await node('n1');
    hangs = true;
    await clock.advance(35_100);
    expect(warnings).toHaveLength(1);
    await clock.advance(120_000);
    expect(hung).toHaveLength(2);
    expect(warnings).toHaveLength(3);
    hangs = false;
    store.held = [theirs];
    hung[0]?.resolve([]);
    n1.take();
    await clock.advance(10_100);
    expect(query(n1)).toBeDefined();
    await participant.close({ timeoutMs: 0 });
    expect(clock.timers).toBe(0);
  });

  it.each([40_000, 100_000])('is found where a list always takes %i ms', async (ms) => {
    const clocks: ManualClock[] = [];
    class Slow extends SharedStore {
      override inDoubt(): readonly HeldBranch[] {
        const [clock] = clocks;
        if (clock === undefined) return [];
        const list = Promise.withResolvers<HeldBranch[]>();
        clock.setTimer(ms, () => list.resolve(this.held));
        return list.promise as unknown as readonly HeldBranch[];
      }
    }
    const store = new Slow();
    const { clock, node } = await rig({ application: store });
    clocks.push(clock);
    const n1 = await node('n1');
    store.held = [theirs];
    let asked: ReturnType<typeof query>;
    for (let passed = 0; passed < 4 * ms && asked === undefined; passed += 1_000) {
      await clock.advance(1_000);
      asked = query(n1);
    }
    expect(asked).toMatchObject({ txid });
  });

  it('is committed and rolled back on command, though this journal has never heard of it', async () => {
    const { store, n1, journal } = await beside([]);
    const other = txidOf(2);
    n1.take();
    await tell(n1, commandOf('commit', txid), commandOf('rollback', other));
    expect(said(n1)).toEqual(['ack commit ok', 'ack abort ok']);
    expect(store.calls).toEqual(['commit stock', 'rollback stock']);
    // The store knows what was committed, for whoever asks again.
    expect(journal.state({ txid, branch: 'stock' })).toBeNull();
    expect(journal.state({ txid: other, branch: 'stock' })).toBe('tombstone');
  });

  it('is refused, with an alarm, where the store has nothing of it', async () => {
    const { store, n1, alarms } = await beside([]);
    n1.take();
    store.failures.push(new BranchEndedError('nothing', 'No such branch.'));
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['ack commit UNKNOWN_BRANCH']);
    expect(alarms).toMatchObject([{ alarm: 'commit-of-unknown' }]);
  });
});

it('"abort" of what a sibling committed: the journal follows the store, and no one is alarmed', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
  const store = new SharedStore();
  const { node, journal, alarms, clock } = await rig({ application: store, logger });
  const n1 = await node('n1');
  await tell(n1, prepareOf(txid));
  await clock.advance(5_100);
  const asked = query(n1);
  store.failures.push(new BranchEndedError('committed-by-sibling', 'On command.'));
  n1.take();
  warnings.length = 0;
  await tell(n1, answer(asked, 'abort'));
  // Longer than the pause ahead of a second rollback.
  await clock.advance(1_000);
  expect(store.calls).toEqual(['prepare stock', 'rollback stock']);
  expect(journal.state({ txid, branch: 'stock' })).toBe('committed');
  expect([said(n1), alarms, warnings]).toEqual([[], [], []]);
});

it('what this instance prepared itself, and never voted for, is rolled back at once', async () => {
  const { store } = await beside([{ txid, branch: 'stock' }]);
  expect(store.calls).toEqual(['rollback stock']);
});

it('whoever shares a store, and reads the decision log itself, asks as one who shares it', async () => {
  const clock = new ManualClock();
  const store = new SharedStore();
  store.held = [theirs];
  const journal = new WatchedJournal();
  const askers: Member[] = [];
  const read = (_txid: Txid, asker: Member): Promise<LogReading> => {
    askers.push(asker);
    return new Promise(() => undefined);
  };
  const settings = { logger: silentLogger, name: 'inventory', urls: ['n1:7070'], journal };
  const participant = await Participant.start(settings, store, {
    journal,
    clock,
    dialer: new MemoryDialer(),
    random: seededRandom(),
    openReader: async () => ({ read, resolve: read, close: async () => undefined }),
  });
  await clock.advance(20_000);
  // By that it is known whether the store was retired, and no one must be told anything of it any
  // more.
  const { instance } = journal;
  expect(askers[0]).toEqual({ participant: 'inventory', instance, sharedResource: 'db-1' });
  await participant.close({ timeoutMs: 0 });
});
