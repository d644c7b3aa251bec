import { afterAll, beforeAll, describe } from 'vitest';
import { etcdsToTest, etcdVersion, TestEtcd } from '../support/etcd.ts';
import { EtcdRig } from '../support/etcd-rig.ts';
import { decisionLogContract } from './decision-log.ts';

const etcds = await etcdsToTest();

describe.skipIf(etcds.length === 0).each(etcds)('etcd at $etcd', (programs) => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
  });
  afterAll(() => etcd.dispose());

  decisionLogContract(
    `etcd ${etcdVersion(programs)}`,
    async () => {
      const rig = new EtcdRig(etcd.endpoints);
      return {
        open: (node) => rig.open(node),
        usurp: (log, shard) => rig.usurp(log, shard),
        dispose: () => rig.dispose(),
      };
    },
    { severalNodes: true },
  );
});
