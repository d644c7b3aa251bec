import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vote } from '../../../../src/participant.ts';
import { readContent, storeFile } from '../../../../src/resources/versioned-store/records.ts';
import { VersionedStore } from '../../../../src/resources/versioned-store/store.ts';
import { readLmdb } from '../../../../src/store/lmdb.ts';
import { openVersionedStore } from '../../../../src/versioned-store.ts';
import { temporaryDirectory } from '../../../support/logs/stores.ts';
import { settle } from '../../../support/samples/manual-clock.ts';
import { StoreRig } from './rig.ts';

let rig: StoreRig;
beforeEach(async () => {
  rig = await StoreRig.open();
});
afterEach(() => rig.dispose());

describe('versioned store: branches of data', () => {
  it('writes with the commit, each version one higher', async () => {
    const branch = rig.data({
      writes: [
        { key: 'x', value: 11 },
        { key: 'new', value: 1 },
      ],
    });
    expect(await branch.prepare()).toEqual(vote.commit({ versions: { x: 2, new: 1 } }));
    expect(rig.store.read('x')).toEqual({ value: 10, version: 1 });
    await branch.commit();
    expect(rig.store.readMany(['x', 'new', 'none'])).toEqual(
      new Map([
        ['x', { value: 11, version: 2 }],
        ['new', { value: 1, version: 1 }],
        ['none', null],
      ]),
    );
  });

  it('votes CONFLICT for a stale read, with what there is to read again', async () => {
    await commit({ writes: [{ key: 'x', value: 11 }] });
    const stale = rig.data({ reads: [{ key: 'x', version: 1 }], writes: [{ key: 'y', value: 0 }] });
    expect(await stale.prepare()).toMatchObject({
      vote: 'abort',
      reason: {
        code: 'CONFLICT',
        retryable: true,
        detail: { key: 'x', expected: 1, actual: 2 },
      },
    });
    await commit({ reads: [{ key: 'x', version: 2 }], writes: [{ key: 'y', value: 0 }] });
    expect(rig.value('y')).toBe(0);
  });

  it('takes 0 as the version of what is not there', async () => {
    await commit({ reads: [{ key: 'new', version: 0 }], writes: [{ key: 'new', value: 1 }] });
    const second = rig.data({
      reads: [{ key: 'new', version: 0 }],
      writes: [{ key: 'new', value: 2 }],
    });
    expect(await second.prepare()).toMatchObject({
      reason: { detail: { expected: 0, actual: 1 } },
    });
  });

  it('never brings a version back with another value: not by deleting either', async () => {
    await commit({ writes: [{ key: 'x', value: 11 }] });
    await commit({ writes: [{ key: 'x', delete: true }] });
    expect(rig.store.read('x')).toBeNull();
    await commit({ writes: [{ key: 'x', value: 12 }] });
    expect(rig.store.read('x')).toEqual({ value: 12, version: 3 });
    const stale = rig.data({ reads: [{ key: 'x', version: 2 }] });
    expect(await stale.prepare()).toMatchObject({ vote: 'abort', reason: { code: 'CONFLICT' } });
  });

  it.each([
    [undefined, 'payload must be'],
    [{ write: [{ key: 'x', value: 1 }] }, 'There is no field "write" in payload.'],
    [{ reads: [{ key: 'x', version: 1, value: 1 }] }, 'no field "value" in payload.reads[0].'],
    [{ writes: [{ key: 'x', value: 1, ttl: 1 }] }, 'no field "ttl" in payload.writes[0].'],
    [{ reads: [{ key: 'x' }] }, 'payload.reads[0].version'],
    [{ writes: [{ key: 'x' }] }, 'payload.writes[0] must have'],
    [{ writes: [{ key: 'x', value: 1, delete: true }] }, 'payload.writes[0] must have'],
    [
      {
        writes: [
          { key: 'x', value: 1 },
          { key: 'x', value: 2 },
        ],
      },
      'each key once',
    ],
    [{ locks: [''] }, 'payload.locks[0] must be'],
    [{ locks: 'x' }, 'payload.locks must be'],
  ])('votes abort for what it cannot read: %j', async (payload, text) => {
    const branch = rig.data(payload);
    expect(await branch.prepare()).toMatchObject({
      vote: 'abort',
      reason: { message: expect.stringContaining(text) },
    });
    await commit({ writes: [{ key: 'x', value: 0 }] });
  });

  it('votes readonly where it touches nothing at all', async () => {
    expect(await rig.data({}).prepare()).toMatchObject({ vote: 'readonly' });
  });
});

