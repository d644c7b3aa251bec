/**
 * A branch that enlisted itself holds locks of its service. Past their limit it ends alone, with
 * the coordinator gone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { EnlistingService } from '../support/participants/enlisting-service.ts';
import { eventually } from '../support/process/child.ts';

let directory: string;
let node: NodeProcess;
let service: EnlistingService;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-limit-'));
  node = await NodeProcess.started({ data: join(directory, 'node'), options: quickOptions });
});

afterEach(async () => {
  await service.close();
  expect(node.alarms()).toEqual([]);
  if (node.running) await node.kill();
  await rm(directory, { recursive: true, force: true });
});

async function begun(lockLimitMs: number): Promise<{ client: RawPeer; txid: string }> {
  const data = join(directory, 'service');
  service = await EnlistingService.started({ data, lockLimitMs, urls: [node.url] });
  const client = await RawPeer.greeted(node.url, { name: 'client', roles: ['client'] });
  const begin = await client.ask({ type: 'begin', id: 1, timeoutMs: 60_000 });
  const { txid } = begin as { txid: string };
  await service.enlist(txid);
  return { client, txid };
}

it('is rolled back while the coordinator is dead, and its transaction aborts', async () => {
  const { txid } = await begun(300);
  await node.kill();
  await service.rolledBack(txid);
  await node.restart();
  const client = await RawPeer.greeted(node.url, { name: 'client', roles: ['client'] });
  const outcome = await client.ask({ type: 'commit', id: 2, txid });
  expect(outcome).toMatchObject({ type: 'outcome', outcome: 'aborted' });
  expect(service.calls).toEqual([`rollback ${txid}`]);
});

it('is rolled back while the coordinator stands still, and votes abort when that asks', async () => {
  const { client, txid } = await begun(300);
  node.child.signal('SIGSTOP');
  await service.rolledBack(txid);
  node.child.signal('SIGCONT');
  const outcome = await client.ask({ type: 'commit', id: 2, txid });
  expect(outcome).toMatchObject({
    outcome: 'aborted',
    reason: { code: 'VOTED_ABORT', participant: 'service' },
  });
  expect(service.calls).toEqual([`rollback ${txid}`]);
});

it('commits where it is asked before', async () => {
  const { client, txid } = await begun(60_000);
  const outcome = await client.ask({ type: 'commit', id: 2, txid });
  expect(outcome).toMatchObject({ outcome: 'committed' });
  await eventually(
    () => (service.calls.length === 2 ? true : null),
    () => 'the commit',
  );
  expect(service.calls).toEqual([`prepare ${txid}`, `commit ${txid}`]);
});
