import { describe, expect, it } from 'vitest';
import { checkEtcdMap, etcdUrls } from '../../../src/cli/parameters.ts';
import type { Retired } from '../../../src/core/retired.ts';
import { positionZero, type Txid } from '../../../src/core/txid.ts';
import { etcdParts } from '../../../src/decision-log/etcd/endpoints.ts';
import { assertPart } from '../../../src/decision-log/etcd/part.ts';
import type { PartMark } from '../../../src/decision-log/etcd/records.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { PartedLog } from '../../../src/decision-log/parted/parted-log.ts';
import { never, realClock } from '../../support/logs/stores.ts';

const two = ['0-31=a:1,b:2', '32-63=c:3'];

describe('ranges of shards on several etcds', () => {
  it('are read in any order, from one text or several', () => {
    const parts = [
      { first: 0, last: 31, endpoints: ['http://a:1', 'http://b:2'] },
      { first: 32, last: 63, endpoints: ['http://c:3'] },
    ];
    expect(etcdParts(two)).toEqual(parts);
    expect(etcdParts([...two].reverse())).toEqual(parts);
    expect(etcdParts(etcdUrls('0-31=a:1,b:2; 32-63=c:3'))).toEqual(parts);
    expect(etcdParts(etcdUrls('32-63=c:3', etcdUrls('0-31=a:1,b:2')))).toEqual(parts);
    expect(etcdParts(['0=a:1', '1=c:3'])?.map(({ last }) => last)).toEqual([0, 1]);
  });

  it('are none where plain addresses are given', () => {
    expect(etcdParts(['a:1', 'http://b:2/'])).toBeNull();
    expect(etcdUrls('a:1,b:2')).toEqual(['http://a:1', 'http://b:2']);
  });

  it.each([
    [['0-1=a:1', '3-4=b:2'], /No etcd is given for shard 2\b/],
    [['1-2=a:1', '3-4=b:2'], /No etcd is given for shard 0\b.*begin with shard 0/],
    [['0-2=a:1', '2-4=b:2'], /Two etcds are given for shard 2\b/],
    [['0-4=a:1', '1-2=b:2'], /Two etcds are given for shards 1 to 2/],
    [
      ['0-1=a:1', '2-3=http://a:1/'],
      /http:\/\/a:1 is given for shards 0 to 1 and for shards 2 to 3/,
    ],
    [['0-1=a:1'], /One range alone is no map/],
    [['0-1=a:1', 'b:2'], /"b:2" is no range/],
    [['1-0=a:1', '2-3=b:2'], /ends before it begins/],
    [['0-1=', '2-3=b:2'], /one etcd member at least/],
    [['0-1=a b', '2-3=b:2'], /no address of etcd/],
    [['x=a:1', '2-3=b:2'], /"x=a:1" is no range/],
    [['0-50=a:1', '51-100=b:2'], /at most 100 shards/],
  ] as const)('%j is refused', (given, problem) => {
    expect(() => etcdParts(given)).toThrow(problem);
    expect(() => checkEtcdMap(etcdUrls(given.join(';')))).toThrow(problem);
  });

  it('and an address without a range do not mix, in whatever order', () => {
    for (const mixed of [
      etcdUrls('b:2', etcdUrls('0-1=a:1')),
      etcdUrls('0-1=a:1', etcdUrls('b:2')),
    ]) {
      expect(() => checkEtcdMap(mixed)).toThrow(/is no range/);
    }
  });

  it('are for as many shards as are asked for', () => {
    expect(() => checkEtcdMap(two, 64)).not.toThrow();
    expect(() => checkEtcdMap(two, 32)).toThrow(/for 64 shards.*32 were asked for/);
  });
});

