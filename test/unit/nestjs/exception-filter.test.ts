import 'reflect-metadata';
import { type ArgumentsHost, Catch, Injectable, Logger, Module } from '@nestjs/common';
import {
  type AbstractHttpAdapter,
  APP_FILTER,
  ExternalContextCreator,
  NestFactory,
} from '@nestjs/core';
import { firstValueFrom, type Observable } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OutcomeUnknownError, VerdictError } from '../../../src/client.ts';
import { epochZero } from '../../../src/core/txid.ts';
import { TransactionAbortedError, VerdictExceptionFilter } from '../../../src/nestjs.ts';
import { txidAt } from '../../support/logs/stores.ts';

const txid = txidAt(epochZero, 1);
const refused = new TransactionAbortedError({
  txid,
  attempts: 1,
  reason: { code: 'VOTED_ABORT', message: 'Row 7 of accounts', retryable: false },
});
const busy = new TransactionAbortedError({
  txid,
  attempts: 5,
  reason: {
    code: 'PARTICIPANT_UNAVAILABLE',
    message: 'payment is away',
    retryable: true,
    retryAfterMs: 2_500,
  },
});

interface Answer {
  status?: number;
  body?: Record<string, unknown>;
  readonly headers: Record<string, string>;
}

/** What Nest gives a filter, of a transport. */
function hostOf(type: string, more: object = {}, request: object = {}): ArgumentsHost {
  const client = { getClient: () => more };
  return {
    getType: () => type,
    switchToHttp: () => ({ getResponse: () => more, getRequest: () => request }),
    switchToWs: () => client,
    getArgByIndex: () => more,
  } as unknown as ArgumentsHost;
}

function overHttp(
  error: unknown,
  { of: Filter = VerdictExceptionFilter, request = {} } = {},
): Answer {
  const answer: Answer = { headers: {} };
  const adapter = {
    setHeader: (_response: unknown, name: string, value: string) => {
      answer.headers[name.toLowerCase()] = value;
    },
    reply: (_response: unknown, text: string, status: number) => {
      Object.assign(answer, { body: JSON.parse(text), status });
    },
  } as unknown as AbstractHttpAdapter;
  new Filter(adapter).catch(error, hostOf('http', { status: () => null }, request));
  return answer;
}

