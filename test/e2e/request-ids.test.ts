/**
 * A requestId is one commit within its window: twice at once, twice in turn, with other content,
 * late, after a crash.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { FromNode, OutcomeMessage } from '../../src/core/messages.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { pause } from '../support/process/child.ts';

const all = { a: {}, b: {} };
const requestWindowMs = 2_500;

let cluster: Cluster;
let client: Client;
let raw: RawPeer;
let serial = 0;

beforeAll(async () => {
  cluster = await Cluster.started({ participants: ['a', 'b'], requestWindowMs });
  client = await cluster.client();
  raw = await RawPeer.greeted(cluster.node.url, { name: 'client', roles: ['client'] });
});

afterAll(async () => {
  expect(await cluster.settled()).toEqual([]);
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

it('a window that is shorter than usual is told to the operator as what it is', async () => {
  expect(await cluster.node.child.line(/request window is shorter.*never commits twice/)).toContain(
    `"requestWindowMs":${requestWindowMs}`,
  );
});

/** A request as a bare client sends it, so that every field is the test's own. */
function request(
  requestId: string,
  more: Record<string, unknown> & { plan?: Record<string, object>; tag?: string } = {},
): { type: string; id: number } & Record<string, unknown> {
  const { plan = all, tag = requestId, ...fields } = more;
  serial += 1;
  const branches = Object.entries(plan).map(([participant, script]) => ({
    participant,
    payload: { ...script, tag },
  }));
  return { type: 'transact', id: serial, requestId, branches, ...fields };
}

const outcome = (reply: FromNode): OutcomeMessage => {
  expect(reply.type).toBe('outcome');
  return reply as OutcomeMessage;
};

function applied(tag: string): number {
  return [...cluster.participants.values()]
    .flatMap((participant) => participant.state().held)
    .filter((held) => held.tag === tag)
    .reduce((sum, held) => sum + held.applied, 0);
}

