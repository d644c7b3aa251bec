/** Ids that no one gave out: refused without a write, by the leader and by every other node. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LeaderInfo } from '../../../src/core/messages.ts';
import { makeEpoch, placeOf, type Txid } from '../../../src/core/txid.ts';
import { shardPrefix } from '../../../src/decision-log/state.ts';
import { AbortUnknownError } from '../../../src/ports/decision-log.ts';
import { entriesUnder } from '../../../src/store/key-value.ts';
import { makeTxid, txidParts } from '../../support/core/txids.ts';
import { LoopNode, type LoopPeer, obedient } from '../../support/nodes/loop-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

let leader: LoopNode;
let follower: LoopNode;
let client: LoopPeer;
let real: Txid;

beforeEach(async () => {
  leader = await LoopNode.started();
  const { store, clock } = leader;
  follower = await LoopNode.started({}, { node: 'second', store, clock });
  client = await leader.peer({ name: 'shop', roles: ['client'] });
  const begun = await client.ask<'begun'>({ type: 'begin' });
  if (begun?.type !== 'begun') throw new Error('not begun');
  real = begun.txid;
});
afterEach(async () => {
  await follower.stop();
  await leader.stop();
});

function madeUp(): Txid[] {
  const { epoch, sequence } = txidParts(real);
  return [sequence, sequence + 1, sequence + 1_000_000, 0].map((each) =>
    makeTxid({ shard: 0, epoch, sequence: each, random: 'f'.repeat(13) }),
  );
}

function records(): number {
  return leader.store.snapshot((keys) => entriesUnder(keys, shardPrefix('decisions', 0)).length);
}

const requests = ['query', 'resolve', 'status', 'commit', 'rollback', 'enlist', 'lock'] as const;
const more = { inDoubt: true, participant: 'p', keys: ['k'], mode: 'exclusive' };

describe.each([
  ['the leader', () => leader],
  ['another node', () => follower],
] as const)('%s', (_who, node) => {
  it.each(requests)('refuses a made-up txid: %s', async (type) => {
    const roles = ['client', 'participant', 'operator'] as const;
    const mallory = await node().peer({ name: 'p', roles });
    for (const txid of madeUp()) {
      const reply = await mallory.ask({ type, txid, ...more } as never);
      expect(reply).toMatchObject({
        type: 'error',
        code: 'UNKNOWN_TRANSACTION',
        message: expect.stringContaining('ever gave out'),
      });
    }
    expect(records()).toBe(0);
    expect([...leader.faults, ...follower.faults]).toEqual([]);
  });
});

it('a report of made-up ids is answered without judging them', async () => {
  const p = await leader.peer({ name: 'p', roles: ['participant'] });
  const { leaders } = p.heard[0] as { leaders: readonly LeaderInfo[] } & never;
  expect(leaders).toHaveLength(1);
  const witness = { generation: 0, revision: '0' };
  const reply = await p.ask({
    type: 'report',
    inDoubt: madeUp().map((txid) => ({ txid, witness })),
    kept: madeUp(),
  });
  expect(reply).toMatchObject({ type: 'reported' });
  expect(p.heard.filter(({ type }) => type === 'decision' || type === 'forget')).toEqual([]);
});

it('a real one is still resolved anywhere, and its forced abort is collected', async () => {
  const p = await follower.peer({ name: 'p', roles: ['participant'] });
  expect(await p.ask({ type: 'resolve', txid: real })).toMatchObject({
    decision: 'abort',
    source: 'forced',
  });
  expect(records()).toBe(1);
  expect(await client.ask({ type: 'commit', txid: real })).toMatchObject({
    outcome: expect.any(String),
  });
  // A sweep every minute moves what no one decided.
  await leader.clock.advance(150_000);
  expect(records()).toBe(0);
});

it('one connection forces so many aborts and no more at a time', async () => {
  const p = await follower.peer({ name: 'p', roles: ['participant'] });
  const good = await leader.peer({ name: 'good', roles: ['participant'] }, obedient());
  let busy = 0;
  let answered = 0;
  for (let count = 0; count < 1_200; count += 1) {
    const reply = await p.ask({ type: 'resolve', txid: real });
    if (reply?.type === 'error' && reply.code === 'BUSY') busy += 1;
    else answered += 1;
  }
  expect({ busy, answered }).toEqual({ busy: 200, answered: 1_000 });
  await follower.clock.advance(1_000);
  expect(await p.ask({ type: 'resolve', txid: real })).toMatchObject({ decision: 'abort' });
  good.drop();
});

/** Of an earlier leadership; nothing is recorded about them. */
function earlier(count: number): Txid[] {
  const random = seededRandom(5);
  const epoch = makeEpoch({ generation: 0, revision: 0n });
  return Array.from({ length: count }, (_, sequence) => {
    const place = placeOf({ shard: 0, epoch, sequence });
    return `${place}${leader.node.seal.randomPart(place, random)}` as Txid;
  });
}

