/**
 * A branch that enlisted itself and is cut off from the leader ends alone when the limit of its
 * locks has passed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import type { EnlistingService } from '../support/participants/enlisting-service.ts';

const [etcd] = await etcdsToTest();

describe.skipIf(etcd === undefined)('an enlisted branch, cut off from the leader', () => {
  let directory: string;
  let cluster: PartitionCluster;
  let client: Client;
  let service: EnlistingService;

  beforeAll(async () => {
    if (etcd === undefined) return;
    directory = await mkdtemp(join(tmpdir(), 'verdict-limit-'));
    cluster = await PartitionCluster.started({ etcd });
    client = await cluster.client('client');
    service = await cluster.service({ data: directory, lockLimitMs: 500 });
  });
  afterEach(() => cluster.heal());
  afterAll(async () => {
    await service?.close();
    await cluster?.remove();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  it.each(['silently', 'by a reset'] as const)(
    '%s, is rolled back while the cut stands, and votes abort when it is asked afterwards',
    async (how) => {
      const leader = await cluster.leader();
      const transaction = await client.begin({ timeoutMs: 60_000 });
      await service.enlist(transaction.txid);
      const wire = cluster.wire('service', leader.node);
      wire.block();
      if (how === 'by a reset') {
        wire.refuse();
        wire.cut();
      }
      await service.rolledBack(transaction.txid);
      await cluster.heal();
      const ended = await transaction.commit();
      expect(ended).toMatchObject({
        outcome: 'aborted',
        reason: { code: 'VOTED_ABORT', participant: 'service' },
      });
      expect(service.calls.filter((call) => call.endsWith(transaction.txid))).toEqual([
        `rollback ${transaction.txid}`,
      ]);
    },
  );
});