describe('a requestId', () => {
  it('sent twice at once: the second joins the first', async () => {
    const requestId = randomUUID();
    const other = await RawPeer.greeted(cluster.node.url, {
      name: 'client',
      instance: 'other',
      roles: ['client'],
    });
    const plan = { a: { delayMs: 150 }, b: {} };
    const replies = await Promise.all([
      raw.ask(request(requestId, { plan })),
      other.ask(request(requestId, { plan })),
      raw.ask(request(requestId, { plan })),
    ]);
    const outcomes = replies.map(outcome);
    expect(outcomes.map((each) => each.outcome)).toEqual(['committed', 'committed', 'committed']);
    expect(new Set(outcomes.map((each) => each.txid)).size).toBe(1);
    await other.close();
    expect(await cluster.settled()).toEqual([]);
    expect(applied(requestId)).toBe(2);
  });

  it('sent twice in turn, by two clients: the same answer, one effect', async () => {
    const requestId = randomUUID();
    const first = await cluster.history.transact(client, all, { requestId });
    const second = await cluster.history.transact(await cluster.client(), all, {
      requestId,
      tag: first.tag,
    });
    expect(first.ended).toBe('ok');
    expect(second).toMatchObject({ ended: 'ok', txid: first.txid });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(first.tag)).toBe(2);
  });

  it.each([{ restarted: false }, { restarted: true }])(
    'with other content is refused (node restarted between: $restarted)',
    async ({ restarted }) => {
      const requestId = randomUUID();
      const first = await cluster.history.transact(client, all, { requestId });
      expect(first.ended).toBe('ok');
      if (restarted) await cluster.node.restart();
      const second = await cluster.history.transact(client, { a: {} }, { requestId });
      expect(second.ended).not.toBe('ok');
      expect(second.code).toBe('REQUEST_CONFLICT');
      const third = await cluster.history.transact(client, all, { requestId, tag: first.tag });
      expect(third).toMatchObject({ ended: 'ok', txid: first.txid });
      expect(await cluster.settled()).toEqual([]);
      expect(applied(second.tag)).toBe(0);
      raw = await RawPeer.greeted(cluster.node.url, { name: 'client', roles: ['client'] });
    },
  );

  it('with an attempt that was answered "aborted": the same answer, and it is not run', async () => {
    const requestId = randomUUID();
    // The participant would commit it the second time: had it been run, it would have committed.
    cluster.participant('b').child.signal('SIGSTOP');
    const first = outcome(await raw.ask(request(requestId, { attempt: 1, timeoutMs: 300 })));
    cluster.participant('b').child.signal('SIGCONT');
    expect(first).toMatchObject({ outcome: 'aborted', reason: { code: 'TRANSACTION_TIMEOUT' } });
    const again = outcome(await raw.ask(request(requestId, { attempt: 1 })));
    expect(again).toMatchObject({ outcome: 'aborted', txid: first.txid, reason: first.reason });
    expect(applied(requestId)).toBe(0);
    const second = outcome(await raw.ask(request(requestId, { attempt: 2 })));
    expect(second.outcome).toBe('committed');
    expect(second.txid).not.toBe(first.txid);
    // A late copy of the first attempt still gets the first attempt's answer.
    const late = outcome(await raw.ask(request(requestId, { attempt: 1 })));
    expect(late).toMatchObject({ outcome: 'aborted', txid: first.txid });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(requestId)).toBe(2);
  });

  it('past its window is refused unrun', async () => {
    const requestId = randomUUID();
    const late = await raw.ask(request(requestId, { requestAgeMs: requestWindowMs + 1 }));
    expect(late).toMatchObject({ type: 'error', code: 'EXPIRED' });
    const first = outcome(await raw.ask(request(requestId)));
    expect(first.outcome).toBe('committed');
    const again = await raw.ask(request(requestId, { requestAgeMs: requestWindowMs + 1 }));
    expect(again).toMatchObject({ type: 'error', code: 'ALREADY_COMMITTED', txid: first.txid });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(requestId)).toBe(2);
  });

  it('whose window runs out on the way is aborted by then, not committed after', async () => {
    const requestId = randomUUID();
    const reply = await raw.ask(
      request(requestId, {
        requestAgeMs: requestWindowMs - 200,
        timeoutMs: 60_000,
        plan: { a: { delayMs: 1_500 }, b: {} },
      }),
    );
    if (reply.type === 'outcome') expect(reply.outcome).toBe('aborted');
    else expect(reply).toMatchObject({ type: 'error', code: 'EXPIRED' });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(requestId)).toBe(0);
  });

  it('committed before a crash and sent again after it: one effect', async () => {
    const requestId = randomUUID();
    const first = await cluster.history.transact(client, all, { requestId });
    expect(first.ended).toBe('ok');
    const epoch = (await raw.ask({ type: 'begin', id: 900_001 })) as { txid: string };
    await cluster.node.restart();
    raw = await RawPeer.greeted(cluster.node.url, { name: 'client', roles: ['client'] });
    const stale = epoch.txid.split('.')[1];
    const meant = await raw.ask(request(requestId, { tag: first.tag, epoch: stale }));
    expect(meant).toMatchObject({ type: 'error', code: 'NOT_LEADER', retryable: true });
    // As a client would that lost the answer: the next attempt, and as one without attempts would.
    const second = outcome(await raw.ask(request(requestId, { tag: first.tag, attempt: 2 })));
    expect(second).toMatchObject({ outcome: 'committed', txid: first.txid });
    const third = outcome(await raw.ask(request(requestId, { tag: first.tag })));
    expect(third).toMatchObject({ outcome: 'committed', txid: first.txid });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(first.tag)).toBe(2);
  });

  it('of an attempt 1 sent again after a crash is found in the log by the commit itself', async () => {
    const requestId = randomUUID();
    const first = await cluster.history.transact(client, all, { requestId });
    await cluster.node.restart();
    raw = await RawPeer.greeted(cluster.node.url, { name: 'client', roles: ['client'] });
    // Attempt 1 is not looked up beforehand: it runs, meets requests/R at its decision, and is
    // aborted as a duplicate.
    const second = outcome(await raw.ask(request(requestId, { tag: first.tag, attempt: 1 })));
    expect(second).toMatchObject({ outcome: 'committed', txid: first.txid });
    expect(await cluster.settled()).toEqual([]);
    expect(applied(first.tag)).toBe(2);
  });

  it('is under way while the node dies, many times over: one effect each', async () => {
    const calls = Array.from({ length: 20 }, (_each, index) =>
      cluster.history.transact(client, all, { requestId: `many-${index}-${randomUUID()}` }),
    );
    await pause(15);
    await cluster.node.restart();
    for (const call of await Promise.all(calls)) expect(['ok', 'info']).toContain(call.ended);
    raw = await RawPeer.greeted(cluster.node.url, { name: 'client', roles: ['client'] });
    expect(await cluster.settled()).toEqual([]);
  });
});
