/** The decision log on the etcd that docker-compose.yml names, in a container of its own. */
import { setTimeout as pause } from 'node:timers/promises';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decisionLogContract } from '../contract/decision-log.ts';
import { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { commitOf, never, txidAt } from '../support/logs/stores.ts';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';

const image = 'quay.io/coreos/etcd:v3.5.16';
const clientPort = 2379;
const missing = dockerMissing();

describe('etcd in a container', () => {
  skipWithout(missing);
  let etcd: StartedTestContainer;

  beforeAll(async () => {
    if (missing !== null) return;
    etcd = await new GenericContainer(image)
      .withCommand([
        '/usr/local/bin/etcd',
        `--listen-client-urls=http://0.0.0.0:${clientPort}`,
        `--advertise-client-urls=http://127.0.0.1:${clientPort}`,
      ])
      .withExposedPorts(clientPort)
      // Not by its ports: looking for them takes a shell, which the image has not.
      .withWaitStrategy(Wait.forHttp('/health', clientPort))
      .start();
  }, 300_000);
  afterAll(async () => {
    await etcd?.stop({ remove: true, removeVolumes: true });
  });

  const newRig = (): EtcdRig =>
    new EtcdRig([`http://${etcd.getHost()}:${etcd.getMappedPort(clientPort)}`]);

  decisionLogContract(
    image,
    async () => {
      const rig = newRig();
      return {
        open: (node) => rig.open(node),
        usurp: (log, shard) => rig.usurp(log, shard),
        dispose: () => rig.dispose(),
      };
    },
    { severalNodes: true, flushes: true },
  );

  it('paused past the lease: the leader stops by itself, and what it had decided stands', async () => {
    const rig = newRig();
    try {
      const log = await rig.open('alpha', { leaseTtlMs: 2_000 });
      const leadership = await log.campaign(0, { signal: never });
      const txid = txidAt(leadership.epoch, 1);
      expect(await leadership.decide(commitOf(txid))).toEqual({ type: 'written' });
      await docker(['pause', etcd.getId()]);
      try {
        // Longer than the lease: nothing but its own clock can tell the leader.
        await pause(3_000);
        expect(leadership.lost.aborted).toBe(true);
      } finally {
        await docker(['unpause', etcd.getId()]);
      }
      const reader = await rig.open('beta');
      expect((await reader.read(txid)).record?.outcome).toBe('commit');
    } finally {
      await rig.dispose();
    }
  });
});
