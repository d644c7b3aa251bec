/** What a caller sent that cannot be sent on is refused as his fault, before anything leaves. */
import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import type { ToNode } from '../../../src/core/messages.ts';
import { verdictMiddleware, verdictProblems } from '../../../src/express.ts';
import { verdictPlugin } from '../../../src/fastify.ts';
import { problemOfError } from '../../../src/http/problems.ts';
import { transactionalPassThrough } from '../../../src/nestjs.ts';
import { maxPayloadElements } from '../../../src/peer/payloads.ts';
import type { VerdictError } from '../../../src/peer/verdict-error.ts';
import { begun, committed } from '../../support/clients/answers.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';

const cycle: { self?: unknown } = {};
cycle.self = cycle;
let deep: unknown = 1;
for (let level = 0; level < 100_000; level += 1) deep = [deep];
/** As deep as a usual node takes of a payload in `transact`, whose message is three levels more. */
let bottom: unknown = 1;
for (let level = 0; level < 32 - 3; level += 1) bottom = [bottom];
/** Shared again and again: 2 ** 40 values, were they all sent. */
let shared: unknown = 1;
for (let level = 0; level < 20; level += 1) shared = [shared, shared, shared, shared];

const refused: readonly [what: string, payload: unknown, text: string][] = [
  ['1e400 of JSON', JSON.parse('{"lines":[{"price":1e400}]}'), '.lines[0].price is Infinity,'],
  ['-1e400 of JSON', JSON.parse('[-1e400]'), '[0] is -Infinity,'],
  ['NaN', { n: Number.NaN }, '.n is NaN,'],
  ['a bigint of 65 bits', { n: 2n ** 64n }, '.n is a bigint of more than 64 bits'],
  ['a function', { f: () => 1 }, '.f is a function'],
  ['a symbol', { s: Symbol('s') }, '.s is a symbol'],
  ['a cycle', cycle, '.self.self'],
  ['a Date', { when: new Date(0) }, '.when is a Date'],
  ['a Map', { by: new Map() }, '.by is a Map'],
  ['half a character', JSON.parse('{"name":"\\ud83d"}'), '.name holds half of a surrogate pair'],
  ['half a character as a key', JSON.parse('{"\\ud83d":1}'), ' has a key with half of a surrogate'],
  ['__proto__ of JSON', JSON.parse('{"a":{"__proto__":1}}'), '.a has the key __proto__'],
  ['100,000 levels', deep, 'is nested too deep, or holds itself'],
  ['one level too many', [bottom], 'is nested too deep, or holds itself'],
];

function expectRefusal(error: unknown, code: string, text: string): void {
  expect(error).toMatchObject({ code, acted: 'nothing', retryable: false });
  const { message } = error as VerdictError;
  expect(message).toContain(text);
  expect(message.length).toBeLessThan(400);
  const { status, body } = problemOfError(error as VerdictError, { repeatable: true });
  expect(status).toBe(code === 'TOO_LARGE' ? 413 : 422);
  expect(body.detail).toContain('Nothing was done now.');
  if (code === 'INVALID_PAYLOAD') expect(body.detail).toContain(text);
}

