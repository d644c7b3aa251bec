/** What the plugin and the middleware do without a node's help: options, scopes, error handlers. */
import express from 'express';
import fastify, { type FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { verdictMiddleware } from '../../../src/express.ts';
import { ProblemError, type VerdictPluginOptions, verdictPlugin } from '../../../src/fastify.ts';
import { serveParticipant, vote } from '../../../src/participant.ts';
import { startTestCoordinator } from '../../../src/testing.ts';
import { connectedClient } from '../../support/clients/client.ts';

const branches = [{ participant: 'stock' }];
const keyed = { 'idempotency-key': '"k"' };

async function app(options: Partial<VerdictPluginOptions> = {}) {
  const setting = await connectedClient();
  const made: FastifyInstance = fastify();
  await made.register(verdictPlugin, {
    client: setting.client,
    scopeOf: 'everyone',
    ...options,
  });
  made.post('/orders', async ({ verdict }) => verdict.transact({ branches }));
  return { ...setting, app: made };
}

/** As a second copy of the package throws it: of another class. */
function foreign(): Error {
  const body = { type: 'urn:verdict:problem:aborted', title: 'Aborted', status: 409 };
  const problem = { status: 409, body };
  const fields = { name: 'ProblemError', status: 409, statusCode: 409, headers: {}, problem };
  return Object.assign(new Error('Aborted'), fields);
}

describe('options', () => {
  it('must say whose keys there are, and cannot forget it', async () => {
    const { client } = await connectedClient();
    for (const options of [{}, { scopeOf: 'anna' }, { scopeOf: undefined }]) {
      const plugin = fastify().register(verdictPlugin, { client, ...options } as never);
      await expect(plugin.then(() => undefined)).rejects.toThrow(/Two users who send the same key/);
      expect(() => verdictMiddleware(client, options as never)).toThrow(/'everyone' says/);
    }
  });

  it('are refused where they are misspelt, or name neither or both ways to a client', async () => {
    const { client } = await connectedClient();
    const refused = async (options: object): Promise<void> => {
      await fastify().register(verdictPlugin, { scopeOf: 'everyone', ...options } as never);
    };
    await expect(refused({})).rejects.toThrow(/either connect/);
    await expect(refused({ client, connect: { urls: ['a'] } })).rejects.toThrow(/either connect/);
    await expect(refused({ client, idempotency: 'yes' })).rejects.toThrow(/'required', 'optional'/);
    await expect(refused({ client, scopedOf: 1 })).rejects.toThrow(/scopedOf/);
    expect(() => verdictMiddleware({} as never, { scopeOf: 'everyone' })).toThrow(/wants a client/);
    const made = fastify();
    await made.register(verdictPlugin, { client, scopeOf: 'everyone' });
    const config = { idempotency: 'always' } as never;
    expect(() => made.post('/orders', { config }, async () => null)).toThrow(/config of \/orders/);
  });
});

describe('a scope', () => {
  it.each([undefined, '', 17])('of %j sends nothing: the request fails', async (scope) => {
    const { app: made, node } = await app({ scopeOf: () => scope as string });
    const response = await made.inject({ method: 'POST', url: '/orders', headers: keyed });
    expect([response.statusCode, response.json().message]).toEqual([
      500,
      expect.stringContaining('scopeOf must give a text'),
    ]);
    expect(node.all).toEqual([]);
  });

  it('is not asked for without a key, and once for a request with several transactions', async () => {
    let asked = 0;
    const scopeOf = async (): Promise<string> => {
      asked += 1;
      return 'anna';
    };
    const { app: made, node } = await app({ scopeOf });
    made.post('/ids', async ({ verdict }) =>
      Promise.all([verdict.requestId(), verdict.requestId('a'), verdict.requestId('a')]),
    );
    const without = await made.inject({ method: 'POST', url: '/ids' });
    expect([without.json(), asked]).toEqual([[null, null, null], 0]);
    const ids = (await made.inject({ method: 'POST', url: '/ids', headers: keyed })).json();
    expect(ids[0]).not.toBe(ids[1]);
    expect([ids[1], asked]).toEqual([ids[2], 1]);
    expect(node.all).toEqual([]);
  });
});

describe('the age of a key', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, '5'])('of %s sends nothing', async (age) => {
    const { app: made, node } = await app({ keyAgeMs: () => age as number });
    const response = await made.inject({ method: 'POST', url: '/orders', headers: keyed });
    expect([response.statusCode, response.json().message]).toEqual([
      500,
      expect.stringContaining('keyAgeMs must give milliseconds'),
    ]);
    expect(node.all).toEqual([]);
  });
});

