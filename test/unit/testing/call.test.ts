/** A participant's methods one by one, as a coordinator and its crashes call them. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { defineParticipant, type Resource, vote } from '../../../src/participant.ts';
import { call } from '../../../src/testing.ts';

const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.int().positive().default(1) }),
  result: z.object({ left: z.int() }),
});
type Order = { readonly sku: string; readonly quantity: number };

class Stock implements Resource<Order, { left: number }> {
  left = 2;
  readonly calls: string[] = [];
  readonly #held = new Map<string, number>();

  prepare({ txid, payload, instance }: Parameters<Resource<Order>['prepare']>[0]) {
    this.calls.push(`prepare ${payload.quantity} ${typeof instance}`);
    if (payload.sku === 'nail') throw new Error('The shelf fell down.');
    if (payload.quantity > this.left) return vote.abort('None left.');
    this.#held.set(txid, payload.quantity);
    return vote.commit({ left: this.left - payload.quantity });
  }

  commit({ txid }: { readonly txid: string }): void {
    this.calls.push('commit');
    this.left -= this.#held.get(txid) ?? 0;
    this.#held.delete(txid);
  }

  rollback({ txid }: { readonly txid: string }): void {
    this.calls.push('rollback');
    this.#held.delete(txid);
  }

  inDoubt() {
    return [...this.#held.keys()].map((txid) => ({ txid, branch: 'branch' }));
  }
}

const served = () => {
  const resource = new Stock();
  return { resource, called: call({ ...inventory, resource }) };
};

describe('call', () => {
  it('returns the vote and its result, and commits as often as it is told', async () => {
    const { resource, called } = served();
    const branch = await called.prepare({ sku: 'lamp' });
    expectTypeOf(branch.result).toEqualTypeOf<{ left: number } | undefined>();
    expect(branch).toMatchObject({ vote: 'commit', result: { left: 1 }, branch: 'branch' });
    expect(await called.inDoubt()).toEqual([{ txid: branch.txid, branch: 'branch' }]);
    await branch.commit({ times: 2 });
    expect(resource.left).toBe(1);
    expect(resource.calls).toEqual(['prepare 1 string', 'commit', 'commit']);
    expect(await called.inDoubt()).toEqual([]);
  });

  it('holds the payload to the schema, in the compiler and at run time', async () => {
    const { resource, called } = served();
    // @ts-expect-error: a number is no sku.
    const branch = await called.prepare({ sku: 7 });
    expect(branch).toMatchObject({ vote: 'abort', reason: { code: 'INVALID_PAYLOAD' } });
    expect(resource.calls).toEqual([]);
    await expect(branch.commit()).rejects.toThrow(/No commit follows a vote abort: payload\.sku/);
  });

  it('refuses what could not be sent', async () => {
    const { called } = served();
    await expect(called.prepare({ sku: new Date() as never })).rejects.toThrow(
      'the payload.sku is a Date',
    );
  });

  it('counts what throws as a vote to abort, and rolls back as the SDK does', async () => {
    const { resource, called } = served();
    const branch = await called.prepare({ sku: 'nail', quantity: 1 });
    expect(branch.reason?.message).toBe('The shelf fell down.');
    expect(branch.error).toBeInstanceOf(Error);
    expect(branch.vote).toBe('abort');
    expect(resource.calls).toEqual(['prepare 1 string', 'rollback']);
  });

  it('counts what is no vote, or no result of the contract, the same way', async () => {
    const said: string[] = [];
    const odd = call({
      ...inventory,
      prepare: ({ payload }) =>
        (payload.sku === 'none' ? undefined : vote.commit({ left: 'many' })) as never,
      commit: () => undefined,
      rollback: () => void said.push('rollback'),
    });
    expect(await odd.prepare({ sku: 'none' })).toMatchObject({ vote: 'abort' });
    expect(await odd.prepare({ sku: 'lamp' })).toMatchObject({
      vote: 'abort',
      reason: { code: 'INVALID_RESULT' },
    });
    expect(said).toEqual(['rollback', 'rollback']);
  });

  it('rolls back, and commits, what was not prepared here', async () => {
    const { resource, called } = served();
    const { txid, branch } = await called.prepare({ sku: 'lamp' });
    // Of another transaction.
    await called.rollback();
    expect(await called.inDoubt()).toHaveLength(1);
    await call(resource).commit({ txid, branch });
    expect(resource.left).toBe(1);
    await called.rollback({ txid, branch });
    expect(resource.left).toBe(1);
  });

  it('says what is missing of what is no participant', async () => {
    expect(() => call({ prepare: () => vote.commit() } as never)).toThrow('no method commit');
    const bare = call({
      prepare: () => vote.commit(),
      commit: () => undefined,
      rollback: () => undefined,
    });
    await expect(bare.inDoubt()).rejects.toThrow('no method inDoubt');
  });
});
