/**
 * Copies of one journal where there are several nodes, and where the leader changes: who is served,
 * who is refused, and that neither is told what is not true. The original has voted, is away, and
 * finds what it voted for as it left it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Hello } from '../../../src/core/messages.ts';
import { LoopNode, type LoopPeer, obedient } from '../../support/nodes/loop-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';

const original = { run: '2026-01-01T09:00:00.000Z/10/a', earlierRuns: [] };
/** Its machine's clock is an hour behind. */
const copy = { run: '2026-01-01T08:00:00.000Z/11/b', earlierRuns: [original.run] };
/** Longer than any record is kept. In steps, so that each tick finds its write done. */
async function long(): Promise<void> {
  for (let tenSeconds = 0; tenSeconds < 90; tenSeconds += 1) await leader.clock.advance(10_000);
}

let leader: LoopNode;
let other: LoopNode;
beforeEach(async () => {
  leader = await LoopNode.started({}, { node: 'n1' });
  other = await joining('n2');
});
afterEach(async () => {
  await leader.stop();
  await other.stop();
});

function joining(node: string): Promise<LoopNode> {
  const { store, clock } = leader;
  return LoopNode.started({}, { node, store, clock });
}

type React = Parameters<LoopNode['peer']>[1];

function dial(to: LoopNode, more: Partial<Hello>, react?: React): Promise<LoopPeer> {
  const hello = { name: 'payment', instance: 'one', roles: ['participant' as const], ...more };
  return to.peer(hello, react);
}

const refused = (peer: LoopPeer): boolean =>
  peer.heard.some((message) => message.type === 'error' && message.code === 'JOURNAL_COPIED');

const votes: React = (message, peer) => {
  if (message.type === 'prepare') obedient()(message, peer);
};

/** Each dials again when it has lost its place, until one of them is refused. */
async function found(at: LoopNode): Promise<{ served: LoopPeer; lost: LoopPeer }> {
  let first = await dial(at, original, votes);
  let second = await dial(at, copy);
  for (let round = 0; round < 10 && !refused(first) && !refused(second); round += 1) {
    if (!first.isOpen) first = await dial(at, original, votes);
    else second = await dial(at, copy);
  }
  return refused(second) ? { served: first, lost: second } : { served: second, lost: first };
}

/** Committed, with the vote of the original, which has not heard of it. */
async function inDoubt(): Promise<string> {
  const stock = await leader.peer({ name: 'stock', roles: ['participant'] }, obedient());
  const client = await leader.peer({ name: 'shop', roles: ['client'] });
  const branches = ['payment', 'stock'].map((participant) => ({ participant, payload: null }));
  const outcome = await client.ask<'outcome'>({ type: 'transact', branches });
  expect(outcome).toMatchObject({ type: 'outcome', outcome: 'committed' });
  expect(stock.isOpen).toBe(true);
  return outcome?.type === 'outcome' ? String(outcome.txid) : '';
}

async function asked(peer: LoopPeer, txid: string): Promise<string | null> {
  const witness = { generation: 0, revision: '1' };
  const answer = await peer.ask<'decision'>({ type: 'query', txid, inDoubt: true, witness });
  return answer?.type === 'decision' ? answer.decision : null;
}

describe('copies of one journal at several nodes', () => {
  it('every node keeps the same one, whichever finds out, and whatever their clocks say', async () => {
    for (const node of [leader, other]) {
      const { served, lost } = await found(node);
      expect(served.isOpen).toBe(true);
      expect(lost.heard.at(-1)).toMatchObject({ code: 'JOURNAL_COPIED' });
      const runs = [...node.node.participants.all()].map(({ hello }) => hello?.run);
      expect(runs).toEqual([original.run]);
    }
  });

  it('each at a node of its own: both are told what was decided', async () => {
    await dial(leader, original, votes);
    const elsewhere = await dial(other, copy);
    const txid = await inDoubt();
    expect(await asked(elsewhere, txid)).toBe('commit');
    expect(await asked(await dial(leader, original), txid)).toBe('commit');
  });

  it.each(['at the leader', 'at another node', 'after a failover'])(
    'one that was found out acknowledges nothing for the other, which is told "commit" however late it comes: %s',
    async (where) => {
      const { served } = await found(leader);
      const txid = await inDoubt();
      served.drop();
      await long();
      if (where === 'after a failover') {
        await leader.stop();
        leader = other;
        other = await joining('n3');
      }
      const at = where === 'at another node' ? other : leader;
      // It is in its journal, too: it would commit it, and say so.
      const again = await dial(at, { ...copy, copy: true }, obedient());
      await settle();
      expect(refused(again)).toBe(true);
      await long();
      // The leader may remember it; who reads the log alone knows what is there.
      const restarted = { ...original, run: '2026-01-01T12:00:00.000Z/12/c' };
      expect(await asked(await dial(other, restarted), txid)).toBe('commit');
      const back = await dial(leader, restarted);
      expect(await asked(back, txid)).toBe('commit');
      expect(refused(await dial(leader, { ...copy, copy: true }))).toBe(true);
      expect(back.isOpen).toBe(true);
    },
  );
});
