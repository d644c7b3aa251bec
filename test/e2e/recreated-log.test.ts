/**
 * The decision log is deleted, or etcd made anew, while participants are in doubt about a commit
 * that was recorded there. The new log would say "abort": no one may believe it. An operator ends
 * the doubts by what the alarm says.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { type NodeEtcdSettings, NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import {
  ParticipantProcess,
  type ParticipantProcessSettings,
} from '../support/participants/participant-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();
const cluster = 'recreated';

let directory = '';
let node: NodeProcess;
let participants: ParticipantProcess[] = [];
let etcd: TestEtcd | null = null;

afterEach(async () => {
  for (const each of participants) if (each.running) await each.kill();
  if (node.running) await node.kill();
  await etcd?.dispose();
  etcd = null;
  await rm(directory, { recursive: true, force: true });
});

/** `a` has committed, `b` is in doubt, and the node is dead: its log has the commit. */
async function committedAtOne(
  log: NodeEtcdSettings | null,
  more: Partial<ParticipantProcessSettings> = {},
): Promise<{ txid: string; a: ParticipantProcess; b: ParticipantProcess }> {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  node = await NodeProcess.started({
    data: join(directory, 'verdict-data'),
    options: quickOptions,
    ...(log === null ? {} : { etcd: log }),
  });
  const serve = (name: string) =>
    ParticipantProcess.started({ ...more, name, urls: [node.url], data: join(directory, name) });
  participants = [await serve('a'), await serve('b')];
  const [a, b] = participants as [ParticipantProcess, ParticipantProcess];
  await Promise.all([a.connected(), b.connected()]);
  // `b` dies when its commit comes in, before it did anything for it.
  await b.kill();
  await b.start({ crashAt: 'before-commit-applied' });
  await b.connected();
  const client = await connect({ urls: [node.url] });
  const done = await client.transact({ branches: [{ participant: 'a' }, { participant: 'b' }] });
  if (done.outcome !== 'committed')
    throw new Error(`It was not committed: ${JSON.stringify(done)}`);
  await client.close();
  await b.died();
  await eventually(
    () => (a.state().held[0]?.applied === 1 ? true : null),
    () => 'a to commit',
  );
  await node.kill();
  return { txid: done.txid, a, b };
}

async function alarmOf(participant: ParticipantProcess): Promise<string> {
  const line = await participant.child.line(/"alarm":"other-cluster"/);
  if (line === null) throw new Error(`No alarm:\n${participant.child.lines.join('\n')}`);
  return (JSON.parse(line) as { message: string }).message;
}

/** Neither is served, nothing ends, and each says what to do; then an operator does it. */
async function refusedThenAdopted(txid: string, ...[a, b]: ParticipantProcess[]): Promise<void> {
  if (a === undefined || b === undefined) throw new Error('Two participants, please.');
  await a.restart();
  await b.start();
  const [, line = ''] = /VERDICT_ADOPT_CLUSTER='([^']+)'/.exec(await alarmOf(b)) ?? [];
  expect(line).toContain(`${txid}=?`);
  expect(await alarmOf(a)).toMatch(/VERDICT_ADOPT_CLUSTER='[a-z0-9]+:[a-z0-9]+'/);
  expect(b.state().held).toMatchObject([{ txid, prepared: true }]);

  const journal = await runCli([
    'journal',
    join(directory, 'a', 'journal'),
    join(directory, 'b', 'journal'),
  ]);
  expect(journal.exitCode).toBe(0);
  expect(journal.out).toMatch(new RegExp(`${txid}.*in doubt`));
  const known = await runCli(['journal', join(directory, 'a', 'journal'), '--txid', txid]);
  expect(known.out).toMatch(new RegExp(`${txid}.*committed`));

  await a.kill();
  await b.kill();
  // Both get it, as where one file of variables is for all services.
  process.env['VERDICT_ADOPT_CLUSTER'] = line.replaceAll('=?', '=commit');
  try {
    await Promise.all([a.start(), b.start()]);
  } finally {
    delete process.env['VERDICT_ADOPT_CLUSTER'];
  }
  expect(b.state()).toMatchObject({
    held: [{ txid, prepared: false, applied: 1 }],
    journalOpen: [],
  });
  await Promise.all([a.connected(), b.connected()]);
  const client = await connect({ urls: [node.url] });
  const next = await client.transact({ branches: [{ participant: 'a' }, { participant: 'b' }] });
  await client.close();
  expect(next.outcome).toBe('committed');
}

it('the data directory of a single node was deleted', async () => {
  const { txid, a, b } = await committedAtOne(null);
  await rm(node.settings.data, { recursive: true });
  await node.restart();
  await refusedThenAdopted(txid, a, b);
});

describe.skipIf(programs === undefined)('etcd was made anew', () => {
  it('and the nodes too, with participants that read etcd themselves', async () => {
    if (programs === undefined) throw new Error('There is no etcd.');
    etcd = await TestEtcd.start(programs);
    const { endpoints, member } = etcd;
    const { txid, a, b } = await committedAtOne(
      { endpoints, cluster, leaseTtlMs: 2_000 },
      { decisionLog: { etcd: { endpoints, cluster, resolve: true } } },
    );
    await member.kill();
    await rm(member.dataDirectory, { recursive: true });
    await member.start();
    // No node yet: only etcd is asked, which has nothing of it.
    await b.start();
    await b.child.line(/"the journal is loaded"/);
    expect(b.state().held).toMatchObject([{ txid, prepared: true }]);
    await b.kill();
    // With the data it had the node sees that etcd is behind, and halts.
    expect(await node.start()).toBe(false);
    expect(node.output()).toMatch(/OPERATING|restored|raise-generation/);
    await rm(node.settings.data, { recursive: true });
    await node.restart();
    await refusedThenAdopted(txid, a, b);
  });
});
