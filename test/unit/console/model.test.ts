/** The parts of the console that compute: what is shown follows from them. */
import { describe, expect, it } from 'vitest';
import { actionsFor, bulkActions, resultText } from '../../../src/console/model/actions.ts';
import { fits, isStuck, noFilter, txidIn } from '../../../src/console/model/find.ts';
import { graphOf } from '../../../src/console/model/graph.ts';
import {
  consoleUrl,
  leaderlessIn,
  leadersNow,
  nodesIn,
  ranges,
} from '../../../src/console/model/nodes.ts';
import { difference, ratesOf, Series } from '../../../src/console/model/rates.ts';
import { hashOf, type Route, routeOf } from '../../../src/console/model/route.ts';
import { isTooOld, type Stats } from '../../../src/console/model/seam.ts';
import { bytes, duration, plural, shown } from '../../../src/console/model/text.ts';
import { placeOf, waterfallOf } from '../../../src/console/model/waterfall.ts';
import type {
  Explanation,
  LeaderInfo,
  LockInfo,
  TransactionStatus,
} from '../../../src/core/messages.ts';
import { percentile } from '../../../src/core/percentile.ts';
import { txidOf } from '../../support/samples/messages.ts';

function transaction(more: Partial<TransactionStatus> = {}): TransactionStatus {
  const branches = [
    { branch: 'stock', participant: 'inventory', state: 'committing', attempts: 1 },
  ] as const;
  return { txid: txidOf(1), state: 'COMMITTING', attention: false, branches, ageMs: 900, ...more };
}

describe('a text that others wrote', () => {
  it('shows what would hide, turn around or break the line', () => {
    expect(shown('a\u202Egnp.exe')).toBe('a⟨U+202E⟩gnp.exe');
    expect(shown('one\ntwo\u0000\u200B')).toBe('one⏎two⟨U+0000⟩⟨U+200B⟩');
    expect(shown('half \uD800')).toBe('half ⟨U+D800⟩');
    expect(shown('<b>&')).toBe('<b>&');
  });

  it('is bounded, and no character is cut through', () => {
    expect(shown('x'.repeat(10_000), 20)).toBe(`${'x'.repeat(19)}…`);
    expect([...shown('𝒳'.repeat(10_000), 20)]).toHaveLength(20);
    expect(shown('𝒳'.repeat(20), 20)).toBe('𝒳'.repeat(20));
  });
});

it('figures are told in units of their size', () => {
  expect([0, 0.4, 3.26, 820, 3_400, 59_000, 600_000, 7_200_000].map(duration)).toEqual([
    '0 ms',
    '0.4 ms',
    '3.3 ms',
    '820 ms',
    '3.4 s',
    '59 s',
    '10 min',
    '2 h',
  ]);
  expect([12, 1_500, 2_000_000].map(bytes)).toEqual(['12 B', '1.5 kB', '2 MB']);
  expect([plural(1, 'try', 'tries'), plural(1_200, 'try', 'tries')]).toEqual([
    '1 try',
    '1\u202f200 tries',
  ]);
});

describe('rates', () => {
  const reading = (atMs: number, committed: number, counts: number[], more = {}): Stats => ({
    node: 'n1',
    atMs,
    endings: { committed, ...more },
    bucketsMs: [10, 100],
    phases: { decide: { counts, count: 0, sumMs: 0 } },
  });

  it('are the differences of two readings, of all nodes together', () => {
    const first = difference(reading(1_000, 10, [0, 0, 0]), reading(3_000, 30, [8, 2, 0]));
    const second = difference(
      reading(500, 0, [0, 0, 0]),
      reading(1_500, 5, [0, 10, 0], { VOTED_ABORT: 3 }),
    );
    expect(ratesOf([first, null, second])).toMatchObject({
      committed: 15,
      aborted: 3,
      endings: [
        ['committed', 15],
        ['VOTED_ABORT', 3],
      ],
      p50Ms: 25,
    });
  });

  it('are not known of a node that began anew, or was asked once', () => {
    expect(difference(undefined, reading(1, 1, [1]))).toBe(null);
    expect(difference(reading(9_000, 50, [5]), reading(100, 2, [1]))).toBe(null);
    expect(difference(reading(100, 50, [5]), reading(9_000, 2, [1]))).toBe(null);
    expect(ratesOf([null])).toBe(null);
  });

  it('take a percentile from buckets', () => {
    expect(percentile([0, 0, 0], [10, 100], 0.5)).toBe(null);
    expect(percentile([10, 0, 0], [10, 100], 0.5)).toBe(5);
    expect(percentile([0, 0, 4], [10, 100], 0.99)).toBe(100);
  });

  it('are kept for the newest points alone, with gaps', () => {
    const series = new Series(1, 2);
    for (const at of [1, 2, 3]) series.add(at, [at === 2 ? null : at]);
    expect(series.columns).toEqual([
      [2, 3],
      [null, 3],
    ]);
  });
});

