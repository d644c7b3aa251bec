import { afterAll, beforeAll, describe } from 'vitest';
import { etcdsToTest, etcdVersion, TestEtcd } from '../support/etcd/etcd.ts';
import { etcdFixture } from '../support/logs/log-fixtures.ts';
import { decisionLogContract } from './decision-log.ts';

const etcds = await etcdsToTest();

describe.skipIf(etcds.length === 0).each(etcds)('etcd at $etcd', (programs) => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
  });
  afterAll(() => etcd.dispose());

  const name = `etcd ${etcdVersion(programs)}`;
  decisionLogContract(name, () => etcdFixture(etcd.endpoints), {
    severalNodes: true,
    flushes: true,
  });
});
