/**
 * A leader that is none any more and has not heard of it: what it must find out by itself. Time,
 * processes and etcd are those of the simulation.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openEtcdReader } from '../../../src/decision-log/etcd/reader.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog, simulatedLeader } from '../../support/etcd/simulated-leader.ts';
import { commitOf, never, txidAt } from '../../support/logs/stores.ts';

const leaseTtlMs = 3_000;
const client = { connection: 1, participant: null };

let etcd: SimulatedEtcd;
afterEach(() => etcd.close());

describe('a leader that is none any more', () => {
  it('handles nothing when it wakes after its lease, though it comes to its sockets first', async () => {
    etcd = new SimulatedEtcd();
    const { process, driver, sent } = await simulatedLeader(etcd, 'alpha', { leaseTtlMs });
    const enlisted = { participant: 'p', instance: 'i', sharedResource: null, process: null };
    driver.step({ type: 'participant-connected', connection: 2, ...enlisted });
    const ask = (id: number): void =>
      driver.step({
        type: 'message',
        from: client,
        requestHash: null,
        message: { type: 'transact', id, branches: [{ participant: 'p', payload: null }] },
      });
    ask(1);
    expect(sent.map(({ type }) => type)).toEqual(['prepare']);
    process.pause();
    await etcd.during(() => etcd.sleep(leaseTtlMs));
    process.resume();
    sent.length = 0;
    ask(2);
    expect(sent.filter(({ type }) => type === 'prepare')).toEqual([]);
  });

  it('stops as it reads that another leads under a newer epoch', async () => {
    etcd = new SimulatedEtcd({ faults: { deafWatch: () => true } });
    const { leadership, driver, sent } = await simulatedLeader(etcd, 'alpha', { leaseTtlMs });
    const other = await openSimulatedLog(etcd, etcd.process('beta'), leaseTtlMs);
    other.leaderGone({ shard: 0, epoch: leadership.epoch });
    const successor = await etcd.during(() => other.campaign(0, { signal: never }));
    expect(successor.epoch > leadership.epoch).toBe(true);
    expect(leadership.lost.aborted).toBe(false);
    const txid = txidAt(makeEpoch({ generation: 0, revision: 1n }), 1);
    driver.step({
      type: 'message',
      from: client,
      requestHash: null,
      message: { type: 'query', id: 1, txid, inDoubt: true },
    });
    await etcd.during(() => etcd.sleep(5));
    expect(leadership.lost.aborted).toBe(true);
    expect(sent).toMatchObject([{ type: 'decision', id: 1, decision: 'abort' }]);
  });

  it.each([100, 250, 400, 550, 700])(
    'does not believe in a lease that etcd has let go, for whatever answer a pause kept waiting (%i)',
    async (phaseMs) => {
      etcd = new SimulatedEtcd({ faults: { latencyMs: () => 300 } });
      const { process, leadership } = await simulatedLeader(etcd, 'alpha', { leaseTtlMs });
      const { server, reach, world } = etcd;
      let believed: boolean | null = null;
      server.applied = (changes) => {
        if (!changes.some(({ key, after }) => key.endsWith('/leader') && after === null)) return;
        believed = leadership.isCertain();
      };
      await etcd.during(() => etcd.sleep(3_000 + phaseMs));
      expect(leadership.isCertain()).toBe(true);
      process.pause();
      reach.cut('alpha', server.members[0] ?? '');
      await etcd.during(() => etcd.sleep(1_400));
      process.resume();
      await etcd.during(() => etcd.sleep(2 * leaseTtlMs));
      expect(world.violation).toBeNull();
      expect(believed).toBe(false);
    },
  );

  it('writes nothing under a leader key that a copy of etcd brought back', async () => {
    etcd = new SimulatedEtcd();
    const { process, leadership } = await simulatedLeader(etcd, 'alpha', { leaseTtlMs });
    const copy = etcd.server.snapshot();
    // It stands still from before the restore until after the generation was raised: it has seen
    // neither.
    process.pause();
    etcd.server.restore(copy);
    const operator = etcd.process('operator');
    const reader = await etcd.during(() =>
      openEtcdReader({
        endpoints: etcd.server.endpoints,
        connect: (endpoint) => etcd.server.stub(operator, endpoint),
        cluster: 'simulated',
        clock: operator.clock,
        random: operator.chance,
      }),
    );
    expect(await etcd.during(() => reader.raiseGeneration())).toBe(1);
    process.resume();
    expect(leadership.isCertain()).toBe(true);
    const decided = etcd.during(() => leadership.decide(commitOf(txidAt(leadership.epoch, 1))));
    await expect(decided).rejects.toThrow('is over');
  });
});