describe('the mark of an etcd', () => {
  const mark: PartMark = { id: 'x', index: 1, lasts: [31, 63], sealed: true };
  const wanted = { index: 1, lasts: [31, 63], endpoints: ['http://c:3'] };
  const found = { cluster: 'shop', part: mark };

  it('is what was asked for', () => {
    expect(() => assertPart({ part: wanted }, found)).not.toThrow();
    expect(() => assertPart({ part: null }, { cluster: 'shop' })).not.toThrow();
  });

  it.each([
    [null, found, /only shards 32 to 63 of cluster shop.*0-31, 32-63/],
    [wanted, { cluster: 'shop' }, /the whole of cluster shop.*without ranges/],
    [{ ...wanted, lasts: [15, 63] }, found, /made with the ranges 0-31, 32-63.*0-15, 16-63 was/],
    [{ ...wanted, index: 0 }, found, /has shards 32 to 63.*given for shards 0 to 31/],
    [wanted, { ...found, part: { ...mark, sealed: false } }, /did not come to its end/],
  ] as const)('%j is not %j', (part, there, problem) => {
    expect(() => assertPart({ part }, there)).toThrow(problem);
  });
});

describe('a log in parts', () => {
  const txid = (shard: number): Txid =>
    `${shard.toString(36)}.00000000000000001.000000001.aaaaaaaaaaaaa` as Txid;

  function logs() {
    const open = () =>
      openMemoryLog({
        store: new MemoryLogStore({ shards: 4 }),
        node: 'n',
        url: 'ws://n',
        clock: realClock,
      });
    const [low, high] = [open(), open()];
    const log = new PartedLog([
      { first: 0, last: 1, log: low, place: 'etcd at a:1' },
      { first: 2, last: 3, log: high, place: 'etcd at b:2' },
    ]);
    return { low, high, log };
  }

  it('asks the log of the shard, and no other', async () => {
    const { low, high, log } = logs();
    await log.campaign(2, { signal: never });
    expect(low.leaders().map((leader) => leader?.shard)).toEqual(Array(4).fill(undefined));
    expect(high.leaders()[2]?.shard).toBe(2);
    expect(log.leaders().map((leader) => leader?.shard ?? null)).toEqual([null, null, 2, null]);
    await low.close();
    expect(await log.read(txid(3))).toMatchObject({ record: null, floor: positionZero });
    await expect(log.read(txid(1))).rejects.toThrow(/closed/);
    await expect(log.read(txid(4))).rejects.toThrow(/no shard 4/);
    await log.close().catch(() => undefined);
  });

  it('says of what is retired which shards may count on it', async () => {
    const { low, high, log } = logs();
    const heard: unknown[] = [];
    log.watchRetired((retired, shards) => heard.push([retired, shards?.first]));
    const one: Retired = { participant: 'p', instance: 'i' };
    await high.retire(one);
    expect(heard).toEqual([[one, 2]]);
    expect(await log.retired(0)).toEqual([]);
    expect(await log.retired(3)).toEqual([one]);
    expect(await log.retired()).toEqual([one]);
    await log.retire(one);
    expect(heard).toHaveLength(2);
    expect(await low.retired()).toEqual([one]);
    await log.close();
  });

  it.each([
    ['is silent', false],
    ['answers no reading', true],
  ])('retires nothing anywhere while one log %s, and says which', async (_, isConfirmed) => {
    const { low, high, log } = logs();
    if (isConfirmed) await high.close();
    else high.isConfirmed = () => false;
    await expect(log.retire({ participant: 'p', instance: 'i' })).rejects.toThrow(
      /^Nothing was written: .* shards 2 to 3, etcd at b:2,/,
    );
    expect(await low.retired()).toEqual([]);
    await log.close();
  });

  it('says that it may be retired for some shards where one log falls silent just then', async () => {
    const { low, high, log } = logs();
    const one: Retired = { participant: 'p', instance: 'i' };
    high.retire = () => Promise.reject(new Error('silent now'));
    await expect(log.retire(one)).rejects.toThrow(
      /retire again\. For shards 2 to 3, etcd at b:2: silent now/,
    );
    expect(await low.retired()).toEqual([one]);
    await log.close();
  });

  it('says that it may be given to another for some shards where one log falls silent', async () => {
    const { low, high, log } = logs();
    const claim = { participant: 'p', instance: 'i' };
    await log.bind(claim, 'first');
    high.rebind = () => Promise.reject(new Error('silent now'));
    await expect(log.rebind(claim, 'second')).rejects.toThrow(
      /do it again\. For shards 2 to 3, etcd at b:2: silent now/,
    );
    expect(await low.holderOf(claim)).toBe('second');
    await log.close();
  });
});
