/** Whether nodes run, asked of an etcd of which a member is down. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import { type EtcdReader, openEtcdReader } from '../../../src/decision-log/etcd/reader.ts';
import { DecisionLogError } from '../../../src/ports/decision-log.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog } from '../../support/etcd/simulated-leader.ts';

let etcd: SimulatedEtcd;
let reader: EtcdReader;
/** Of the questions for a lease, how many find no one there. */
let unanswered: number;

beforeEach(async () => {
  etcd = new SimulatedEtcd();
  unanswered = 0;
  await openSimulatedLog(etcd, etcd.process('n1'), 3_000);
  const { clock, chance } = etcd.process('operator');
  const opening = () =>
    openEtcdReader({
      endpoints: etcd.server.endpoints,
      connect: () => withoutAnswers(etcd.stub()),
      cluster: 'simulated',
      operator: true,
      clock,
      random: chance,
    });
  reader = etcd.awaited(await etcd.during(opening));
});
afterEach(async () => {
  await reader.close();
  etcd.close();
});

function withoutAnswers(stub: EtcdStub): EtcdStub {
  const leaseTimeToLive: EtcdStub['leaseClient']['leaseTimeToLive'] = (...given) => {
    if (unanswered <= 0) return stub.leaseClient.leaseTimeToLive(...given);
    unanswered -= 1;
    return Promise.reject(new Error('No connection established.'));
  };
  return { ...stub, leaseClient: { ...stub.leaseClient, leaseTimeToLive } };
}

it('asks again where a member does not answer', async () => {
  unanswered = 3;
  expect(await reader.liveNodes()).toEqual([{ node: 'n1', shards: [] }]);
});

it('says that etcd gave no answer where none does', async () => {
  unanswered = Number.POSITIVE_INFINITY;
  const asked = reader.liveNodes();
  await expect(asked).rejects.toThrow(DecisionLogError);
  await expect(asked).rejects.toThrow(/gave no answer within 5 s/);
});
