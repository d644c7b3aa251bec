/**
 * Participants that are slow, repeat themselves, contradict themselves or answer for others: spoken
 * over bare WebSockets.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { FromNode, Prepare } from '../../src/core/messages.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const isPrepare = (message: FromNode): message is Prepare => message.type === 'prepare';

describe('a slow participant', () => {
  let cluster: Cluster;

  afterEach(async () => {
    expect(cluster.node.alarms()).toEqual([]);
    await cluster.remove();
  });

  it('is waited for while it says that it is at it', async () => {
    cluster = await Cluster.started({ options: { prepareTimeoutMs: 600 } });
    const client = await cluster.client();
    // Several prepare time-outs long; the participant says `working` every 200 ms.
    const call = await cluster.history.transact(client, { a: {}, b: { delayMs: 2_000 }, c: {} });
    expect(call.ended).toBe('ok');
    expect(await cluster.settled()).toEqual([]);
  });

  it('aborts the transaction by its silence, and the others are rolled back at once', async () => {
    cluster = await Cluster.started({
      options: { prepareTimeoutMs: 600 },
      participantSettings: { options: { workingMs: 0 } },
    });
    const client = await cluster.client();
    // One that does not even hear of the rollback.
    const slow = cluster.participant('b');
    slow.child.signal('SIGSTOP');
    const call = await cluster.history.transact(client, { a: {}, b: {}, c: {} });
    expect(call).toMatchObject({ ended: 'fail', code: 'PREPARE_TIMEOUT' });
    await eventually(
      () =>
        ['a', 'c'].every((name) => {
          const { held, journalOpen } = cluster.participant(name).state();
          return held.length === 1 && !held[0]?.prepared && journalOpen.length === 0;
        })
          ? true
          : null,
      () => 'a and c to be rolled back while b stands still',
    );
    slow.child.signal('SIGCONT');
    expect(await cluster.settled()).toEqual([]);
  });

  it('is bounded by the transaction’s own time-out', async () => {
    cluster = await Cluster.started({ options: { prepareTimeoutMs: 600 } });
    const client = await cluster.client();
    const call = await cluster.history.transact(
      client,
      { a: {}, b: { delayMs: 30_000 } },
      { timeoutMs: 1_500 },
    );
    expect(call).toMatchObject({ ended: 'fail', code: 'TRANSACTION_TIMEOUT' });
    expect(await cluster.settled()).toEqual([]);
  });
});

describe('a participant that breaks the rules', () => {
  let cluster: Cluster;
  let client: Client;
  let raw: RawPeer;

  beforeAll(async () => {
    cluster = await Cluster.started({ participants: ['a', 'b'] });
    client = await cluster.client();
    raw = await RawPeer.participant(cluster.node.url, 'r');
  });

  afterAll(async () => {
    await raw.close();
    expect(await cluster.settled({ retired: ['r'] })).toEqual([]);
    expect(cluster.node.alarms()).toEqual([]);
    await cluster.remove();
  });

  const vote = ({ txid, branch }: Prepare, given: string): object => ({
    type: 'vote',
    txid,
    branch,
    vote: given,
    ...(given === 'abort' ? { reason: { message: 'no' } } : {}),
  });
  const ack = (
    { txid, branch }: { txid: string; branch: string },
    decision: string,
    more: object = { ok: true },
  ): object => ({ type: 'ack', txid, branch, decision, ...more });

  /**
   * Begins a transaction of a, b and the raw one; b takes its time, so that the raw one's votes
   * come before the decision.
   */
  function begin(slowMs: number = 0): {
    ended: ReturnType<typeof cluster.history.transact>;
    prepare: Promise<Prepare>;
  } {
    const ended = cluster.history.transact(client, { a: {}, b: { delayMs: slowMs }, r: {} });
    return { ended, prepare: raw.next('prepare') };
  }

  it('votes and acknowledges twice: one decision, one outcome', async () => {
    const { ended, prepare } = begin();
    const prepared = await prepare;
    raw.send(vote(prepared, 'commit'), vote(prepared, 'commit'));
    raw.send(vote(prepared, 'commit'));
    expect((await ended).ended).toBe('ok');
    const command = await raw.next('commit');
    raw.send(ack(command, 'commit'), ack(command, 'commit'));
    const forget = await raw.next('forget');
    expect(forget.txids).toEqual([prepared.txid]);
    // A vote after the decision is answered with the decision.
    raw.send(vote(prepared, 'commit'));
    const decision = await raw.next('decision');
    expect(decision).toMatchObject({ txid: prepared.txid, decision: 'commit' });
    raw.send(ack(command, 'commit'));
  });

  it('votes commit, then abort: the first counts', async () => {
    const { ended, prepare } = begin(200);
    const prepared = await prepare;
    raw.send(vote(prepared, 'commit'), vote(prepared, 'abort'));
    expect((await ended).ended).toBe('ok');
    raw.send(ack(await raw.next('commit'), 'commit'));
  });

  it('votes abort, then commit: aborted, and its commit is answered with the decision', async () => {
    const { ended, prepare } = begin(200);
    const prepared = await prepare;
    raw.send(vote(prepared, 'abort'), vote(prepared, 'commit'));
    expect(await ended).toMatchObject({ ended: 'fail', code: 'VOTED_ABORT' });
    const decision = await raw.next('decision');
    expect(decision).toMatchObject({ txid: prepared.txid, decision: 'abort' });
  });

  it('is voted for on other connections: none of them counts', async () => {
    const others = [
      await RawPeer.participant(cluster.node.url, 'r', 'another-instance'),
      await RawPeer.participant(cluster.node.url, 'impostor'),
      await RawPeer.greeted(cluster.node.url, { name: 'r', roles: ['client', 'operator'] }),
    ];
    // The prepare may go to either instance of r: the one that got it votes last, and abort.
    const ended = cluster.history.transact(client, { a: {}, b: {}, r: {} });
    const earlier = new Set(raw.received.filter(isPrepare).map(({ txid }) => txid));
    const [peer, prepared] = await eventually(
      () => {
        for (const each of [raw, ...others]) {
          const found = each.received.filter(isPrepare).find(({ txid }) => !earlier.has(txid));
          if (found !== undefined) return [each, found] as const;
        }
        return null;
      },
      () => 'a prepare to either instance',
    );
    for (const other of [raw, ...others]) if (other !== peer) other.send(vote(prepared, 'commit'));
    await pause(200);
    peer.send(vote(prepared, 'abort'));
    expect(await ended).toMatchObject({ ended: 'fail', code: 'VOTED_ABORT' });
    if (peer === raw) await raw.next('prepare');
    await Promise.all(others.map((other) => other.close()));
  });

  it('acknowledges the wrong decision: it is told again until it says the right one', async () => {
    const { ended, prepare } = begin();
    const prepared = await prepare;
    raw.send(vote(prepared, 'commit'));
    expect((await ended).ended).toBe('ok');
    const first = await raw.next('commit');
    raw.send(ack(first, 'abort'));
    const second = await raw.next('commit', ({ txid }) => txid === prepared.txid);
    // Nor does another's acknowledgement settle it.
    const impostor = await RawPeer.participant(cluster.node.url, 'impostor');
    impostor.send(ack(second, 'commit'));
    await impostor.close();
    const third = await raw.next('commit', ({ txid }) => txid === prepared.txid);
    raw.send(ack(third, 'commit', { ok: false, error: { code: 'INTERNAL', message: 'not now' } }));
    const fourth = await raw.next('commit', ({ txid }) => txid === prepared.txid);
    raw.send(ack(fourth, 'commit'));
    expect((await raw.next('forget')).txids).toEqual([prepared.txid]);
  });

  it('comes a second time under its instance: the first connection is superseded', async () => {
    const { ended, prepare } = begin();
    const prepared = await prepare;
    const second = await RawPeer.participant(cluster.node.url, 'r');
    await raw.next('goaway');
    expect(await raw.closed).toMatchObject({ code: 1000, reason: 'superseded' });
    // The prepare goes to the connection that stands, and only its vote counts.
    const again = await second.next('prepare');
    expect(again.txid).toBe(prepared.txid);
    raw = second;
    raw.send(vote(again, 'commit'));
    expect((await ended).ended).toBe('ok');
    raw.send(ack(await raw.next('commit'), 'commit'));
    await raw.next('forget');
  });

  it('is gone between its vote and its commit: the commit is sent at once when it returns', async () => {
    const { ended, prepare } = begin(300);
    const prepared = await prepare;
    raw.send(vote(prepared, 'commit'));
    await pause(50);
    await raw.close();
    expect((await ended).ended).toBe('ok');
    raw = await RawPeer.participant(cluster.node.url, 'r');
    raw.send({
      type: 'report',
      id: 1,
      inDoubt: [{ txid: prepared.txid, witness: prepared.witness }],
      kept: [],
    });
    expect(await raw.next('commit')).toMatchObject({ txid: prepared.txid, branch: 'r' });
    expect(await raw.next('reported')).toMatchObject({ id: 1 });
    raw.send(ack(prepared, 'commit'));
    expect((await raw.next('forget')).txids).toEqual([prepared.txid]);
  });

  it('asks for the end of a transaction that is merely slow: resolve aborts it for everybody', async () => {
    const { ended, prepare } = begin(3_000);
    const prepared = await prepare;
    raw.send(vote(prepared, 'commit'));
    const answer = await raw.ask({ type: 'query', id: 21, txid: prepared.txid, inDoubt: true });
    expect(answer).toMatchObject({ decision: 'undecided' });
    const forced = await raw.ask({ type: 'resolve', id: 22, txid: prepared.txid });
    expect(forced).toMatchObject({ decision: 'abort', source: 'forced' });
    expect(await ended).toMatchObject({ ended: 'fail', code: 'FORCED' });
    raw.send(ack(await raw.next('rollback'), 'abort'));
  });

  it('never existed: an unknown name ends the transaction, not the node', async () => {
    const call = await cluster.history.transact(client, { a: {}, [`x-${randomUUID()}`]: {} });
    expect(call).toMatchObject({ ended: 'fail', code: 'PARTICIPANT_UNAVAILABLE' });
  });
});
