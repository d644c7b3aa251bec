/**
 * Results behind a schema: what `prepare` brings back is checked before the vote, and what the
 * schema made of it is what is told.
 */
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type StandardSchema, vote } from '../../../src/participant.ts';
import type { PrepareResult } from '../../../src/ports/resource.ts';
import {
  commandOf,
  prepareOf,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { txidOf } from '../../support/samples/messages.ts';

interface Stock {
  items: { left: number }[];
}

const byHand: StandardSchema<Stock> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      await Promise.resolve();
      const { items } = (value ?? {}) as Partial<Stock>;
      if (typeof items?.[0]?.left === 'number') return { value: value as Stock };
      const path = items === undefined ? ['items'] : [{ key: 'items' }, 0, 'left'];
      return { issues: [{ message: 'must be a number', path }] };
    },
  },
};

const schemas: readonly (readonly [string, StandardSchema<Stock>])[] = [
  ['zod', z.object({ items: z.array(z.object({ left: z.number() })) })],
  ['valibot', v.object({ items: v.array(v.object({ left: v.number() })) })],
  ['arktype', type({ items: type({ left: 'number' }).array() })],
  ['one by hand that takes its time', byHand],
];

const txid = txidOf(1);

async function service(
  result: StandardSchema<unknown, unknown>,
  answer: () => Promise<PrepareResult<unknown>> | PrepareResult<unknown>,
): Promise<Awaited<ReturnType<typeof rig>> & { readonly n1: Awaited<ReturnType<Rig['node']>> }> {
  const whole = await rig({ result });
  whole.application.answer = answer;
  const n1 = await whole.node('n1');
  n1.take();
  return { ...whole, n1 };
}
type Rig = Awaited<ReturnType<typeof rig>>;

describe.each(schemas)('a result behind a schema of %s', (_name, schema) => {
  it.each(['commit', 'readonly'] as const)('goes with the vote %s where it fits', async (kind) => {
    const result = { items: [{ left: 3 }] };
    const { n1, application } = await service(schema, () => vote[kind](result));
    await tell(n1, prepareOf(txid));
    expect(n1.take()).toMatchObject([{ type: 'vote', vote: kind, result }]);
    expect(application.calls).toEqual(['prepare stock']);
  });

  it.each<['commit' | 'readonly', unknown, string]>([
    ['commit', { items: [{ left: '3' }] }, 'result.items[0].left'],
    ['readonly', {}, 'result.items'],
    ['commit', undefined, 'result'],
    ['readonly', undefined, 'result'],
  ])(
    'votes abort with its place, and rolls back, for the vote %s with %j',
    async (kind, given, place) => {
      const { n1, application, journal } = await service(schema, () => vote[kind](given));
      await tell(n1, prepareOf(txid));
      const [told] = n1.take();
      expect(told).toMatchObject({
        type: 'vote',
        vote: 'abort',
        reason: {
          code: 'INVALID_RESULT',
          retryable: false,
          message: expect.stringContaining(place),
          detail: { issues: [{ path: expect.stringContaining(place) }] },
        },
      });
      expect(told).not.toHaveProperty('result');
      // What prepare did is undone, and no vote is kept: only that the branch is over.
      expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
      expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
    },
  );
});

describe('a result behind a schema', () => {
  const schema = z.object({ left: z.number() });

  it('is not asked for of a vote to abort, nor of a prepare that throws', async () => {
    const answers = [
      () => vote.abort('No lamp left.'),
      () => Promise.reject(new Error('down')),
      () => undefined as never,
    ];
    const { n1 } = await service(schema, () => (answers.shift() as () => PrepareResult<never>)());
    const told = [
      ['VOTED_ABORT', 'No lamp left.'],
      ['VOTED_ABORT', 'down'],
      ['INVALID_RESULT', 'prepare must return'],
    ] as const;
    for (const [nth, [code, message]] of told.entries()) {
      await tell(n1, prepareOf(txidOf(nth + 1)));
      expect(n1.take()).toMatchObject([
        { reason: { code, message: expect.stringContaining(message) } },
      ]);
    }
  });

  it('may be one that need not be there', async () => {
    const { n1 } = await service(schema.optional(), () => vote.commit());
    await tell(n1, prepareOf(txid));
    const [told] = n1.take();
    expect(told).toMatchObject({ vote: 'commit' });
    expect(told).not.toHaveProperty('result');
  });

  it('is told as the schema made it, now and when it is asked for again', async () => {
    const when = z.object({ at: z.date().transform((date) => date.toISOString()) });
    const secret = { at: new Date(0), password: 'hunter2' };
    const { n1 } = await service(when, () => vote.commit(secret));
    await tell(n1, prepareOf(txid));
    const result = { at: '1970-01-01T00:00:00.000Z' };
    const [told] = n1.take();
    expect((told as { result: unknown }).result).toEqual(result);
    await tell(n1, prepareOf(txid));
    expect(n1.take()).toMatchObject([{ vote: 'commit', result }]);
  });

  it('is not in the log where it does not fit, though the schema quotes it', async () => {
    const lines: string[] = [];
    const line = (fields: object, text: string): void => {
      lines.push(`${JSON.stringify(fields)} ${text}`);
    };
    const logger = { debug: line, info: line, warn: line, error: line };
    const whole = await rig({ result: type({ card: /^\d+$/ }), logger });
    whole.application.answer = () => vote.commit({ card: 'a secret' });
    const n1 = await whole.node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    // The client is told all of it.
    expect(JSON.stringify(n1.take())).toContain('a secret');
    const logged = lines.join('\n');
    expect(logged).not.toContain('secret');
    expect(logged).toContain('INVALID_RESULT: result.card');
  });

  it('must be sendable when the schema is done with it', async () => {
    const { n1, application } = await service(
      z.string().transform((text) => new Date(text)),
      () => vote.commit('2026-01-01'),
    );
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote abort']);
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('that comes after the transaction is over counts no more, and what was prepared is rolled back', async () => {
    let done: (value: { value: string }) => void = () => undefined;
    const slow: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => new Promise((resolve) => (done = resolve)),
      },
    };
    const { n1, application, journal } = await service(slow, () => vote.commit('3'));
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('rollback', txid));
    expect(application.calls).toEqual(['prepare stock']);
    done({ value: '3' });
    await tell(n1);
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
    expect(said(n1)).toEqual(['ack abort ok']);
    expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
  });

  it('whose schema fails is a failure of the service', async () => {
    const broken: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new Error('a fault of the schema');
        },
      },
    };
    const { n1, application } = await service(broken, () => vote.commit('3'));
    await tell(n1, prepareOf(txid));
    expect(n1.take()).toMatchObject([
      { vote: 'abort', reason: { code: 'VOTED_ABORT', message: 'a fault of the schema' } },
    ]);
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });
});
