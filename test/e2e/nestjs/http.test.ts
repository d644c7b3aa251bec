/**
 * What a NestJS application does around a transaction of an HTTP request: global prefix, versions,
 * providers of request scope, interceptors, streams.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  Body,
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestInterceptor,
  type NestMiddleware,
  Param,
  Post,
  Res,
  Scope,
  StreamableFile,
  UseInterceptors,
  VERSION_NEUTRAL,
  Version,
  VersioningType,
} from '@nestjs/common';
import { APP_FILTER, NestFactory, REQUEST } from '@nestjs/core';
import { firstValueFrom, map, type Observable, of } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  currentTransaction,
  maybeTransaction,
  withTransaction,
} from '../../../src/client.ts';
import {
  InjectVerdict,
  TransactionAbortedError,
  Transactional,
  VerdictExceptionFilter,
  VerdictModule,
} from '../../../src/nestjs.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../../src/participant.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../../support/nodes/node-process.ts';
import { platforms } from './platforms.ts';

const directory = temporaryDirectory();
let node: NodeProcess;
let stock: ParticipantHandle;

beforeAll(async () => {
  node = await NodeProcess.started({ data: join(directory.path, 'node'), options: quickOptions });
  stock = await serveParticipant<{ sku: string }>({
    name: 'stock',
    urls: [node.url],
    dataDirectory: join(directory.path, 'stock'),
    prepare: ({ payload }) => (payload.sku === 'gone' ? vote.abort('None left.') : vote.commit()),
    commit: () => undefined,
    rollback: () => undefined,
  });
});
afterAll(async () => {
  await stock.close();
  await node.stop();
  directory.remove();
});

async function take(sku: string): Promise<string> {
  const tx = currentTransaction();
  await tx.enlist({ participant: 'stock', payload: { sku } });
  return tx.txid;
}

@Injectable({ scope: Scope.REQUEST })
class Basket {
  constructor(@Inject(REQUEST) private readonly request: { readonly headers: { user?: string } }) {}

  @Transactional()
  async order(sku: string): Promise<{ user: string | undefined; txid: string }> {
    await new Promise((tick) => setTimeout(tick, 10));
    return { user: this.request.headers.user, txid: await take(sku) };
  }
}

@Injectable()
class Stock {
  @Transactional()
  async order(sku: string): Promise<string> {
    return take(sku);
  }
}

/** Makes something of the answer, outside of the transaction. */
@Injectable()
class Outside implements NestInterceptor {
  constructor(@InjectVerdict() private readonly client: Client) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const inForce = (): boolean => maybeTransaction(this.client) !== null;
    const before = inForce();
    return next.handle().pipe(map((txid) => ({ txid, inForce: [before, inForce()] })));
  }
}

/** Runs the handler in a transaction. */
@Injectable()
class Around implements NestInterceptor {
  constructor(@InjectVerdict() private readonly client: Client) {}

  async intercept(_context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const result = await withTransaction(this.client, {}, async () => {
      const mine = currentTransaction().txid;
      return { mine, theirs: await firstValueFrom(next.handle()) };
    });
    if (result.outcome === 'aborted') throw new TransactionAbortedError(result);
    return of(result.value);
  }
}

/** A middleware that throws, and passes nothing to `next`. On Fastify it has Node's response. */
@Injectable()
class InTransaction implements NestMiddleware {
  constructor(private readonly stock: Stock) {}

  async use(): Promise<void> {
    await this.stock.order('gone');
  }
}

/** Either platform's response, as the handler writes to it itself. */
interface Writable {
  readonly raw?: Writable;
  write(text: string): void;
  end(): void;
}

@Controller({ path: 'orders', version: '1' })
class OrdersController {
  constructor(
    private readonly basket: Basket,
    @InjectVerdict() private readonly client: Client,
  ) {}

  @Post()
  order(@Body() { sku }: { sku: string }) {
    return this.basket.order(sku);
  }

  @Post('outside')
  @UseInterceptors(Outside)
  @Transactional()
  async outside(@Body() { sku }: { sku: string }) {
    return take(sku);
  }

  @Post('around')
  @UseInterceptors(Around)
  @Transactional()
  async around(@Body() { sku }: { sku: string }) {
    return take(sku);
  }

