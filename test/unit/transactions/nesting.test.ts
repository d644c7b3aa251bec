import { describe, expect, it } from 'vitest';
import { refuseNested, runningFor } from '../../../src/transactions/nesting.ts';

const of = {};
const refused = (): void => expect(() => refuseNested(of)).toThrow(TypeError);

describe('a run within the function of another one', () => {
  it('is refused, at every depth and behind every await', async () => {
    await runningFor(of, async () => {
      refused();
      await new Promise(setImmediate);
      refused();
      // Within that of other databases it is a run of its own.
      const other = {};
      refuseNested(other);
      await runningFor(other, async () => refused());
    });
  });

  it('is one of its own beside it, and after it', async () => {
    refuseNested(of);
    let later: Promise<void> = Promise.resolve();
    const beside = Promise.withResolvers<void>();
    const first = runningFor(of, async () => {
      later = beside.promise.then(() => refuseNested(of));
    });
    await first;
    beside.resolve();
    await later;
    refuseNested(of);
  });

  it('is over where the function throws', async () => {
    let later: Promise<void> = Promise.resolve();
    const beside = Promise.withResolvers<void>();
    const failed = runningFor(of, () => {
      later = beside.promise.then(() => refuseNested(of));
      return Promise.reject(new Error('as it should'));
    });
    await expect(failed).rejects.toThrow('as it should');
    beside.resolve();
    await later;
  });
});
