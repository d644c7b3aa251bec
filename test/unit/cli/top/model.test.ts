import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { rangesText, topLines, type View } from '../../../../src/cli/top/lines.ts';
import { type Snapshot, type Taken, TopModel } from '../../../../src/cli/top/model.ts';
import { bucketsMs } from '../../../../src/core/figures.ts';
import type { ParticipantStats, StatsReply } from '../../../../src/core/messages.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';

const noReading = (): { counts: number[]; count: number; sumMs: number } => {
  return { counts: new Array(bucketsMs.length + 1).fill(0), count: 0, sumMs: 0 };
};

/** A node that has committed so many since its start, each within 5 ms. */
function stats(
  node: string,
  atMs: number,
  committed: number,
  more: Partial<StatsReply> = {},
): StatsReply {
  const counts = [0, 0, committed, ...new Array(bucketsMs.length - 2).fill(0)];
  const reading = { counts, count: committed, sumMs: committed * 4 };
  return {
    type: 'stats',
    id: 1,
    node,
    atMs,
    ready: true,
    endings: { committed },
    bucketsMs,
    phases: { wait: reading, prepare: reading, log: reading, decide: reading, settle: reading },
    states: { PENDING: 1, COMMITTED: 7 },
    attention: 0,
    flagged: 0,
    retries: 0,
    doubts: { waiting: 0, asked: 0, forced: 0 },
    participants: [],
    log: {
      appends: 0,
      failures: 0,
      latency: noReading(),
      batch: noReading(),
      batchBounds: [],
      operations: {} as StatsReply['log']['operations'],
    },
    leaderships: { led: 1, leaderless: 0, begun: 1, lost: 0, given: 0, epochChanges: 0 },
    connections: { client: 2 },
    refusals: {},
    bytes: { input: 0, output: 0 },
    queues: [],
    loopDelayMs: 12,
    ...more,
  };
}

const leader = (shard: number, node: string) => {
  return { shard, node, url: `ws://${node}`, epoch: makeEpoch({ generation: 0, revision: 1n }) };
};

const wallMs = Date.UTC(2030, 0, 1, 12, 0, 0);

function taken(nowMs: number, replies: Readonly<Record<string, StatsReply | null>>): Taken {
  return {
    cluster: 'shop',
    answers: Object.entries(replies).map(([node, reply]) => ({
      node,
      url: `ws://${node}`,
      reply,
      problem: reply === null ? 'It refused the connection.' : null,
      sentAtMs: nowMs - 1,
      receivedAtMs: nowMs,
    })),
    leaders: [leader(0, 'a'), leader(1, 'a'), leader(2, 'b'), null],
    silent: [],
    nowMs,
    wallMs: wallMs + nowMs,
  };
}

const numbersIn = (value: unknown): number[] =>
  typeof value === 'number'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(numbersIn)
      : [];

describe('what top shows', () => {
  it('has no rates before the second reading, and then those of the time between', () => {
    const model = new TopModel();
    const first = model.take(taken(1_000, { a: stats('a', 5_000, 100), b: stats('b', 9_000, 50) }));
    expect(first).toMatchObject({ committed: null, inFlight: 2, leaderless: 1 });
    expect(first.nodes[0]).not.toHaveProperty('committed');
    const second = model.take(
      taken(3_000, { a: stats('a', 7_000, 120), b: stats('b', 11_000, 60) }),
    );
    expect(second).toMatchObject({ committed: 15, aborted: 0, leaders: { a: [0, 1], b: [2] } });
    expect(second.nodes).toMatchObject([{ committed: 10 }, { committed: 5 }]);
    const decide = second.phases.find(({ phase }) => phase === 'decide');
    expect(decide).toMatchObject({ perSecond: 15 });
    expect(decide?.p99Ms).toBeGreaterThan(decide?.p50Ms ?? 0);
  });

  it('counts aborts by their reason, the most frequent first', () => {
    const model = new TopModel();
    model.take(taken(0, { a: stats('a', 1_000, 0) }));
    const endings = { committed: 4, readonly: 2, CONFLICT: 1, TIMEOUT: 3 };
    const next = model.take(taken(1_000, { a: stats('a', 2_000, 4, { endings }) }));
    expect(next).toMatchObject({ committed: 6, aborted: 4 });
    expect(Object.keys(next.endings)).toEqual(['committed', 'TIMEOUT', 'readonly', 'CONFLICT']);
  });

  it('shows a node that is gone as such, and since when, and counts it no more', () => {
    const model = new TopModel();
    model.take(taken(0, { a: stats('a', 1_000, 0), b: stats('b', 1_000, 0) }));
    model.take(taken(1_000, { a: stats('a', 2_000, 10), b: stats('b', 2_000, 10) }));
    const gone = model.take(taken(2_000, { a: stats('a', 3_000, 20), b: null }));
    expect(gone.committed).toBe(10);
    expect(gone.inFlight).toBe(1);
    expect(gone.nodes[1]).toEqual({
      node: 'b',
      url: 'ws://b',
      state: 'gone',
      staleSince: '2030-01-01T12:00:01.000Z',
      problem: 'It refused the connection.',
    });
    // Back again, the same process: what it did meanwhile, in that time.
    const back = model.take(taken(4_000, { a: stats('a', 5_000, 40), b: stats('b', 5_000, 40) }));
    expect(back.nodes[1]).toMatchObject({ state: 'ready', committed: 10 });
  });

  it.each([
    ['soon', 2_000, 400, 3],
    ['with fewer counts, and older than before', 60_000, 30_000, 5],
    ['with more counts, and older than before', 60_000, 30_000, 5_000],
  ])('takes a node that was started anew for one: %s', (_how, afterMs, atMs, committed) => {
    const model = new TopModel();
    model.take(taken(0, { a: stats('a', 9_000, 90) }));
    model.take(taken(1_000, { a: stats('a', 10_000, 100) }));
    const anew = model.take(taken(1_000 + afterMs, { a: stats('a', atMs, committed) }));
    expect(anew.nodes[0]).toMatchObject({ restarted: true, committed: (committed * 1_000) / atMs });
    expect(numbersIn(anew).filter((value) => value < 0)).toEqual([]);
    const next = model.take(taken(2_000 + afterMs, { a: stats('a', atMs + 1_000, committed + 7) }));
    expect(next.nodes[0]).toMatchObject({ committed: 7 });
    expect(next.nodes[0]).not.toHaveProperty('restarted');
  });

  it('keeps the rates where an answer is given again', () => {
    const model = new TopModel();
    model.take(taken(0, { a: stats('a', 1_000, 0) }));
    model.take(taken(1_000, { a: stats('a', 2_000, 10) }));
    expect(model.take(taken(1_100, { a: stats('a', 2_000, 10) })).committed).toBe(10);
    expect(model.take(taken(2_000, { a: stats('a', 3_000, 30) })).committed).toBe(20);
  });

  it('adds up the windows of a participant, and shows the worst breaker', () => {
    const one = (more: Partial<ParticipantStats>): ParticipantStats => {
      const idle = {
        instances: 2,
        window: 256,
        inFlight: 3,
        waiting: 0,
        breaker: 'closed',
      } as const;
      return { participant: 'payment', ...idle, ...more };
    };
    const { participants } = new TopModel().take(
      taken(0, {
        a: stats('a', 1_000, 0, { participants: [one({})] }),
        b: stats('b', 1_000, 0, { participants: [one({ breaker: 'open', waiting: 4 })] }),
      }),
    );
    expect(participants).toEqual([
      {
        participant: 'payment',
        ...{ instances: 2, window: 512, inFlight: 6, waiting: 4, breaker: 'open', brokenAt: 1 },
      },
    ]);
  });
});

