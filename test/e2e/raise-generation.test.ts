/** What an operator does after etcd came back from an old copy, from the command line. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { epochOf, epochParts } from '../../src/core/txid.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { memoryIo, runMain } from '../support/process/cli-io.ts';
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
    const refused = await raise('--yes');
    expect(refused.exitCode).toBe(exitCodes.notDone);
    expect(refused.errors).toMatch(
      /n1 \(leads 1 shard\) of cluster \S+ still runs: .* Nothing was done\. .*stop all nodes/,
    );
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

  it('looks again when the question is answered: a node may have come up meanwhile', async () => {
    const { endpoints, cluster: name } = cluster.place;
    await cluster.node('n1').stop();
    const io = memoryIo();
    for (const stream of [io.stdin, io.stderr]) Object.assign(stream, { isTTY: true });
    const args = ['raise-generation', '--etcd', endpoints.join(','), '--cluster', name];
    const running = runMain(args, io);
    await eventually(
      () => (io.errors().includes('Go on?') ? true : null),
      () => `the question: ${io.errors()}`,
    );
    await cluster.start('n1');
    io.stdin.write('y\r');
    const { exitCode, errors } = await running;
    expect(errors).toMatch(/n1 .* still runs: .* Nothing was done\./);
    expect(exitCode).toBe(exitCodes.notDone);
  });

  it('names the clusters that there are where none has the name, as verdict decision does', async () => {
    const at = ['--etcd', cluster.place.endpoints.join(',')];
    const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';
    for (const command of [
      ['raise-generation', '--yes'],
      ['decision', txid],
    ]) {
      const { exitCode, errors } = await runCli([...command, ...at, '--cluster', 'another']);
      expect(exitCode).toBe(exitCodes.notDone);
      expect(errors).toContain('There is no cluster another in etcd at ');
      expect(errors).toContain(`: it has ${cluster.name}. Compare `);
    }
  });
});
