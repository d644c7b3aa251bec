/**
 * A leadership that no one has told of its end, on a real etcd: only the compare in each
 * transaction is left (I6).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge } from '../../src/core/judge.ts';
import { makePosition, positionOf, type Txid } from '../../src/core/txid.ts';
import { ReboundBoard } from '../../src/decision-log/boards.ts';
import { Bindings } from '../../src/decision-log/etcd/bindings.ts';
import { collect } from '../../src/decision-log/etcd/collect.ts';
import { prepareDecision } from '../../src/decision-log/etcd/decide.ts';
import { Fenced, type FencedRequest } from '../../src/decision-log/etcd/fenced.ts';
import { finish, KnownRecords } from '../../src/decision-log/etcd/finish.ts';
import {
  fence,
  type ObservedLeader,
  observe,
  takeLeaderKey,
} from '../../src/decision-log/etcd/leader-key.ts';
import { EtcdLeadership } from '../../src/decision-log/etcd/leadership.ts';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { resolveDecision } from '../../src/decision-log/etcd/reading.ts';
import { encodeLeader, encodeRetired } from '../../src/decision-log/etcd/records.ts';
import type { Txn } from '../../src/decision-log/etcd/requests.ts';
import { nested } from '../../src/decision-log/etcd/requests.ts';
import { EtcdStore, type InsistedResult } from '../../src/decision-log/etcd/store.ts';
import {
  type DecisionLog,
  type DecisionWrite,
  type Leadership,
  LeadershipLostError,
} from '../../src/ports/decision-log.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { etcdOfSuite } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { commitOf, decideAll, never, txidAt } from '../support/logs/stores.ts';

const etcds = await etcdsToTest();
const everything = {
  retentionMs: 0,
  retentionMsMin: 0,
  maxRecords: 100,
  keepsRequest: () => false,
  limit: 100,
};

describe.skipIf(etcds.length === 0).each(etcds)('the fence on etcd at $etcd', (programs) => {
  let rig: EtcdRig;
  const stores: EtcdStore[] = [];
  let log: DecisionLog;
  let first: Leadership;
  let held: ObservedLeader;
  const txid = (sequence: number): Txid => txidAt(first.epoch, sequence);
  etcdOfSuite(programs, (given) => {
    rig = given;
  });
  beforeEach(async () => {
    log = await rig.open('alpha');
    first = await log.campaign(0, { signal: never });
    const leader = observe(0, await rig.look(rig.keys.shard(0).leader));
    if (leader === null) throw new Error('No one leads.');
    held = leader;
  });
  afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));

  function storeOf(): EtcdStore {
    const store = new EtcdStore({ ...rig.options('zombie'), onFatal: () => undefined });
    stores.push(store);
    return store;
  }

  /** The leadership of `key` once more, with nothing that could tell it of its end. */
  function zombieOf(key: ObservedLeader, store = storeOf()): EtcdLeadership {
    return new EtcdLeadership({
      store,
      held: key,
      leaseIsValid: () => true,
      resolve: (id) => log.resolve(id),
      ended: async () => undefined,
    });
  }

  /**
   * The leader's own fence, with something else done between what it has read and what it writes
   * for it.
   */
  async function revisionOf(of: Txid): Promise<string> {
    return (await rig.look(rig.keys.shard(0).decision(of)))?.mod_revision ?? '';
  }

  function interleaved(between: () => Promise<void>): Fenced {
    const options = { store: storeOf(), held, lost: never };
    return new Interleaved(between, { ...options, end: () => undefined });
  }

  const calls: readonly [string, (zombie: Leadership) => Promise<unknown>][] = [
    ['decide', (zombie) => zombie.decide(commitOf(txid(9)))],
    ['decide several', (zombie) => decideAll(zombie, [commitOf(txid(8)), commitOf(txid(9))])],
    ['finish', (zombie) => zombie.finish([txid(1)])],
    ['tick', (zombie) => zombie.tick(1)],
    [
      'collect',
      (zombie) => zombie.collect({ ...everything, below: makePosition(zombie.epoch, 9) }),
    ],
    ['pending', (zombie) => zombie.pending({ after: null, limit: 9 })],
    ['readRequest', (zombie) => zombie.readRequest('r')],
  ];

  it('counts on what was retired before it began, heard of here or not', async () => {
    const retired = { participant: 'payment', instance: 'gone' };
    await first.resign();
    // By another node, a moment ago: both keys in one transaction, as `retire` writes them.
    await rig.raw
      .if(rig.keys.meta, 'Version', '>', 0)
      .then(
        rig.raw.put(rig.keys.retiredOne(retired)).value(encodeRetired(retired)),
        rig.raw.put(rig.keys.retirements).value(''),
      )
      .commit();
    await log.campaign(0, { signal: never });
    expect(await log.retired(0)).toContainEqual(retired);
  });

  it.each(calls)('lets no one %s once another leads', async (_, call) => {
    await decideAll(first, [
      commitOf(txid(1)),
      commitOf(txid(2), { finished: true, requestId: 'r' }),
    ]);
    const zombie = zombieOf(held);
    await zombie.begin(null);
    expect(zombie.epoch).toBe(first.epoch);
    expect(zombie.isCertain()).toBe(true);
    const next = await rig.usurp(log, 0);
    const before = (await rig.look(rig.keys.shard(0).leader))?.mod_revision;
    await expect(call(zombie)).rejects.toThrow(LeadershipLostError);
    expect(zombie.lost.aborted).toBe(true);
    expect(zombie.isCertain()).toBe(false);
    // Nothing at all was written.
    const { header } = await rig.raw.kv.range({ key: rig.keys.meta });
    expect(header.revision).toBe(before);
    expect(await next.tick(1)).toBe(1);
  });

  it('tells two leaders apart to which a restored etcd gave one revision', async () => {
    // Only a restore makes etcd repeat a revision: so it is the value that is another one here.
    const value = encodeLeader({ node: 'alpha', url: 'ws://alpha', nonce: 'other', generation: 0 });
    const twin = zombieOf({ ...held, value });
    expect(twin.epoch).toBe(first.epoch);
    await expect(twin.decide(commitOf(txid(1)))).rejects.toThrow(LeadershipLostError);
    expect(await first.decide(commitOf(txid(1)))).toEqual({ type: 'written' });
  });

  it('holds against a key that was written again, though it says the same', async () => {
    // Of a shard that no log looks after: it would delete such a key.
    const keys = rig.keys.shard(5);
    const { value } = held;
    await rig.raw.kv.put({ key: keys.leader, value });
    const own = observe(5, await rig.look(keys.leader));
    if (own === null) throw new Error('The key was not written.');
    const zombie = zombieOf(own);
    expect(await zombie.tick(1)).toBe(1);
    await rig.raw.kv.put({ key: keys.leader, value });
    await expect(zombie.tick(1)).rejects.toThrow(LeadershipLostError);
  });

  it('takes no leadership under a generation that was raised since it was read', async () => {
    const meta = await rig.look(rig.keys.meta);
    const reader = await openEtcdReader(rig.options('reader'));
    await reader.raiseGeneration();
    await reader.close();
    const { node, url } = held.info;
    const taken = await takeLeaderKey({
      store: storeOf(),
      shard: 5,
      value: { node, url, nonce: 'n', generation: 0 },
      lease: held.lease,
      observed: null,
      metaRevision: meta?.mod_revision ?? '',
    });
    expect(taken).toMatchObject({ kind: 'lost', there: null });
    expect(await rig.look(rig.keys.shard(5).leader)).toBeNull();
  });

  describe('and a decision whose duplicate arrives late', () => {
    /** The very transaction that a leader sends, sent again by no one's will. */
    async function arriveLate(write: DecisionWrite): Promise<void> {
      const { txn } = prepareDecision(rig.keys.shard(0), write, 0);
      const compare = [...fence(rig.keys.shard(0), held)];
      await rig.raw.kv.txn({ compare: [...compare, ...txn.compare], success: txn.success });
      await rig.raw.kv.txn({ compare, success: [nested(txn)] });
    }

    it('is not there twice after it was finished, nor after it was collected', async () => {
      const write = commitOf(txid(1), { requestId: 'r' });
      await first.decide(write);
      await first.finish([txid(1)]);
      await arriveLate(write);
      expect((await log.read(txid(1))).record).toMatchObject({ finished: true });
      await first.collect({ ...everything, below: makePosition(first.epoch, 2) });
      await arriveLate(write);
      expect((await log.read(txid(1))).record).toBeNull();
      expect(await first.readRequest('r')).toBeNull();
    });

    it('stays out beside a forced abort, also when that was swept', async () => {
      await log.resolve(txid(1));
      await arriveLate(commitOf(txid(1)));
      await first.finish([txid(1)]);
      await arriveLate(commitOf(txid(1)));
      expect((await log.read(txid(1))).record).toMatchObject({ outcome: 'abort', finished: true });
      expect(await rig.look(rig.keys.shard(0).decision(txid(1)))).toBeNull();
    });

    it('stays out once another leads', async () => {
      const next = await rig.usurp(log, 0);
      await arriveLate(commitOf(txid(1)));
      expect((await log.read(txid(1))).record).toBeNull();
      expect(await next.pending({ after: null, limit: 9 })).toEqual([]);
    });
  });

  it('keeps a tick that arrives twice from setting the clock back', async () => {
    const sent: Txn[] = [];
    const store = storeOf();
    const attempt = store.attempt.bind(store);
    store.attempt = (request) => {
      sent.push(request);
      return attempt(request);
    };
    const zombie = zombieOf(held, store);
    expect(await zombie.tick(1)).toBe(1);
    expect(await zombie.tick(1)).toBe(2);
    const [first] = sent;
    if (first === undefined) throw new Error('Nothing was sent.');
    await rig.raw.kv.txn(first);
    expect((await rig.look(rig.keys.shard(0).clock))?.value.toString()).toBe('2');
  });

  it.each([
    ['that was read before', false],
    ['of what it wrote itself', true],
  ])('keeps a move %s from putting back what was collected since', async (_, isKnown) => {
    const write = commitOf(txid(1));
    await first.decide(write);
    const below = makePosition(first.epoch, 9);
    const known = new KnownRecords();
    if (isKnown) known.saw(write.record, await revisionOf(txid(1)));
    const fenced = interleaved(async () => {
      await first.finish([txid(1)]);
      await first.collect({ ...everything, below });
    });
    await finish({ fenced, known, tick: () => 0 }, [txid(1)]);
    expect((await log.read(txid(1))).record).toBeNull();
    expect(await rig.look(rig.keys.shard(0).finishedRecord(txid(1)))).toBeNull();
  });

  it('moves what is there, where that is not what the leadership knows', async () => {
    const writes = [1, 2, 3].map((sequence) => commitOf(txid(sequence)));
    await decideAll(first, writes);
    const known = new KnownRecords();
    for (const { record } of writes.slice(0, 2)) known.saw(record, '1');
    const fenced = interleaved(async () => undefined);
    await finish(
      { fenced, known, tick: () => 0 },
      writes.map(({ record }) => record.txid),
    );
    expect(await first.pending({ after: null, limit: 9 })).toEqual([]);
    for (const { record } of writes) {
      expect((await log.read(record.txid)).record).toMatchObject({ finished: true });
    }
  });

  it('keeps a forced abort of an epoch from being written once another leads', async () => {
    const store = storeOf();
    const insist = store.insist.bind(store);
    let usurped = false;
    store.insist = async (request, options) => {
      // Between the reading, which still shows the old leader, and the write.
      if ('compare' in request && request.compare !== undefined && !usurped) {
        usurped = true;
        await rig.usurp(log, 0);
      }
      return insist(request, options);
    };
    const reading = await resolveDecision({ store, txid: txid(1), atMs: 0 });
    expect(reading.record).toBeNull();
    expect(reading.leader?.node).toBe('usurper');
    expect(judge(txid(1), reading, { inDoubt: true }).decision).toBe('abort');
    expect(await rig.look(rig.keys.shard(0).decision(txid(1)))).toBeNull();
  });

  it('keeps a binding from an instance that was bound, retired and freed after it had looked', async () => {
    const claim = { participant: 'payment', instance: 'p-1' };
    const store = storeOf();
    const insist = store.insist.bind(store);
    let meanwhile = 0;
    store.insist = async (request, options) => {
      // Between the readings, which show nothing, and the put.
      if ('compare' in request && request.compare !== undefined && meanwhile === 0) {
        meanwhile += 1;
        expect(await log.bind(claim, 'holder')).toBe('holder');
        await log.retire(claim);
      }
      return insist(request, options);
    };
    const board = new ReboundBoard();
    const bindings = new Bindings({ store, board, heardByAll: async () => undefined });
    for (const call of [
      () => bindings.bind(claim, 'impostor'),
      () => bindings.rebind(claim, 'impostor'),
    ]) {
      await expect(call()).rejects.toMatchObject({ why: 'retired' });
    }
    expect(meanwhile).toBe(1);
    expect(await log.holderOf(claim)).toBeNull();
  });

  it('keeps collection from what was finished after it had looked', async () => {
    await decideAll(
      first,
      [2, 3].map((sequence) => commitOf(txid(sequence), { finished: true })),
    );
    await first.decide(commitOf(txid(1), { requestId: 'r' }));
    expect(await first.tick(1)).toBe(1);
    const fenced = interleaved(() => first.finish([txid(1)]));
    const below = makePosition(first.epoch, 9);
    const retention = { retentionMs: 1, retentionMsMin: 1 };
    // The young one is the first in order now, and collection stops at it.
    expect(await collect(fenced, { ...everything, ...retention, below }, 1)).toMatchObject({
      collected: 0,
    });
    for (const sequence of [1, 2, 3]) {
      expect((await log.read(txid(sequence))).record).toMatchObject({ finished: true });
    }
    await first.tick(1);
    expect(await first.collect({ ...everything, ...retention, below })).toMatchObject({
      collected: 3,
      floor: positionOf(txid(3)),
    });
  });
});

class Interleaved extends Fenced {
  readonly #between: () => Promise<void>;

  constructor(between: () => Promise<void>, options: ConstructorParameters<typeof Fenced>[0]) {
    super(options);
    this.#between = between;
  }

  override async write(request: FencedRequest): Promise<InsistedResult> {
    await this.#between();
    return super.write(request);
  }
}
