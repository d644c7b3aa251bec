/** What a node says of itself when it is asked for `stats`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { figuresOf } from '../../../src/node/figures-of.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';

let loop: LoopNode;
beforeEach(async () => {
  loop = await LoopNode.started({ participantWindow: 4 });
});
afterEach(async () => {
  await loop.stop();
  expect(loop.faults).toEqual([]);
});

describe('the answer to stats', () => {
  it('tells what was counted since the start, to operators alone', async () => {
    const client = await loop.peer({ name: 'shop', roles: ['client'] });
    const operator = await loop.peer({ name: 'desk', roles: ['operator'] });
    expect(await client.ask({ type: 'stats' })).toMatchObject({ code: 'FORBIDDEN' });
    const begun = await client.ask<'begun'>({ type: 'begin' });
    if (begun?.type !== 'begun') throw new Error('It did not begin.');
    const before = await operator.ask({ type: 'stats' });
    expect(before).toMatchObject({
      type: 'stats',
      node: 'loop',
      ready: true,
      endings: {},
      states: { PENDING: 1 },
      refusals: { FORBIDDEN: 1 },
      connections: { client: 1, operator: 1 },
      leaderships: { led: 1, leaderless: 0, begun: 1, lost: 0, given: 0 },
    });
    await client.ask({ type: 'rollback', txid: begun.txid });
    await loop.clock.advance(2_000);
    const after = await operator.ask<'stats'>({ type: 'stats' });
    if (after?.type !== 'stats') throw new Error('It did not answer.');
    expect(after.states).toEqual({});
    expect(Object.values(after.endings)).toEqual([1]);
    expect(after.phases.decide.count).toBe(1);
    expect(after.atMs).toBeGreaterThan(2_000);
  });

  it('names the participants with what is under way, and counts those it does not name', async () => {
    const client = await loop.peer({ name: 'shop', roles: ['client'] });
    await loop.peer({ name: 'stock', roles: ['participant'], instance: 's1' });
    // The name of all the others stays free.
    await loop.peer({ name: 'other', roles: ['participant'], instance: 'o1' });
    for (let at = 0; at < 6; at += 1) {
      client.send({
        type: 'transact',
        id: 100 + at,
        branches: [{ participant: 'stock', payload: null }],
      });
    }
    await loop.clock.advance(1);
    expect(figuresOf(loop.node).participants).toEqual([
      expect.objectContaining({
        participant: 'stock',
        instances: 1,
        window: 4,
        inFlight: 4,
        waiting: 2,
        breaker: 'closed',
      }),
      // Nothing was sent to it yet: what may be is the same.
      { participant: 'other', instances: 1, window: 4, inFlight: 0, waiting: 0, breaker: 'closed' },
    ]);
    for (let at = 0; at < 210; at += 1) {
      await loop.peer({ name: `p${at}`, roles: ['participant'], instance: `i${at}` });
    }
    await loop.clock.advance(1_000);
    const { participants } = figuresOf(loop.node);
    expect(participants).toHaveLength(201);
    expect(participants[0]).toMatchObject({ participant: 'stock' });
    expect(participants.at(-1)).toMatchObject({ participant: 'other', instances: 12 });
  });
});