describe('versioned store: waiting', () => {
  it('lets a competing write wait until the outcome, and refuses it past the limit', async () => {
    const first = rig.data({ writes: [{ key: 'x', value: 11 }] });
    await first.prepare();
    const second = rig.data({ writes: [{ key: 'x', value: 12 }] }).prepare();
    await rig.clock.advance(99);
    await rig.clock.advance(1);
    expect(await second).toMatchObject({
      vote: 'abort',
      reason: { code: 'LOCK_TIMEOUT', retryable: true, detail: { key: 'x' } },
    });
    const third = rig.data({ writes: [{ key: 'x', value: 13 }] });
    const voted = third.prepare();
    await first.commit();
    expect(await voted).toEqual(vote.commit({ versions: { x: 3 } }));
  });

  it('holds the keys of what was prepared after a restart, before anything else', async () => {
    const writer = rig.data({ writes: [{ key: 'x', value: 11 }], locks: ['y'] });
    await writer.prepare();
    await rig.reopen();
    for (const key of ['x', 'y']) {
      const waiting = rig.data({ writes: [{ key, value: 0 }] }).prepare();
      await rig.clock.advance(100);
      expect(await waiting).toMatchObject({ reason: { code: 'LOCK_TIMEOUT', detail: { key } } });
    }
    // Shared is shared still.
    const reader = rig.data({ locks: ['y'] });
    expect(await reader.prepare()).toMatchObject({ vote: 'commit' });
    await reader.rollback();
    await writer.commit();
    await commit({
      writes: [
        { key: 'x', value: 0 },
        { key: 'y', value: 0 },
      ],
    });
  });

  it('finds at once two that wait for each other, and lets one go on', async () => {
    const crosswise = (first: string, second: string) =>
      rig.rules(async (tx) => {
        await tx.write(first, 0);
        await settle();
        await tx.write(second, 0);
        return vote.commit();
      });
    const one = crosswise('x', 'y');
    const other = crosswise('y', 'x');
    const votes = await Promise.all([one.prepare(), other.prepare()]);
    expect(votes.map((each) => each.vote).sort()).toEqual(['abort', 'commit']);
    expect(votes.find((each) => each.vote === 'abort')).toMatchObject({
      reason: { code: 'DEADLOCK', retryable: true },
    });
  });

  it('never has branches of data wait in a circle', async () => {
    const writes = [
      { key: 'x', value: 1 },
      { key: 'y', value: 1 },
    ];
    const one = rig.data({ writes });
    const other = rig.data({ writes: writes.toReversed() });
    const votes = [one.prepare(), other.prepare()];
    expect(await Promise.race(votes)).toMatchObject({ vote: 'commit' });
    await one.commit();
    expect(await votes[1]).toMatchObject({ vote: 'commit' });
  });
});

describe('versioned store: rules of a service', () => {
  const take = (quantity: number) =>
    rig.rules(async (tx) => {
      const stock = (await tx.readForUpdate<number>('x'))?.value ?? 0;
      if (stock < quantity) return vote.abort('Too little stock.');
      await tx.write('x', stock - quantity);
      return vote.commit({ left: stock - quantity });
    });

  it('see what the branch itself wrote, and vote', async () => {
    const branch = rig.rules(async (tx) => {
      await tx.write('x', 1);
      await tx.delete('y');
      expect(await tx.read('x')).toEqual({ value: 1, version: 2 });
      expect(await tx.read('y')).toBeNull();
      return vote.commit();
    });
    expect(await branch.prepare()).toEqual(vote.commit({ versions: { x: 2, y: 0 } }));
    expect(rig.value('x')).toBe(10);
  });

  it('give the same result to a prepare that is repeated', async () => {
    const branch = rig.rules(async (tx) => {
      await tx.write('x', 5);
      return vote.commit({ left: 5 });
    });
    for (const _ of [1, 2]) expect(await branch.prepare()).toEqual(vote.commit({ left: 5 }));
    await branch.commit();
  });

  it('sell what there is, and no more, however many come at once', async () => {
    const buyers = Array.from({ length: 8 }, () => take(2));
    const votes = await Promise.all(
      buyers.map(async (buyer) => {
        const answer = await buyer.prepare();
        if (answer.vote === 'commit') await buyer.commit();
        return answer.vote;
      }),
    );
    expect(votes.filter((each) => each === 'commit')).toHaveLength(5);
    expect(rig.value('x')).toBe(0);
  });

  it('cannot vote commit after a refusal that they caught', async () => {
    await commit({ writes: [{ key: 'x', value: 11 }] });
    const branch = rig.rules(async (tx) => {
      await tx.write('y', 0);
      await tx.expect('x', 1).catch(() => undefined);
      return vote.commit();
    });
    expect(await branch.prepare()).toMatchObject({ vote: 'abort', reason: { code: 'CONFLICT' } });
    await commit({ writes: [{ key: 'y', value: 5 }] });
  });

  it('hold nothing after a throw, and must await what they ask', async () => {
    const throws = rig.rules(async (tx) => {
      await tx.write('y', 0);
      throw new Error('Broken rule.');
    });
    await expect(throws.prepare()).rejects.toThrow('Broken rule.');
    await throws.rollback();
    const holder = rig.data({ writes: [{ key: 'x', value: 0 }] });
    await holder.prepare();
    const careless = rig.rules(async (tx) => {
      tx.write('x', 1).catch(() => undefined);
      return vote.commit();
    });
    await expect(careless.prepare()).rejects.toThrow(/Await every one/);
    await careless.rollback();
    await commit({ writes: [{ key: 'y', value: 5 }] });
  });
});

