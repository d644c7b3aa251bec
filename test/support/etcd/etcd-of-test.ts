/**
 * A real etcd for one test alone, and the logs on it; both end with the test. For tests that run
 * beside each other.
 */
import type { TestContext } from 'vitest';
import type { EtcdPrograms } from '../../../cluster/etcd/find.ts';
import { TestEtcd, type TestEtcdOptions } from './etcd.ts';
import { EtcdRig } from './etcd-rig.ts';

export async function etcdOfTest(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  programs: EtcdPrograms,
  options: TestEtcdOptions = {},
): Promise<{ readonly etcd: TestEtcd; readonly rig: EtcdRig }> {
  const etcd = await TestEtcd.start(programs, options);
  const rig = new EtcdRig(etcd.endpoints);
  onTestFinished(async () => {
    await rig.dispose();
    await etcd.dispose();
  });
  return { etcd, rig };
}