describe('the lines of top', () => {
  const colors = createColors(false);
  const view: View = {
    ...{ width: 200, height: Number.POSITIVE_INFINITY, colors },
    ...{ sorting: 'in flight', paused: false, keys: false },
  };

  function shown(): Snapshot {
    const participants: ParticipantStats[] = ['x', 'y\u001b[2J'].map((participant, index) => {
      const flow = { window: 10, inFlight: index, waiting: 5 - index };
      return { participant, instances: 1, ...flow, breaker: 'closed' };
    });
    const model = new TopModel();
    model.take(taken(0, { a: stats('a', 1_000, 0), b: stats('b', 1_000, 0) }));
    return model.take(taken(1_000, { a: stats('a', 2_000, 10, { participants }), b: null }));
  }

  it('say who is gone and since when, who leads what, and escape what moves a cursor', () => {
    const text = topLines(shown(), view).join('\n');
    expect(text).toContain('2 nodes, 1 gone');
    expect(text).toMatch(/^a +ready +0-1 +10\.0\/s/m);
    expect(text).toMatch(/^b +gone, stale since 12:00:00Z +- /m);
    expect(text).toContain('1 shard without a leader');
    expect(text).not.toContain('\u001b');
  });

  it.each([20, 40, 80, 132])('fit a terminal of %i columns, in any height', (width) => {
    for (const height of [1, 2, 10, 40]) {
      const lines = topLines(shown(), { ...view, width, height, keys: true });
      expect(lines.length).toBeLessThanOrEqual(Math.max(2, height));
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });

  it.each([60, 80, 120])('say all that matters in %i columns, and cut nothing', (width) => {
    const lines = topLines(shown(), { ...view, width, height: 40, keys: true });
    const text = lines.join('\n');
    for (const part of [
      '2 nodes, 1 gone',
      'committed 10.0/s',
      'attention 0',
      'doubts 0',
      '1 shard without a leader',
      'ABORTING 0',
      `s sort (by in flight)`,
    ]) {
      expect(text).toContain(part);
    }
    // Each node stands in one line: what has no room is left out.
    const [head = '', first = ''] = lines.slice(lines.findIndex((line) => /^NODE /.test(line)));
    expect(head).toMatch(/^NODE +STATE .*COMMITTED/);
    expect(first).toMatch(/^a +ready .*10\.0\/s/);
    expect(head.includes('PEERS')).toBe(width >= 120);
    expect(lines.filter((line) => /^ {4}[A-Z]/.test(line))).toEqual([]);
  });

  it('sort the participants as was asked, and say so', () => {
    const order = (sorting: View['sorting']): string[] =>
      topLines(shown(), { ...view, sorting, keys: true }).filter((line) => /^[xy] ?/.test(line));
    expect(order('in flight')[0]).toMatch(/^y/);
    expect(order('waiting')[0]).toMatch(/^x/);
    const last = topLines(shown(), { ...view, sorting: 'waiting', keys: true, paused: true }).at(
      -1,
    );
    expect(last).toBe('q quit   p go on   s sort (by waiting)');
  });

  it('write shards as ranges', () => {
    expect(rangesText([3, 0, 1, 7, 2, 9, 8])).toBe('0-3,7-9');
  });
});