  /** It commits before the first byte: the method has resolved by then. */
  @Get('streamed/:sku')
  @Transactional()
  async streamed(@Param('sku') sku: string) {
    const txid = await take(sku);
    const status = async () => (await this.client.status(txid)).state;
    const parts = async function* () {
      yield 'committed: ';
      yield `${(await status()).startsWith('COMMITT')}`;
    };
    return new StreamableFile(Readable.from(parts()), { type: 'text/plain' });
  }

  /** The abort comes when the headers have been sent. */
  @Get('begun/:sku')
  async begun(@Param('sku') sku: string, @Res() response: Writable) {
    const to = response.raw ?? response;
    to.write('begun');
    await this.basket.order(sku);
    to.end();
  }
}

@Controller({ path: 'orders', version: '2' })
class SecondController {
  constructor(private readonly basket: Basket) {}

  @Post()
  async order(@Body() { sku }: { sku: string }) {
    return { ...(await this.basket.order(sku)), version: 2 };
  }

  @Post('neutral')
  @Version(VERSION_NEUTRAL)
  neutral(@Body() { sku }: { sku: string }) {
    return this.basket.order(sku);
  }
}

describe.each(platforms)('on $platform', ({ adapter }) => {
  let application: INestApplication;
  let address: string;

  beforeAll(async () => {
    @Module({
      imports: [VerdictModule.forRoot({ urls: [node.url], name: 'shop' })],
      controllers: [OrdersController, SecondController],
      providers: [Basket, Stock, { provide: APP_FILTER, useClass: VerdictExceptionFilter }],
    })
    class AppModule {
      configure(consumer: MiddlewareConsumer): void {
        consumer.apply(InTransaction).forRoutes('own-middleware');
      }
    }
    application = await NestFactory.create(AppModule, adapter(), { logger: false });
    application.setGlobalPrefix('api');
    application.enableVersioning({ type: VersioningType.URI });
    await application.listen(0, '127.0.0.1');
    address = `${await application.getUrl()}/api`;
  });
  afterAll(() => application?.close());

  async function post(path: string, sku: string, user = 'anna') {
    const response = await fetch(`${address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', user },
      body: JSON.stringify({ sku }),
    });
    return { response, body: (await response.json()) as Record<string, unknown> };
  }
  const refused = { type: 'urn:verdict:problem:refused', status: 409 };

  it.each(['/v1/orders', '/v2/orders', '/orders/neutral'])(
    'a provider of request scope has its request and a transaction of its own, at %s',
    async (path) => {
      const users = ['anna', 'bert', 'carl', 'dora'];
      const answers = await Promise.all(users.map((user) => post(path, 'lamp', user)));
      expect(answers.map(({ response }) => response.status)).toEqual([201, 201, 201, 201]);
      expect(answers.map(({ body }) => body['user'])).toEqual(users);
      expect(new Set(answers.map(({ body }) => body['txid'])).size).toBe(4);
      const { response, body } = await post(path, 'gone');
      expect([response.status, body]).toEqual([409, expect.objectContaining(refused)]);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    },
  );

  it("an interceptor runs outside of a method's transaction, and can run the method in its own", async () => {
    const outside = await post('/v1/orders/outside', 'lamp');
    expect(outside.body).toEqual({ txid: expect.any(String), inForce: [false, false] });
    const around = await post('/v1/orders/around', 'lamp');
    expect(around.body['mine']).toEqual(expect.any(String));
    expect(around.body['theirs']).toBe(around.body['mine']);
    for (const path of ['/v1/orders/outside', '/v1/orders/around']) {
      expect((await post(path, 'gone')).body).toMatchObject(refused);
    }
  });

  it('a stream is sent when the transaction has committed, and a problem where it aborts', async () => {
    const streamed = await fetch(`${address}/v1/orders/streamed/lamp`);
    expect(streamed.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await streamed.text()).toBe('committed: true');
    const aborted = await fetch(`${address}/v1/orders/streamed/gone`);
    expect(aborted.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect([aborted.status, await aborted.json()]).toMatchObject([409, refused]);
  });

  it("an abort in Nest's middleware is answered as one in a handler", async () => {
    const { response, body } = await post('/own-middleware', 'gone');
    expect([response.status, body]).toEqual([409, expect.objectContaining(refused)]);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('an abort after the headers ends the response, and nothing else', async () => {
    const begun = await fetch(`${address}/v1/orders/begun/gone`, {
      signal: AbortSignal.timeout(10_000),
    });
    expect([begun.status, await begun.text()]).toEqual([200, 'begun']);
    expect((await post('/v1/orders', 'lamp')).response.status).toBe(201);
  });
});
