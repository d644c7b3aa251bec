/**
 * `docker compose up`, and what happens when the leader's container is killed, paused or cut off.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAnswer } from '../../cluster/demo/answers.ts';
import { readStoredFacts, unfinished } from '../../cluster/demo/internals/facts.ts';
import { layoutOf } from '../../cluster/demo/layout.ts';
import { demoOrders, orderLine } from '../../cluster/demo/orders.ts';
import { reconcile } from '../../cluster/demo/reconcile.ts';
import { nodeIsReady } from '../../cluster/launcher/probe.ts';
import type { Pem } from '../../cluster/secure/installation.ts';
import { showStrangers } from '../../cluster/secure/strangers.ts';
import { serviceNames } from '../../cluster/shop/paths.ts';
import { connect } from '../../src/client.ts';
import { ComposeCluster } from '../support/nodes/compose-cluster.ts';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';
import { eventually } from '../support/process/child.ts';
import { endScripts, startScript } from '../support/process/run-script.ts';

const missing = dockerMissing();
/** Beyond a lease: whoever was paused is led no more. */
const pauseMs = 5_000;

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { readonly version: string; readonly license: string };

interface Inspected {
  readonly Image: string;
  readonly Config: {
    readonly Labels: Readonly<Record<string, string>>;
    readonly Healthcheck?: { readonly Test: readonly string[] };
  };
  readonly Mounts: readonly {
    readonly Destination: string;
    readonly RW: boolean;
    readonly Name: string;
  }[];
}

