import { expect, it } from 'vitest';
import { AskerGoneError, LogReads } from '../../../src/coordinator/log-reads.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

function log() {
  const started: string[] = [];
  const open: ((fails?: boolean) => void)[] = [];
  const reads = new LogReads(new ManualClock());
  const read = (connection: number, what: string) =>
    reads.read(connection, what, () => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      started.push(what);
      open.push((fails) => (fails === true ? reject(new Error(what)) : resolve(what)));
      return promise;
    });
  return { reads, read, started, open };
}

it('of one connection so many are under way, of all so many, and each that waits has its turn', async () => {
  const { read, started, open } = log();
  const answers: Promise<string>[] = [];
  for (const connection of [1, 2, 3]) {
    for (let at = 0; at < 100; at += 1) answers.push(read(connection, `${connection}/${at}`));
  }
  const ended = Promise.allSettled(answers);
  const count = (connection: number) =>
    started.filter((what) => what.startsWith(`${connection}/`)).length;
  expect([1, 2, 3].map(count)).toEqual([32, 32, 0]);
  // The third has waited longest; then they take turns.
  for (let done = 0; done < 96; done += 1) {
    open[done]?.(done % 7 === 0);
    await settle();
    expect(started.length - done - 1).toBeLessThanOrEqual(64);
  }
  expect(count(3)).toBeGreaterThan(20);
  for (let done = 96; done < 300; done += 1) {
    open[done]?.();
    await settle();
  }
  const settled = await ended;
  expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(14);
  expect(started).toHaveLength(300);
});

it('shares one that waits, and never one under way: it may have passed the log already', async () => {
  const { read, started, open } = log();
  const first = read(1, 'a');
  const second = read(1, 'a');
  expect(started).toEqual(['a', 'a']);
  for (let at = 0; at < 30; at += 1) void read(1, `${at}`);
  const third = read(1, 'b');
  expect(read(1, 'b')).toBe(third);
  expect(started).not.toContain('b');
  for (let at = 0; at < 33; at += 1) {
    open[at]?.();
    await settle();
  }
  expect(await Promise.all([first, second, third])).toEqual(['a', 'a', 'b']);
  expect(started.filter((what) => what === 'b')).toHaveLength(1);
});

it('tells when a connection has as many waiting as it may', () => {
  const { read, reads } = log();
  for (let at = 0; at < 2_031; at += 1) void read(1, `${at}`);
  expect(reads.isFull(1)).toBe(false);
  void read(1, 'one more');
  expect([reads.isFull(1), reads.isFull(2)]).toEqual([true, false]);
});

it('what waits for a connection that has gone is never read, and keeps no one else waiting', async () => {
  const { read, reads, started, open } = log();
  const gone = Array.from({ length: 1_000 }, (_, at) => read(1, `gone ${at}`));
  const ended = Promise.allSettled(gone);
  for (let at = 0; at < 40; at += 1) void read(2, `${at}`);
  reads.leave(1);
  for (let at = 0; at < 72; at += 1) {
    open[at]?.();
    await settle();
  }
  expect(started.filter((what) => what.startsWith('gone'))).toHaveLength(32);
  expect(started).toHaveLength(72);
  const settled = await ended;
  expect(settled.slice(0, 32).every(({ status }) => status === 'fulfilled')).toBe(true);
  for (const one of settled.slice(32)) {
    expect(one).toMatchObject({ status: 'rejected', reason: expect.any(AskerGoneError) });
  }
  expect(reads.isFull(1)).toBe(false);
});

it('of a log that answers at once a turn takes what its milliseconds allow', async () => {
  const clock = new ManualClock();
  const reads = new LogReads(clock);
  const started: number[] = [];
  const answers = Array.from({ length: 20 }, (_, at) =>
    reads.read(1, `${at}`, async () => {
      started.push(at);
      clock.jump(0.6);
    }),
  );
  await settle();
  // 2 ms, and what the last one takes.
  expect(started).toHaveLength(4);
  await clock.advance(20);
  await Promise.all(answers);
  expect(started).toEqual(Array.from({ length: 20 }, (_, at) => at));
  expect(clock.timers).toBe(0);
});