it.each([
  ['the leader', () => leader],
  ['another node', () => follower],
] as const)(
  '%s lets one connection have so many readings of the log wait, and no more',
  async (_who, node) => {
    const p = await node().peer({ name: 'p', roles: ['participant'] });
    const other = await node().peer({ name: 'other', roles: ['participant'] });
    const txids = earlier(2_500);
    for (const [at, txid] of txids.entries())
      p.send({ type: 'query', id: at + 1, txid, inDoubt: true });
    const [first] = txids;
    expect(await other.ask({ type: 'query', txid: first, inDoubt: true })).toMatchObject({
      type: 'decision',
    });
    for (let turn = 0; turn < 40; turn += 1) await settle();
    const replies = txids.map((_, at) => p.answer(at + 1));
    const busy = replies.filter((reply) => reply?.type === 'error' && reply.code === 'BUSY');
    expect(busy).toHaveLength(2_500 - 2_032);
    expect(replies.filter((reply) => reply?.type === 'decision')).toHaveLength(2_032);
  },
);

it('a report of thousands is judged to its end, and answered once', async () => {
  const p = await leader.peer({ name: 'p', roles: ['participant'] });
  const txids = earlier(1_000);
  const witness = { generation: 0, revision: '0' };
  p.send({ type: 'report', id: 1, inDoubt: txids.map((txid) => ({ txid, witness })), kept: [] });
  for (let turn = 0; turn < 10; turn += 1) await leader.clock.advance(1);
  expect(p.heard.filter(({ type }) => type === 'decision')).toHaveLength(1_000);
  expect(p.heard.filter(({ type }) => type === 'reported')).toEqual([{ type: 'reported', id: 1 }]);
});

it('nothing is read any more for who has gone, whatever it had asked', async () => {
  const { log } = leader.node.given;
  const { clock } = leader;
  const answers: (() => void)[] = [];
  const now = log.read.bind(log);
  vi.spyOn(log, 'read').mockImplementation(async (txid) => {
    await new Promise<void>((resolve) => answers.push(resolve));
    return now(txid);
  });
  const witness = { generation: 0, revision: '0' };
  const txids = earlier(1_000);
  const inDoubt = txids.map((txid) => ({ txid, witness }));
  const p = await leader.peer({ name: 'p', roles: ['participant'] });
  p.send({ type: 'report', id: 1, inDoubt, kept: [] });
  for (const [at, txid] of txids.entries())
    p.send({ type: 'query', id: at + 2, txid, inDoubt: true });
  await settle();
  const started = answers.length;
  expect(started).toBeGreaterThan(0);
  p.drop();
  for (let at = 0; at < answers.length; at += 1) {
    answers[at]?.();
    await clock.advance(1);
  }
  expect(answers).toHaveLength(started);
  // Nor does it keep anybody else waiting.
  const other = await leader.peer({ name: 'other', roles: ['participant'] });
  other.send({ type: 'query', id: 1, txid: txids[0], inDoubt: true });
  await settle();
  expect(answers).toHaveLength(started + 1);
  answers.at(-1)?.();
  for (let turn = 0; turn < 5; turn += 1) await settle();
  expect(other.answer(1)).toMatchObject({ type: 'decision', decision: 'abort' });
});

it('who reported to a leadership that ends meanwhile is told at once, and asks again', async () => {
  vi.spyOn(leader.node.given.log, 'read').mockImplementation(() => new Promise(() => undefined));
  const p = await leader.peer({ name: 'p', roles: ['participant'] });
  const witness = { generation: 0, revision: '0' };
  p.send({ type: 'report', id: 1, inDoubt: [{ txid: earlier(1)[0], witness }], kept: [] });
  await settle();
  expect(p.answer(1)).toBeNull();
  leader.store.expire(0);
  // Turns, and no time: in one the leadership is seen to be over, in another the answer leaves.
  for (let turn = 0; turn < 3; turn += 1) await settle();
  expect(p.answer(1)).toMatchObject({ type: 'error', code: 'BUSY', retryable: true });
});

it.each([
  ['the leader', () => leader],
  ['another node', () => follower],
] as const)(
  '%s writes a few lines of readings that fail, however many there are',
  async (_who, node) => {
    const { log, logger } = node().node.given;
    const warn = vi.spyOn(logger, 'warn').mockImplementation(() => undefined);
    const read = vi.spyOn(log, 'read').mockRejectedValue(new Error('no etcd'));
    try {
      const p = await node().peer({ name: 'p', roles: ['participant'] });
      for (const [at, txid] of earlier(1_000).entries())
        p.send({ type: 'query', id: at + 1, txid, inDoubt: true });
      for (let turn = 0; turn < 40; turn += 1) await settle();
      expect(p.answer(1_000)).toMatchObject({ type: 'error', code: 'LOG_UNAVAILABLE' });
      const lines = warn.mock.calls.filter(([, text]) => text?.includes('could not be read'));
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThan(100);
    } finally {
      warn.mockRestore();
      read.mockRestore();
    }
  },
);

it('an abort that the log may have recorded without an answer is not told as "nothing"', async () => {
  const error = new AbortUnknownError('etcd did not say');
  const resolve = vi.spyOn(follower.node.given.log, 'resolve').mockRejectedValue(error);
  try {
    const p = await follower.peer({ name: 'p', roles: ['participant'] });
    p.send({ type: 'resolve', id: 1, txid: earlier(1)[0] });
    for (let turn = 0; turn < 3; turn += 1) await settle();
    expect(p.answer(1)).toMatchObject({ type: 'error', code: 'OUTCOME_UNKNOWN' });
  } finally {
    resolve.mockRestore();
  }
});
