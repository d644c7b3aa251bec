/** What an operator does after etcd came back from an old copy, from the command line. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochOf, epochParts } from '../../src/core/txid.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();

describe.skipIf(programs === undefined)('verdict raise-generation', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;

  beforeEach(async () => {
    if (programs === undefined) return;
    etcd = await TestEtcd.start(programs);
    cluster = await EtcdCluster.started({ etcd, nodes: ['n1'], participants: ['a', 'b'] });
  });
  afterEach(async () => {
    await cluster?.remove();
    await etcd?.dispose();
  });

  function raise(...more: readonly string[]): ReturnType<typeof runCli> {
    const { endpoints, cluster: name } = cluster.place;
    return runCli(['raise-generation', '--etcd', endpoints.join(','), '--cluster', name, ...more]);
  }

  it('lets nodes that halted on an old copy start again, under epochs above all before', async () => {
    const client = await cluster.client();
    const branches = ['a', 'b'].map((participant) => ({ participant, payload: {} }));
    const before = await client.transact({ branches });
    const snapshot = etcd.takeSnapshot('old.db');
    expect((await client.transact({ branches })).outcome).toBe('committed');
    await etcd.restoreSnapshot(snapshot);
    await cluster.node('n1').died();
    expect(cluster.node('n1').output()).toMatch(/verdict raise-generation/);

    // No one at a terminal: nothing is done without --yes.
    expect((await raise()).exitCode).toBe(2);
    const raised = await raise('--yes', '--json');
    expect(raised.exitCode).toBe(0);
    expect(JSON.parse(raised.out)).toEqual({ cluster: cluster.name, generation: 1 });

    await cluster.start('n1');
    const after = await client.transact({ branches });
    expect(after.outcome).toBe('committed');
    expect(epochParts(epochOf(after.txid)).generation).toBe(1);
    expect(epochOf(after.txid) > epochOf(before.txid)).toBe(true);
  });
});