describe('VerdictExceptionFilter', () => {
  it('tells a caller what he may do, and nothing of what is inside', () => {
    expect(overHttp(refused)).toMatchObject({
      status: 409,
      body: { type: 'urn:verdict:problem:refused' },
      headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
    });
    expect(overHttp(busy)).toMatchObject({ status: 503, headers: { 'retry-after': '3' } });
    for (const error of [refused, busy]) {
      expect(JSON.stringify(overHttp(error))).not.toMatch(/accounts|payment|retry-after.:.1/);
    }
  });

  it('does not ask to try again what may have had its effect', () => {
    const unknown = overHttp(new OutcomeUnknownError('It goes on.', { txid, cause: null }));
    expect(unknown).toMatchObject({ status: 504, body: { transaction: txid } });
    expect(unknown.headers).not.toHaveProperty('retry-after');
    const given = { retryable: false, acted: 'nothing' } as const;
    expect(overHttp(new VerdictError('FORBIDDEN', 'anna may not', given)).status).toBe(500);
  });

  it('asks to send again what has a key, and is known to have one effect', () => {
    const named = new OutcomeUnknownError('It goes on.', { txid, requestId: 'http-1' });
    const unnamed = new OutcomeUnknownError('It goes on.', { txid });
    const key = { verdict: { idempotencyKey: 'a' } };
    class OwnKeys extends VerdictExceptionFilter {
      protected override isRepeatable() {
        return true;
      }
    }
    for (const [error, more] of [
      [named, { request: key }],
      [named, { request: { raw: key } }],
      [unnamed, { of: OwnKeys }],
    ] as const) {
      const answer = overHttp(error, more);
      expect(answer).toMatchObject({ status: 504, headers: { 'retry-after': '1' } });
      expect(answer.body?.['detail']).toContain('with the same Idempotency-Key again');
    }
    for (const [error, more] of [
      [unnamed, { request: key }],
      [named, { request: { verdict: { idempotencyKey: null } } }],
      [named, {}],
    ] as const) {
      const answer = overHttp(error, more);
      expect(answer.headers).not.toHaveProperty('retry-after');
      expect(answer.body?.['detail']).toContain('Do not send it again before you know');
    }
  });

  it('says of its transaction alone that it did nothing: another of the request may stand', () => {
    const given = { retryable: true, acted: 'nothing' } as const;
    const [abort, error] = [
      overHttp(refused).body?.['detail'],
      overHttp(new VerdictError('TIMEOUT', 'no node', given)).body?.['detail'],
    ];
    expect(abort).toContain('This transaction changed nothing.');
    // Sent again under its id, it may have committed before.
    expect(error).toContain('This transaction did nothing now.');
    expect(`${abort} ${error}`).not.toContain('Nothing was');
  });

  it('ends a response that has begun, whatever the adapter knows of it', () => {
    const adapter = { reply: () => expect.unreachable(), setHeader: () => expect.unreachable() };
    const filter = new VerdictExceptionFilter(adapter as unknown as AbstractHttpAdapter);
    const raw = { headersSent: true, end: vi.fn() };
    filter.catch(refused, hostOf('http', { status: () => null, sent: false, raw }));
    filter.catch(refused, hostOf('http', { status: () => null, ...raw }));
    expect(raw.end).toHaveBeenCalledTimes(2);
  });

  it('answers where a handler took the response over, and had not begun it', () => {
    const adapter = { reply: () => expect.unreachable(), setHeader: () => expect.unreachable() };
    const filter = new VerdictExceptionFilter(adapter as unknown as AbstractHttpAdapter);
    const end = vi.fn();
    const raw = { headersSent: false, end, writeHead: vi.fn(() => ({ end })) };
    filter.catch(refused, hostOf('http', { status: () => null, sent: true, raw }));
    expect(raw.writeHead).toHaveBeenCalledWith(409, expect.anything());
    expect(JSON.parse(end.mock.calls[0]?.[0])).toMatchObject({ status: 409 });
  });

  it('needs no adapter, where it was made by new without one', () => {
    const end = vi.fn();
    const writeHead = vi.fn(() => ({ end }));
    new VerdictExceptionFilter().catch(busy, hostOf('http', { status: () => null, writeHead }));
    expect(writeHead).toHaveBeenCalledWith(503, {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'Retry-After': '3',
    });
    expect(JSON.parse(end.mock.calls[0]?.[0])).toMatchObject({ status: 503 });
  });

  it('answers a microservice, a gateway and GraphQL in their ways', async () => {
    const filter = new VerdictExceptionFilter();
    const stream = filter.catch(refused, hostOf('rpc')) as Observable<never>;
    await expect(firstValueFrom(stream)).rejects.toMatchObject({
      status: 'error',
      statusCode: 409,
      type: 'urn:verdict:problem:refused',
    });
    const emitted: unknown[] = [];
    filter.catch(busy, hostOf('ws', { emit: (...all: unknown[]) => emitted.push(all) }));
    expect(emitted).toEqual([['exception', expect.objectContaining({ statusCode: 503 })]]);
    for (const type of ['graphql', 'rmq']) {
      expect(() => filter.catch(refused, hostOf(type))).toThrow(refused);
    }
  });
});

/** A class of one's own may catch everything. */
@Catch()
class CatchesAll extends VerdictExceptionFilter {}

describe('where there is no HTTP response', () => {
  afterEach(() => void vi.restoreAllMocks());

  const filters = [
    { provide: APP_FILTER, useClass: CatchesAll, name: 'a filter that catches all' },
    { provide: APP_FILTER, useClass: VerdictExceptionFilter, name: 'the filter' },
  ];

  it.each(filters)('$name leaves other errors to Nest', (provider) => {
    const filter = new provider.useClass();
    vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const other = new Error('of the handler');
    expect(filter.catch(other, hostOf('rpc'))).toBeUndefined();
    expect(filter.catch(other, hostOf('graphql'))).toBeUndefined();
    const emitted: unknown[] = [];
    filter.catch(other, hostOf('ws', { emit: (...all: unknown[]) => emitted.push(all) }));
    expect(emitted).toEqual([['exception', { status: 'error', message: 'Internal server error' }]]);
  });

  it.each(filters)(
    'a consumer in an application without HTTP fails, by $name',
    async (provider) => {
      @Injectable()
      class Consumer {
        async take({ error }: { error: Error }): Promise<string> {
          throw error;
        }
      }
      @Module({ providers: [Consumer, provider] })
      class WorkerModule {}
      const application = await NestFactory.createApplicationContext(WorkerModule, {
        logger: false,
      });
      const consumer = application.get(Consumer);
      const take = consumer.take as (...args: unknown[]) => unknown;
      // As the packages for queues have it: a value would acknowledge the message.
      const handler = application
        .get(ExternalContextCreator)
        .create(consumer, take, 'take', undefined, undefined, undefined, undefined, {}, 'rmq');
      try {
        for (const error of [refused, busy, new Error('of the handler')]) {
          await expect(handler({ error })).rejects.toBe(error);
        }
      } finally {
        await application.close();
      }
    },
  );
});
