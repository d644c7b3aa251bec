/** Who is asked for an explanation, who is not, and what is made of answers that are not right. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Explained, FromNode } from '../../../src/core/messages.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

let clock: ManualClock;
let node: LoopNode;
let operator: LoopPeer;

beforeEach(async () => {
  clock = new ManualClock();
  node = await LoopNode.started({}, { node: 'a', clock });
  operator = await node.peer({ name: 'operator', roles: ['operator'] });
});
afterEach(() => node.stop());

/** Prepares at the participant, which does no more than that. */
async function preparing(participant: string): Promise<Txid> {
  const client = await node.peer({ name: 'shop', roles: ['client'] });
  client.send({ type: 'transact', id: 1, announce: true, branches: [{ participant }] });
  await settle();
  const begun = client.answer(1);
  if (begun?.type !== 'begun') throw new Error('It was not begun.');
  return begun.txid;
}

const participant = (react?: (message: FromNode, peer: LoopPeer) => void) =>
  node.peer({ name: 'stock', roles: ['participant'], understands: ['describe', 'more'] }, react);

const describes = ({ heard }: LoopPeer) => heard.filter(({ type }) => type === 'describe');
const explainedBy = (reply: FromNode | null): Explained => {
  if (reply?.type !== 'explained') throw new Error(JSON.stringify(reply));
  return reply;
};

/** What comes within some turns, while the clock stands still. */
async function answerTo(peer: LoopPeer, id: number): Promise<Explained> {
  for (let turn = 0; turn < 40 && peer.answer(id) === null; turn += 1) await settle();
  return explainedBy(peer.answer(id));
}

it('asks no participant that does not say that it understands', async () => {
  const old = await node.peer({ name: 'stock', roles: ['participant'] });
  const txid = await preparing('stock');
  const { sources } = explainedBy(await operator.ask({ type: 'explain', txid }));
  expect(describes(old)).toEqual([]);
  expect(sources.at(-1)).toMatchObject({
    source: 'participant',
    ok: false,
    text: 'runs a version that cannot be asked',
  });
});

it('waits half a second for one that does not answer, and takes its late answer for nothing', async () => {
  const mute = await participant();
  const txid = await preparing('stock');
  expect(await operator.ask({ type: 'explain', txid })).toBeNull();
  expect(describes(mute)).toEqual([{ type: 'describe', txid, branches: ['stock'] }]);
  await clock.advance(500);
  const { sources, waits } = await answerTo(operator, 1);
  expect(sources.at(-1)).toMatchObject({ ok: false, text: 'did not answer in time' });
  expect(waits).toMatchObject([{ for: 'vote', participant: 'stock' }]);
  mute.send({ type: 'described', txid, branches: [{ branch: 'stock', state: 'preparing' }] });
  await settle();
  expect(mute.isOpen).toBe(true);
});

it('gives up one whose connection ends, and hears one answer for all who ask', async () => {
  const stock = await participant();
  const txid = await preparing('stock');
  const other = await node.peer({ name: 'second', roles: ['operator'] });
  expect(await operator.ask({ type: 'explain', txid })).toBeNull();
  expect(await other.ask({ type: 'explain', txid })).toBeNull();
  stock.send({ type: 'described', txid, branches: [{ branch: 'stock', state: 'preparing' }] });
  await settle();
  for (const { branches } of [await answerTo(operator, 1), await answerTo(other, 1)]) {
    expect(branches[0]?.says).toBe('is still preparing');
  }
  expect(await operator.ask({ type: 'explain', txid })).toBeNull();
  stock.drop();
  expect((await answerTo(operator, 2)).sources.at(-1)).toMatchObject({ ok: false });
});

it('shows what a participant makes up as text, and only of its own branches', async () => {
  const error = '\u001b]0;owned\u0007\u202e';
  await participant((message, peer) => {
    if (message.type !== 'describe') return;
    const branches = [
      { branch: 'stock', state: 'committing', attempts: 2, error },
      { branch: 'payment', state: 'committed' },
    ];
    peer.send({ type: 'described', txid: message.txid, branches });
  });
  await node.peer({ name: 'payment', roles: ['participant'] });
  const txid = await preparing('stock');
  const { branches, sources } = explainedBy(await operator.ask({ type: 'explain', txid }));
  expect(branches.map(({ branch }) => branch)).toEqual(['stock']);
  expect(branches[0]?.says).toContain('\\u001b]0;owned\\u0007\\u202e');
  expect(sources).toHaveLength(3);
});

it('is for operators and nodes', async () => {
  const client = await node.peer({ name: 'shop', roles: ['client', 'participant'] });
  const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';
  expect(await client.ask({ type: 'explain', txid })).toMatchObject({ code: 'FORBIDDEN' });
  expect(explainedBy(await operator.ask({ type: 'explain', txid })).state).toBe('UNKNOWN');
});
