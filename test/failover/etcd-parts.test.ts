/** Ranges of shards on etcd clusters of their own: each goes on without the others. */
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import type { CrashPoint } from '../../src/coordinator/crash-points.ts';
import { requestShard } from '../../src/core/request-shard.ts';
import { scoped } from '../../src/core/scope.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { operatorFlags, readyz } from '../support/nodes/as-operator.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();
const both = { a: {}, b: {} };
const shards = 2;
const clientName = 'tester';

describe.skipIf(programs === undefined)('shards on two etcds', () => {
  let etcds: TestEtcd[] = [];
  let cluster: EtcdCluster;
  let counter = 0;

  async function started(nodes: readonly string[]): Promise<readonly string[]> {
    if (programs === undefined) throw new Error('There is no etcd.');
    etcds = await Promise.all([TestEtcd.start(programs), TestEtcd.start(programs)]);
    const map = etcds.map(({ endpoints }, shard) => `${shard}=${endpoints.join(',')}`);
    cluster = await EtcdCluster.started({
      etcd: etcds[0] as TestEtcd,
      endpointsOf: () => [map.join(';')],
      identities: { clients: [clientName] },
      nodes,
      participants: ['a', 'b'],
      shards,
      participantSettings: async (_, { name }) => ({
        decisionLog: { etcd: { endpoints: map, cluster: name } },
      }),
    });
    return map;
  }

  afterEach(async () => {
    for (const { member } of etcds) member.resume();
    await cluster.remove();
    await Promise.all(etcds.map((etcd) => etcd.dispose()));
  });

  /** One that the hash takes to the shard. */
  function requestId(shard: number): string {
    for (;;) {
      counter += 1;
      if (requestShard(scoped(clientName, `r${counter}`), shards) === shard) return `r${counter}`;
    }
  }

  /** Repeats, as a client would, until one commits. */
  async function commitsOn(shard: number): Promise<void> {
    const client = await cluster.client({ name: clientName });
    let last = '';
    await eventually(
      async () => {
        const call = await cluster.history.transact(client, both, {
          requestId: requestId(shard),
          callTimeoutMs: 5_000,
        });
        last = `${call.ended} ${call.code}`;
        return call.ended === 'ok' ? true : null;
      },
      () => `a commit on shard ${shard}; the last call: ${last}`,
    );
  }

  /** What those who watch over the cluster see at the node. */
  async function onlyFirstIsLed({ name, url }: NodeProcess): Promise<void> {
    // Strangers hear no more than that.
    const health = { ready: false, ...(cluster.security === null && { shards: 2, led: 1 }) };
    const wanted = { status: 503, health, ready: false, led: [true, false] };
    let last = '';
    await eventually(
      async () => {
        const { out } = await runCli(['status', '--url', url, '--json', ...operatorFlags(cluster)]);
        const { ready, shards, problems } = JSON.parse(out);
        const led = shards.map(({ leader }: { leader: object | null }) => leader !== null);
        // It says of which shards the etcd is silent; to strangers it does not.
        if (!String(problems).includes('the etcd of shard 1, so')) return null;
        const { status, health } = await readyz(cluster, url);
        const { problems: told, ...rest } = health;
        if ((told === undefined) !== (cluster.security !== null)) return null;
        const seen = { status, health: rest, ready, led };
        last = JSON.stringify(seen);
        return isDeepStrictEqual(seen, wanted) ? true : null;
      },
      () => `${name} to show that shard 1 has no leader; the last: ${last}`,
    );
  }

  it('one etcd stands still and the other range goes on; a leader dies; maps must agree', async () => {
    const map = await started(['n1', 'n2']);
    for (const shard of [0, 1]) await commitsOn(shard);
    const [, second] = etcds as [TestEtcd, TestEtcd];
    second.member.pause();
    await eventually(
      async () => ((await cluster.leaders())[1] === null ? true : null),
      () => 'shard 1 to have no leader',
    );
    // Also at the node that did not lead it, and has only heard of its leader.
    await Promise.all([...cluster.nodes.values()].map(onlyFirstIsLed));
    // What the others have is told; that it is not all is a failure, which names the rest.
    for (const command of [['tx', 'list'], ['locks'], ['tx', 'list', '--attention']]) {
      const args = [
        ...command,
        '--json',
        '--url',
        cluster.urls[0] ?? '',
        ...operatorFlags(cluster),
      ];
      // Its leader may be silent towards etcd, and lead on until its lease is over.
      const part = await eventually(
        async () => {
          const told = await runCli(args);
          return told.exitCode === exitCodes.ok ? null : told;
        },
        () => `${command.join(' ')} to miss shard 1`,
      );
      expect(JSON.parse(part.out)).toMatchObject({ truncated: false, unasked: [1] });
      expect(part.errors).toContain('No one is known to lead shard 1.');
      expect(part.exitCode).toBe(exitCodes.unreachable);
    }
    const ofSecond = '1.00000000000000001.000000001.k3v9x0q2m8d5a';
    const shown = ['tx', 'show', ofSecond, '--timeout', '3000', '--url', cluster.urls[0] ?? ''];
    const unled = await runCli([...shown, ...operatorFlags(cluster)]);
    expect(unled.exitCode).toBe(exitCodes.unreachable);
    expect(unled.errors).toContain('No one is known to lead shard 1.');
    const retire = [
      'retire',
      'a',
      'lost',
      '--force',
      '--yes',
      '--url',
      cluster.urls[0] ?? '',
      ...operatorFlags(cluster),
    ];
    const refused = await runCli([...retire, '--json']);
    expect(refused.exitCode).toBe(exitCodes.notDone);
    expect(refused.errors).toContain('LOG_UNAVAILABLE');
    expect(refused.errors).toContain(`shard 1, etcd at ${second.endpoints.join(', ')}`);
    for (let more = 0; more < 3; more += 1) await commitsOn(0);
    second.member.resume();
    await commitsOn(1);
    await eventually(
      async () => ((await runCli(retire)).exitCode === exitCodes.ok ? true : null),
      () => 'it to be retired',
    );
    const leader = (await cluster.leaders())[1]?.node ?? '';
    await cluster.node(leader).kill();
    for (const shard of [0, 1]) await commitsOn(shard);

    const crossed = await NodeProcess.make({
      data: `${cluster.directory}/crossed`,
      node: 'crossed',
      etcd: { endpoints: [`0-0=${map[1]?.slice(2)};1=${map[0]?.slice(2)}`], cluster: cluster.name },
    });
    expect(await crossed.start()).toBe(false);
    expect(crossed.output()).toMatch(/has shard 1 of cluster .*, and was given for shard 0/);
  });

  it('a participant reads its outcome in the etcd of the shard, and so does an operator', async () => {
    const map = await started(['n1']);
    // The record is there, and no participant has heard of it.
    const point: CrashPoint = 'decision-durable';
    const node = cluster.node('n1');
    const client = await cluster.client({ name: clientName });
    cluster.crashAt('n1', point);
    const call = cluster.history.transact(client, both, {
      requestId: requestId(1),
      callTimeoutMs: 2_000,
    });
    await node.died();
    await call;
    // The other etcd has no say in it.
    etcds[0]?.member.pause();
    const { txid } = await eventually(
      () => cluster.participant('a').state().held[0] ?? null,
      () => 'a to have prepared',
    );
    await eventually(
      () =>
        [...cluster.participants.values()].every((each) => each.state().held[0]?.applied === 1)
          ? true
          : null,
      () => 'both to commit',
    );
    const place = ['--etcd', map[0] ?? '', '--etcd', map[1] ?? '', '--cluster', cluster.name];
    const told = await runCli(['decision', txid, ...place, '--json']);
    expect([told.exitCode, JSON.parse(told.out)]).toEqual([
      0,
      expect.objectContaining({ decision: 'commit', source: 'recorded' }),
    ]);
  });
});
