import { expect, it } from 'vitest';
import type { FromNode, Report } from '../../../src/core/messages.ts';
import type { TermEvent } from '../../../src/core/term/events.ts';
import { type Judge, ReportQueue } from '../../../src/node/report-queue.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const witness = { generation: 0, revision: '1' };

function report(id: number, { doubts = 0, kept = 0 }): Report {
  return {
    type: 'report',
    id,
    inDoubt: Array.from({ length: doubts }, (_, at) => ({ txid: txidOf(at + 1), witness })),
    kept: Array.from({ length: kept }, (_, at) => txidOf(doubts + at + 1)),
  };
}

/** The term answers a piece when told to; each costs `costMs`. */
function world({
  costMs = 0,
  issued = () => true,
}: {
  costMs?: number;
  issued?: () => boolean;
} = {}) {
  const clock = new ManualClock();
  const pieces: (Report & { connection: number })[] = [];
  const said: [number, FromNode][] = [];
  const foreign: number[] = [];
  const judges = new Map<number, Judge>();
  const lead = () => {
    judges.set(0, {
      step: (event: TermEvent) => {
        if (event.type !== 'message' || event.message.type !== 'report') throw new Error('what?');
        clock.jump(costMs);
        pieces.push({ ...event.message, connection: event.from.connection });
      },
    });
  };
  lead();
  const queue = new ReportQueue({
    clock,
    judges: () => judges,
    isIssued: issued,
    foreign: (_who, lines) => foreign.push(lines),
  });
  const peer = (id: number) => ({
    id,
    sender: { connection: id, participant: null, origin: { address: '', name: '' } },
    send: (message: FromNode) => said.push([id, message]),
  });
  /** Answers what is unanswered. */
  const answer = (code?: 'LOG_UNAVAILABLE') => {
    const { id } = pieces.at(-1) ?? { id: 0 };
    const error = {
      type: 'error',
      id,
      code: 'LOG_UNAVAILABLE',
      message: '',
      retryable: true,
    } as const;
    expect(queue.answered(code === undefined ? { type: 'reported', id } : error)).toBe(true);
  };
  return { clock, pieces, said, foreign, judges, lead, queue, peer, answer };
}

it('hands a long report over in pieces, each after the one before was answered, and answers once', async () => {
  const { clock, pieces, said, queue, peer, answer } = world();
  queue.add(peer(1), 0, report(7, { doubts: 400, kept: 300 }));
  expect(pieces).toHaveLength(1);
  await clock.advance(10);
  expect(pieces).toHaveLength(1);
  for (let at = 0; at < 3; at += 1) {
    answer();
    expect(pieces).toHaveLength(at + 1);
    await clock.advance(0);
  }
  expect(pieces.map(({ inDoubt, kept }) => [inDoubt.length, kept.length])).toEqual([
    [250, 0],
    [150, 100],
    [0, 200],
  ]);
  const whole = report(7, { doubts: 400, kept: 300 });
  expect(pieces.flatMap(({ inDoubt }) => inDoubt)).toEqual(whole.inDoubt);
  expect(pieces.flatMap(({ kept }) => kept)).toEqual(whole.kept);
  expect(said).toEqual([[1, { type: 'reported', id: 7 }]]);
  expect(clock.timers).toBe(0);
});