describe('versioned store: on disk', () => {
  it('keeps commits through a restart, and a repeat of one changes nothing', async () => {
    const branch = rig.data({ writes: [{ key: 'x', value: 11 }] });
    await branch.prepare();
    await branch.commit();
    await commit({ writes: [{ key: 'x', value: 12 }] });
    await rig.reopen();
    await branch.commit();
    expect(rig.store.read('x')).toEqual({ value: 12, version: 3 });
    await expect(branch.rollback()).rejects.toThrow(/was committed here/);
    await expect(branch.prepare()).rejects.toThrow(/was committed here/);
  });

  it('never acknowledges a commit of what it does not know', async () => {
    await expect(rig.data({}).commit()).rejects.toThrow(/neither prepared nor committed/);
  });

  it('begins with its initial records once, and has one owner', async () => {
    await commit({ writes: [{ key: 'x', delete: true }] });
    const other = VersionedStore.open({ dataDirectory: rig.directory.path, clock: rig.clock });
    await expect(other).rejects.toThrow(/in use by/);
    await rig.reopen();
    expect(rig.value('x')).toBeNull();
  });

  it('holds what is prepared, and shows it to whoever reads the file', async () => {
    const branch = rig.data({ writes: [{ key: 'x', value: 11 }], locks: ['y'] });
    await branch.prepare();
    expect(await branch.prepare()).toEqual(vote.commit({ versions: { x: 2 } }));
    const directory = rig.directory.path;
    const content = await readLmdb({ directory, file: storeFile }, readContent);
    expect(content?.prepared).toMatchObject([
      { txid: branch.txid, exclusive: ['x'], shared: ['y'] },
    ]);
    expect(await readLmdb({ directory, file: 'none.mdb' }, readContent)).toBeNull();
  });

  it('forgets what was applied when it is old, but not soon after a start', async () => {
    const first = rig.data({ writes: [{ key: 'x', value: 11 }] });
    await first.prepare();
    await first.commit();
    const hourMs = 3_600_000;
    rig.clock.jump(2 * hourMs);
    // Old by the wall clock, but this process has only just begun.
    await rig.reopen();
    await commitMany(100);
    await first.commit();
    rig.clock.jump(2 * hourMs);
    await commitMany(200);
    await expect(first.commit()).rejects.toMatchObject({
      name: 'BranchEndedError',
      found: 'nothing',
    });
  });

  it('is read from outside as it is, with any text as a key', async () => {
    const keys = ['a/b', '"quoted"', 'tab\tnew\nline', 'é\u{1F600}', ' '];
    await commit({ writes: keys.map((key) => ({ key, value: key })) });
    const directory = rig.directory.path;
    const content = await readLmdb({ directory, file: storeFile }, readContent);
    expect([...(content?.records.keys() ?? [])].sort()).toEqual([...keys, 'x', 'y'].sort());
    for (const key of keys) expect(rig.value(key)).toBe(key);
    await expect(rig.data({ locks: ['k'.repeat(2_000)] }).prepare()).rejects.toThrow(RangeError);
  });
});

async function commit(payload: unknown): Promise<void> {
  const branch = rig.data(payload);
  expect(await branch.prepare()).toMatchObject({ vote: 'commit' });
  await branch.commit();
}

async function commitMany(count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, index) =>
    commit({ writes: [{ key: `many/${index}`, value: index }] }),
  );
  await Promise.all(all);
}

it.each<[object, RegExp]>([
  [{ lockWait: 5 }, /"lockWait" in openVersionedStore\..* lockWaitMs/],
  [{ lockWaitMs: '5' }, /lockWaitMs in openVersionedStore must be a number/],
])('%j is no option', async (options, said) => {
  await expect(openVersionedStore({ dataDirectory: 'none', ...options })).rejects.toThrow(said);
});

it('reads no key that is not text', () => {
  expect(() => rig.store.read(5 as never)).toThrow('A key must be a string, not 5.');
});

it.each<[object, string]>([
  [{ key: 'a', val: 10 }, 'There is no field "val" in initial.'],
  [{ key: 'a' }, 'initial must be a list of records'],
  [{ key: 'a', value: 1, version: '2' }, 'version in initial must be a number'],
])('a new store does not begin with %j', async (record, said) => {
  const directory = temporaryDirectory();
  const initial = [record as { key: string; value: unknown }];
  const opened = openVersionedStore({ dataDirectory: directory.path, initial });
  await expect(opened).rejects.toThrow(said);
  directory.remove();
});
