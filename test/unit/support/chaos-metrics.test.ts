/** That a chaos run with metrics explains what they show, and nothing that they do not. */
import { describe, expect, it } from 'vitest';
import { bucketsMs, Histogram, phases } from '../../../src/core/figures.ts';
import { batchBounds, logOperations } from '../../../src/core/log-figures.ts';
import type { StatsReply } from '../../../src/core/messages.ts';
import {
  byChance,
  dipsIn,
  explained,
  type Seen,
  shares,
  slumpsIn,
} from '../../chaos/metrics/dips.ts';
import { type Sample, type Signal, signalsOf } from '../../chaos/metrics/signals.ts';

function stats(more: Partial<StatsReply> = {}): StatsReply {
  const empty = new Histogram().reading();
  const of = <Name extends string, Value>(names: readonly Name[], value: Value) =>
    Object.fromEntries(names.map((name) => [name, value])) as Record<Name, Value>;
  return {
    type: 'stats',
    id: 1,
    node: 'n1',
    atMs: 1_000,
    ready: true,
    endings: {},
    bucketsMs,
    phases: of(phases, empty),
    states: {},
    attention: 0,
    flagged: 0,
    retries: 0,
    doubts: { waiting: 0, asked: 0, forced: 0 },
    participants: [],
    log: {
      appends: 0,
      failures: 0,
      latency: empty,
      batch: empty,
      batchBounds,
      operations: of(logOperations, { latency: empty, failures: 0 }),
    },
    leaderships: { led: 1, leaderless: 0, begun: 1, lost: 0, given: 0, epochChanges: 0 },
    connections: {},
    refusals: {},
    bytes: { input: 0, output: 0 },
    queues: [],
    loopDelayMs: 0,
    ...more,
  };
}

const sampled = (...all: readonly StatsReply[]): Sample[] =>
  all.map((each, at) => ({
    source: 'n1',
    atMs: at * 250,
    read: { type: 'stats', stats: { ...each, atMs: each.atMs + at * 250 } },
  }));
const metrics = (samples: readonly Sample[]): string[] =>
  signalsOf(samples).map(({ metric }) => metric);

describe('a signal', () => {
  it('is none where all is as before, and where a counter moved that means no trouble', () => {
    const busy = stats({ endings: { committed: 9, VOTED_ABORT: 2 }, refusals: { DEADLOCK: 1 } });
    expect(metrics(sampled(stats(), busy))).toEqual([]);
  });

  it('is of the metric that moved', () => {
    const { leaderships } = stats();
    const moved = {
      verdict_shards_without_leader: stats({ leaderships: { ...leaderships, leaderless: 1 } }),
      verdict_epoch_changes_total: stats({ leaderships: { ...leaderships, epochChanges: 1 } }),
      verdict_lease_held: stats({ lease: { validMs: 1_000 } }),
      verdict_refusals_total: stats({ refusals: { NOT_LEADER: 1 } }),
      verdict_participant_votes_missed_total: stats({ missedVotes: { stock: 1 } }),
      verdict_event_loop_delay_seconds: stats({ loopDelayMs: 900 }),
    };
    for (const [metric, now] of Object.entries(moved))
      expect(metrics(sampled(stats(), now)), metric).toEqual([metric]);
    const anew: Sample = {
      source: 'n1',
      atMs: 500,
      read: { type: 'stats', stats: stats({ atMs: 3 }) },
    };
    expect(metrics([...sampled(stats()), anew])).toEqual(['verdict_uptime_seconds']);
    expect(metrics([{ source: 'n1', atMs: 0, read: { type: 'none', why: 'gone' } }])).toEqual([
      'up',
    ]);
  });

  it('is a client that loses a node, and one that reaches few, for as long as it does', () => {
    const client = (connections: number, atMs: number): Sample => ({
      source: 'client shop',
      atMs,
      read: { type: 'client', connections, most: 3, retries: 0 },
    });
    expect(metrics([client(3, 0), client(3, 250)])).toEqual([]);
    expect(metrics([client(1, 0), client(1, 250)])).toEqual(['verdict_client_connections']);
    expect(metrics([client(3, 0), client(2, 250)])).toEqual(['verdict_client_connections']);
    expect(metrics([client(2, 0), client(2, 250)])).toEqual([]);
  });

  it('is that nothing goes on, only where something waits all the while', () => {
    const waits = stats({ states: { READY: 2 } });
    expect(metrics(sampled(waits, waits, waits, waits))).toEqual(['verdict_log_appends_total']);
    expect(metrics(sampled(waits, waits, stats(), waits))).toEqual([]);
    const goesOn = stats({ states: { READY: 2 }, log: { ...waits.log, appends: 1 } });
    expect(metrics(sampled(waits, waits, waits, goesOn))).toEqual([]);
  });
});

