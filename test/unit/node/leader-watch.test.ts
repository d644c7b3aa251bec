/** What a broken or refused connection to another node is taken for. */
import { describe, expect, it } from 'vitest';
import type { NodeInfo } from '../../../src/core/messages.ts';
import { LeaderWatch } from '../../../src/node/leader-watch.ts';
import type { DecisionLog } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { makeTxid } from '../../support/core/txids.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, welcomeOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const url = 'ws://b:7070/v1';
const other: NodeInfo = { node: 'b', url };
const leading = (revision: number) => leaderInfo('b', { url, revision });

function setUp() {
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  const told: string[] = [];
  const log = {
    leaderGone: ({ epoch }) => told.push(`gone ${epoch.slice(-1)}`),
    leaderRefuses: ({ epoch }) => told.push(`refuses ${epoch.slice(-1)}`),
  } as Pick<DecisionLog, 'leaderGone' | 'leaderRefuses'> as DecisionLog;
  const watch = new LeaderWatch({
    node: 'a',
    instance: 'i',
    log,
    clock,
    random: seededRandom(),
    logger: silentLogger,
    dialer,
  });
  return {
    clock,
    dialer,
    told,
    watch,
    connect: (): MemoryConnection => {
      const connection = dialer.next(url).accept();
      connection.deliver(welcomeOf('b'));
      return connection;
    },
    /** The next dial, when its pause is over, is refused. */
    refuse: async (): Promise<void> => {
      await clock.advance(100);
      dialer.next(url).refuse();
    },
  };
}

describe('a node that leads', () => {
  it('is gone when its connection broke and its address refuses', async () => {
    const { watch, connect, refuse, told } = setUp();
    watch.update([leading(2)], [other]);
    const connection = connect();
    connection.drop();
    expect(told).toEqual([]);
    await refuse();
    expect(told).toEqual(['gone 2']);
  });

  it('is not gone where it refuses only long after, nor where it fell silent', async () => {
    for (const kind of ['reset', 'silent'] as const) {
      const { clock, watch, connect, refuse, told } = setUp();
      watch.update([leading(2)], [other]);
      connect().drop({ kind });
      if (kind === 'reset') clock.jump(501);
      await refuse();
      expect(told).toEqual(['refuses 2']);
    }
  });

  it('only seems to be, where its address was never reached: each refusal is told', async () => {
    const { watch, dialer, refuse, told } = setUp();
    watch.update([leading(2)], [other]);
    dialer.next(url).refuse();
    await refuse();
    expect(told).toEqual(['refuses 2', 'refuses 2']);
  });
});

describe('a node that comes to lead', () => {
  it('was connected before, so that its death is seen at once', async () => {
    const { watch, connect, refuse, told } = setUp();
    watch.update([null], [other]);
    const connection = connect();
    watch.update([leading(3)], [other]);
    connection.drop();
    await refuse();
    expect(told).toEqual(['gone 3']);
  });

  it('and died before that was known here, is gone by the next refusal', async () => {
    const { watch, connect, refuse, told } = setUp();
    watch.update([null], [other]);
    connect().drop();
    for (let dial = 0; dial < 10; dial += 1) await refuse();
    expect(told).toEqual([]);
    watch.update([leading(3)], [other]);
    await refuse();
    expect(told).toEqual(['gone 3']);
  });

  it('and lives, started again at its address, is not taken for the one before', async () => {
    const { clock, watch, dialer, connect, refuse, told } = setUp();
    watch.update([null], [other]);
    connect().drop();
    await refuse();
    watch.update([leading(3)], [other]);
    await clock.advance(100);
    expect(dialer.attempts).toHaveLength(1);
    connect();
    expect(told).toEqual([]);
  });

  it('elsewhere is dialled there, and no longer where it was', async () => {
    const { watch, dialer, connect, told } = setUp();
    watch.update([leading(2)], [other]);
    const connection = connect();
    watch.update([leaderInfo('b', { url: 'ws://c:7070/v1', revision: 3 })], [other]);
    await settle();
    expect(connection.closedWith?.code).toBe(1000);
    expect(dialer.attempts.map(({ options }) => options.url)).toEqual(['ws://c:7070/v1']);
    expect(told).toEqual([]);
  });
});

describe('a leader that is asked to explain', () => {
  const txid = makeTxid({
    shard: 0,
    epoch: leading(2).epoch,
    sequence: 1,
    random: 'abcdefghijklm',
  });

  it('is not, where its welcome does not say that it understands', async () => {
    const { watch, connect } = setUp();
    watch.update([leading(2)], [other]);
    const connection = connect();
    expect(await watch.explanationOf(txid)).toEqual({
      node: 'b',
      why: 'Its leader b runs a version that cannot explain.',
    });
    expect(connection.sent.filter(({ type }) => type === 'explain')).toEqual([]);
  });

  it('cannot be, where no one leads or it is not connected', async () => {
    const { watch } = setUp();
    expect(await watch.explanationOf(txid)).toMatchObject({ node: null });
    watch.update([leading(2)], [other]);
    expect(await watch.explanationOf(txid)).toEqual({
      node: 'b',
      why: 'Its leader b cannot be reached.',
    });
  });
});
