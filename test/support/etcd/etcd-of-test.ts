/** A real etcd and the logs on it, which end with the tests that they are for. */
import { afterAll, afterEach, beforeAll, beforeEach, type TestContext } from 'vitest';
import type { EtcdPrograms } from '../../../cluster/etcd/find.ts';
import { TestEtcd, type TestEtcdOptions } from './etcd.ts';
import { EtcdRig } from './etcd-rig.ts';

/** For one test alone, which may run beside others. */
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

/**
 * One etcd for all tests of a suite, which run one after the other; each has logs of its own.
 * `given` takes both before each test. Hooks after each test that are declared later run before the
 * logs are closed.
 */
export function etcdOfSuite(
  programs: EtcdPrograms,
  given: (rig: EtcdRig, etcd: TestEtcd) => void,
): void {
  let etcd: TestEtcd;
  let rig: EtcdRig;
  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
  });
  afterAll(() => etcd.dispose());
  beforeEach(() => {
    rig = new EtcdRig(etcd.endpoints);
    given(rig, etcd);
  });
  afterEach(() => rig.dispose());
}