/** Ten commits in each second, but for the given ones. */
function steady(without: readonly number[] = []): Seen[] {
  return Array.from({ length: 300 }, (_, at) => at * 100)
    .filter((endedMs) => !without.includes(Math.floor(endedMs / 1_000)))
    .map((endedMs) => ({ endedMs, tookMs: 20, ended: 'committed', code: null }));
}
const span = { fromMs: 0, toMs: 30_000 };
const signal = (metric: string, atMs: number): Signal => ({ source: 'n1', atMs, metric, text: '' });

describe('a dip', () => {
  it('is none where commits go on; else it is found with its bounds', () => {
    expect(dipsIn(steady(), span)).toEqual([]);
    const found = dipsIn(steady([12, 13]), span);
    expect(found.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
      [11_900, 14_000],
      [12_000, 14_000],
    ]);
  });

  it('of one load is found, however many commits the others have', () => {
    const other = Array.from({ length: 3_000 }, (_, at) => ({
      endedMs: at * 10,
      tookMs: 5,
      ended: 'committed' as const,
      code: null,
    }));
    const stuck = steady([12, 13]);
    expect(dipsIn([...other, ...stuck], span)).toEqual([]);
    expect(slumpsIn(stuck, span).map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
      [12_000, 14_000],
    ]);
    expect(slumpsIn(steady(), span)).toEqual([]);
  });

  it('is explained by what moved near it, and by nothing else', () => {
    const found = dipsIn(steady([12, 13]), span);
    const near = (atMs: number): number[] =>
      explained(found, [signal('up', atMs)]).map(({ signals }) => signals.length);
    expect(near(11_500)).toEqual([1, 1]);
    expect(near(5_000)).toEqual([0, 0]);
    expect(near(20_000)).toEqual([0, 0]);
  });

  it('of failed calls is explained by what may be the cause of their code', () => {
    const failed: Seen = { endedMs: 9_050, tookMs: 2_000, ended: 'failed', code: 'LEADER_CHANGED' };
    const [dip] = dipsIn([...steady(), failed], span);
    expect(dip?.what).toBe('1 failed with LEADER_CHANGED');
    const by = (metric: string, atMs: number): number | undefined =>
      explained(dip === undefined ? [] : [dip], [signal(metric, atMs)])[0]?.signals.length;
    expect(by('verdict_epoch_changes_total', 7_500)).toBe(1);
    expect(by('verdict_participant_instances', 7_500)).toBe(0);
    // That the abort was counted is no cause.
    expect(by('verdict_transactions_ended_total', 9_000)).toBe(0);
  });
});

it('what moves all the time is told to explain by chance', () => {
  const found = dipsIn(steady([12, 13]), span);
  const always = Array.from({ length: 120 }, (_, at) => signal('up', at * 250));
  expect(byChance(found, always, span)).toBe(1);
  expect(byChance(found, [signal('up', 12_500)], span)).toBeLessThan(0.3);
  const [any] = shares(found, [signal('up', 12_500)], span);
  expect(any).toMatchObject({ metric: 'any', outside: 0 });
});