async function inspected(what: string): Promise<Inspected> {
  const [found] = JSON.parse(await docker(['inspect', what])) as Inspected[];
  if (found === undefined) throw new Error(`There is no ${what}.`);
  return found;
}

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

  it('runs the nodes and the shop as somebody without rights, given by number', async () => {
    for (const service of ['node-1', 'payment', 'credentials', 'etcd-accounts']) {
      const user = await docker([
        ...['inspect', '--format', '{{.Config.User}}', cluster.container(service)],
      ]);
      expect(user.trim(), service).toBe('1000:1000');
    }
  });

  it('has images that say what they are, tell their health, and install nothing', async () => {
    for (const [service, title] of [
      ['node-1', 'verdict'],
      ['payment', 'verdict-shop'],
    ] as const) {
      const { Image: image } = await inspected(cluster.container(service));
      const { Config: config } = await inspected(image);
      expect(config.Labels).toMatchObject({
        'org.opencontainers.image.title': title,
        'org.opencontainers.image.version': manifest.version,
        'org.opencontainers.image.licenses': manifest.license,
      });
      const bill = await cluster.compose(
        ...['exec', '-T', service, 'node', '-p'],
        'JSON.parse(fs.readFileSync("dist/sbom.cdx.json", "utf8")).components.length',
      );
      expect(Number(bill), service).toBeGreaterThan(50);
      const installers = ['npm', 'npx', 'yarn', 'corepack'].map((name) => `/usr/local/bin/${name}`);
      const there = await cluster.compose(
        ...['exec', '-T', service, 'node', '-p'],
        `JSON.stringify(${JSON.stringify(installers)}.filter((name) => fs.existsSync(name)))`,
      );
      expect(JSON.parse(there), service).toEqual([]);
    }
    // In exec form: it needs no shell.
    const { Config: node } = await inspected(cluster.container('node-1'));
    expect(node.Healthcheck?.Test.slice(0, 2)).toEqual(['CMD', 'node']);
  });

  it('shows each container the secrets that it needs, and none in its environment', async () => {
    const mounts = async (service: string) => {
      const { Mounts: all } = await inspected(cluster.container(service));
      return all
        .filter(({ Destination: path }) => path.startsWith('/credentials'))
        .map(({ Destination: path, RW: writable, Name: volume }) => {
          return `${volume.slice(cluster.project.length + 1)} at ${path}${writable ? '' : ', to read'}`;
        });
    };
    for (const service of ['node-1', 'node-2', 'payment', 'order', 'etcd-1', 'etcd-2']) {
      expect(await mounts(service)).toEqual([`for-${service} at /credentials, to read`]);
    }
    expect(await mounts('etcd-accounts')).toEqual(['for-etcd-accounts at /credentials']);
    const files = async (service: string): Promise<string[]> => {
      const program = 'fs.readdirSync("/credentials", { recursive: true }).join(" ")';
      const listed = await cluster.compose('exec', '-T', service, 'node', '-p', program);
      return listed.trim().split(' ').sort();
    };
    expect(await files('payment')).toEqual([
      ...['ca.crt', 'identities', 'identities/payment.crt', 'identities/payment.key'],
    ]);
    expect(await files('node-1')).toEqual([
      ...['access.json', 'ca.crt', 'etcd', 'etcd/ca.crt', 'etcd/tls.crt', 'etcd/tls.key'],
      ...['tls.crt', 'tls.key'],
    ]);
    for (const service of ['node-1', 'payment', 'etcd-1', 'credentials', 'etcd-accounts']) {
      expect(JSON.stringify(await inspected(cluster.container(service)))).not.toMatch(
        /PRIVATE KEY|PASSWORD|TOKEN=(?!verdict")/,
      );
    }
  });

  it('lets no one write outside of its volumes, and gives no container a capability', async () => {
    for (const service of ['etcd-1', 'node-1', 'payment', 'credentials', 'etcd-accounts']) {
      const format =
        '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Init}} {{gt .HostConfig.Memory 0}}';
      const state = await docker(['inspect', '--format', format, cluster.container(service)]);
      expect(state.trim(), service).toBe('true [ALL] [no-new-privileges:true] true true');
    }
  });

  it('lets no stranger in, and no one as someone else', async () => {
    const { certificates } = cluster.secrets;
    const [nobody, pretender] = await showStrangers(cluster.urls, certificates, {
      victim: 'payment',
      impostor: 'a',
    });
    expect(nobody?.code).toBe('UNAUTHENTICATED');
    expect(pretender?.message).toContain('the participant payment to the identity a');
    const [url = ''] = cluster.urls;
    await expect(fetch(`http://${url}/readyz`)).rejects.toThrow();
    expect(await nodeIsReady(url, certificates.ca)).toBe(true);
    // A client calls the services of the shop alone.
    const client = await connect({
      urls: cluster.urls,
      name: 'checkout',
      tls: certificates.tlsOf('checkout'),
    });
    const branches = [{ participant: 'a', payload: {} }];
    await expect(client.transact({ branches })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await client.close();
  });

  it('asks for an account at etcd, each with its own rights', async () => {
    const [hosts = ''] = cluster.endpoints;
    const connected = (tls: Pick<Pem, 'ca'> & Partial<Pem>): Etcd3 =>
      new Etcd3({
        hosts,
        credentials: {
          rootCertificate: tls.ca,
          ...(tls.cert && tls.key && { certChain: tls.cert, privateKey: tls.key }),
        },
      });
    const put = async (tls: Pick<Pem, 'ca'> & Partial<Pem>) => {
      const etcd = connected(tls);
      try {
        await etcd.put('/verdict/a-test').value('1');
      } finally {
        etcd.close();
      }
    };
    const { node, reader } = cluster.secrets;
    await expect(put({ ca: node.ca })).rejects.toThrow(/UNAVAILABLE|certificate required|closed/);
    await expect(put(reader)).rejects.toThrow('permission denied');
    await expect(put(node)).rejects.toThrow('permission denied');
    const etcd = connected(reader);
    expect(await etcd.get('/verdict/verdict/meta').buffer()).not.toBeNull();
    etcd.close();
    await expect(fetch(`${hosts}/v3/kv/range`, { method: 'POST', body: '{}' })).rejects.toThrow();
  });

  it('takes orders for the shop from a client outside, and everything adds up', async () => {
    const layout = layoutOf(join(cluster.directory, 'orders'));
    await mkdir(layout.shop, { recursive: true });
    const orders = demoOrders(200);
    const lines = orders.map((order) => orderLine(order, 20_000));
    await writeFile(layout.orders, `${lines.join('\n')}\n`);
    const submit = startScript('bin/verdict.mjs', [
      ...['submit', layout.orders, '--url', cluster.urls.join(','), '--json'],
      ...cluster.secrets.certificates.flagsOf('checkout'),
      ...['--concurrency', '32', '--timeout', '60000'],
    ]);
    const { out } = await submit.ended;
    const answers = out
      .split('\n')
      .filter((line) => line !== '')
      .map(parseAnswer);
    await eventually(
      async () => {
        const { decisions } = await cluster.contents.outcomes().catch(() => ({ decisions: null }));
        return decisions?.length === 0 ? true : null;
      },
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
