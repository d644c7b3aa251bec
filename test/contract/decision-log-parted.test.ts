/** One decision log over two etcds: the contract of the port, and who may open it. */
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type EtcdReader, openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import {
  decodeMeta,
  decodeSecret,
  encodeMeta,
  encodeRebound,
  encodeSecret,
  type PartMark,
} from '../../src/decision-log/etcd/records.ts';
import { secretPrint } from '../../src/system/txid-seal.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { etcdFixture } from '../support/logs/log-fixtures.ts';
import { commitOf, issuedAt, never, realClock, realRandom } from '../support/logs/stores.ts';
import { decisionLogContract } from './decision-log.ts';

const [programs] = await etcdsToTest();

describe.skipIf(programs === undefined)('ranges of shards on two etcds', () => {
  let etcds: TestEtcd[] = [];
  let map: readonly string[] = [];
  let rig: EtcdRig;

  beforeAll(async () => {
    if (programs === undefined) return;
    etcds = await Promise.all([TestEtcd.start(programs), TestEtcd.start(programs)]);
    map = [rangeOn('0', 0), rangeOn('1-3', 1)];
  });
  afterAll(async () => {
    await Promise.all(etcds.map((etcd) => etcd.dispose()));
  });
  afterEach(() => rig?.dispose());

  function rangeOn(shards: string, etcd: number): string {
    return `${shards}=${etcds[etcd]?.endpoints.join(',')}`;
  }

  decisionLogContract('two etcds', () => etcdFixture(map), { severalNodes: true, flushes: true });

  /** A cluster that was started over the map. */
  async function begun(): Promise<EtcdRig> {
    rig = new EtcdRig(map);
    await (await rig.open('a')).close();
    return rig;
  }

  it('each shard is led and decided in its own etcd alone', async () => {
    rig = new EtcdRig(map);
    const log = await rig.open('a');
    expect(log.meta.shards).toBe(4);
    for (const shard of [0, 3]) await log.campaign(shard, { signal: never });
    for (const [at, etcd] of etcds.entries()) {
      const raw = new Etcd3({ hosts: etcd.endpoints[0] ?? '' });
      const keys = await raw.getAll().prefix(`/verdict/${rig.cluster}/shards/`).keys();
      raw.close();
      const shards = new Set(keys.map((key) => key.split('/')[4]));
      expect([...shards]).toEqual([at === 0 ? '0' : '3']);
    }
  });

  it('a node with another map, or with none, is refused', async () => {
    await begun();
    const other = (endpoints: readonly string[]) => rig.open('b', { endpoints });
    await expect(other([rangeOn('0', 1), rangeOn('1-3', 0)])).rejects.toThrow(
      /has shards 1 to 3 of cluster .* given for shard 0\./,
    );
    await expect(other([rangeOn('0-1', 0), rangeOn('2-3', 1)])).rejects.toThrow(
      /made with the ranges 0, 1-3, which cannot change; 0-1, 2-3 was asked for/,
    );
    for (const [at, text] of ['only shard 0', 'only shards 1 to 3'].entries()) {
      await expect(other(etcds[at]?.endpoints ?? [])).rejects.toThrow(text);
    }
    // The same etcd for both, under two names.
    const again = etcds[0]?.endpoints[0]?.replace('127.0.0.1', 'localhost');
    await expect(other([rangeOn('0', 0), `1-3=${again}`])).rejects.toThrow(
      /has shard 0 of cluster/,
    );
    await expect(rig.open('b', { shards: 3 })).rejects.toThrow(/for 4 shards.*3 were asked for/);
  });

  it('a binding that one etcd lost stands by the other, and is put again by its holder alone', async () => {
    rig = new EtcdRig(map);
    const log = await rig.open('a');
    const claim = { participant: 'p', instance: 'i' };
    const key = rig.keys.boundOne(claim);
    const raws = etcds.map((etcd) => new Etcd3({ hosts: etcd.endpoints[0] ?? '' }));
    for (const raw of raws) {
      expect(await log.bind(claim, 'first')).toBe('first');
      await raw.kv.deleteRange({ key });
      expect(await log.bind(claim, 'second')).toBe('first');
      expect(await log.holderOf(claim)).toBe('first');
      // The other was not let in, so the holder still can be.
      expect(await raw.get(key).exists()).toBe(false);
      expect(await log.bind(claim, 'first')).toBe('first');
      expect(await raw.get(key).exists()).toBe(true);
    }
    for (const raw of raws) raw.close();
  });

  it('where two won an etcd each, neither holds it, until it is rebound', async () => {
    rig = new EtcdRig(map);
    const log = await rig.open('a');
    const claim = { participant: 'p', sharedResource: 'r' };
    const raws = etcds.map((etcd) => new Etcd3({ hosts: etcd.endpoints[0] ?? '' }));
    for (const [at, raw] of raws.entries()) {
      const value = encodeRebound({ claim, identity: at === 0 ? 'first' : 'second' });
      await raw.kv.put({ key: rig.keys.boundOne(claim), value });
      raw.close();
    }
    expect(await log.bind(claim, 'first')).toBe('second');
    expect(await log.bind(claim, 'second')).toBe('first');
    await log.rebind(claim, 'second');
    expect(await log.bind(claim, 'first')).toBe('second');
    expect(await log.bind(claim, 'second')).toBe('second');
  });

  it('a cluster on one etcd cannot be spread', async () => {
    rig = new EtcdRig(etcds[0]?.endpoints ?? []);
    await (await rig.open('a', { shards: 4 })).close();
    await expect(rig.open('b', { endpoints: map })).rejects.toThrow(
      /has the whole of cluster .*Shards cannot be moved/,
    );
  });

  it('two that start first together with other maps: one at most comes up', async () => {
    rig = new EtcdRig(map);
    const crossed = [rangeOn('0-2', 1), rangeOn('3', 0)];
    const both = await Promise.allSettled([rig.open('a'), rig.open('b', { endpoints: crossed })]);
    expect(both.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(2);
  });

  it('two that start first together with the same map agree', async () => {
    rig = new EtcdRig(map);
    const [a, b] = await Promise.all([rig.open('a'), rig.open('b')]);
    expect(a?.meta).toEqual(b?.meta);
  });

  it.each([0, 1])('an etcd that was emptied is not taken for new: %i', async (at) => {
    const { cluster } = await begun();
    const raw = new Etcd3({ hosts: etcds[at]?.endpoints[0] ?? '' });
    await raw.delete().prefix(`/verdict/${cluster}/`);
    await expect(rig.open('fresh')).rejects.toThrow(/does not have shards? .* restore it/);
    expect(await raw.getAll().prefix(`/verdict/${cluster}/`).keys()).toEqual([]);
    raw.close();
  });

  it.each([
    ['its own mark is sealed', 'own', 'opened'],
    ['a mark that came too late is not', 'another', 'refused'],
  ] as const)('after a first start that was cut off, %s', async (_, id, end) => {
    const { cluster } = await begun();
    const raw = new Etcd3({ hosts: etcds[1]?.endpoints[0] ?? '' });
    const key = `/verdict/${cluster}/meta`;
    const meta = decodeMeta((await raw.get(key).buffer()) ?? Buffer.of());
    const part = meta.part as PartMark;
    const unsealed = { ...part, sealed: false, ...(id === 'own' ? {} : { id }) };
    await raw.put(key).value(encodeMeta({ ...meta, part: unsealed }));
    const access = { cluster, clock: realClock, random: realRandom };
    await expect(openEtcdReader({ endpoints: map, ...access })).rejects.toThrow(
      /did not come to its end/,
    );
    const opening = rig.open('b').then(
      () => 'opened',
      () => 'refused',
    );
    expect(await opening).toBe(end);
    const now = decodeMeta((await raw.get(key).buffer()) ?? Buffer.of());
    expect(now.part?.sealed).toBe(end === 'opened');
    raw.close();
  });

  /** Of each etcd, in order. */
  const raws = () => etcds.map((etcd) => new Etcd3({ hosts: etcd.endpoints[0] ?? '' }));

  const secretAt = async (raw: Etcd3 | undefined) =>
    decodeSecret(
      (await raw?.get(`/verdict/${rig.cluster}/issuing-secret`).buffer()) ?? Buffer.of(),
    );

  it('every etcd has the secret, and none in its meta, once it is sealed too', async () => {
    const { cluster } = await begun();
    const all = raws();
    const { txidSecret } = await secretAt(all[0]);
    for (const raw of all) {
      const meta = decodeMeta((await raw.get(`/verdict/${cluster}/meta`).buffer()) ?? Buffer.of());
      expect(meta).toMatchObject({ formatVersion: 4, txidSecret: null, part: { sealed: true } });
      expect(await secretAt(raw)).toEqual({ clusterId: meta.clusterId, txidSecret });
      raw.close();
    }
  });

  it.each([
    ['apart', false],
    ['in meta, as before', true],
  ])(
    'a first start that was cut off after the first etcd goes on with its secret: %s',
    async (_, isOfBefore) => {
      const { cluster } = await begun();
      const [first, second] = raws();
      const { txidSecret } = await secretAt(first);
      if (first === undefined || second === undefined) throw new Error('There are two etcds.');
      const key = `/verdict/${cluster}/meta`;
      const { secretPrint, ...meta } = decodeMeta((await first.get(key).buffer()) ?? Buffer.of());
      const { ids: _ids, ...part } = meta.part as PartMark;
      const unsealed = { ...meta, part: { ...part, sealed: false } };
      const form = isOfBefore
        ? { formatVersion: 2, txidSecret }
        : secretPrint === undefined
          ? {}
          : { secretPrint };
      await first.put(key).value(encodeMeta({ ...unsealed, ...form }));
      if (isOfBefore) await first.delete().key(`/verdict/${cluster}/issuing-secret`);
      await second.delete().prefix(`/verdict/${cluster}/`);
      expect((await rig.open('b')).meta.txidSecret).toBe(txidSecret);
      for (const raw of [first, second]) {
        const now = decodeMeta((await raw.get(key).buffer()) ?? Buffer.of());
        expect(now).toMatchObject({ ...form, part: { sealed: true } });
        const secret = await raw.get(`/verdict/${cluster}/issuing-secret`).buffer();
        expect(secret === null).toBe(isOfBefore);
        raw.close();
      }
    },
  );

  it.each([0, 1])('an etcd that lost the secret, or has another, is refused: %i', async (at) => {
    const { cluster } = await begun();
    const all = raws();
    const raw = all[at] as Etcd3;
    const key = `/verdict/${cluster}/issuing-secret`;
    const { clusterId } = await secretAt(raw);
    const kept = (await raw.get(key).buffer()) ?? Buffer.of();
    await raw.delete().key(key);
    await expect(rig.open('b')).rejects.toThrow(/no key `issuing-secret`/);
    expect(await raw.get(key).buffer()).toBeNull();
    await raw.put(key).value(encodeSecret({ clusterId, txidSecret: 'b'.repeat(32) }));
    await expect(rig.open('b')).rejects.toThrow(/`issuing-secret` in etcd is not the one/);
    await raw.put(key).value(kept);
    await rig.open('b');
    for (const one of all) one.close();
  });

  it('an etcd whose meta and secret are of another secret is refused', async () => {
    const { cluster } = await begun();
    const all = raws();
    const second = all[1] as Etcd3;
    const key = `/verdict/${cluster}/meta`;
    const meta = decodeMeta((await second.get(key).buffer()) ?? Buffer.of());
    const txidSecret = 'b'.repeat(32);
    await second.put(key).value(encodeMeta({ ...meta, secretPrint: secretPrint(txidSecret) }));
    const value = encodeSecret({ clusterId: meta.clusterId, txidSecret });
    await second.put(`/verdict/${cluster}/issuing-secret`).value(value);
    await expect(rig.open('b')).rejects.toThrow(/of another cluster/);
    for (const one of all) one.close();
  });

  it('a reader asks the etcd of the shard, believes no other, and none that lost its mark', async () => {
    rig = new EtcdRig(map);
    const log = await rig.open('a');
    const { cluster } = rig;
    const { clusterId } = log.meta;
    const leadership = await log.campaign(2, { signal: never });
    const txid = issuedAt(log.meta, leadership.epoch, 1, 2);
    await leadership.decide(commitOf(txid));
    const open = (endpoints: readonly string[]): Promise<EtcdReader> =>
      openEtcdReader({ endpoints, cluster, clusterId, clock: realClock, random: realRandom });
    const reader = await open(map);
    expect((await reader.read(txid)).record?.outcome).toBe('commit');
    await expect(open([rangeOn('0', 1), rangeOn('1-3', 0)])).rejects.toThrow(/given for shard/);
    await expect(open(etcds[0]?.endpoints ?? [])).rejects.toThrow(/only shard 0/);
    const raw = new Etcd3({ hosts: etcds[1]?.endpoints[0] ?? '' });
    await raw.delete().prefix(`/verdict/${cluster}/`);
    raw.close();
    await expect(reader.read(txid)).rejects.toThrow(/no `meta`/);
    await reader.close();
  });
});