describe('the search', () => {
  it('knows a txid, and looks for all else in what a transaction is called', () => {
    expect(txidIn(` ${txidOf(1)}\n`)).toBe(txidOf(1));
    expect(txidIn('order-1')).toBe(null);
    const one = transaction({ requestId: 'order-17', labels: { order: '4711' } });
    for (const text of ['ORDER-17', '4711', 'order=4711', 'stock', 'inventory', '']) {
      expect(fits(one, { ...noFilter, text }), text).toBe(true);
    }
    expect(fits(one, { ...noFilter, text: '4712' })).toBe(false);
    expect(fits(one, { ...noFilter, state: 'ABORTED' })).toBe(false);
  });

  it('tells what is stuck and what failed from what goes on', () => {
    expect(isStuck(transaction())).toBe(false);
    expect(isStuck(transaction({ attention: true }))).toBe(true);
    expect(isStuck(transaction({ ageMs: 60_000 }))).toBe(true);
    expect(isStuck(transaction({ state: 'COMMITTED', ageMs: 60_000 }))).toBe(false);
    const reason = { code: 'ROLLED_BACK', message: '', retryable: false } as const;
    const failed = { ...noFilter, only: 'failed' } as const;
    expect(fits(transaction({ state: 'ABORTED', reason }), failed)).toBe(false);
    const voted = { ...reason, code: 'VOTED_ABORT' } as const;
    expect(fits(transaction({ state: 'ABORTED', reason: voted }), failed)).toBe(true);
  });
});

it('an address says what is shown, and nothing else comes of one that is made up', () => {
  const routes: Route[] = [
    { page: 'locks' },
    { page: 'transactions', filter: { state: 'ABORTED', only: 'stuck', text: 'a&b=#?%' } },
    { page: 'transaction', txid: txidOf(1) },
  ];
  for (const route of routes) expect(routeOf(hashOf(route))).toEqual(route);
  expect(routeOf('#/nonsense')).toEqual({ page: 'overview' });
  expect(routeOf('#/transactions?state=X&only=Y')).toEqual({
    page: 'transactions',
    filter: noFilter,
  });
  expect(routeOf('#/tx/%E0%A4%A')).toEqual({ page: 'transaction', txid: '%E0%A4%A' });
});

it('nodes are linked by their addresses, where a browser can open them', () => {
  expect(consoleUrl('ws://10.0.0.1:7070/v1', '#/locks')).toBe(
    'http://10.0.0.1:7070/console/#/locks',
  );
  expect(consoleUrl('wss://a.example/v1', '')).toBe('https://a.example/console/');
  expect(consoleUrl('javascript:alert(1)', '')).toBe(null);
  expect(consoleUrl('not a url', '')).toBe(null);
  const leader = { shard: 0, epoch: '1', node: 'n2', url: 'ws://b/v1' } as never;
  expect(nodesIn([{ node: 'n1', url: 'ws://a/v1' }], [leader, null])).toHaveLength(2);
  expect(ranges([3, 0, 1, 7, 2])).toBe('0–3, 7');
});

it('who leads is what some node is sure of now, and of two the later', () => {
  const led = (node: string, epoch: string) =>
    ({ shard: 0, epoch, node, url: 'ws://a/v1' }) as LeaderInfo;
  const says = (...leaders: (LeaderInfo | null)[]) => ({
    reply: { shards: leaders.map((leader, shard) => ({ shard, leader })) },
  });
  const [old, next] = [led('n1', '00010000000000001'), led('n2', '00010000000000002')];
  expect(leadersNow([says(null, null), says(next, null), says(old, null)])).toEqual([next, null]);
  expect(leadersNow([says(old, null), says(next, old), says(null, null)])).toEqual([next, old]);
  expect(leaderlessIn([old, null, next, null])).toEqual([1, 3]);
});

