/**
 * Rules that return no vote: JavaScript, or a type that was cast. Nothing of the branch may come to
 * be.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOutbox } from '../../../src/outbox.ts';
import { checkedResult } from '../../../src/participant/results.ts';
import { vote } from '../../../src/participant.ts';
import type { Resource } from '../../../src/ports/resource.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { prepareCall } from '../../support/resources/sql-calls.ts';
import { StoreRig } from './versioned-store/rig.ts';

const noVotes: [unknown][] = [
  [undefined],
  [null],
  [false],
  [true],
  ['abort'],
  ['commit'],
  [5],
  [{}],
  [[]],
  [{ vote: 'no' }],
  [{ vote: 'Commit' }],
  [{ vote: 'abort' }],
];
const whatToReturn = 'prepare must return vote.commit(), vote.readonly() or vote.abort(message)';

it.each(noVotes)('a participant: %j is told as no vote', (returned) => {
  const limits = { maxFrameBytes: 100_000, maxDepth: 10 };
  expect(checkedResult(returned as never, limits)).toMatchObject({
    vote: 'threw',
    reason: { code: 'INVALID_RESULT', message: whatToReturn, retryable: false },
  });
});

it.each<[string, unknown]>([
  ['the result is a function, which cannot be sent', () => 1],
  ['the result is a Date', new Date(0)],
  ['the result takes', 'x'.repeat(100_000)],
  ['the result[0][0]', JSON.parse('['.repeat(20) + ']'.repeat(20))],
])('a participant: a result that no node takes is its own fault: %s', (message, result) => {
  const limits = { maxFrameBytes: 100_000, maxDepth: 10 };
  expect(checkedResult(vote.commit(result as never), limits)).toMatchObject({
    vote: 'threw',
    reason: { code: 'INVALID_RESULT', message: expect.stringContaining(message), retryable: false },
  });
});

describe('versioned store', () => {
  let rig: StoreRig;
  beforeEach(async () => {
    rig = await StoreRig.open();
  });
  afterEach(() => rig.dispose());

  it.each(noVotes)(
    '%j from rules that wrote commits nothing and holds nothing',
    async (returned) => {
      const branch = rig.rules(async (tx) => {
        await tx.write('x', 99);
        return returned as never;
      });
      await expect(branch.prepare()).rejects.toThrow(whatToReturn);
      expect(rig.store.inDoubt()).toEqual([]);
      await branch.rollback();
      const next = rig.data({ writes: [{ key: 'x', value: 11 }] });
      expect(await next.prepare()).toMatchObject({ vote: 'commit' });
      await next.commit();
      expect(rig.value('x')).toBe(11);
    },
  );

  it('a vote that nothing was changed, after a write, commits nothing', async () => {
    const branch = rig.rules(async (tx) => {
      await tx.write('x', 99);
      return vote.readonly();
    });
    await expect(branch.prepare()).rejects.toThrow(
      'prepare returned vote.readonly() and wrote: return vote.commit()',
    );
    expect(rig.store.inDoubt()).toEqual([]);
    const reads = rig.rules(async (tx) => vote.readonly((await tx.read('x'))?.value));
    // It keeps what it read as it is until the decision.
    expect(await reads.prepare()).toEqual(vote.commit(10));
  });
});

describe('outbox', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  const open = () =>
    openOutbox<string>({ dataDirectory: directory.path, publish: () => undefined });

  it.each<[unknown]>([
    ...noVotes.filter(([returned]) => !Array.isArray(returned)),
    [vote.commit()],
    [vote.readonly()],
    [new Set(['a'])],
    [{ length: 1, 0: 'a' }],
  ])('%j from rules is neither bodies nor an abort', async (returned) => {
    const outbox = await open();
    const resource = outbox.resource(() => returned as never) as Resource;
    await expect(resource.prepare(prepareCall(null))).rejects.toThrow(
      'the rules of an outbox must return a list of message bodies or vote.abort(message)',
    );
    expect(outbox.inDoubt()).toEqual([]);
    await outbox.close();
  });

  it('the types take bodies and an abort, and no other vote', async () => {
    const outbox = await open();
    outbox.resource<{ to: string }>(({ payload }) =>
      payload.to === '' ? vote.abort('To whom?') : [payload.to],
    );
    outbox.resource<string>(async ({ payload }) => {
      if (payload === '') return vote.abort('To whom?');
      return [payload];
    });
    // @ts-expect-error there is nothing that this vote would commit
    outbox.resource(() => vote.commit());
    // @ts-expect-error nor as a promise
    outbox.resource(async () => vote.commit());
    // @ts-expect-error an empty list says it
    outbox.resource(() => vote.readonly());
    await outbox.close();
  });
});

describe('opened with what cannot be', () => {
  it.each([[undefined], [null], [{}], ['./data'], [{ dataDirectory: '' }], [{ dataDirectory: 5 }]])(
    'a store says what it wants: %j',
    async (options) => {
      await expect(openVersionedStore(options as never)).rejects.toThrow(
        'openVersionedStore needs dataDirectory: the path of a directory of its own',
      );
      await expect(openOutbox(options as never)).rejects.toThrow(
        'openOutbox needs dataDirectory: the path of a directory of its own',
      );
    },
  );

  it('an outbox without publish', async () => {
    const directory = temporaryDirectory();
    await expect(openOutbox({ dataDirectory: directory.path } as never)).rejects.toThrow(
      'openOutbox needs publish: a function',
    );
    directory.remove();
  });

  it.each([[{ a: 1 }], [null], [5], [[['a', 1]]], [new Map([['a', 1]])], ['a'], [[null]]])(
    'a store that begins with %j',
    async (initial) => {
      const directory = temporaryDirectory();
      const options = { dataDirectory: directory.path };
      await expect(openVersionedStore({ ...options, initial: initial as never })).rejects.toThrow(
        "initial must be a list of records, such as [{ key: 'lamp', value: 10 }]",
      );
      const store = await openVersionedStore({ ...options, initial: [{ key: 'a', value: 1 }] });
      expect(store.read('a')).toEqual({ value: 1, version: 1 });
      await store.close();
      directory.remove();
    },
  );
});
