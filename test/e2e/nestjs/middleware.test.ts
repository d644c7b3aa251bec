/**
 * Transactions of HTTP requests in a NestJS application, under their Idempotency-Key: from the
 * middleware of verdict/express on both platforms, and from the plugin of verdict/fastify.
 */
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  Body,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type MiddlewareConsumer,
  Module,
  Post,
  Req,
  type Type,
  VersioningType,
} from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../../src/client.ts';
import { verdictMiddleware } from '../../../src/express.ts';
import { verdictPlugin } from '../../../src/fastify.ts';
import {
  getVerdictToken,
  InjectVerdict,
  Participant,
  type RequestTransactions,
  RequestVerdict,
  VerdictExceptionFilter,
  VerdictModule,
  verdictOf,
} from '../../../src/nestjs.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../../src/participant.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../../support/nodes/node-process.ts';
import { express, fastify, type Platform } from './platforms.ts';

const directory = temporaryDirectory();
let node: NodeProcess;
let stock: ParticipantHandle;
const prepared: string[] = [];
/** Each prepare waits for it. */
let gate: Promise<void> = Promise.resolve();
const applications: INestApplication[] = [];

beforeAll(async () => {
  node = await NodeProcess.started({ data: join(directory.path, 'node'), options: quickOptions });
  stock = await serveParticipant<{ tag: string; refuse?: boolean }>({
    name: 'stock',
    urls: [node.url],
    dataDirectory: join(directory.path, 'stock'),
    prepare: async ({ payload }) => {
      prepared.push(payload.tag);
      await gate;
      return payload.refuse === true ? vote.abort('None left.') : vote.commit();
    },
    commit: () => undefined,
    rollback: () => undefined,
  });
});
afterEach(async () => {
  for (const application of applications.splice(0)) await application.close();
});
afterAll(async () => {
  await stock.close();
  await node.stop();
  directory.remove();
});

interface Order {
  readonly tag: string;
  readonly refuse?: boolean;
  readonly participant?: string;
  /** Of the transaction. */
  readonly locks?: readonly { readonly keys: readonly string[] }[];
}

const kept = new AsyncLocalStorage<object>();

/** Finds the request by itself. */
@Injectable()
class Orders {
  async place(order: Order): Promise<object> {
    const request = kept.getStore();
    if (request === undefined) throw new Error('The request is not in its AsyncLocalStorage.');
    return place(verdictOf(request), order);
  }
}

/** The tags of orders whose transaction has been asked for. */
const asked: string[] = [];

async function place(
  verdict: RequestTransactions,
  { participant = 'stock', locks = [], ...payload }: Order,
) {
  const call = verdict.transact(
    { branches: [{ participant, payload }], locks },
    { retry: false, timeoutMs: 10_000 },
  );
  asked.push(payload.tag);
  const { txid } = await call;
  return { order: await verdict.requestId(), txid };
}

@Controller({ path: 'orders', version: '1' })
class OrdersController {
  constructor(private readonly orders: Orders) {}

  @Post()
  place(@RequestVerdict() verdict: RequestTransactions, @Body() order: Order) {
    return place(verdict, order);
  }

  @Post('request')
  ofRequest(@Req() request: object, @Body() order: Order) {
    return place(verdictOf(request), order);
  }

  @Post('kept')
  ofStorage(@Body() order: Order) {
    return this.orders.place(order);
  }

  @Get()
  key(@RequestVerdict() { idempotencyKey: key }: RequestTransactions) {
    return { key };
  }
}

/** The application's own. */
@Injectable()
@Participant({ name: 'shelf' })
class Shelf {
  prepare() {
    return vote.commit();
  }
  commit(): void {}
  rollback(): void {}
}

const keys = { scopeOf: 'everyone', idempotency: 'required' } as const;
const path = '/api/v1/orders';

class Base {
  constructor(@InjectVerdict() readonly client: Client) {}
}

type Configure = (consumer: MiddlewareConsumer, client: Client) => void;

function shopModule(configured?: Configure): Type {
  @Module({
    imports: [
      VerdictModule.forRoot({
        urls: [node.url],
        name: 'shop',
        participants: { dataDirectory: join(directory.path, 'own', randomUUID()) },
      }),
    ],
    controllers: [OrdersController],
    providers: [Orders, Shelf, { provide: APP_FILTER, useClass: VerdictExceptionFilter }],
  })
  class ShopModule extends Base {
    configure(consumer: MiddlewareConsumer): void {
      configured?.(consumer, this.client);
    }
  }
  return ShopModule;
}

type Install = (application: INestApplication, client: Client) => unknown;
const use: Install = (application, client) =>
  application.use(path, verdictMiddleware(client, keys));
const register: (problems: 'send' | 'throw') => Install = (problems) => (application, client) =>
  (application as NestFastifyApplication).register(verdictPlugin as never, {
    client,
    ...keys,
    problems,
  });
const configure: Configure = (consumer, client) => {
  consumer.apply(verdictMiddleware(client, keys)).forRoutes(OrdersController);
};
const ways: readonly (Platform & { way: string; install?: Install; configure?: Configure })[] = [
  { way: 'app.use of the middleware', ...express, install: use },
  { way: 'app.use of the middleware', ...fastify, install: use },
  { way: 'forRoutes of the middleware', ...express, configure },
  { way: 'forRoutes of the middleware', ...fastify, configure },
  { way: "the plugin, problems: 'send'", ...fastify, install: register('send') },
  { way: "the plugin, problems: 'throw'", ...fastify, install: register('throw') },
];

