/**
 * A participant dies by kill -9 at every named point, comes back on its data, and everything ends
 * as it must; and one that never comes back holds no one else up. A point that is never reached
 * fails the test.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { participantCrashPoints } from '../../src/participant/crash-points.ts';
import type { RecordedCall } from '../support/clients/history.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually } from '../support/process/child.ts';

const all = { a: {}, b: {}, c: {} };

/** With a service that can list what it holds, and with one that cannot. */
describe.each([{ listsInDoubt: true }, { listsInDoubt: false }])(
  'a participant (lists what it holds: $listsInDoubt) killed at',
  ({ listsInDoubt }) => {
    let cluster: Cluster;
    let client: Client;

    beforeAll(async () => {
      cluster = await Cluster.started({ participantSettings: { listsInDoubt } });
      client = await cluster.client();
    });

    afterAll(async () => {
      await cluster.remove();
    });

    function load(): Promise<RecordedCall>[] {
      const { history } = cluster;
      return [
        history.transact(client, all),
        history.transact(client, all, { requestId: `request-${history.calls.length}` }),
        history.transact(client, { a: { vote: 'abort', delayMs: 50 }, b: {}, c: {} }),
        history.transact(client, { a: {}, b: { vote: 'readonly' } }),
        history.interactive(client, all),
        history.interactive(client, all, { rollback: true }),
      ];
    }

    it.each(participantCrashPoints)('%s', async (point) => {
      const participant = cluster.participant('b');
      await participant.stop();
      await participant.start({ crashAt: `${point}:2` });
      await participant.connected();
      const calls: Promise<RecordedCall>[] = [];
      for (let round = 0; round < 20 && participant.running; round += 1) {
        const begun = load();
        calls.push(...begun);
        await Promise.race([Promise.all(begun), participant.child.exited]);
      }
      expect(participant.running, `${point} was never reached`).toBe(false);
      expect(await participant.died()).toEqual({ code: null, signal: 'SIGKILL' });
      await participant.start();
      await participant.connected();
      await Promise.all(calls);
      expect((await cluster.history.transact(client, all)).ended).toBe('ok');
      expect(await cluster.settled()).toEqual([]);
      expect(cluster.node.alarms()).toEqual([]);
    });

    it('leaves one truth behind when all has stopped', async () => {
      await cluster.stop();
      expect(cluster.check()).toEqual([]);
      const ended = new Set(cluster.history.calls.map((call) => call.ended));
      expect(ended).toContain('ok');
      expect(ended).toContain('fail');
    });
  },
);

describe('a participant that dies before its commit and never returns', () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.started({ options: { attentionAfter: 3 } });
  });

  afterEach(async () => {
    await cluster.remove();
  });

  it('holds no one up, is shown to the operator, and is settled by retiring it', async () => {
    const client = await cluster.client();
    const operator = await cluster.operator();
    const lost = cluster.participant('c');
    await lost.kill();
    const instance = await lost.start({ crashAt: 'before-commit-applied' });
    await lost.connected();

    const call = await cluster.history.transact(client, all);
    expect(call.ended).toBe('ok');
    await lost.died();

    const shown = await eventually(
      async () => {
        const id = Math.floor(Math.random() * 1e9);
        const reply = await operator.ask({ type: 'list', id, attention: true });
        return reply.type === 'list' && reply.transactions.length > 0 ? reply.transactions : null;
      },
      () => 'the attention flag',
    );
    expect(shown).toHaveLength(1);
    expect(shown[0]).toMatchObject({ txid: call.txid, state: 'COMMITTING', attention: true });
    expect(
      Object.fromEntries(shown[0]?.branches.map((each) => [each.branch, each.state]) ?? []),
    ).toEqual({ a: 'committed', b: 'committed', c: 'committing' });
    // The others go on, and whoever needs the lost one is told so.
    expect((await cluster.history.transact(client, { a: {}, b: {} })).ended).toBe('ok');
    const refused = await cluster.history.transact(client, all);
    expect(refused).toMatchObject({ ended: 'fail', code: 'PARTICIPANT_UNAVAILABLE' });

    const retired = await operator.ask({ type: 'retire', id: 7, participant: 'c', instance });
    expect(retired).toEqual({ type: 'retired', id: 7 });
    expect(await cluster.settled({ retired: ['c'] })).toEqual([]);
    const listed = await operator.ask({ type: 'list', id: 8, attention: true });
    expect(listed).toMatchObject({ transactions: [] });

    // It is refused forever, by the next leadership too.
    await cluster.node.restart();
    await lost.start();
    expect(await lost.child.line(/refused-by-node|retired by an operator/)).not.toBeNull();
    expect(await cluster.settled({ retired: ['c'] })).toEqual([]);
    expect(cluster.node.alarms()).toEqual([]);
  });
});
