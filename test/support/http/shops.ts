/** One small service, written for each framework, over scripted participants. */
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { type Client, connect, currentTransaction } from '../../../src/client.ts';
import { type HttpOptions, verdictMiddleware, verdictProblems } from '../../../src/express.ts';
import { type RequestTransactions, verdictPlugin } from '../../../src/fastify.ts';
import type { Script } from '../participants/participant-process.ts';

/** What its routes take. */
export interface Order {
  readonly plan: Readonly<Record<string, Script>>;
  readonly tag: string;
}

export interface Shop {
  readonly url: string;
  /** Of Verdict: the shop's own. */
  readonly client: Client;
  close(): Promise<void>;
}

export interface Requested {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export type ShopOptions = Partial<Omit<HttpOptions<Requested>, 'idempotency'>>;

/** Whoever says who he is: in a service it would be who is signed in. */
function scopeOf({ headers }: Requested): string {
  const user = headers['x-user'];
  return typeof user === 'string' ? user : 'guest';
}

const branchesOf = ({ plan, tag }: Order) =>
  Object.entries(plan).map(([participant, script]) => ({
    participant,
    payload: { ...script, tag },
  }));

export async function place(verdict: RequestTransactions, order: Order): Promise<object> {
  const { txid, results } = await verdict.transact({ branches: branchesOf(order) });
  return { order: await verdict.requestId(), txid, results };
}

async function enlistAll(order: Order): Promise<void> {
  for (const branch of branchesOf(order)) await currentTransaction().enlist(branch);
}

export async function twice(verdict: RequestTransactions, order: Order): Promise<object> {
  const branches = branchesOf(order);
  const first = await verdict.transact({ step: 'first', branches });
  const second = await verdict.transact({ step: 'second', branches });
  return { txids: [first.txid, second.txid] };
}

export async function fastifyShop(url: string, options: ShopOptions = {}): Promise<Shop> {
  // A close waits for connections that are kept alive; 72 s is the default.
  const app = fastify({ keepAliveTimeout: 500 });
  await app.register(verdictPlugin, {
    connect: { urls: [url], name: 'http-shop', timeoutMs: 20_000 },
    scopeOf,
    ...options,
  });
  type Route = { Body: Order };
  const required = { config: { idempotency: 'required' } } as const;
  const off = { config: { idempotency: 'off' } } as const;
  app.post<Route>('/orders', required, async ({ verdict, body }, reply) =>
    reply.code(201).send(await place(verdict, body)),
  );
  app.post<Route>('/optional', async ({ verdict, body }) => place(verdict, body));
  app.get('/orders', required, async ({ verdict }) => ({ key: verdict.idempotencyKey }));
  app.post<Route>('/twice', required, async ({ verdict, body }) => twice(verdict, body));
  app.post<Route>('/again', required, async ({ verdict, body }) => {
    await place(verdict, body);
    return place(verdict, body);
  });
  app.post<Route>('/steps', off, async ({ verdict, body }) => {
    await verdict.withTransaction(() => enlistAll(body));
    return { key: verdict.idempotencyKey };
  });
  app.post<Route>('/steps-with-key', async ({ verdict, body }) =>
    verdict.withTransaction(() => enlistAll(body)),
  );
  app.post('/broken', off, async ({ verdict }) =>
    verdict.withTransaction(async () => {
      throw Object.assign(new Error('of the handler'), { statusCode: 418 });
    }),
  );
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { url: addressOf(app.server.address()), client: app.verdict, close: () => app.close() };
}

export async function expressShop(url: string, options: ShopOptions = {}): Promise<Shop> {
  const client = await connect({ urls: [url], name: 'http-shop', timeoutMs: 20_000 });
  const given = { scopeOf, ...options };
  const required = verdictMiddleware(client, { ...given, idempotency: 'required' });
  const optional = verdictMiddleware(client, given);
  const off = verdictMiddleware(client, { ...given, idempotency: 'off' });
  const app = express();
  app.use(express.json());
  app.post('/orders', required, async ({ verdict, body }, response) => {
    response.status(201).json(await place(verdict, body));
  });
  app.post('/optional', optional, async ({ verdict, body }, response) => {
    response.json(await place(verdict, body));
  });
  app.get('/orders', required, ({ verdict }, response) => {
    response.json({ key: verdict.idempotencyKey });
  });
  app.post('/twice', required, async ({ verdict, body }, response) => {
    response.json(await twice(verdict, body));
  });
  app.post('/again', required, async ({ verdict, body }, response) => {
    await place(verdict, body);
    response.json(await place(verdict, body));
  });
  app.post('/steps', off, async ({ verdict, body }, response) => {
    await verdict.withTransaction(() => enlistAll(body));
    response.json({ key: verdict.idempotencyKey });
  });
  app.post('/steps-with-key', optional, async ({ verdict, body }, response) => {
    await verdict.withTransaction(() => enlistAll(body));
    response.json({});
  });
  app.post('/broken', off, async ({ verdict }) => {
    await verdict.withTransaction(async () => {
      throw Object.assign(new Error('of the handler'), { statusCode: 418 });
    });
  });
  app.use(verdictProblems());
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: addressOf(server.address()),
    client,
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([required, optional, off].map((middleware) => middleware.idle()));
      await client.close();
    },
  };
}

function addressOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('It does not listen.');
  return `http://127.0.0.1:${address.port}`;
}