describe.each(ways)('on $platform, by $way', ({ adapter, install, configure: configured }) => {
  async function shop() {
    const application = await NestFactory.create(shopModule(configured), adapter(), {
      logger: false,
    });
    applications.push(application);
    application.setGlobalPrefix('api');
    application.enableVersioning({ type: VersioningType.URI });
    application.use((request: object, _response: object, next: () => void) =>
      kept.run(request, next),
    );
    await install?.(application, application.get<Client>(getVerdictToken()));
    await application.listen(0, '127.0.0.1');
    const address = `${await application.getUrl()}${path}`;
    const post = async (to: string, order: Order, headers: Record<string, string> = {}) => {
      const response = await fetch(`${address}${to}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(order),
      });
      return { response, body: (await response.json()) as Record<string, unknown> };
    };
    return { application, address, post };
  }

  it.each(['', '/request', '/kept'])('one key has its effect once, at orders%s', async (to) => {
    const { post } = await shop();
    const order = { tag: randomUUID() };
    const key = { 'idempotency-key': randomUUID() };
    const first = await post(to, order, key);
    expect([first.response.status, first.body]).toEqual([
      201,
      { order: expect.stringMatching(/^http-/), txid: expect.any(String) },
    ]);
    const again = await post(to, order, key);
    expect([again.response.status, again.body]).toEqual([201, first.body]);
    expect(prepared.filter((tag) => tag === order.tag)).toHaveLength(1);
    const other = await post(to, { tag: randomUUID() }, key);
    expect(other.body).toMatchObject({ type: 'urn:verdict:problem:key-reused', status: 422 });
  });

  it('an abort from memory says that it is one, in a header beside the problem', async () => {
    const { post } = await shop();
    const order = { tag: randomUUID(), refuse: true };
    const key = { 'idempotency-key': randomUUID() };
    const first = await post('', order, key);
    const again = await post('', order, key);
    for (const { response, body } of [first, again]) {
      expect(response.status).toBe(409);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(body).toMatchObject({ type: 'urn:verdict:problem:refused' });
      expect(JSON.stringify(body)).not.toContain('None left');
    }
    const replayed = (at: typeof first) => at.response.headers.get('idempotency-replayed');
    expect([replayed(first), replayed(again)]).toEqual([null, 'true']);
  });

  it('a key that is missing or malformed is refused before the handler', async () => {
    const { post } = await shop();
    const order = { tag: randomUUID() };
    for (const [headers, kind] of [
      [{}, 'key-missing'],
      [{ 'idempotency-key': '"a", "b"' }, 'key-malformed'],
    ] as const) {
      const { response, body } = await post('', order, headers);
      expect(response.status).toBe(400);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(body).toMatchObject({ type: `urn:verdict:problem:${kind}`, status: 400 });
    }
    expect(prepared).not.toContain(order.tag);
  });

  it('what cannot be carried out at the moment is 503, with when to try again', async () => {
    const { post } = await shop();
    const order = { tag: randomUUID(), participant: 'nobody' };
    const { response, body } = await post('', order, { 'idempotency-key': randomUUID() });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ type: 'urn:verdict:problem:unavailable' });
  });

  it('a request under way is answered before the application has ended', async () => {
    const { application, post } = await shop();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const order = { tag: randomUUID() };
    const placed = post('', order, { 'idempotency-key': randomUUID() });
    while (!prepared.includes(order.tag)) await new Promise((tick) => setTimeout(tick, 5));
    let hasEnded = false;
    const closing = application.close().then(() => {
      hasEnded = true;
    });
    setTimeout(resolve, 300);
    expect((await placed).response.status).toBe(201);
    expect(hasEnded).toBe(false);
    await closing;
    const client = application.get<Client>(getVerdictToken());
    await expect(client.begin()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('a request under way ends before a participant stops that it has yet to reach', async () => {
    const { application, post } = await shop();
    await using client = await connect({ urls: [node.url], name: 'shop' });
    await using holder = await client.begin();
    const lock = `until/${randomUUID()}`;
    await holder.lock(lock);
    const order = { tag: randomUUID(), participant: 'shelf', locks: [{ keys: [lock] }] };
    const placed = post('', order, { 'idempotency-key': randomUUID() });
    while (!asked.includes(order.tag)) await new Promise((tick) => setTimeout(tick, 5));
    const closing = application.close();
    await new Promise((tick) => setTimeout(tick, 300));
    await holder.rollback();
    expect((await placed).response.status).toBe(201);
    await closing;
  });

  it('the key of a GET is not looked at, and a path that does not exist is 404', async () => {
    const { address } = await shop();
    const got = await fetch(address, { headers: { 'idempotency-key': 'k' } });
    expect([got.status, await got.json()]).toEqual([200, { key: null }]);
    const none = await fetch(`${address}s`, { method: 'POST' });
    expect(none.status).toBe(404);
    await none.text();
  });
});

it('where nothing gives requests their transactions, the error says what is missing', () => {
  expect(() => verdictOf({})).toThrow(/on Fastify await app\.register\(verdictPlugin/);
  expect(() => verdictOf(undefined as never)).toThrow('This request has no transactions');
});
