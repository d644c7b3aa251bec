import { describe, expect, it } from 'vitest';
import type { Witness } from '../../../src/core/messages.ts';
import { makePosition, positionZero } from '../../../src/core/txid.ts';
import { DirectLog, judged } from '../../../src/participant/direct-log.ts';
import type { LogReading } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { epochOfRevision, leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1, { revision: 5 });
const witness: Witness = { generation: 0, revision: '9' };
const never = new AbortController().signal;
const asker = { participant: 'p', instance: 'i', sharedResource: null };

function reading(more: Partial<LogReading> = {}): LogReading {
  return {
    record: null,
    floor: positionZero,
    leader: leaderInfo('n1', { revision: 5 }),
    witness: { generation: 0, revision: '9' },
    ...more,
  };
}

const recorded = (outcome: 'commit' | 'abort'): LogReading =>
  reading({ record: { outcome, finished: false, record: null } });

describe('what a participant concludes from the log alone', () => {
  it.each([
    ['a commit', recorded('commit'), { decision: 'commit', source: 'recorded' }],
    ['an abort', recorded('abort'), { decision: 'abort', source: 'recorded' }],
    ['nothing, while its leader has the lease', reading(), null],
    ['nothing, and no one leads', reading({ leader: null }), { decision: 'abort' }],
    [
      'nothing, and a newer epoch leads',
      reading({ leader: leaderInfo('n2', { revision: 6 }) }),
      { decision: 'abort', source: 'presumed' },
    ],
    [
      'nothing, and the floor is above it: its commit would still be recorded',
      reading({ floor: makePosition(epochOfRevision(5), 9) }),
      { decision: 'abort' },
    ],
    [
      'an epoch that the log never had',
      reading({ leader: leaderInfo('n1', { revision: 4 }) }),
      'set-back',
    ],
    [
      'an earlier revision than its prepare showed, whatever is recorded',
      { ...recorded('abort'), witness: { generation: 0, revision: '8' } },
      'set-back',
    ],
    [
      'an earlier revision of a newer generation',
      reading({ leader: null, witness: { generation: 1, revision: '3' } }),
      { decision: 'abort' },
    ],
  ])('%s', (_what, given, wanted) => {
    const answer = judged(given, { txid, witness });
    if (typeof wanted === 'object' && wanted !== null) expect(answer).toMatchObject(wanted);
    else expect(answer).toBe(wanted);
  });
});

it('tells nothing to an instance that was retired', async () => {
  for (const resolve of [true, false]) {
    const asked: unknown[] = [];
    const answer = async (_txid: unknown, who: unknown) => {
      asked.push(who);
      return { ...reading({ floor: makePosition(epochOfRevision(5), 9) }), retired: true };
    };
    const log = new DirectLog({
      clusterId: () => 'c',
      open: async () => ({ read: answer, resolve: answer, close: async () => undefined }),
      resolve,
      asker,
      logger: silentLogger,
      setBack: () => undefined,
    });
    expect(await log.ask({ txid, witness }, never)).toBeNull();
    expect(asked).toEqual([asker]);
    await log.close();
  }
});

it('shows the log what it was shown itself before anything is forced, and after a set-back the generation that is to come', async () => {
  const shown: unknown[] = [];
  let fails = false;
  const log = new DirectLog({
    clusterId: () => 'c',
    open: async () => ({
      read: async () => reading(),
      resolve: async (_txid, _asker, what) => {
        shown.push(what);
        if (fails) throw Object.assign(new Error('It is behind.'), { name: 'LogSetBackError' });
        return reading();
      },
      close: async () => undefined,
    }),
    resolve: true,
    asker,
    logger: silentLogger,
    setBack: () => undefined,
  });
  await log.ask({ txid, witness }, never);
  await log.ask({ txid, witness: null }, never);
  fails = true;
  await log.ask({ txid, witness }, never);
  await log.ask({ txid, witness }, never);
  expect(shown).toEqual([witness, undefined, witness, { generation: 1, revision: '0' }]);
  await log.close();
});