it('of many that wait a turn takes what its milliseconds allow, in rounds', async () => {
  const { clock, pieces, queue, peer } = world({ costMs: 2 });
  for (let id = 1; id <= 20; id += 1) queue.add(peer(id), 0, report(1, { doubts: 1_000 }));
  for (const { id } of [...pieces]) queue.answered({ type: 'reported', id });
  const before = pieces.length;
  await clock.advance(0);
  const turn = () => pieces.slice(before).map(({ connection }) => connection);
  expect(turn()).toEqual([1, 2, 3]);
  queue.answered({ type: 'reported', id: pieces.at(-1)?.id ?? 0 });
  await clock.advance(6);
  expect(turn().slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
  await clock.advance(60);
  // The third, answered first, came behind all others.
  expect(turn().slice(17)).toEqual([18, 19, 20, 3]);
});

it('while one is under way the latest waits, and the one between is told to come again', async () => {
  const { clock, pieces, said, queue, peer, answer } = world();
  for (const id of [1, 2, 3, 4]) queue.add(peer(1), 0, report(id, { doubts: id }));
  queue.add(peer(2), 0, report(9, { doubts: 1 }));
  expect(pieces.map(({ connection }) => connection)).toEqual([1, 2]);
  expect(said.map(([who, message]) => [who, 'id' in message && message.id])).toEqual([
    [1, 2],
    [1, 3],
  ]);
  for (const [, message] of said) expect(message).toMatchObject({ code: 'BUSY', retryable: true });
  queue.answered({ type: 'reported', id: pieces[0]?.id ?? 0 });
  await clock.advance(0);
  expect(pieces.at(-1)).toMatchObject({ connection: 1, inDoubt: { length: 4 } });
  answer('LOG_UNAVAILABLE');
  expect(said.at(-1)).toMatchObject([1, { type: 'error', id: 4, code: 'LOG_UNAVAILABLE' }]);
});

it('ids that no one gave out cost no step, and are told of once', async () => {
  const { clock, pieces, said, foreign, queue, peer } = world({ issued: () => false });
  queue.add(peer(1), 0, report(1, { doubts: 600, kept: 10 }));
  expect(said).toEqual([]);
  await clock.advance(1);
  expect(pieces).toEqual([]);
  expect(foreign).toEqual([610]);
  expect(said).toEqual([[1, { type: 'reported', id: 1 }]]);
});

it('a new leadership takes a report though the one before never answered, and nothing is left of who went', async () => {
  const { clock, pieces, said, queue, peer, lead, answer } = world();
  queue.add(peer(1), 0, report(1, { doubts: 1 }));
  queue.add(peer(1), 0, report(2, { doubts: 1 }));
  lead();
  queue.add(peer(1), 0, report(3, { doubts: 1 }));
  expect(said.map(([, message]) => 'id' in message && message.id)).toEqual([1, 2]);
  answer();
  expect(said.at(-1)).toEqual([1, { type: 'reported', id: 3 }]);
  queue.add(peer(2), 0, report(4, { doubts: 600 }));
  answer();
  queue.leave(2);
  await clock.advance(10);
  expect(pieces).toHaveLength(3);
  expect(said).toHaveLength(3);
});

it('a leadership that ends answers no one: whoever reported to it is told at once', () => {
  const { said, queue, peer, judges, answer } = world();
  queue.add(peer(1), 0, report(1, { doubts: 300 }));
  queue.add(peer(1), 0, report(2, { doubts: 1 }));
  queue.dropOver();
  expect(said).toEqual([]);
  judges.delete(0);
  queue.dropOver();
  expect(said.map(([, message]) => message)).toMatchObject([
    { id: 1, code: 'BUSY' },
    { id: 2, code: 'BUSY' },
  ]);
  // What its log reading still brings is told to no one.
  answer();
  expect(said).toHaveLength(2);
});

it('a piece that is never answered holds nothing up forever, and no line is judged that came long ago', async () => {
  const { clock, pieces, said, queue, peer, answer } = world();
  queue.add(peer(1), 0, report(1, { doubts: 1 }));
  await clock.advance(31_000);
  queue.add(peer(1), 0, report(2, { doubts: 300 }));
  expect(said).toMatchObject([[1, { id: 1, code: 'BUSY' }]]);
  expect(pieces).toHaveLength(2);
  queue.add(peer(1), 0, report(3, { doubts: 1 }));
  await clock.advance(31_000);
  answer();
  await clock.advance(1);
  expect(pieces).toHaveLength(2);
  expect(said.slice(1)).toMatchObject([
    [1, { id: 2, code: 'BUSY' }],
    [1, { id: 3, code: 'BUSY' }],
  ]);
});

it('leaves alone what is no answer to a piece', () => {
  const { queue } = world();
  expect(queue.answered({ type: 'reported', id: 3 })).toBe(false);
  expect(queue.answered({ type: 'goaway', reason: '' })).toBe(false);
});
