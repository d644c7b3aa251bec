/** `verdict explain` over a real cluster: each kind of stuck transaction, asked at any node. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { Explanation } from '../../src/core/messages.ts';
import { makeEpoch } from '../../src/core/txid.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { makeTxid } from '../support/core/txids.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import type { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const [programs] = await etcdsToTest();
const never = 60_000 * slownessFactor;

describe.skipIf(programs === undefined)('an explanation', () => {
  let cluster: EtcdCluster;
  let client: Client;

  clusterOfSuite(
    programs,
    {
      secured: false,
      nodes: ['n1', 'n2', 'n3'],
      participants: ['payment'],
      leaseTtlMs: 10_000 * slownessFactor,
      options: {
        attentionAfter: 3,
        maxRetryDelayMs: 200,
        // What stands still is explained before it is given up.
        prepareTimeoutMs: never,
        prepareTimeoutMsMin: 0,
      },
      // And is ended by the next leader, not by a participant that has it forced before.
      participantSettings: { options: { patienceMs: never } },
    },
    async (made) => {
      cluster = made;
      client = await cluster.client();
    },
  );

  /** What that node says. */
  async function at(node: NodeProcess, txid: string): Promise<Explanation> {
    const operator = await node.asked();
    const reply = await operator.ask({ type: 'explain', id: 1, txid });
    await operator.close();
    if (reply.type !== 'explained') throw new Error(JSON.stringify(reply));
    return reply;
  }

  const leader = (): Promise<NodeProcess> => cluster.led();

  async function follower(): Promise<NodeProcess> {
    const [first] = await cluster.followers();
    if (first === undefined) throw new Error('There is no follower.');
    return first;
  }

  /** Until it is as it should be. */
  function until(
    node: NodeProcess,
    txid: string,
    isSo: (explanation: Explanation) => boolean,
  ): Promise<Explanation> {
    let last: Explanation | null = null;
    return eventually(
      async () => {
        last = await at(node, txid);
        return isSo(last) ? last : null;
      },
      () => `another explanation than ${JSON.stringify(last, null, 1)}`,
    );
  }

  const cli = (id: string, ...more: readonly string[]) =>
    runCli(['explain', id, '--url', cluster.urls.join(','), ...more]);

  it('of a commit that fails, then waits for an absent participant, then is done', async () => {
    const data = mkdtempSync(join(cluster.directory, 'shelf-'));
    let fails = true;
    const serve = (): Promise<ParticipantHandle> =>
      serveParticipant({
        name: 'shelf',
        urls: cluster.urls,
        dataDirectory: data,
        prepare: async () => vote.commit({ left: 3 }),
        commit: async () => {
          if (fails) throw new Error('the disk is \u001b[31mfull');
        },
        rollback: async () => undefined,
      });
    const shelf = await serve();
    await shelf.connected();
    const payload = { note: 'x'.repeat(2_000) };
    const branches = [{ participant: 'shelf', payload }, { participant: 'payment' }];
    const { txid, outcome } = await client.transact({ branches, requestId: 'order-17' });
    expect(outcome).toBe('committed');
    if (txid === undefined) throw new Error('It has no txid.');

    const failing = await until(await follower(), txid, ({ branches: [first], attention }) => {
      return attention && first?.says !== undefined && first.lastError !== undefined;
    });
    expect(failing).toMatchObject({ state: 'COMMITTING', decided: 'commit' });
    const [first] = failing.branches;
    expect(first).toMatchObject({ branch: 'shelf', state: 'committing', connected: true });
    expect(first?.lastError).toBe('the disk is \\u001b[31mfull');
    expect(first?.says).toMatch(
      /^is carrying the commit out, try \d+; the last one failed: the disk/,
    );
    expect(first?.payloadBytes).toBeGreaterThan(2_000);
    expect(first?.resultBytes).toBeGreaterThan(0);
    expect(failing.waits).toMatchObject([{ for: 'acknowledgement', participant: 'shelf' }]);
    expect(failing.advice.join()).toContain('Put right what shelf says is wrong');
    expect(JSON.stringify(failing)).not.toContain('xxxx');

    const { out, exitCode } = await cli(txid);
    expect(exitCode).toBe(0);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(out).not.toContain('\u001b');
    expect(out).toContain('What it waits for');
    const found = await cli('order-17', '--json');
    expect(JSON.parse(found.out)).toMatchObject({ txid, foundBy: 'its request id' });
    const begun = await cli(txid.slice(0, -3), '--json');
    expect(JSON.parse(begun.out)).toMatchObject({ txid, foundBy: 'its beginning' });

    await shelf.close({ timeoutMs: 0 });
    for (const node of [await leader(), await follower()]) {
      const away = await until(node, txid, ({ branches: [one] }) => one?.connected === false);
      expect(away.waits).toMatchObject([{ for: 'participant', participant: 'shelf' }]);
      expect(away.waits[0]?.text).toContain('shelf');
      expect(away.advice.join('\n')).toContain(`Start shelf again`);
      expect(away.advice.join('\n')).toContain(`verdict retire shelf ${shelf.instance}`);
      expect(away.sources).toContainEqual(
        expect.objectContaining({ source: 'log', ok: true, node: node.name }),
      );
    }

    fails = false;
    const back = await serve();
    const done = await until(await follower(), txid, ({ state }) => state === 'COMMITTED');
    expect(done.branches).toMatchObject([
      { branch: 'shelf', sentAfterMs: expect.any(Number), settledAfterMs: expect.any(Number) },
      { branch: 'payment', votedAfterMs: expect.any(Number) },
    ]);
    const times = done.events.map(({ atMs = 0 }) => atMs);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(done.waits).toEqual([]);
    await back.close();
  });

  it('of one that waits for a lock names the holder, at a follower too', async () => {
    const holder = await client.begin({ timeoutMs: never });
    await holder.lock('till');
    const waiter = await client.begin({ timeoutMs: never });
    const waiting = waiter.lock('till', { waitMs: never });
    const explained = await until(await follower(), waiter.txid, ({ waits: [first] }) => {
      return first?.for === 'lock';
    });
    expect(explained.waits).toMatchObject([{ for: 'lock', txids: [holder.txid] }]);
    expect(explained.advice.join('\n')).toContain(`verdict explain ${holder.txid}`);
    const blocking = await at(await leader(), holder.txid);
    expect(blocking.waits).toMatchObject([{ for: 'client' }]);
    expect(blocking.advice.join('\n')).toContain(`${waiter.txid} for "till"`);
    await holder.rollback('enough');
    await waiting;
    await waiter.rollback();
    const ended = await at(await follower(), holder.txid);
    expect(ended).toMatchObject({ state: 'ABORTED', decided: 'abort' });
    expect(ended.summary).toContain('ROLLED_BACK: enough.');
    expect(ended.advice[0]).toContain('ROLLED_BACK means: The client rolled');
  });

  it('of a prepare that takes long tells what the participant says', async () => {
    const branches = [{ participant: 'payment', payload: { delayMs: never } }];
    const call = client.transact({ branches, timeoutMs: never, requestId: 'slow' });
    const txid = await eventually(
      async () => {
        const { out } = await cli('slow', '--json');
        return out === '' ? null : (JSON.parse(out) as Explanation).txid;
      },
      () => 'it to be found',
    );
    const explained = await until(await leader(), txid, ({ branches: [one] }) => {
      return one?.says !== undefined;
    });
    expect(explained.waits).toMatchObject([{ for: 'vote', participant: 'payment' }]);
    expect(explained.waits[0]?.text).toContain('is still preparing');
    expect(await runCli(['resolve', txid, '--yes', '--url', cluster.urls.join(',')])).toMatchObject(
      { exitCode: 0 },
    );
    expect(await call).toMatchObject({ outcome: 'aborted' });
    expect((await at(await follower(), txid)).summary).toContain('Why: FORCED');
  });

  it('is given of what hangs: a participant that stands still, and a leader that does', async () => {
    const payment = cluster.participant('payment');
    const tx = await client.begin({ timeoutMs: never });
    await tx.enlist({ participant: 'payment', payload: {} });
    payment.child.signal('SIGSTOP');
    const committing = tx.commit().catch((error: unknown) => error);
    const node = await follower();
    const mute = await until(node, tx.txid, ({ sources }) =>
      sources.some(({ source, ok }) => source === 'participant' && !ok),
    );
    expect(mute.waits).toMatchObject([{ for: 'vote', participant: 'payment' }]);
    expect(mute.advice.join('\n')).toContain('look whether its process stands still');

    const led = await leader();
    led.child.signal('SIGSTOP');
    const silent = await at(node, tx.txid);
    expect(silent).toMatchObject({ state: 'UNDECIDED', decided: null });
    expect(silent.sources[0]).toMatchObject({ source: 'leader', node: led.name, ok: false });

    await led.kill();
    payment.child.signal('SIGCONT');
    const ended = await until(node, tx.txid, ({ state }) => state === 'ABORTED');
    expect(ended.summary).toContain('the leadership under which it began ended');
    expect(ended.reason?.code).toBe('LEADER_CHANGED');
    await committing;
    await cluster.start(led.name);
  });

  it('says what it means that a txid is unknown', async () => {
    const epoch = makeEpoch({ generation: 0, revision: 7n });
    const foreign = makeTxid({ shard: 0, epoch, sequence: 3, random: 'abcdefghijklm' });
    const unknown = await cli(foreign);
    expect(unknown.exitCode).toBe(4);
    expect(unknown.out.replaceAll(/\s+/g, ' ')).toContain('No leader of this cluster ever gave');
    const malformed = await cli('no-such-thing');
    expect(malformed.exitCode).toBe(4);
    expect(malformed.errors).toContain('is no txid');
  });

  it('is given from etcd alone where no node answers', async () => {
    const { txid } = await client.transact({ branches: [{ participant: 'payment' }] });
    if (txid === undefined) throw new Error('It has no txid.');
    const { endpoints, cluster: name } = cluster.place;
    const place = ['--etcd', endpoints.join(','), '--cluster', name];
    const alone = await runCli(['explain', txid, ...place, '--json']);
    expect(JSON.parse(alone.out)).toMatchObject({ txid, decided: 'commit' });
    const gone = await runCli(['explain', txid, '--url', '127.0.0.1:1', ...place, '--json']);
    expect(JSON.parse(gone.out)).toMatchObject({ txid, decided: 'commit' });
    expect((JSON.parse(gone.out) as Explanation).sources[0]).toMatchObject({ ok: false });
  });
});
