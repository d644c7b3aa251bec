import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/ports/clock.ts';
import { CountedKeys } from '../../../src/store/counted-keys.ts';
import { GroupCommit, TooManyWaitingError } from '../../../src/store/group-commit.ts';
import { MemoryKeys } from '../../../src/store/memory-keys.ts';

/** A store whose transactions end when the test says so. */
function slowStore(options: { maxWaiting?: number } = {}) {
  const keys = new MemoryKeys();
  const commits: { readonly operations: number; end(error?: Error): void }[] = [];
  const group = new GroupCommit<CountedKeys>({
    transact: async (body) => {
      const context = new CountedKeys(keys);
      body(context);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      commits.push({
        operations: context.changes,
        end: (error) => (error === undefined ? resolve() : reject(error)),
      });
      await promise;
    },
    ...options,
  });
  return { keys, commits, group };
}

const put = (key: string) => (keys: CountedKeys) => {
  keys.put(key, 1);
  return key;
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('begins at once and gathers the rest behind it', async () => {
    const { group, commits } = slowStore();
    const first = group.run(put('a'));
    await turn();
    const rest = [group.run(put('b')), group.run(put('c')), group.run(put('d'))];
    await turn();
    expect(commits.map((commit) => commit.operations)).toEqual([1]);
    commits[0]?.end();
    expect(await first).toBe('a');
    await turn();
    expect(commits.map((commit) => commit.operations)).toEqual([1, 3]);
    commits[1]?.end();
    expect(await Promise.all(rest)).toEqual(['b', 'c', 'd']);
  });

  it('answers nothing before its transaction is durable', async () => {
    const { group, commits } = slowStore();
    let answered = false;
    const work = group.run(put('a')).then(() => {
      answered = true;
    });
    await turn();
    expect(answered).toBe(false);
    commits[0]?.end();
    await work;
  });

  it('rejects all of a transaction that fails, and goes on', async () => {
    const { group, commits } = slowStore();
    const work = Promise.allSettled([group.run(put('a')), group.run(put('b'))]);
    await turn();
    commits[0]?.end(new Error('disk'));
    expect((await work).map((result) => result.status)).toEqual(['rejected', 'rejected']);
    const next = group.run(put('c'));
    await turn();
    commits[1]?.end();
    expect(await next).toBe('c');
  });

  it('lets an operation that throws before its first change fail alone', async () => {
    const { group, commits } = slowStore();
    const work = Promise.allSettled([
      group.run(put('a')),
      group.run(() => {
        throw new Error('refused');
      }),
      group.run(put('b')),
    ]);
    await turn();
    commits[0]?.end();
    expect((await work).map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it('drops the transaction when an operation throws after a change', async () => {
    const { group, commits } = slowStore();
    const work = await Promise.allSettled([
      group.run(put('a')),
      group.run((keys) => {
        keys.put('half', 1);
        throw new Error('half-way');
      }),
    ]);
    expect(work.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(commits).toEqual([]);
  });

  it('refuses more than may wait', async () => {
    const { group, commits } = slowStore({ maxWaiting: 2 });
    const work = [group.run(put('a')), group.run(put('b'))];
    await expect(group.run(put('c'))).rejects.toThrow(TooManyWaitingError);
    await turn();
    commits[0]?.end();
    expect(await Promise.all(work)).toEqual(['a', 'b']);
  });

  describe('lazily', () => {
    /** Fires its timers by hand. */
    function handClock() {
      const timers = new Set<() => void>();
      const clock: Clock = {
        monotonicMs: () => 0,
        wallMs: () => 0,
        setTimer(_, callback) {
          timers.add(callback);
          return { cancel: () => timers.delete(callback) };
        },
      };
      return { clock, timers };
    }

    it('waits for company, in order', async () => {
      const { group, commits } = slowStore();
      const { clock, timers } = handClock();
      const lazy = group.runLazily(put('a'), { clock, delayMs: 100 });
      await turn();
      expect(commits).toEqual([]);
      const seen = group.run((keys) => keys.get('a'));
      await turn();
      expect(commits).toHaveLength(1);
      expect(timers.size).toBe(0);
      commits[0]?.end();
      expect(await Promise.all([lazy, seen])).toEqual(['a', 1]);
    });

    it('goes alone when its time is up', async () => {
      const { group, commits } = slowStore();
      const { clock, timers } = handClock();
      const lazy = [1, 2].map((n) => group.runLazily(put(`${n}`), { clock, delayMs: 100 }));
      expect(timers.size).toBe(1);
      for (const fire of timers) fire();
      await turn();
      expect(commits.map((commit) => commit.operations)).toEqual([2]);
      commits[0]?.end();
      await Promise.all(lazy);
    });
  });
});
