/**
 * A leader that is none any more and has not heard of it: what it must find out by itself. Time,
 * processes and etcd are those of the simulation.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import { coordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { openEtcdReader } from '../../../src/decision-log/etcd/reader.ts';
import type { DecisionLog } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { filesOf } from '../../simulation/actors/durable.ts';
import type { SimProcess } from '../../simulation/world/process.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { commitOf, never, txidAt } from '../../support/logs/stores.ts';

const leaseTtlMs = 3_000;
const client = { connection: 1, participant: null };

let etcd: SimulatedEtcd;
afterEach(() => etcd.close());

async function openLog(process: SimProcess): Promise<DecisionLog> {
  return etcd.during(() =>
    openEtcdLog({
      endpoints: etcd.server.endpoints,
      connect: (endpoint) => etcd.server.stub(process, endpoint),
      cluster: 'simulated',
      shards: 1,
      leaseTtlMs,
      node: process.name,
      url: `ws://${process.name}`,
      stateDirectory: '/state',
      files: filesOf(process, new Map(), { flushMs: () => 0.1 }),
      clock: process.clock,
      random: process.chance,
      onFatal: (error) => etcd.world.broken(error),
    }),
  );
}

async function lead(name: string) {
  const process = etcd.process(name);
  const log = await openLog(process);
  const leadership = await etcd.during(() => log.campaign(0, { signal: never }));
  const sent: FromNode[] = [];
  const { shard, epoch } = leadership;
  const driver = new ShardDriver({
    log,
    leadership,
    leader: { shard, epoch, node: name, url: `ws://${name}` },
    clock: process.clock,
    random: process.chance,
    options: coordinatorOptions({}),
    logger: silentLogger,
    debug: false,
    reached: () => undefined,
    send: (_connection, message) => sent.push(message),
    onBroken: (error) => etcd.world.broken(error as Error),
  });
  await etcd.during(() => driver.start());
  return { process, log, leadership, driver, sent };
}

describe('a leader that is none any more', () => {
  it('handles nothing when it wakes after its lease, though it comes to its sockets first', async () => {
    etcd = new SimulatedEtcd();
    const { process, driver, sent } = await lead('alpha');
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
    const { leadership, driver, sent } = await lead('alpha');
    const other = await openLog(etcd.process('beta'));
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
      const { process, leadership } = await lead('alpha');
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
    const { process, leadership } = await lead('alpha');
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
