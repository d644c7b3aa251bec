/** A real etcd and a cluster on it, which end with the suite that they are for. */
import { afterAll, beforeAll } from 'vitest';
import type { EtcdPrograms } from '../../../cluster/etcd/find.ts';
import { TestEtcd, type TestEtcdOptions } from '../etcd/etcd.ts';
import { EtcdCluster, type EtcdClusterSettings } from './etcd-cluster.ts';

type Settings = Omit<EtcdClusterSettings, 'etcd'> & Pick<TestEtcdOptions, 'members'>;

/**
 * Without `programs` the suite is skipped, and nothing is started. `given` takes both before the
 * first test, and makes what else there must be by then.
 */
export function clusterOfSuite(
  programs: EtcdPrograms | undefined,
  { members = 1, ...settings }: Settings,
  given: (cluster: EtcdCluster, etcd: TestEtcd) => Promise<void> | void,
): void {
  let etcd: TestEtcd | null = null;
  let cluster: EtcdCluster | null = null;
  beforeAll(async () => {
    if (programs === undefined) return;
    etcd = await TestEtcd.start(programs, { members });
    cluster = await EtcdCluster.started({ ...settings, etcd });
    await given(cluster, etcd);
  });
  afterAll(async () => {
    await cluster?.remove();
    await etcd?.dispose();
  });
}