describe('access to the log', () => {
  it('is opened by the first question, again by the next where that failed, and closed once', async () => {
    const happened: string[] = [];
    let fails = true;
    const log = new DirectLog({
      clusterId: () => 'c',
      open: async () => {
        happened.push('open');
        if (fails) throw new Error('no etcd');
        return {
          read: async () => recorded('commit'),
          resolve: async () => recorded('abort'),
          close: async () => void happened.push('close'),
        };
      },
      resolve: false,
      asker,
      logger: silentLogger,
      setBack: () => undefined,
    });
    expect(happened).toEqual([]);
    expect(await log.ask({ txid, witness }, never)).toBeNull();
    fails = false;
    expect(await log.ask({ txid, witness }, never)).toBe('commit');
    expect(await log.ask({ txid, witness }, never)).toBe('commit');
    await log.close();
    expect(happened).toEqual(['open', 'open', 'close']);
    expect(await log.ask({ txid, witness }, never)).toBeNull();
  });

  it('forces only where it may, concludes nothing from a log that was set back, nor after the doubt is over', async () => {
    const alarms: string[] = [];
    const logOf = (resolve: boolean, answer: LogReading): DirectLog =>
      new DirectLog({
        clusterId: () => 'c',
        open: async () => ({
          read: async () => answer,
          resolve: async () => recorded('abort'),
          close: async () => undefined,
        }),
        resolve,
        asker,
        logger: silentLogger,
        setBack: ({ message }) => void alarms.push(message),
      });
    expect(await logOf(false, reading()).ask({ txid, witness }, never)).toBeNull();
    expect(await logOf(true, reading()).ask({ txid, witness }, never)).toBe('abort');
    const old = reading({ leader: null, witness: { generation: 0, revision: '1' } });
    expect(await logOf(false, old).ask({ txid, witness }, never)).toBeNull();
    expect(alarms).toHaveLength(1);
    const over = AbortSignal.abort();
    expect(await logOf(false, recorded('commit')).ask({ txid, witness }, over)).toBeNull();
  });
});

describe('a log that was set back before the eyes of its reader', () => {
  const setBack = Object.assign(new Error('It is behind.'), { name: 'LogSetBackError' });

  it('is believed at once where a node had marked it, and the mark is gone', async () => {
    let failing = true;
    const marked = Object.assign(new Error('It is marked.'), {
      name: 'LogSetBackError',
      evidence: { kind: 'mark' },
    });
    const log = new DirectLog({
      clusterId: () => 'c',
      open: async () => ({
        read: async () => {
          if (failing) throw marked;
          return recorded('commit');
        },
        resolve: async () => reading(),
        close: async () => undefined,
      }),
      resolve: false,
      asker,
      logger: silentLogger,
      setBack: () => undefined,
    });
    expect(await log.ask({ txid, witness }, never)).toBeNull();
    failing = false;
    expect(await log.ask({ txid, witness }, never)).toBe('commit');
    await log.close();
  });

  it('is opened anew, and believed once its generation was raised, not before', async () => {
    let generation = 0;
    let failing = true;
    let opened = 0;
    const alarms: string[] = [];
    const log = new DirectLog({
      clusterId: () => 'c',
      open: async () => {
        opened += 1;
        return {
          read: async () => {
            if (failing) throw setBack;
            return reading({ leader: null, witness: { generation, revision: '99' } });
          },
          resolve: async () => reading(),
          close: async () => undefined,
        };
      },
      resolve: false,
      asker,
      logger: silentLogger,
      setBack: ({ message }) => alarms.push(message),
    });
    const question = { txid, witness };
    // Two questions of one reader that end so are one set-back.
    expect(await Promise.all([log.ask(question, never), log.ask(question, never)])).toEqual([
      null,
      null,
    ]);
    failing = false;
    expect(await log.ask(question, never)).toBe(null);
    expect([opened, alarms.length]).toEqual([2, 1]);
    generation = 1;
    expect(await log.ask(question, never)).toBe('abort');
    await log.close();
  });
});

it('asks the log of the cluster that is served: one from before that was known is opened anew', async () => {
  let served: string | null = null;
  const opened: (string | null)[] = [];
  const closed: (string | null)[] = [];
  const log = new DirectLog({
    clusterId: () => served,
    open: async (clusterId) => {
      opened.push(clusterId);
      // The log of another cluster, which has never heard of it.
      const read = async () =>
        clusterId === null ? reading({ leader: null }) : recorded('commit');
      return { read, resolve: read, close: async () => void closed.push(clusterId) };
    },
    resolve: false,
    asker,
    logger: silentLogger,
    setBack: () => undefined,
  });
  await log.check();
  served = 'c';
  expect(await log.ask({ txid, witness }, never)).toBe('commit');
  expect(await log.ask({ txid, witness }, never)).toBe('commit');
  expect({ opened, closed }).toEqual({ opened: [null, 'c'], closed: [null] });
  await log.close();
});