describe('a payload', () => {
  it.each(refused)('with %s is refused with its place, and nothing is sent', async (...given) => {
    const [, payload, text] = given;
    const { client, node } = await connectedClient();
    const branches = [{ participant: 'a' }, { participant: 'b', payload }];
    const whole = await client.transact({ branches }).catch((error: unknown) => error);
    expectRefusal(whole, 'INVALID_PAYLOAD', text);
    expect((whole as Error).message).toMatch(/^branches\[1\]\.payload/);
    expect(node.all).toEqual([]);

    const beginning = client.begin();
    (await node.next('begin')).reply(begun);
    const tx = await beginning;
    const twoMore = [[payload]];
    const step = await tx
      .enlist({ participant: 'b', payload: payload === deep ? payload : twoMore })
      .catch((error: unknown) => error);
    expectRefusal(step, 'INVALID_PAYLOAD', text);
    expect(node.all).toHaveLength(1);
    await client.close();
  });

  it('with more values than a node reads is too large, and costs no one the connection', async () => {
    const { client, node } = await connectedClient();
    const half = new Array<number>(maxPayloadElements / 2).fill(0);
    for (const payloads of [[half, half], [shared]]) {
      const branches = payloads.map((payload, index) => ({
        participant: 'p',
        branch: `b${index}`,
        payload,
      }));
      const error = await client.transact({ branches }).catch((thrown: unknown) => thrown);
      expectRefusal(error, 'TOO_LARGE', `${maxPayloadElements} keys`);
    }
    expect(node.all).toEqual([]);
    await client.close();
  });

  it('is told of also where no node is there', async () => {
    const { client, node } = await connectedClient();
    node.kill();
    const asked = watch(
      client.transact({ branches: [{ participant: 'a', payload: Number.POSITIVE_INFINITY }] }),
    );
    await node.waiting();
    expectRefusal(asked.error(), 'INVALID_PAYLOAD', 'branches[0].payload is Infinity');
    await client.close();
  });

  it.each<[what: string, payload: unknown]>([
    ['the widest bigints', [2n ** 64n - 1n, -(2n ** 63n)]],
    ['bytes', { bytes: Buffer.from('abc') }],
    ['whole characters', { '\ud83d\ude00': '\ud83d\ude00' }],
    ['the largest numbers', [Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 60]],
    ['a plain object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['as many levels as a node takes', bottom],
    ['undefined, as JSON has it', { a: undefined, b: [undefined] }],
  ])('with %s goes through', async (_what, payload) => {
    const { client, node } = await connectedClient();
    const asked = client.transact({ branches: [{ participant: 'a', payload }] });
    const received = await node.next('transact');
    received.reply(committed);
    await asked;
    const message = received.message as ToNode & { type: 'transact' };
    expect(message.branches[0]?.payload).toEqual(payload);
    await client.close();
  });
});

describe('over HTTP', () => {
  const body = '{"lines":[{"price":1e400}]}';
  const answer = {
    type: 'urn:verdict:problem:unprocessable',
    status: 422,
    detail: expect.stringMatching(/^branches\[0\]\.payload\.lines\[0\]\.price is Infinity/),
  };
  const headers = { 'content-type': 'application/json', 'idempotency-key': '"k"' };

  it('Fastify answers 422 with the place', async () => {
    const { client, node } = await connectedClient();
    const app = fastify();
    await app.register(verdictPlugin, { client, scopeOf: 'everyone' });
    app.post('/orders', ({ body: payload, verdict }) =>
      verdict.transact({ branches: [{ participant: 'a', payload }] }),
    );
    const response = await app.inject({ method: 'POST', url: '/orders', headers, payload: body });
    expect([response.statusCode, response.json()]).toEqual([422, expect.objectContaining(answer)]);
    expect(node.all).toEqual([]);
    await app.close();
    await client.close();
  });

  it('Express answers 422 with the place', async () => {
    const { client, node } = await connectedClient();
    const app = express();
    app.use(express.json());
    app.post('/orders', verdictMiddleware(client, { scopeOf: 'everyone' }), async (request) => {
      await request.verdict.transact({ branches: [{ participant: 'a', payload: request.body }] });
    });
    app.use(verdictProblems());
    const server = app.listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/orders`, {
        method: 'POST',
        headers,
        body,
      });
      expect([response.status, await response.json()]).toEqual([
        422,
        expect.objectContaining(answer),
      ]);
      expect(node.all).toEqual([]);
    } finally {
      server.close();
      server.closeAllConnections();
      await client.close();
    }
  });

  it('a unit test with transactionalPassThrough gets the same error', async () => {
    const { client, committed: kept } = transactionalPassThrough();
    const placed = client.run((tx) =>
      tx.enlist({ participant: 'a', payload: { n: Number.POSITIVE_INFINITY } }),
    );
    await expect(placed).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    expect(kept).toEqual([]);
  });
});
