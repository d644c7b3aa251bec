/** Requests to etcd that come between others, come twice, or would be too large for it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SettledByHand } from '../../../src/core/records.ts';
import { makePosition, type Txid } from '../../../src/core/txid.ts';
import type { EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import type { Txn, TxnResult } from '../../../src/decision-log/etcd/requests.ts';
import type { DecisionLog, Leadership } from '../../../src/ports/decision-log.ts';
import { collectAll } from '../../contract/decision-log/rig.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog } from '../../support/etcd/simulated-leader.ts';
import { commitOf, decideAll, never, txidAt } from '../../support/logs/stores.ts';

type Send = (request: Txn) => Promise<TxnResult>;

const cluster = 'simulated';
const keys = new EtcdKeys(cluster).shard(0);
let etcd: SimulatedEtcd;
let log: DecisionLog;
let leadership: Leadership;
/** Instead of sending it. */
let meets: (request: Txn, send: Send) => Promise<TxnResult>;

beforeEach(async () => {
  etcd = new SimulatedEtcd();
  meets = (request, send) => send(request);
  log = etcd.awaited(await openSimulatedLog(etcd, etcd.process('node'), 3_000, met));
  leadership = await log.campaign(0, { signal: never });
});
afterEach(async () => {
  await log.close();
  etcd.close();
});

function met(stub: EtcdStub): EtcdStub {
  const send: Send = (request) => stub.kv.txn(request);
  return { ...stub, kv: { ...stub.kv, txn: (request) => meets(request, send) } };
}

const txid = (sequence: number): Txid => txidAt(leadership.epoch, sequence);
const word = (branch: string, reason = 'gone'): SettledByHand => ({
  ...{ branch, participant: branch, by: 'ops', reason, atMs: 1 },
});

/** Whether it would write the key, or look at it. */
function has(request: Txn, kind: 'request_put' | 'request_range', key: Buffer): boolean {
  return (request.success ?? []).some((op) => key.equals((op[kind]?.key ?? Buffer.of()) as Buffer));
}

it('a record that an operator changes between two looks at it moves all the same', async () => {
  const decision = keys.decision(txid(1));
  await leadership.decide(commitOf(txid(1)));
  const written = Promise.withResolvers<void>();
  const read = Promise.withResolvers<void>();
  let moving: Promise<void> | null = null;
  meets = async (request, send) => {
    if (has(request, 'request_put', decision)) {
      // All have acknowledged by now, and the record was read for its move.
      moving = leadership.finish([txid(1)]);
      await read.promise;
      const result = await send(request);
      written.resolve();
      return result;
    }
    const result = await send(request);
    if (moving !== null && has(request, 'request_range', decision)) {
      read.resolve();
      await written.promise;
    }
    return result;
  };
  const settlement = { txid: txid(1), byHand: [word('inventory')], left: null };
  expect(await leadership.settle(settlement)).toBe(true);
  await moving;
  expect((await log.read(txid(1))).record).toMatchObject({ finished: true, byHand: [{}] });
});

it('records with much to say of operators move in requests that etcd takes', async () => {
  const names = Array.from({ length: 128 }, (_, at) => `branch ${at}`.padEnd(100, '.'));
  const txids = Array.from({ length: 40 }, (_, at) => txid(at + 1));
  const write = (id: Txid) => {
    const { record } = commitOf(id);
    const branches = names.map((branch) => ({ branch, participant: branch, instance: 'i' }));
    return { record: { ...record, branches }, finished: false };
  };
  await decideAll(leadership, txids.map(write));
  const byHand = names.map((branch) => word(branch, 'r'.repeat(256)));
  for (const id of txids) await leadership.settle({ txid: id, byHand, left: null });
  let largest = 0;
  meets = (request, send) => {
    largest = Math.max(largest, JSON.stringify(request, shown).length);
    return send(request);
  };
  await leadership.finish(txids);
  expect((await log.read(txids[39] as Txid)).record?.finished).toBe(true);
  expect(largest).toBeLessThan(1_500_000);
});

/** About as long as on the wire. */
const shown = (_name: string, value: unknown): unknown =>
  (value as { type?: string })?.type === 'Buffer'
    ? Buffer.from(value as never).toString('latin1')
    : value;

it('a late copy of a collection takes no request key that was written since', async () => {
  const requestId = 'daily';
  await decideAll(leadership, [commitOf(txid(1), { requestId }), commitOf(txid(2))]);
  await leadership.finish([txid(2)]);
  const all = { ...collectAll, below: makePosition(leadership.epoch, 9) };
  expect((await leadership.collect(all)).collected).toBe(1);
  // Below the floor: its participant was away.
  await leadership.finish([txid(1)]);
  const copies: (() => Promise<TxnResult>)[] = [];
  meets = (request, send) => {
    const collects = (request.success ?? []).some((op) => op.request_delete_range);
    if (!collects || copies.length > 0) return send(request);
    copies.push(() => send(request));
    return Promise.reject(new Error('It is still under way.'));
  };
  expect((await leadership.collect(all)).collected).toBe(1);
  expect(await leadership.readRequest(requestId)).toBeNull();
  await leadership.decide(commitOf(txid(3), { requestId }));
  await etcd.during(() => copies[0]?.() ?? Promise.reject(new Error('no copy')));
  expect(await leadership.readRequest(requestId)).toMatchObject({ txid: txid(3) });
});

it('a rebind whose answer is lost may be done, and says so', async () => {
  const claim = { participant: 'p', instance: 'i' };
  await log.bind(claim, 'first');
  meets = async (request, send) => {
    const result = await send(request);
    const puts = (request.success ?? []).some((op) => op.request_put);
    if (puts) throw new Error('Deadline exceeded.');
    return result;
  };
  const rebound = log.rebind(claim, 'second');
  await expect(rebound).rejects.toThrow(/may be given to it or not: do it again.* no answer/);
  meets = (request, send) => send(request);
  expect(await log.holderOf(claim)).toBe('second');
});

describe('a forced abort', () => {
  const lost = new Error('Deadline exceeded.');
  const puts = (request: Txn): boolean => has(request, 'request_put', keys.decision(txid(1)));
  const mayStand = { name: 'AbortUnknownError', message: expect.stringMatching(/may be recorded/) };

  it('whose answer is lost may stand, and says so', async () => {
    meets = async (request, send) => {
      const result = await send(request);
      if (puts(request)) throw lost;
      return result;
    };
    await expect(log.resolve(txid(1))).rejects.toMatchObject(mayStand);
    meets = (request, send) => send(request);
    expect((await log.read(txid(1))).record?.outcome).toBe('abort');
  });

  it('says so, too, where etcd answers no more when it looks again', async () => {
    let isSent = false;
    meets = async (request, send) => {
      if (isSent && !puts(request) && has(request, 'request_range', keys.decision(txid(1))))
        throw lost;
      const result = await send(request);
      const isFirst = puts(request) && !isSent;
      isSent ||= isFirst;
      if (isFirst) throw lost;
      return result;
    };
    await expect(log.resolve(txid(1))).rejects.toMatchObject(mayStand);
  });

  it('that was never sent does not', async () => {
    meets = () => Promise.reject(lost);
    const resolved = log.resolve(txid(1));
    await expect(resolved).rejects.toThrow(/gave no answer/);
    await expect(resolved).rejects.toMatchObject({ name: 'DecisionLogError' });
  });
});
