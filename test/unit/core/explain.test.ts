/** What is said of each kind of transaction that is stuck, or has ended. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/core/explain/explain.ts';
import type { Facts, ParticipantFacts } from '../../../src/core/explain/facts.ts';
import { joinReading } from '../../../src/core/explain/join.ts';
import type { Explanation } from '../../../src/core/messages.ts';
import { makeEpoch, positionOf, type Txid } from '../../../src/core/txid.ts';
import { assertSendable, explainedIn, factsIn } from '../../support/checks/explanations.ts';
import { a1, b1, TermHarness } from '../../support/core/term-harness.ts';
import { makeTxid } from '../../support/core/txids.ts';

function opened(options: ConstructorParameters<typeof TermHarness>[0] = {}): TermHarness {
  const h = new TermHarness(options);
  h.world.scan();
  h.log();
  return h;
}

function explained(h: TermHarness, more: Partial<Facts> = {}, txid = h.txid): Explanation {
  const explanation = explainedIn(h.world, txid, more);
  assertSendable(explanation);
  return explanation;
}

const says = (
  branch: string,
  state: NonNullable<ParticipantFacts['branches']>[number]['state'],
  more: object = {},
): ParticipantFacts => ({
  participant: branch,
  instance: `${branch}1`,
  branches: [{ branch, state, ...more }],
});
const unread = { ok: false, why: 'no answer within 1000 ms' } as const;

describe('of a transaction that is not decided', () => {
  it('names the participant that is not connected, and when it is given up', () => {
    const h = opened({ participantWaitMs: 2_000 });
    h.connect(a1);
    h.transact(['a', 'b']);
    h.advance(500);
    const { state, decided, waits, advice, summary } = explained(h);
    expect([state, decided]).toEqual(['PREPARING', null]);
    expect(waits).toMatchObject([
      { for: 'vote', participant: 'a', sinceMs: 500 },
      { for: 'participant', participant: 'b', nextTryInMs: 1_500 },
    ]);
    expect(waits[1]?.text).toBe(
      'It waits for b, which is not connected, and is aborted in 1.5 s unless that changes.',
    );
    expect(advice).toContain('Start b, or compare its name with what `verdict status` shows.');
    expect(summary).toContain('its branches are being prepared. It waits for the vote of a');
  });

  it('tells of a participant that prepares, and of one that does not answer', () => {
    const h = opened();
    h.connect(a1, b1);
    h.transact(['a', 'b']);
    const mute = {
      participant: 'b',
      instance: 'b1',
      branches: null,
      why: 'did not answer in time',
    };
    const { waits, advice, branches, sources } = explained(h, {
      participants: [says('a', 'preparing'), mute],
    });
    expect(waits[0]?.text).toContain('; a says that it is still preparing');
    expect(branches[0]?.says).toBe('is still preparing');
    expect(branches[1]?.says).toBeUndefined();
    expect(advice.slice(0, 2)).toEqual([
      "Find out what the prepare of a waits for: its database's locks, or another service.",
      'b is connected and does not answer: look whether its process stands still.',
    ]);
    expect(sources.at(-1)).toMatchObject({ participant: 'b', ok: false });
  });

  it('names who holds the lock, and who waits for it', () => {
    const h = opened();
    const [one, two] = [h.begin(), h.begin()];
    h.ask({ type: 'lock', txid: one, keys: ['k'], mode: 'exclusive' });
    h.ask({ type: 'lock', txid: two, keys: ['k'], mode: 'exclusive' });
    h.advance(300);
    const waiter = explained(h, {}, two);
    expect(waiter.waits).toMatchObject([{ for: 'lock', txids: [one], sinceMs: 300 }]);
    expect(waiter.waits[0]?.text).toBe(
      `It has waited 300 ms for the lock "k" (exclusive), behind ${one}.`,
    );
    expect(waiter.advice[0]).toBe(`What holds the lock: verdict explain ${one}`);
    const holder = explained(h, {}, one);
    expect(holder.events.map(({ text }) => text)).toContain('Locked "k" (exclusive).');
    expect(holder.waits).toMatchObject([{ for: 'client' }]);
    expect(holder.advice.at(-1)).toBe(`Others wait for its locks: ${two} for "k".`);
  });

  it('names the queue it stands in, and an open breaker', () => {
    const h = opened({ participantWindow: 1, breakerAfter: 1, prepareTimeoutMs: 100 });
    h.connect(a1);
    h.transact(['a'], { requestId: 'r1' });
    h.transact(['a'], { requestId: 'r2' });
    const queued = explained(h);
    expect(queued.waits).toMatchObject([{ for: 'queue', participant: 'a' }]);
    expect(queued.waits[0]?.text).toContain('1 prepare of at most 1 under way');
    h.advance(150);
    const refused = explained(h);
    expect(refused.summary).toContain('Why: PARTICIPANT_UNAVAILABLE by a');
    const open = h.begin();
    h.ask({ type: 'enlist', txid: open, participant: 'a' });
    expect(explained(h, {}, open).advice.join()).toContain(
      'a did not answer several prepares: transactions that need it are refused',
    );
  });

  it('waits for the log where etcd has no quorum', () => {
    const h = opened();
    const a = h.connect(a1);
    h.transact(['a']);
    h.vote(a, 'commit');
    h.advance(2_000);
    const { state, waits, advice, sources, decided } = explained(h, { log: unread });
    expect([state, decided]).toEqual(['READY', null]);
    expect(waits).toMatchObject([{ for: 'log', sinceMs: 2_000 }]);
    expect(waits[0]?.text).toContain('The log does not answer at the moment.');
    expect(advice[0]).toContain('its quorum');
    expect(sources[1]).toMatchObject({ source: 'log', ok: false });
  });

  it('and whose leader is behind a cut: who is in doubt, and how to end it', () => {
    const h = opened();
    const a = h.connect(a1);
    h.transact(['a']);
    h.vote(a, 'commit');
    const leader = { type: 'silent', node: 'n1', why: 'Its leader n1 cannot be reached.' } as const;
    const { state, summary, branches, advice, sources } = explained(h, {
      leader,
      participants: [says('a', 'in-doubt')],
    });
    expect(state).toBe('UNDECIDED');
    expect(summary).toContain('a has it prepared and is in doubt.');
    expect(branches).toMatchObject([{ branch: 'a', instance: 'a1', state: 'prepared' }]);
    expect(advice.join('\n')).toContain(`verdict resolve ${h.txid}`);
    expect(sources[0]).toMatchObject({ source: 'leader', ok: false, node: 'n1' });
  });
});

describe('of a commit', () => {
  function decided() {
    const h = opened({
      attentionAfter: 2,
      ackTimeoutMs: 50,
      retryDelayMs: 100,
      maxRetryDelayMs: 100,
    });
    const [a, b] = [h.connect(a1), h.connect(b1)];
    h.transact(['a', 'b']);
    h.advance(20);
    h.vote(a, 'commit');
    h.vote(b, 'commit');
    h.advance(5);
    h.log();
    h.ack(a, 'commit');
    return { h, b };
  }

  it('names what an absent participant is to do, and where it can be given up', () => {
    const { h, b } = decided();
    h.lose(b);
    for (let tries = 0; tries < 5; tries += 1) h.advance(200);
    const { state, decided: outcome, waits, advice, branches, attention, summary } = explained(h);
    expect([state, outcome, attention]).toEqual(['COMMITTING', 'commit', true]);
    expect(waits).toMatchObject([{ for: 'participant', participant: 'b', branch: 'b' }]);
    expect(waits[0]?.nextTryInMs).toBeLessThanOrEqual(100);
    expect(branches[1]).toMatchObject({ connected: false, sentAfterMs: 0, votedAfterMs: 20 });
    expect(advice).toEqual([
      'Start b again with the data directory of instance b1, or let it reach the nodes if it runs. What is decided waits for it as long as it takes.',
      'Only if the store of that instance is lost for good: verdict retire b b1',
      `Only if what b owes was done there by hand: verdict acknowledge ${h.txid} --branch b --reason "..."`,
    ]);
    expect(summary).toContain('Committed 25 ms after it began, for good; 1 of 2 branches is done.');
  });

  it('that is not acknowledged says so of a participant that does not answer, and not that it said what is wrong', () => {
    const { h } = decided();
    h.advance(200);
    const why = 'did not answer in time';
    const mute = { participant: 'b', instance: 'b1', branches: null, why };
    const { waits, advice } = explained(h, { participants: [mute] });
    expect(waits[0]?.text).toMatch(/The last try failed: No acknowledgement within 50 ms\.$/);
    expect(advice).toEqual([
      'b is connected and does not answer: look whether its process stands still.',
      `To have it tried at once, and not when its turn comes: verdict retry ${h.txid}`,
    ]);
  });

  it('that fails tells the error, in text that moves no cursor', () => {
    const { h, b } = decided();
    h.ack(b, 'commit', { code: 'INTERNAL' });
    const own = explained(h);
    expect(own.waits).toMatchObject([{ for: 'acknowledgement', participant: 'b' }]);
    expect(own.waits[0]?.text).toMatch(/The last try failed: It did not work\.$/);
    expect(own.branches[1]?.lastError).toBe('It did not work.');
    expect(own.advice).toContain(
      `To have it tried at once, and not when its turn comes: verdict retry ${h.txid}`,
    );
    const error = '\u001b[2Jthe disk\r\nis full';
    const { branches, waits } = explained(h, {
      participants: [says('b', 'committing', { attempts: 3, error })],
    });
    expect(branches[1]?.says).toBe(
      'is carrying the commit out, try 3; the last one failed: \\u001b[2Jthe disk  is full',
    );
    expect(waits[0]?.text).not.toContain('It did not work');
  });

  it('of which its participant knows nothing is a matter of its journal', () => {
    const { h, b } = decided();
    h.ack(b, 'commit', { code: 'UNKNOWN_BRANCH' });
    const { advice, attention } = explained(h, { participants: [says('b', 'unknown')] });
    expect(attention).toBe(true);
    expect(advice[0]).toContain('its journal was lost or restored from a backup');
  });

  it('that has ended tells its times in order', () => {
    const { h, b } = decided();
    h.advance(10);
    h.ack(b, 'commit');
    h.log();
    const { state, events, waits, advice, branches, decidedAfterMs } = explained(h);
    expect([state, waits, advice]).toEqual(['COMMITTED', [], []]);
    expect(decidedAfterMs).toBe(25);
    expect(branches).toMatchObject([
      { sentAfterMs: 0, votedAfterMs: 20, settledAfterMs: 25 },
      { sentAfterMs: 0, votedAfterMs: 20, settledAfterMs: 35 },
    ]);
    expect(events.map(({ atMs, text }) => [atMs, text])).toEqual([
      [0, 'Begun, to be decided within 10 s.'],
      [0, 'Prepare sent to a.'],
      [0, 'Prepare sent to b.'],
      [20, 'a voted commit.'],
      [20, 'b voted commit.'],
      [25, 'a acknowledged the commit.'],
      [25, 'Committed: the decision is durable in the log, and the client is told.'],
      [35, 'b acknowledged the commit.'],
    ]);
  });

  it('and was settled by hand is not said to have acknowledged, by the leader or by the log', () => {
    const { h, b } = decided();
    h.lose(b);
    h.advance(10);
    const reason = 'booked by \u001b[2Jhand';
    h.ask({ type: 'acknowledge', txid: h.txid, branch: 'b', reason, by: 'ops' });
    h.log();
    const forgot = { type: 'silent', node: 'n1', why: 'It does not answer.' } as const;
    for (const leader of [undefined, forgot]) {
      const told = explained(h, leader === undefined ? {} : { leader });
      expect(told.waits).toEqual([]);
      expect(told.summary).toContain('An operator stated that b was settled by hand');
      const texts = told.events.map(({ text }) => text);
      expect(texts).toContain('ops stated that b was settled by hand: booked by \\u001b[2Jhand');
      expect(texts).not.toContain('b acknowledged the commit.');
      expect(told.branches.find(({ branch }) => branch === 'b')).toMatchObject({
        state: 'committed',
        byHand: { by: 'ops', reason: 'booked by \\u001b[2Jhand' },
      });
    }
  });

  it('that a new leader found in the log says so', () => {
    const h = new TermHarness();
    const txid = h.world.inherit(33, { requestId: null, finished: false });
    const early = explained(h, {}, txid);
    expect(early).toMatchObject({ state: 'COMMITTING', decided: 'commit' });
    h.world.scan();
    h.log();
    const taken = explained(h, {}, txid);
    expect(taken.events[0]?.text).toContain('An earlier leader had recorded the commit.');
    expect(taken.waits.length).toBeGreaterThan(0);
  });
});

describe('of an abort', () => {
  it.each([
    ['a time-out', 'TRANSACTION_TIMEOUT'],
    ['a forced one', 'FORCED'],
    ['a vote', 'VOTED_ABORT'],
    ['a deadlock', 'DEADLOCK'],
  ] as const)('by %s says what that means', (_name, code) => {
    const h = opened();
    const a = h.connect(a1);
    let txid: Txid;
    if (code === 'DEADLOCK') {
      const [one, two] = [h.begin(), h.begin()];
      h.ask({ type: 'lock', txid: one, keys: ['k'], mode: 'exclusive' });
      h.ask({ type: 'lock', txid: two, keys: ['m'], mode: 'exclusive' });
      h.ask({ type: 'lock', txid: one, keys: ['m'], mode: 'exclusive' });
      h.ask({ type: 'lock', txid: two, keys: ['k'], mode: 'exclusive' });
      txid = two;
    } else {
      h.transact(['a'], { timeoutMs: 1_000 });
      txid = h.txid;
      if (code === 'VOTED_ABORT') h.vote(a, 'abort');
      else if (code === 'FORCED') h.ask({ type: 'resolve', txid });
      else h.advance(60_000);
      if (code !== 'VOTED_ABORT') h.ack(a, 'abort');
    }
    const explanation = explained(h, {}, txid);
    expect(explanation).toMatchObject({ state: 'ABORTED', decided: 'abort', reason: { code } });
    expect(explanation.summary).toContain(`Why: ${code}`);
    expect(explanation.advice[0]).toMatch(new RegExp(`^${code} means: `));
    expect(explanation.advice[1]).toMatch(/^If it comes often: /);
  });

  it('for its leader changed is known from the log alone', () => {
    const h = opened();
    const before = makeEpoch({ generation: 0, revision: 40n });
    const txid = makeTxid({ shard: 0, epoch: before, sequence: 3, random: 'abcdefghijklm' });
    const explanation = explained(h, {}, txid);
    expect(explanation).toMatchObject({
      state: 'ABORTED',
      decided: 'abort',
      reason: { code: 'LEADER_CHANGED' },
    });
    expect(explanation.summary).toContain('n1 leads now.');
  });
});

describe('of what is not known', () => {
  const h = opened();
  const epoch = makeEpoch({ generation: 0, revision: 50n });
  const given = (revision: bigint, sequence = 9): Txid =>
    makeTxid({
      shard: 0,
      epoch: makeEpoch({ generation: 0, revision }),
      sequence,
      random: 'abcdefghijklm',
    });

  it('says that a txid was never given out', () => {
    expect(explained(h, { issued: false }, given(40n))).toMatchObject({
      state: 'UNKNOWN',
      decided: null,
      summary: expect.stringContaining('No leader of this cluster ever gave that txid out'),
    });
    const later = makeTxid({ shard: 0, epoch, sequence: 999, random: 'abcdefghijklm' });
    expect(explained(h, {}, later).summary).toContain('has not given that txid out yet');
  });

  it('says that it is of a leadership which the log never had', () => {
    expect(explained(h, {}, given(60n)).summary).toContain('etcd was restored from an older copy');
  });

  it('says that its record was collected', () => {
    const txid = given(40n);
    const { log } = factsIn(h.world, txid);
    if (!log.ok) throw new Error('It was read.');
    const expired = explained(h, { log: { ...log, floor: positionOf(txid) } }, txid);
    expect(expired).toMatchObject({ state: 'EXPIRED', decided: null });
    expect(expired.summary).toContain('its record was collected if it had one');
  });

  it('says that neither the leader nor the log answered', () => {
    const leader = { type: 'silent', node: null, why: 'No node leads its shard.' } as const;
    expect(explained(h, { leader, log: unread }, given(40n))).toMatchObject({
      state: 'UNREADABLE',
      decided: null,
      summary: expect.stringMatching(
        / moment: No node leads its shard, and the decision log does /,
      ),
      waits: [{ for: 'log' }],
    });
  });
});

describe("a leader's explanation, joined with another node's reading", () => {
  it('names both, and shouts where they contradict each other', () => {
    const h = opened();
    h.connect(a1);
    h.transact(['a']);
    const before = explained(h);
    const { log } = factsIn(h.world, h.txid);
    const joined = joinReading(before, log, 'n2');
    expect(joined.sources.map(({ source, node }) => [source, node])).toEqual([
      ['leader', 'n1'],
      ['log', 'n1'],
      ['log', 'n2'],
    ]);
    expect(joined.advice).toEqual(before.advice);
    if (!log.ok) throw new Error('It was read.');
    const record = {
      outcome: 'commit',
      finished: false,
      branches: [],
      requestId: null,
      recordedAgoMs: 0,
    } as const;
    const aborted = { ...before, decided: 'abort' } as const;
    expect(joinReading(aborted, { ...log, record }, 'n2').advice[0]).toContain('must not be');
  });
});

it('holds at most what one message may', () => {
  const h = opened();
  h.connect(a1);
  h.transact(['a']);
  const facts = factsIn(h.world, h.txid);
  if (facts.leader.type !== 'knows') throw new Error('It is known.');
  const { transaction } = facts.leader;
  const [branch] = transaction.branches;
  if (branch === undefined) throw new Error('It has a branch.');
  const branches = Array.from({ length: 1_000 }, (_, index) => ({
    ...branch,
    branch: `b${index}`,
    lastError: '€'.repeat(5_000),
    state: 'committing' as const,
    votedMs: 1,
  }));
  const many = { ...transaction, state: 'COMMITTING' as const, branches };
  const explanation = explain({ ...facts, leader: { ...facts.leader, transaction: many } });
  assertSendable(explanation);
});
