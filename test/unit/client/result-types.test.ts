/**
 * What a contract says of payloads and results, as the compiler sees it in a client; what runs here
 * is little.
 */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  type BranchOf,
  type Client,
  defineParticipant,
  type ResultOf,
  type ResultsOf,
} from '../../../src/client.ts';
import { type StandardSchema, serveParticipant, vote } from '../../../src/participant.ts';
import { connectedClient } from '../../support/clients/client.ts';
import { txidOf } from '../../support/samples/messages.ts';

const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.number().default(1) }),
  result: z.object({
    left: z.number(),
    at: z.date().transform((date) => date.toISOString()),
  }),
});
const payment = defineParticipant({
  name: 'payment',
  payload: z.object({ cents: z.number() }),
  result: z.string().optional(),
});
/** Says nothing of its results. */
const mail = defineParticipant({ name: 'mail', payload: z.object({ to: z.string() }) });

interface Stock {
  left: number;
  at: string;
}

/** Only compiled. */
function compiled(work: (client: Client) => Promise<void>): void {
  expect(work).toBeTypeOf('function');
}

describe('the results of a transaction', () => {
  it('have the types of the contracts whose branches it has', () => {
    compiled(async (client) => {
      const outcome = await client.transact({
        branches: [
          inventory.branch({ sku: 'lamp' }),
          inventory.branch({ sku: 'chair', quantity: 2 }, 'second'),
          payment.branch({ cents: 4_900 }),
          mail.branch({ to: 'anna' }),
          { participant: 'ledger', payload: 5 },
        ],
      });
      if (outcome.outcome !== 'committed') return;
      expectTypeOf(outcome.results).toEqualTypeOf<{
        inventory: Stock;
        second: Stock;
        payment: string | undefined;
        mail: unknown;
        ledger: unknown;
      } | null>();
      // @ts-expect-error they may be null
      outcome.results.inventory;
      // @ts-expect-error the schema makes text of the date
      outcome.results?.inventory.at.getTime();
      // @ts-expect-error there is no such branch
      outcome.results?.inventroy;
    });
  });

  it('have them by the type of the contract alone', () => {
    compiled(async (client) => {
      const branch: BranchOf<typeof inventory> = {
        participant: 'inventory',
        payload: { sku: 'lamp' },
      };
      const second: BranchOf<typeof inventory, 'second'> = { ...branch, branch: 'second' };
      const outcome = await client.transact({ branches: [branch, second] });
      if (outcome.outcome !== 'committed') return;
      expectTypeOf(outcome.results).toEqualTypeOf<{ inventory: Stock; second: Stock } | null>();
      expectTypeOf<ResultOf<typeof inventory>>().toEqualTypeOf<Stock>();
      // @ts-expect-error the name is another's
      const other: BranchOf<typeof inventory> = { participant: 'payment', payload: branch.payload };
      // @ts-expect-error a branch of another name says it
      const unnamed: BranchOf<typeof inventory, 'second'> = branch;
      // @ts-expect-error the sku is missing
      const empty: BranchOf<typeof inventory> = { participant: 'inventory', payload: {} };
      void [other, unnamed, empty];

      const tx = await client.begin();
      await tx.enlist(branch);
      const interactive = await tx.commit<ResultsOf<[typeof branch, typeof second]>>();
      if (interactive.outcome !== 'committed') return;
      expectTypeOf(interactive.results?.second).toEqualTypeOf<Stock | undefined>();
    });
  });

  it('have names that are known only when it runs', () => {
    compiled(async (client) => {
      const orders: readonly string[] = ['lamp', 'chair'];
      const outcome = await client.transact({
        branches: orders.map((sku) => inventory.branch({ sku }, `item-${sku}`)),
      });
      if (outcome.outcome !== 'committed') return;
      expectTypeOf(outcome.results?.['item-lamp']).toEqualTypeOf<Stock | undefined>();
    });
  });

  it('are unknown without a contract, or what the caller says', () => {
    compiled(async (client) => {
      const request = { branches: [{ participant: 'inventory', payload: 1 }] };
      const plain = await client.transact(request);
      if (plain.outcome === 'committed') {
        expectTypeOf(plain.results).toEqualTypeOf<Record<string, unknown> | null>();
      }
      const said = await client.transact<{ inventory: number }>(request);
      if (said.outcome === 'committed') {
        expectTypeOf(said.results?.inventory).toEqualTypeOf<number | undefined>();
      }
    });
  });

  it('are what came over the wire: nothing is added to a branch for the compiler', async () => {
    const { client, node } = await connectedClient();
    const call = client.transact({ branches: [inventory.branch({ sku: 'lamp' })] });
    const sent = await node.next('transact');
    expect(sent.message).toMatchObject({
      branches: [{ participant: 'inventory', payload: { sku: 'lamp' } }],
    });
    const results = { inventory: { left: 3, at: '1970-01-01T00:00:00.000Z' } };
    sent.reply({ type: 'outcome', txid: txidOf(1), outcome: 'committed', results });
    expect(await call).toMatchObject({ results });
    await client.close();
  });
});

describe('a service behind a contract', () => {
  const served = {
    urls: [],
    dataDirectory: 'x',
    commit: () => undefined,
    rollback: () => undefined,
  };

  it('gets what the schema made of the payload, and gives what the schema of the result takes', () => {
    compiled(async () => {
      await serveParticipant({
        ...inventory,
        ...served,
        prepare: ({ payload }) => {
          expectTypeOf(payload).toEqualTypeOf<{ sku: string; quantity: number }>();
          return vote.commit({ left: payload.quantity, at: new Date() });
        },
      });
      await serveParticipant({
        ...inventory,
        ...served,
        // @ts-expect-error what is left is a number
        prepare: () => vote.commit({ left: '3', at: new Date() }),
      });
      await serveParticipant({
        ...inventory,
        ...served,
        // @ts-expect-error the schema takes a date: text is what it makes of it
        prepare: () => vote.readonly({ left: 3, at: '1970' }),
      });
      await serveParticipant({
        ...payment,
        ...served,
        prepare: ({ payload }) =>
          payload.cents > 0 ? vote.commit() : vote.abort('Nothing to pay.'),
      });
      await serveParticipant({ ...mail, ...served, prepare: () => vote.commit(5) });
    });
  });

  it('needs no types from its schema', () => {
    compiled(async (client) => {
      const byHand: StandardSchema<{ left: number }> = {} as never;
      const ledger = defineParticipant({ name: 'ledger', payload: byHand, result: byHand });
      // @ts-expect-error what is left is a number
      ledger.branch({ left: '3' });
      const { '~standard': standard } = byHand;
      const { version, vendor, validate } = standard;
      const untyped = { '~standard': { version, vendor, validate } } as const;
      const bare = defineParticipant({ name: 'ledger', payload: untyped, result: untyped });
      // @ts-expect-error what is left is a number
      bare.branch({ left: '3' });
      const outcome = await client.transact({ branches: [bare.branch({ left: 3 })] });
      if (outcome.outcome !== 'committed') return;
      expectTypeOf(outcome.results).toEqualTypeOf<{ ledger: { left: number } } | null>();
    });
  });

  it('is told at once what is no schema', () => {
    const payload = z.unknown();
    expect(() => defineParticipant({ name: 'x', payload, result: {} as never })).toThrow(
      /^result must be a schema by the Standard Schema/,
    );
  });
});
