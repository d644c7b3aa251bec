import { expect, it } from 'vitest';
import { LogReads } from '../../../src/coordinator/log-reads.ts';
import { settle } from '../../support/manual-clock.ts';

function log() {
  const started: string[] = [];
  const open: ((fails?: boolean) => void)[] = [];
  const reads = new LogReads();
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
