/**
 * A participant that never answers, with a commit in its journal. An operator states that its
 * branch was settled by hand: the transaction ends, under this leader and the next. Then the
 * participant comes back with its journal, and learns the truth.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Txid } from '../../src/core/txid.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { operatorFlags } from '../support/nodes/as-operator.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import type { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();

describe.skipIf(programs === undefined)('a branch that was settled by hand', () => {
  let cluster: EtcdCluster;

  clusterOfSuite(
    programs,
    { nodes: ['n1', 'n2'], participants: [], identities: { participants: ['p', 'q'] } },
    (made) => {
      cluster = made;
    },
  );

  async function serve(name: string, more: { commits: Txid[] | null; dataDirectory: string }) {
    return serveParticipant({
      name,
      urls: cluster.urls,
      ...(await cluster.tls(name)),
      dataDirectory: more.dataDirectory,
      prepare: async () => vote.commit(),
      commit: async ({ txid }) => {
        if (more.commits === null) throw new Error('not now');
        more.commits.push(txid);
      },
      rollback: async () => {
        throw new Error('What has committed was rolled back.');
      },
    });
  }

  const shown = (node: NodeProcess, txid: Txid) => async () => {
    const asked = await node.asked();
    const reply = await asked.ask({ type: 'status', id: 1, txid });
    await asked.close();
    return reply;
  };

  it('ends, stays known to the next leader, and is committed when its participant is back', async () => {
    const directory = (name: string) => mkdtempSync(join(cluster.directory, `${name}-`));
    const lost = directory('p');
    const done: Txid[] = [];
    const away = await serve('p', { commits: null, dataDirectory: lost });
    const other = await serve('q', { commits: done, dataDirectory: directory('q') });
    await Promise.all([away.connected(), other.connected()]);
    const client = await cluster.client();
    const locks = [{ keys: ['k'] }];
    const branches = [{ participant: 'p' }, { participant: 'q' }];
    const first = await client.transact({ branches, locks, timeoutMs: 20_000 });
    expect(first.outcome).toBe('committed');
    const txid = first.txid as Txid;
    await away.close({ timeoutMs: 0 });

    const urls = ['--url', cluster.urls.join(','), ...operatorFlags(cluster)];
    const retried = await runCli(['retry', txid, '--json', ...urls]);
    expect(JSON.parse(retried.out).branches).toMatchObject([{ participant: 'p', sent: false }]);
    const reason = 'restored from a backup, booked by hand';
    const args = ['acknowledge', txid, '--branch', 'p', '--reason', reason];
    const unasked = await runCli([...args, ...urls]);
    expect(unasked.errors).toContain('Add --yes');
    const said = await runCli([...args, '--yes', '--json', ...urls]);
    expect(JSON.parse(said.out)).toEqual({ txid, branch: 'p', byHand: true, state: 'COMMITTED' });
    const again = await runCli([
      ...['acknowledge', txid, '--branch', 'p', '--reason', 'another one', '--yes', ...urls],
    ]);
    expect(again.out, again.errors).toMatch(
      new RegExp(`The first statement on p stays, .*: \\S+ gave one at 20\\S+Z: ${reason}`),
    );
    // Its locks are free.
    const next = { branches: [{ participant: 'q' }], locks, timeoutMs: 20_000 };
    expect((await client.transact(next)).outcome).toBe('committed');

    const leader = await cluster.led(0);
    await leader.kill();
    const successor = await cluster.led(0, leader);
    const reply = await eventually(
      async () => {
        const status = await shown(successor, txid)();
        return status.type === 'status' && status.state === 'COMMITTED' ? status : null;
      },
      () => 'the next leader to have read it',
    );
    expect(reply.branches).toMatchObject([{ branch: 'p', byHand: { reason } }]);
    const human = await runCli(['tx', 'show', txid, ...urls]);
    expect(human.out, human.errors).toContain(`p was settled by hand`);

    const learnt: Txid[] = [];
    const back = await serve('p', { commits: learnt, dataDirectory: lost });
    await eventually(
      async () => (learnt.includes(txid) ? true : null),
      () => 'the participant to learn of its commit',
    );
    await eventually(
      async () => {
        const status = await shown(successor, txid)();
        const recovered = await runCli(['recover', '--json', ...urls]);
        const { pending } = JSON.parse(recovered.out);
        return status.type === 'status' && pending === 0 ? true : null;
      },
      () => 'the record to have moved',
    );
    expect(learnt).toEqual([txid]);
    expect(done.filter((each) => each === txid)).toEqual([txid]);
    await Promise.all([back.close(), other.close()]);
  });
});
