/**
 * `docker compose up`, and what happens when the leader's container is killed, paused or cut off.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAnswer } from '../../cluster/demo/answers.ts';
import { readStoredFacts, unfinished } from '../../cluster/demo/internals/facts.ts';
import { layoutOf } from '../../cluster/demo/layout.ts';
import { demoOrders, orderLine } from '../../cluster/demo/orders.ts';
import { reconcile } from '../../cluster/demo/reconcile.ts';
import { serviceNames } from '../../cluster/shop/paths.ts';
import { connect } from '../../src/client.ts';
import { ComposeCluster } from '../support/nodes/compose-cluster.ts';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';
import { eventually } from '../support/process/child.ts';
import { endScripts, startScript } from '../support/process/run-script.ts';

const missing = dockerMissing();
/** Beyond a lease: whoever was paused is led no more. */
const pauseMs = 5_000;

describe('the compose cluster', () => {
  skipWithout(missing);
  let cluster: ComposeCluster;

  beforeAll(async () => {
    if (missing === null) cluster = await ComposeCluster.started();
  }, 600_000);
  afterAll(async () => {
    await endScripts();
    await cluster?.remove();
  }, 120_000);

  it('publishes its ports on this machine alone', async () => {
    const published = await docker([
      ...['ps', '--filter', `label=com.docker.compose.project=${cluster.project}`],
      ...['--format', '{{.Ports}}'],
    ]);
    const hosts = [...published.matchAll(/(\S+):\d+->/g)].map(([, host]) => host);
    expect(hosts).toHaveLength(6);
    expect(new Set(hosts)).toEqual(new Set(['127.0.0.1']));
  });

  it('runs the nodes and the shop as somebody without rights', async () => {
    for (const service of ['node-1', 'payment']) {
      const uid = await cluster.compose('exec', '-T', service, 'node', '-p', 'process.getuid()');
      expect(Number(uid)).toBeGreaterThan(0);
    }
  });

  it('lets no one write outside of its volumes, and gives no container a capability', async () => {
    for (const service of ['etcd-1', 'node-1', 'payment', 'credentials']) {
      const format =
        '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Init}} {{gt .HostConfig.Memory 0}}';
      const state = await docker(['inspect', '--format', format, cluster.container(service)]);
      expect(state.trim(), service).toBe('true [ALL] [no-new-privileges:true] true true');
    }
  });

  it('asks for a token, and for an account at etcd, each with its own rights', async () => {
    await expect(connect({ urls: cluster.urls, timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const [hosts = ''] = cluster.endpoints;
    const key = '/verdict/a-test';
    const put = async (auth?: { readonly username: string; readonly password: string }) => {
      const etcd = new Etcd3({ hosts, ...(auth === undefined ? {} : { auth }) });
      try {
        await etcd.put(key).value('1');
        return await etcd.get(key).string();
      } finally {
        etcd.close();
      }
    };
    await expect(put()).rejects.toThrow('user name is empty');
    await expect(put(cluster.secrets.reader)).rejects.toThrow('permission denied');
    const etcd = new Etcd3({ hosts, auth: cluster.secrets.reader });
    expect((await etcd.getAll().prefix('/verdict/').limit(1).keys()).length).toBe(1);
    etcd.close();
    const posted = await fetch(`${hosts}/v3/kv/range`, { method: 'POST', body: '{}' });
    expect(posted.status).toBe(404);
  });

  it('takes orders for the shop from a client outside, and everything adds up', async () => {
    const layout = layoutOf(join(cluster.directory, 'orders'));
    await mkdir(layout.shop, { recursive: true });
    const orders = demoOrders(200);
    const lines = orders.map((order) => orderLine(order, 20_000));
    await writeFile(layout.orders, `${lines.join('\n')}\n`);
    const tokenFile = join(cluster.directory, 'token');
    await writeFile(tokenFile, cluster.secrets.token, { mode: 0o600 });
    const submit = startScript('bin/verdict.mjs', [
      ...['submit', layout.orders, '--url', cluster.urls.join(','), '--json'],
      ...['--token-file', tokenFile],
      ...['--concurrency', '32', '--timeout', '60000'],
    ]);
    const { out } = await submit.ended;
    const answers = out
      .split('\n')
      .filter((line) => line !== '')
      .map(parseAnswer);
    await eventually(
      async () => ((await cluster.contents.outcomes()).decisions.length === 0 ? true : null),
      () => 'every branch to have acknowledged',
    );
    // Stopped, so that what is copied is whole.
    await cluster.compose('stop', '--timeout', '20', ...serviceNames);
    for (const name of serviceNames) {
      await docker(['cp', `${cluster.container(name)}:/data/${name}`, layout.shop]);
    }
    const stored = await readStoredFacts(layout, () => cluster.contents.outcomes());
    expect([...unfinished(stored)]).toEqual([]);
    const checks = reconcile({ ...stored, orders, answers });
    expect(checks.flatMap(({ problems }) => problems)).toEqual([]);
    expect(answers.filter(({ outcome }) => outcome === 'committed').length).toBeGreaterThan(150);
  });

  describe('under load, when the container of the leader', () => {
    beforeAll(async () => {
      if (missing === null) await cluster.addParticipants(['a', 'b', 'c']);
    });

    it('is killed', async () => {
      await survives('killed', {
        break: (leader) => cluster.compose('kill', leader),
        heal: (leader) => cluster.compose('start', leader),
      });
    });

    it('is paused past its lease', async () => {
      await survives('paused', {
        break: async (leader) => {
          await cluster.compose('pause', leader);
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        },
        heal: (leader) => cluster.compose('unpause', leader),
      });
    });

    it('is cut off from the network', async () => {
      await survives('cut off', {
        break: (leader) =>
          docker(['network', 'disconnect', cluster.network, cluster.container(leader)]),
        heal: (leader) =>
          docker([
            ...['network', 'connect', '--alias', leader],
            ...[cluster.network, cluster.container(leader)],
          ]),
      });
    });

    it('and that of a member of etcd are killed together', async () => {
      const member = 'etcd-1';
      await survives('killed with a member of etcd', {
        break: (leader) => cluster.compose('kill', leader, member),
        heal: (leader) => cluster.compose('start', member, leader),
      });
      await cluster.healthy(member);
    });
  });

  async function survives(
    how: string,
    fault: {
      break(leader: string): Promise<unknown>;
      heal(leader: string): Promise<unknown>;
    },
  ): Promise<void> {
    const before = await cluster.leader();
    const load = await cluster.load();
    await load.moreOk(20);
    const brokenAtMs = performance.now();
    await fault.break(before.node);
    const after = await cluster.leader(before.epoch);
    expect(after.node).not.toBe(before.node);
    await load.moreOk(20);
    const goesOnMs = Math.round(performance.now() - brokenAtMs);
    await fault.heal(before.node);
    await cluster.healthy(before.node);
    await load.moreOk(20);
    await load.stop();
    console.log(`${how}: 20 commits on ${after.node} after ${goesOnMs} ms; ${load.summary()}`);
    expect(await cluster.settled()).toEqual([]);
  }
});
