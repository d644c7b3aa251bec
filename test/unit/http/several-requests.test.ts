/** What a response says of its key where other requests, or other steps, have had their part. */
import { expect, it } from 'vitest';
import { type HttpExchange, transactionsOf } from '../../../src/http/transactions.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { pause } from '../../../src/system/pause.ts';
import { committed, conflict, rolledBack } from '../../support/clients/answers.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { ScriptedNode } from '../../support/nodes/scripted-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo } from '../../support/samples/messages.ts';

const branches = [{ participant: 'a' }];
const replayed = 'idempotency-replayed';

async function requested(
  transact: HttpExchange<unknown>['options']['transact'] = { retry: false },
  nodes?: readonly ScriptedNode[],
) {
  const made = await connectedClient(nodes);
  const headers = new Map<string, string>();
  const request = transactionsOf({
    client: () => made.client,
    request: {},
    method: 'POST',
    header: '"key"',
    setHeader: (name, value) => {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    },
    options: { scopeOf: 'everyone', transact },
    mode: 'required',
    tracked: (call) => call,
  });
  return { ...made, headers, request };
}

it('where no one could be asked nothing is claimed of earlier requests with the key', async () => {
  // The first committed, and its response was lost. Then the node died: this one asks no one.
  const { client, node, clock, request } = await requested({ timeoutMs: 1_000 });
  node.kill();
  const call = watch(request.transact({ branches }));
  await clock.advance(2_000);
  expect(call.error()).toMatchObject({
    status: 503,
    headers: { 'retry-after': '1' },
    problem: { body: { detail: expect.stringContaining('send it again with the same key') } },
  });
  expect(JSON.stringify(call.error())).not.toContain('Nothing was changed');
  await client.close();
});

it('an abort is of its step alone where another step may have committed', async () => {
  const { client, node, request } = await requested();
  const first = watch(request.transact({ step: 'first', branches }));
  const second = watch(request.transact({ step: 'second', branches }));
  await settle();
  const [one, other] = [await node.next('transact'), await node.next('transact')];
  other.reply(rolledBack);
  await settle();
  const { problem } = second.error() as { problem: { body: { detail: string } } };
  expect(problem.body.detail).toContain('This part of the request changed nothing');
  one.reply(rolledBack);
  await settle();
  // Now that both have aborted.
  expect(first.error()).toMatchObject({
    problem: { body: { detail: expect.stringContaining('Nothing was changed') } },
  });
  await client.close();
});

it('a step that is remembered makes no replay of a request that had another run', async () => {
  const { client, node, headers, request } = await requested();
  const remembered = { ...committed, results: null };
  for (const [step, answer, isReplay] of [
    ['first', remembered, true],
    ['second', remembered, true],
    ['third', committed, false],
    ['fourth', remembered, false],
  ] as const) {
    const call = watch(request.transact({ step, branches }));
    await settle();
    (await node.next('transact')).reply(answer);
    await settle();
    expect(call.state()).toBe('resolved');
    expect(headers.get(replayed), step).toBe(isReplay ? 'true' : undefined);
  }
  await client.close();
});

it('a step whose outcome is not known makes no replay of a request', async () => {
  const { client, node, clock, headers, request } = await requested({ timeoutMs: 1_000 });
  const first = watch(request.transact({ step: 'first', branches }));
  await settle();
  (await node.next('transact')).reply({ ...committed, results: null });
  await settle();
  expect(first.state()).toBe('resolved');
  expect(headers.get(replayed)).toBe('true');
  const second = watch(request.transact({ step: 'second', branches }));
  await settle();
  await node.next('transact');
  await clock.advance(2_000);
  expect(second.error()).toMatchObject({ status: 504 });
  expect(headers.has(replayed)).toBe(false);
  await client.close();
});

it('a commit of its own, whose answer went with the leader, is no replay', async () => {
  const [a, b] = [new ScriptedNode('a'), new ScriptedNode('b', { leaders: [leaderInfo('a')] })];
  const { client, clock, headers, request } = await requested({}, [a, b]);
  const call = watch(request.transact({ branches }));
  await settle();
  await a.next('transact');
  // It has decided, and dies before it says so. The next leader knows the outcome alone.
  a.kill();
  b.leaders = [leaderInfo('b', { revision: 2 })];
  b.tell({ type: 'topology', leaders: b.leaders, nodes: [] });
  await clock.advance(500);
  (await b.next('transact')).reply({ ...committed, results: null });
  await settle();
  expect(call.value()).toMatchObject({ outcome: 'committed', results: null });
  expect(headers.has(replayed)).toBe(false);
  await client.close();
});

it('an abort that can pass, told to an earlier request, is tried anew without `retry` too', async () => {
  const { client, node, headers, request } = await requested();
  const call = watch(request.transact({ branches }));
  await settle();
  (await node.next('transact')).reply({ ...conflict, repeats: 3 });
  await settle();
  const again = await node.next('transact');
  expect(again.message).toMatchObject({ attempt: 4 });
  again.reply(committed);
  await settle();
  expect(call.value()).toMatchObject({ outcome: 'committed' });
  expect(headers.has(replayed)).toBe(false);
  await client.close();
});

it('what is tried anew is as old as the request, however long the first answer took', async () => {
  const { client, node, request } = await requested();
  const call = watch(request.transact({ branches }));
  await settle();
  const first = await node.next('transact');
  await pause(systemClock, 60);
  first.reply({ ...conflict, repeats: 3 });
  await settle();
  const again = await node.next('transact');
  expect(again.message.requestAgeMs).toBeGreaterThanOrEqual(50);
  again.reply(committed);
  await settle();
  expect(call.state()).toBe('resolved');
  await client.close();
});

it('a step that no one could be asked for says nothing of one that committed', async () => {
  const { client, node, clock, request } = await requested({ timeoutMs: 1_000 });
  const first = watch(request.transact({ step: 'first', branches }));
  await settle();
  (await node.next('transact')).reply(committed);
  await settle();
  expect(first.state()).toBe('resolved');
  node.kill();
  const second = watch(request.transact({ step: 'second', branches }));
  await clock.advance(2_000);
  const { problem } = second.error() as { problem: { body: { detail: string } } };
  expect(problem.body.detail).toContain('This part of the request did nothing now');
  expect(problem.body.detail).toContain('send it again with the same key');
  expect(problem.body.detail).not.toContain('Nothing was done now');
  await client.close();
});

it('a key that was used for other content is not told as if nothing had come of that', async () => {
  const { client, node, request } = await requested();
  const call = watch(request.transact({ branches }));
  await settle();
  (await node.next('transact')).fail('REQUEST_CONFLICT');
  await settle();
  const { problem } = call.error() as { problem: { body: { detail: string } } };
  expect(problem.body.detail).toContain('what came of that stands');
  expect(problem.body.detail).not.toContain('Nothing was changed');
  await client.close();
});
