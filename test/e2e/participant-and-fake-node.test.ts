/**
 * The participant SDK, in a process of its own, at the hands of a node that repeats, reorders and
 * contradicts itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeEpoch, type Txid } from '../../src/core/txid.ts';
import { FakeNode, type Visitor } from '../support/nodes/fake-node.ts';
import { ParticipantProcess } from '../support/participants/participant-process.ts';
import { eventually } from '../support/process/child.ts';

let directory: string;
let fake: FakeNode;
let participant: ParticipantProcess;
let visitor: Visitor;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  fake = await FakeNode.started();
  participant = await ParticipantProcess.started({
    name: 'p',
    urls: [fake.url],
    data: directory,
    // What is not under test here must not ask meanwhile.
    options: { patienceMs: 60_000, workingMs: 0 },
  });
  visitor = await fake.visitor();
});

afterEach(async () => {
  expect(participant.running).toBe(true);
  await participant.kill();
  await fake.close();
  await rm(directory, { recursive: true, force: true });
});

const command = (type: 'commit' | 'rollback', txid: Txid): object => ({
  type,
  txid,
  branch: 'x',
  epoch: fake.epoch,
});
const held = (txid: Txid): object | null =>
  participant.state().held.find((each) => each.txid === txid) ?? null;

describe('the participant SDK', () => {
  it('answers a repeated prepare and commit alike, and applies once', async () => {
    const txid = fake.txid();
    visitor.send(fake.prepare(txid), fake.prepare(txid));
    const first = await visitor.next('vote');
    expect(first).toMatchObject({ txid, vote: 'commit', result: 'done by p' });
    visitor.send(fake.prepare(txid));
    const repeated = await visitor.next('vote');
    expect(repeated).toEqual(first);
    visitor.send(command('commit', txid), command('commit', txid));
    expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'commit', ok: true });
    visitor.send(command('commit', txid));
    expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'commit', ok: true });
    expect(held(txid)).toMatchObject({ applied: 1, prepared: false });

    // A rollback contradicts what was done: refused, and nothing is undone.
    visitor.send(command('rollback', txid));
    expect(await visitor.next('ack', ({ decision }) => decision === 'abort')).toMatchObject({
      ok: false,
    });
    expect(held(txid)).toMatchObject({ applied: 1 });

    // Forgotten: a prepare still unread in some buffer must not run again.
    // Until the tombstone is written the vote may be repeated; it is never prepared again.
    visitor.send({ type: 'forget', txids: [txid] });
    for (let given = ''; given !== 'abort'; ) {
      visitor.send(fake.prepare(txid));
      given = (await visitor.next('vote')).vote;
      expect(held(txid)).toMatchObject({ applied: 1, prepared: false });
    }
  });

  it('answers a repeated rollback alike', async () => {
    const txid = fake.txid();
    visitor.send(fake.prepare(txid));
    await visitor.next('vote');
    visitor.send(command('rollback', txid));
    expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'abort', ok: true });
    visitor.send(command('rollback', txid));
    expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'abort', ok: true });
    visitor.send(command('commit', txid));
    expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'commit', ok: false });
    expect(held(txid)).toMatchObject({ applied: 0, prepared: false });
  });

  it.each([{ restarted: false }, { restarted: true }])(
    'refuses a prepare that comes after its rollback (restarted between: $restarted)',
    async ({ restarted }) => {
      const txid = fake.txid();
      visitor.send(command('rollback', txid));
      expect(await visitor.next('ack')).toMatchObject({ txid, decision: 'abort', ok: true });
      if (restarted) {
        await participant.restart();
        await eventually(
          () => (visitor.isClosed ? true : null),
          () => 'the old connection to end',
        );
        visitor = await fake.visitor();
      }
      visitor.send(fake.prepare(txid));
      expect(await visitor.next('vote')).toMatchObject({ txid, vote: 'abort' });
      // The application was not even asked.
      expect(held(txid)).toBeNull();
    },
  );

  it('refuses a commit of what it never prepared', async () => {
    const txid = fake.txid();
    visitor.send(command('commit', txid));
    expect(await visitor.next('ack')).toMatchObject({
      txid,
      decision: 'commit',
      ok: false,
      error: { code: 'UNKNOWN_BRANCH' },
    });
  });

  it('refuses a prepare of an older epoch than it knows, after a restart too', async () => {
    const old = fake.txid();
    const older = fake.epoch;
    fake.epoch = makeEpoch({ generation: 0, revision: 9n });
    const leader = { shard: 0, epoch: fake.epoch, node: 'fake', url: `ws://${fake.url}` };
    visitor.send({
      type: 'topology',
      leaders: [leader],
      nodes: [{ node: 'fake', url: leader.url }],
    });
    await visitor.next('report').catch(() => undefined);
    const txid = fake.txid();
    visitor.send(fake.prepare(txid));
    expect(await visitor.next('vote')).toMatchObject({ txid, vote: 'commit' });
    visitor.send(command('rollback', txid));
    await visitor.next('ack');
    visitor.send(fake.prepare(old, { epoch: older }));
    expect(await visitor.next('vote')).toMatchObject({ txid: old, vote: 'abort' });
    await participant.restart();
    await eventually(
      () => (visitor.isClosed ? true : null),
      () => 'the old connection to end',
    );
    visitor = await fake.visitor();
    const third = old.replace(/.$/, 'z') as Txid;
    visitor.send(fake.prepare(third, { epoch: older }));
    expect(await visitor.next('vote')).toMatchObject({ txid: third, vote: 'abort' });
  });
});
