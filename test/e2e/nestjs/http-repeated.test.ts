/**
 * Idempotency-Keys while everything breaks, in NestJS applications on both platforms that are
 * replicas of one service: as http-repeated.test.ts has it for Fastify and Express alone.
 */
import 'reflect-metadata';
import { Body, Controller, Module, Post, type Type } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { expect, it, onTestFinished } from 'vitest';
import type { Client } from '../../../src/client.ts';
import { verdictMiddleware } from '../../../src/express.ts';
import { verdictPlugin } from '../../../src/fastify.ts';
import {
  getVerdictToken,
  type RequestTransactions,
  RequestVerdict,
  VerdictExceptionFilter,
  VerdictModule,
} from '../../../src/nestjs.ts';
import { keyedRun } from '../../support/http/keyed-run.ts';
import { type Order, place, twice } from '../../support/http/shops.ts';
import { Cluster } from '../../support/nodes/cluster.ts';
import { slownessFactor } from '../../support/process/slowness.ts';
import { express, fastify } from './platforms.ts';

const seed = 20_321;
const keys = 40;

@Controller()
class Shop {
  @Post('orders')
  place(@RequestVerdict() verdict: RequestTransactions, @Body() order: Order) {
    return place(verdict, order);
  }

  @Post('twice')
  twice(@RequestVerdict() verdict: RequestTransactions, @Body() order: Order) {
    return twice(verdict, order);
  }
}

function moduleOf(url: string): Type {
  @Module({
    imports: [VerdictModule.forRoot({ urls: [url], name: 'http-shop' })],
    controllers: [Shop],
    providers: [{ provide: APP_FILTER, useClass: VerdictExceptionFilter }],
  })
  class ShopModule {}
  return ShopModule;
}

it(
  'a key has its effect once, and every answer of it is true',
  async () => {
    const cluster = await Cluster.started({ participants: ['a', 'b'] });
    onTestFinished(() => cluster.remove());
    const ways = [
      { ...express, transact: { timeoutMs: 1_000 }, isPlugin: false },
      { ...fastify, transact: { timeoutMs: 5_000 }, isPlugin: false },
      { ...fastify, transact: { retry: false }, isPlugin: true },
    ];
    const urls = await Promise.all(
      ways.map(async ({ adapter, transact, isPlugin }) => {
        const application = await NestFactory.create(moduleOf(cluster.node.url), adapter(), {
          logger: false,
        });
        onTestFinished(() => application.close());
        const client = application.get<Client>(getVerdictToken());
        const options = { scopeOf: 'everyone', idempotency: 'required', transact } as const;
        if (isPlugin) {
          await (application as NestFastifyApplication).register(verdictPlugin as never, {
            client,
            ...options,
          });
        } else {
          application.use(verdictMiddleware(client, options));
        }
        await application.listen(0, '127.0.0.1');
        return application.getUrl();
      }),
    );
    const { wrong, statuses } = await keyedRun(cluster, urls, { seed, keys });
    expect(wrong).toEqual([]);
    for (const status of ['201', '409', 'null']) expect(statuses).toHaveProperty(status);
  },
  180_000 * slownessFactor,
);