describe('in Fastify', () => {
  it("with problems: 'throw' the application's error handler gets them, with what it needs", async () => {
    const { app: made, node } = await app({ problems: 'throw', idempotency: 'required' });
    const seen: unknown[] = [];
    made.setErrorHandler((error, _request, reply) => {
      seen.push(error);
      return reply.code(418).send('mine');
    });
    expect((await made.inject({ method: 'POST', url: '/orders' })).payload).toBe('mine');
    expect(seen).toEqual([expect.any(ProblemError)]);
    expect(seen).toMatchObject([{ status: 400, statusCode: 400, reason: null }]);
    expect(node.all).toEqual([]);
  });

  it('a path that does not exist is 404, with a key or without', async () => {
    const { app: made } = await app({ idempotency: 'required' });
    expect((await made.inject({ method: 'POST', url: '/none' })).statusCode).toBe(404);
  });

  it('sends a problem of another copy of the package, too', async () => {
    const { app: made } = await app();
    made.post('/copy', async () => {
      throw foreign();
    });
    const { statusCode, headers } = await made.inject({ method: 'POST', url: '/copy' });
    expect([statusCode, headers['content-type']]).toEqual([
      409,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
  });

  it("sends a commit's answer, and what an abort is, whatever schema the route has for it", async () => {
    const { app: made, node, client } = await app({ transact: { retry: false } });
    const schema = { response: { '4xx': { type: 'object', properties: { only: {} } } } };
    made.post('/schema', { schema }, async ({ verdict }) => verdict.transact({ branches }));
    const sent = made.inject({ method: 'POST', url: '/schema' });
    await made.ready();
    let asked = node.all.length;
    for (let turn = 0; asked === 0 && turn < 100; turn += 1) {
      asked = await node.waiting();
    }
    (await node.next('transact')).fail('REQUEST_CONFLICT');
    const response = await sent;
    expect([response.statusCode, response.headers['content-type']]).toEqual([
      422,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
    expect(response.json()).toMatchObject({ type: 'urn:verdict:problem:key-reused' });
    // It was given its client, and leaves it open.
    await made.close();
    const beginning = client.begin();
    (await node.next('begin')).fail('FORBIDDEN');
    await expect(beginning).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('in Express', () => {
  it('a handler that has answered already learns the outcome all the same, also a remembered one', async () => {
    await using coordinator = await startTestCoordinator();
    await coordinator.participant((verdict) =>
      serveParticipant({
        name: 'stock',
        ...verdict,
        prepare: () => vote.abort('None left.'),
        commit: () => undefined,
        rollback: () => undefined,
      }),
    );
    const client = await coordinator.connect({ name: 'shop' });
    const learnt: unknown[] = [];
    const made = express();
    made.post(
      '/orders',
      verdictMiddleware(client, { scopeOf: 'everyone' }),
      async (request, response) => {
        response.write('[');
        await request.verdict.transact({ branches }).catch((error) => void learnt.push(error));
        response.end(']');
      },
    );
    const server = made.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    for (let turn = 0; turn < 2; turn += 1) {
      const sent = { method: 'POST', headers: keyed };
      await (await fetch(`http://127.0.0.1:${port}/orders`, sent)).text();
    }
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const reason = { message: expect.stringContaining('None left.') };
    const refused = { name: 'ProblemError', reason };
    expect(learnt).toMatchObject([refused, refused]);
  });

  it('without verdictProblems the status and the headers are right all the same', async () => {
    const { client } = await connectedClient();
    const made = express();
    const verdict = verdictMiddleware(client, { scopeOf: 'everyone', idempotency: 'required' });
    made.set('env', 'test');
    made.post('/orders', verdict, (_request, response) => void response.json({}));
    const server = made.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const response = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST' });
    expect([response.status, response.headers.get('cache-control')]).toEqual([400, 'no-store']);
    await response.text();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await client.close();
  });
});
