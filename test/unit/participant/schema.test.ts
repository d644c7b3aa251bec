/**
 * Payloads behind a schema: zod's, valibot's, arktype's or one by hand, all by the same interface.
 */
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Client } from '../../../src/client.ts';
import { resourceOf } from '../../../src/participant/options.ts';
import { checkedResult } from '../../../src/participant/results.ts';
import {
  defineParticipant,
  type StandardSchema,
  serveParticipant,
  vote,
} from '../../../src/participant.ts';
import type { PrepareCall } from '../../../src/ports/resource.ts';
import { txidOf } from '../../support/samples/messages.ts';

interface Order {
  items: { sku: string; quantity: number }[];
}

const byHand: StandardSchema<Order> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) => {
      const { items } = (value ?? {}) as Partial<Order>;
      const quantity = items?.[0]?.quantity;
      if (typeof quantity === 'number' && quantity > 0) return { value: value as Order };
      const path = items === undefined ? ['items'] : [{ key: 'items' }, 0, 'quantity'];
      return { issues: [{ message: 'must be above 0', path }] };
    },
  },
};

const schemas: readonly (readonly [string, StandardSchema<Order>])[] = [
  [
    'zod',
    z.object({ items: z.array(z.object({ sku: z.string(), quantity: z.int().positive() })) }),
  ],
  [
    'valibot',
    v.object({
      items: v.array(
        v.object({ sku: v.string(), quantity: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
      ),
    }),
  ],
  ['arktype', type({ items: type({ sku: 'string', quantity: 'number.integer > 0' }).array() })],
  ['one by hand', byHand],
];

describe.each(schemas)('a payload behind a schema of %s', (_name, payload) => {
  const seen: Order[] = [];
  const resource = resourceOf<Order, string>({
    name: 'inventory',
    urls: ['n1:7070'],
    payload,
    prepare: (call) => {
      seen.push(call.payload);
      return vote.commit(call.signal.aborted ? 'late' : call.branch);
    },
    commit: () => undefined,
    rollback: () => undefined,
  });
  const prepare = (given: unknown) =>
    resource.prepare({
      txid: txidOf(1),
      branch: 'inventory',
      payload: given,
      signal: new AbortController().signal,
      timeoutMs: 1_000,
      working: () => undefined,
    } as PrepareCall<Order>);

  it('reaches prepare where it fits', async () => {
    const order = { items: [{ sku: 'lamp', quantity: 1 }] };
    expect(await prepare(order)).toEqual(vote.commit('inventory'));
    expect(seen).toEqual([order]);
  });

  it('aborts with its place where it does not, and never reaches prepare', async () => {
    seen.length = 0;
    for (const [given, place] of [
      [{ items: [{ sku: 'lamp', quantity: -1 }] }, 'payload.items[0].quantity: '],
      [{}, 'payload.items: '],
      [undefined, 'payload'],
    ] as const) {
      const vote = await prepare(given);
      expect(vote).toMatchObject({
        vote: 'abort',
        reason: { code: 'INVALID_PAYLOAD', message: expect.stringContaining(place) },
      });
      // As it is sent.
      const limits = { maxFrameBytes: 1_048_576, maxDepth: 32 };
      expect(checkedResult(vote, limits)).toMatchObject({ reason: { code: 'INVALID_PAYLOAD' } });
    }
    expect(seen).toEqual([]);
  });
});

it.each([
  ['of its payload', { payload: byHand }],
  ['of its result', { result: v.undefined() }],
  ['of both', { payload: byHand, result: v.undefined() }],
])(
  'a resource behind a schema %s is that resource in all else: whose store it is, who votes, what siblings hold',
  async (_name, schemas) => {
    const asked: unknown[] = [];
    class Database {
      readonly identity = 'pg-1';
      begin = (call: unknown) => void asked.push(['begin', call]);
      forgotten = (branch: unknown) => void asked.push(['forgotten', branch]);
      inDoubt(call: unknown): never[] {
        asked.push(['inDoubt', call, this.identity]);
        return [];
      }
      prepare(call: PrepareCall<Order>): ReturnType<typeof vote.commit> {
        asked.push(['prepare', call.instance, call.traceparent]);
        return vote.commit();
      }
      commit = (call: unknown) => void asked.push(['commit', call]);
      rollback = (call: unknown) => void asked.push(['rollback', call]);
    }
    const settings = { name: 'inventory', urls: ['n1:7070'], ...schemas };
    const resource = resourceOf<Order, unknown>({ ...settings, resource: new Database() });
    const instance = 'i-1';
    const branch = { txid: txidOf(1), branch: 'inventory', instance, payload: undefined };
    expect(resource.identity).toBe('pg-1');
    expect('identity' in resource && 'inDoubt' in resource).toBe(true);
    await resource.begin?.({ instance });
    await resource.inDoubt?.({ instance });
    await resource.prepare({
      ...branch,
      traceparent: '00-1',
      payload: { items: [{ sku: 'lamp', quantity: 1 }] },
      signal: new AbortController().signal,
      timeoutMs: 1_000,
      working: () => undefined,
    });
    await resource.commit({ ...branch, takenOver: true });
    resource.forgotten?.(branch);
    expect(asked).toEqual([
      ['begin', { instance }],
      ['inDoubt', { instance }, 'pg-1'],
      ['prepare', instance, '00-1'],
      ['commit', { ...branch, takenOver: true }],
      ['forgotten', branch],
    ]);
  },
);

describe('defineParticipant', () => {
  const inventory = defineParticipant({
    name: 'inventory',
    payload: z.object({ sku: z.string(), quantity: z.number() }),
  });

  it('gives the client a branch, and the service its name and schema', () => {
    expect(inventory.branch({ sku: 'lamp', quantity: 1 }, 'second')).toEqual({
      participant: 'inventory',
      branch: 'second',
      payload: { sku: 'lamp', quantity: 1 },
    });
    expect(() => defineParticipant({ name: 'x', payload: {} as never })).toThrow(/Standard Schema/);
  });

  it('reaches the types of both sides', () => {
    // Only compiled.
    const never = async (client: Client): Promise<void> => {
      await client.transact({ branches: [inventory.branch({ sku: 'lamp', quantity: 1 })] });
      // @ts-expect-error the quantity is missing
      inventory.branch({ sku: 'lamp' });
      // @ts-expect-error the quantity is a number
      inventory.branch({ sku: 'lamp', quantity: '1' });
      await serveParticipant({
        ...inventory,
        urls: [],
        dataDirectory: 'x',
        prepare: ({ payload }) => {
          const quantity: number = payload.quantity;
          // @ts-expect-error there is no such field
          payload.amount;
          return vote.commit(quantity);
        },
        commit: () => undefined,
        rollback: () => undefined,
      });
    };
    expect(never).toBeTypeOf('function');
  });
});
