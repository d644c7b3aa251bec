/** The command of this version, while a node of the last one still leads. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { operatorFlags } from '../support/nodes/as-operator.ts';
import { skipWithout } from '../support/nodes/docker.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { runCli } from '../support/process/cli-process.ts';
import { earlierBuild, earlierCommit } from '../support/process/earlier-build.ts';
import { lacking } from '../support/process/lacking.ts';

const [programs] = await etcdsToTest();
const earlier = earlierBuild();
const missing = lacking(typeof earlier === 'string' ? earlier : null);

describe.skipIf(programs === undefined)(`an operator, with a leader of ${earlierCommit}`, () => {
  skipWithout(missing);
  let etcd: TestEtcd;
  let cluster: EtcdCluster;

  beforeAll(async () => {
    if (programs === undefined || typeof earlier === 'string') return;
    etcd = await TestEtcd.start(programs);
    cluster = await EtcdCluster.started({
      etcd,
      nodes: [],
      participants: [],
      identities: { participants: ['a'] },
    });
    await cluster.addNode({ build: earlier.path });
    await cluster.addNode();
    await cluster.addParticipant('a');
  });
  afterAll(async () => {
    await cluster?.remove();
    await etcd?.dispose();
    if (typeof earlier !== 'string') earlier.remove();
  });

  it('retires nothing unseen, has what it can explained, and hears what is to be upgraded', async () => {
    const [older] = [...cluster.nodes.values()];
    if (older === undefined) throw new Error('There is no node.');
    expect((await cluster.leader()).node).toBe(older.name);
    const client = await cluster.client();
    const { txid = '' } = await client.transact({ branches: [{ participant: 'a' }] });
    for (const url of [older.url, cluster.urls.join(',')]) {
      const run = (...argv: string[]) => runCli([...argv, '--url', url, ...operatorFlags(cluster)]);
      const refused = await run('retire', 'a', 'nope', '--yes');
      expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
      expect(refused.errors).toMatch(/a leader runs an earlier version.*Nothing was done.*--force/);
      expect((await run('explain', txid)).out).toContain('COMMITTED');
      for (const command of [
        ['retry', txid],
        ['drain', older.name, '--yes'],
        ['step-down', '--yes'],
      ]) {
        const unknown = await run(...command);
        expect(unknown).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
        expect(unknown.errors).toContain(
          `runs an earlier version, which does not know ${command[0]}. Nothing was done.`,
        );
      }
    }
  });
});