it('a waterfall has each part of a branch where it was, and grows while it goes on', () => {
  const branch = { branch: 'a', participant: 'a', state: 'committed', attempts: 1 } as const;
  const made: Explanation = {
    txid: txidOf(1),
    state: 'COMMITTING',
    decided: 'commit',
    attention: false,
    summary: '',
    events: [],
    waits: [],
    advice: [],
    sources: [],
    ageMs: 200,
    decidedAfterMs: 60,
    branches: [
      { ...branch, sentAfterMs: 10, votedAfterMs: 50, settledAfterMs: 90 },
      { ...branch, branch: 'b', state: 'committing', sentAfterMs: 10, votedAfterMs: 40 },
      { ...branch, branch: 'c' },
    ],
  };
  const { rows, spanMs, breakMs } = waterfallOf(made);
  expect(breakMs).toBeNull();
  expect(spanMs).toBe(200);
  expect(rows[0]?.segments).toEqual([
    { part: 'queued', fromMs: 0, toMs: 10 },
    { part: 'preparing', fromMs: 10, toMs: 50 },
    { part: 'voted', fromMs: 50, toMs: 60 },
    { part: 'finishing', fromMs: 60, toMs: 90 },
  ]);
  expect(rows[1]?.segments.at(-1)).toEqual({ part: 'finishing', fromMs: 60, toMs: 200 });
  expect(rows[2]?.segments).toEqual([]);
  // Of a long wait what came before it stays to be seen.
  const stuck = waterfallOf({ ...made, ageMs: 50_000 });
  expect(stuck.breakMs).toBeCloseTo(99);
  const places = [0, 10, 60, 90, 50_000].map((ms) => placeOf(stuck, ms));
  expect(places).toEqual([...places].sort((one, other) => one - other));
  expect(places[2]).toBeGreaterThan(0.3);
  expect([places[0], places[4]]).toEqual([0, 1]);
});

it('a graph of waits stands from holders to waiters, and a circle has an end', () => {
  const party = (n: number) => ({ txid: txidOf(n), mode: 'exclusive', forMs: 5 }) as const;
  const lock = (key: string, holder: number, waiters: number[]): LockInfo => ({
    shard: 0,
    group: 'g',
    key,
    holders: [party(holder)],
    waiters: waiters.map(party),
    holding: 1,
    waiting: waiters.length,
  });
  const graph = graphOf([lock('x', 1, [2]), lock('y', 2, [3])]);
  const columns = new Map(graph.nodes.map(({ txid, column }) => [txid, column]));
  expect([1, 2, 3].map((n) => columns.get(txidOf(n)))).toEqual([0, 1, 2]);
  expect(graph.edges).toHaveLength(2);
  expect(graphOf([lock('x', 1, [2]), lock('y', 2, [1])]).nodes).toHaveLength(2);
  const many = Array.from({ length: 90 }, (_, n) => n + 2);
  expect(graphOf([lock('x', 1, many)])).toMatchObject({ left: 51 });
});

describe('actions', () => {
  const all = new Set(['resolve', 'retry', 'acknowledge']);

  it('are those that fit the state, and that the node understands', () => {
    const verbs = (state: TransactionStatus['state'], understood = all): string[] =>
      actionsFor(transaction({ state }), understood).map(({ verb }) => verb);
    expect(verbs('PREPARING')).toEqual(['Resolve (abort if undecided)']);
    expect(verbs('COMMITTING')).toEqual(['Retry now', 'Acknowledge stock']);
    expect(verbs('COMMITTING', new Set(['resolve']))).toEqual([]);
    expect(verbs('COMMITTED')).toEqual([]);
  });

  it('retire the instance that is gone, and that alone', () => {
    const [first] = transaction().branches;
    const verbs = (connected: boolean): readonly string[] =>
      actionsFor({
        ...transaction(),
        branches: [{ ...(first as NonNullable<typeof first>), instance: 'i1', connected }],
      }).map(({ verb }) => verb);
    expect(verbs(true)).not.toContain('Retire inventory');
    expect(verbs(false)).toContain('Retire inventory');
  });

  it('tell what came of them', () => {
    const branch = { branch: 'a', participant: 'a', command: 'commit' } as const;
    const branches = [
      { ...branch, sent: true },
      { ...branch, participant: 'b', sent: false },
    ];
    expect(resultText({ type: 'retried', branches })).toBe(
      'sent again: 1 of 2; not connected, and told when back: b',
    );
    expect(resultText({ type: 'acknowledged', byHand: false })).toContain('owed nothing');
    const done = { type: 'acknowledged', byHand: true, state: 'COMMITTED' };
    expect(resultText(done)).toBe('recorded; the transaction is COMMITTED');
  });

  it('want a reason, and are counted where they are for many', () => {
    const many = [1, 2, 3].map((n) => transaction({ txid: txidOf(n) }));
    const [retry, ...others] = bulkActions([...many, transaction({ state: 'ABORTED' })], all);
    expect(others).toEqual([]);
    expect(retry).toMatchObject({ reasonNeeded: true, question: expect.stringContaining('3') });
    expect(retry?.requests.map(({ txid }) => txid)).toEqual([1, 2, 3].map((n) => txidOf(n)));
  });
});

it('an old node is told from one that is in trouble', () => {
  const message = 'There is no message of type "explain".';
  expect(isTooOld({ code: 'INVALID_MESSAGE', message })).toBe(true);
  expect(isTooOld({ code: 'INVALID_MESSAGE', message: 'list.limit must be' })).toBe(false);
  expect(isTooOld({ code: 'BUSY', message })).toBe(false);
});
