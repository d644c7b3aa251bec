/** The key of txids at a real etcd: apart from `meta`, made once, and never made anew. */
import { describe, expect, it, vi } from 'vitest';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import {
  decodeMeta,
  encodeMeta,
  encodeSecret,
  type MetaValue,
} from '../../src/decision-log/etcd/records.ts';
import { DecisionLogError } from '../../src/ports/decision-log.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { etcdOfSuite } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { commitOf, issuedAt, never, txidAt } from '../support/logs/stores.ts';

const etcds = await etcdsToTest();
const waitMs = { timeout: 30_000 };
/** The newest that programs of before read is 3. */
const apartFormat = 4;

const ofBefore = {
  cluster: 'test',
  clusterId: 'made-by-chance',
  shards: 1,
  requestShard: 'fnv1a32-scoped',
  requestWindowMs: 120_000,
  generation: 0,
  txidSecret: 'a'.repeat(32),
  formatVersion: 1,
} satisfies MetaValue;

describe.skipIf(etcds.length === 0).each(etcds)('the secret of a cluster at $etcd', (programs) => {
  let rig: EtcdRig;
  etcdOfSuite(programs, (given) => {
    rig = given;
  });

  const meta = async (): Promise<MetaValue> =>
    decodeMeta((await rig.look(rig.keys.meta))?.value ?? Buffer.of());
  const put = (key: Buffer, value: Buffer) => rig.raw.kv.put({ key, value });
  const putMeta = (value: MetaValue) => put(rig.keys.meta, encodeMeta(value));
  async function refused(node: string, text: RegExp): Promise<void> {
    const opening = rig.open(node);
    await expect(opening).rejects.toThrow(DecisionLogError);
    await expect(opening).rejects.toThrow(text);
  }

  it('is not in meta, whose format programs of before refuse, and comes with it', async () => {
    const log = await rig.open('alpha');
    const kv = await rig.look(rig.keys.meta);
    const { txidSecret } = log.meta;
    expect(txidSecret).toMatch(/^[0-9a-z]{32}$/);
    expect(kv?.value.toString('latin1')).not.toContain(txidSecret);
    expect(await meta()).toMatchObject({ formatVersion: apartFormat, txidSecret: null });
    const { clusterId } = log.meta;
    expect(await rig.secret()).toEqual({ clusterId, txidSecret });
    const secret = await rig.look(rig.keys.secret);
    expect(secret?.create_revision).toBe(kv?.create_revision);
    expect((await rig.open('beta')).meta).toEqual(log.meta);
  });

  it('of nodes that start first together is one', async () => {
    const logs = await Promise.all(['a', 'b', 'c', 'd'].map((node) => rig.open(node)));
    expect(new Set(logs.map((log) => log.meta.txidSecret)).size).toBe(1);
    expect((await rig.look(rig.keys.secret))?.version).toBe('1');
  });

  it('stays in the meta of a log that has it there', async () => {
    await putMeta(ofBefore);
    const before = await rig.look(rig.keys.meta);
    const log = await rig.open('alpha');
    expect(log.meta.txidSecret).toBe(ofBefore.txidSecret);
    expect(await rig.look(rig.keys.meta)).toEqual(before);
    const reader = await openEtcdReader(rig.options('operator'));
    expect(await reader.raiseGeneration()).toBe(1);
    const leadership = await log.campaign(0, { signal: never });
    const txid = issuedAt(log.meta, leadership.epoch, 1);
    await leadership.decide(commitOf(txid));
    // As before it proves txids to every reader.
    expect((await reader.read(txid)).record?.outcome).toBe('commit');
    await expect(reader.read(txidAt(leadership.epoch, 1))).rejects.toThrow('ever gave out');
    await reader.close();
    expect(await meta()).toEqual({ ...ofBefore, generation: 1 });
    expect(await rig.look(rig.keys.secret)).toBeNull();
  });

  it('that is gone is not made anew, nor with a meta that is gone; that of a backup is taken', async () => {
    const log = await rig.open('alpha');
    const kept = (await rig.look(rig.keys.secret))?.value ?? Buffer.of();
    const keptMeta = (await rig.look(rig.keys.meta))?.value ?? Buffer.of();
    await rig.raw.kv.deleteRange({ key: rig.keys.secret });
    await refused('beta', /no key `issuing-secret`.*Put it back from a backup/);
    expect(await rig.look(rig.keys.secret)).toBeNull();
    // Who has it goes on.
    await log.campaign(0, { signal: never });
    await log.close();
    await refused('alpha', /no key `issuing-secret`/);
    await put(rig.keys.secret, kept);
    expect((await rig.open('alpha')).meta.txidSecret).toBe(log.meta.txidSecret);
    await rig.raw.kv.deleteRange({ key: rig.keys.meta });
    await refused('beta', /no `meta`/);
    expect(await rig.look(rig.keys.meta)).toBeNull();
    await put(rig.keys.meta, keptMeta);
    await rig.open('beta');
  });

  it.each([
    ['of another log', 'another', true],
    ['made up for this one', null, false],
  ] as const)('%s is refused', async (_, clusterId, isRight) => {
    const log = await rig.open('alpha');
    await log.close();
    const txidSecret = isRight ? log.meta.txidSecret : 'b'.repeat(32);
    const value = encodeSecret({ clusterId: clusterId ?? log.meta.clusterId, txidSecret });
    await put(rig.keys.secret, value);
    await refused('alpha', /`issuing-secret` in etcd is not the one that the cluster/);
  });

  it('of a meta that was written over is refused where another is there, and by nodes that run', async () => {
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (more: object) => warned.push(JSON.stringify(more)) };
    const log = await rig.open('alpha', { logger });
    const { clusterId, cluster } = log.meta;
    const right = (await rig.look(rig.keys.meta))?.value ?? Buffer.of();
    await putMeta({ ...ofBefore, clusterId, cluster });
    await refused('beta', /a key `issuing-secret` in etcd, and another one in its `meta`/);
    await vi.waitFor(() => expect(warned.join()).toContain('has another secret'), waitMs);
    expect(log.meta.txidSecret).not.toBe(ofBefore.txidSecret);
    await put(rig.keys.meta, right);
    await log.campaign(0, { signal: never });
  });

  it('is kept by nodes that run while the generation is raised, and is not written into meta', async () => {
    const log = await rig.open('alpha');
    const { txidSecret } = log.meta;
    const before = await meta();
    const operator = await openEtcdReader(rig.options('operator'));
    expect(await operator.raiseGeneration()).toBe(1);
    await operator.close();
    expect(await meta()).toEqual({ ...before, generation: 1 });
    await log.campaign(0, { signal: never });
    await expect.poll(() => log.meta.generation, waitMs).toBe(1);
    expect(log.meta.txidSecret).toBe(txidSecret);
  });

  it('is not needed by a participant, who asks for the txids of its cluster alone', async () => {
    const log = await rig.open('alpha');
    const leadership = await log.campaign(0, { signal: never });
    const txid = issuedAt(log.meta, leadership.epoch, 1);
    await leadership.decide(commitOf(txid));
    const { clusterId } = log.meta;
    const participant = await openEtcdReader({ ...rig.options('participant'), clusterId });
    expect((await participant.read(txid)).record?.outcome).toBe('commit');
    expect(await participant.isIssued(txid)).toBeNull();
    await participant.close();
    // The log of another cluster would know nothing of it, and the abort would be presumed.
    const unbound = await openEtcdReader({ ...rig.options('participant'), clusterId: null });
    await expect(unbound.read(txid)).rejects.toThrow('Nothing shows that');
    await expect(unbound.resolve(txid)).rejects.toThrow('Nothing shows that');
    await unbound.close();
  });

  it('proves txids to an operator who may read it', async () => {
    const log = await rig.open('alpha');
    const leadership = await log.campaign(0, { signal: never });
    const txid = issuedAt(log.meta, leadership.epoch, 1);
    const operator = await openEtcdReader({ ...rig.options('operator'), operator: true });
    expect(await operator.isIssued(txid)).toBe(true);
    expect((await operator.read(txid)).record).toBeNull();
    await expect(operator.read(txidAt(leadership.epoch, 1))).rejects.toThrow('ever gave out');
    await operator.close();
  });
});
