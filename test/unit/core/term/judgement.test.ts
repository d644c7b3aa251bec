import { describe, expect, it } from 'vitest';
import { makeEpoch, positionOf, type Txid } from '../../../../src/core/txid.ts';
import { a1, TermHarness } from '../../../support/core/term-harness.ts';
import { makeTxid } from '../../../support/core/txids.ts';

const made = (revision: bigint, sequence = 1): Txid =>
  makeTxid({
    shard: 0,
    epoch: makeEpoch({ generation: 0, revision }),
    sequence,
    random: 'q'.repeat(13),
  });
const old = made(40n);
const ahead = { generation: 0, revision: '105' };

describe('what a leader says', () => {
  it('is "undecided" to a query, and an end to a resolve', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const client = h.transact(['a']);
    const { txid } = h;
    const query = h.ask({ type: 'query', txid, inDoubt: true }, { as: a });
    expect(h.reply(query)).toMatchObject({ decision: 'undecided' });
    const resolve = h.ask({ type: 'resolve', txid }, { as: a });
    expect(h.reply(resolve)).toMatchObject({ decision: 'abort', source: 'forced' });
    expect(h.reply(client)).toMatchObject({ reason: { code: 'FORCED', participant: 'a' } });
    const again = h.ask({ type: 'query', txid, inDoubt: true }, { as: a });
    expect(h.reply(again)).toMatchObject({ decision: 'abort', source: 'forced' });
  });

  it('comes from the log for what is not in memory', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const committed = h.world.inherit(32, { requestId: null, finished: true });
    const asked = [committed, old].map((txid) =>
      h.ask({ type: 'query', txid, inDoubt: true }, { as: a }),
    );
    h.log();
    expect(asked.map((id) => h.reply(id))).toMatchObject([
      { decision: 'commit', source: 'recorded' },
      { decision: 'abort', source: 'presumed' },
    ]);
    const failed = h.ask({ type: 'resolve', txid: old }, { as: a });
    h.world.answer(0, { fail: true });
    expect(h.reply(failed)).toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  it('is "expired" below the floor, but "abort" to a participant in doubt', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.world.log.floor = positionOf(old);
    const status = h.ask({ type: 'status', txid: old });
    const commit = h.ask({ type: 'commit', txid: old });
    const inDoubt = h.ask({ type: 'query', txid: old, inDoubt: true }, { as: a });
    const client = h.ask({ type: 'query', txid: old, inDoubt: true });
    h.log();
    expect(h.reply(status)).toMatchObject({ code: 'EXPIRED' });
    expect(h.reply(commit)).toMatchObject({ code: 'EXPIRED' });
    expect(h.reply(inDoubt)).toMatchObject({ decision: 'abort' });
    expect(h.reply(client), 'no participant').toMatchObject({ decision: 'expired' });
  });

  it('does not contradict a read-only commit that it has forgotten', () => {
    const h = new TermHarness({ maxRecent: 1 });
    const a = h.connect(a1);
    h.transact(['a']);
    const { txid } = h;
    h.vote(a, 'readonly');
    const known = h.ask({ type: 'commit', txid });
    expect(h.reply(known)).toMatchObject({ outcome: 'committed', readonly: true });
    h.transact(['a']);
    h.vote(a, 'abort');
    const forgotten = h.ask({ type: 'commit', txid });
    const never = h.ask({ type: 'status', txid: old });
    const others = [
      h.ask({ type: 'query', txid, inDoubt: false }),
      h.ask({ type: 'query', txid, inDoubt: true }),
      h.ask({ type: 'query', txid, inDoubt: false }, { as: a }),
      h.ask({ type: 'resolve', txid }),
    ];
    h.log();
    expect(h.reply(forgotten)).toMatchObject({ code: 'EXPIRED' });
    expect(h.reply(never)).toMatchObject({ state: 'ABORTED' });
    for (const id of others) expect(h.reply(id)).toMatchObject({ decision: 'expired' });
    // One that holds a vote `commit` makes it another transaction than one that only read.
    const inDoubt = h.ask({ type: 'resolve', txid }, { as: a });
    h.log();
    expect(h.reply(inDoubt)).toMatchObject({ decision: 'abort' });
  });

  it('is nothing about ids that were never given out, or of another shard', () => {
    const h = new TermHarness();
    const other = makeTxid({
      ...{ shard: 1, sequence: 1, random: 'q'.repeat(13) },
      epoch: made(40n).slice(2, 19) as never,
    });
    for (const txid of [made(50n, 7), other]) {
      for (const type of ['status', 'commit', 'resolve'] as const) {
        expect(h.reply(h.ask({ type, txid }))).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
      }
    }
    expect(h.world.work).toEqual([]);
  });

  it('is an alarm for an epoch that the log never had, and NOT_LEADER where another leads by now', () => {
    const h = new TermHarness();
    const txid = made(60n);
    const never = h.ask({ type: 'resolve', txid });
    h.log();
    expect(h.reply(never)).toMatchObject({ code: 'INTERNAL' });
    expect(h.noted('log-set-back')).toBe(1);
    h.world.log.leader = makeEpoch({ generation: 0, revision: 60n });
    const deposed = h.ask({ type: 'resolve', txid });
    h.log();
    expect(h.reply(deposed)).toMatchObject({ code: 'NOT_LEADER' });
    expect(h.noted('log-set-back')).toBe(1);
  });
});

describe('a witness', () => {
  it('that looks ahead is condemned by a reading, not by what is remembered', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const first = h.ask({ type: 'query', txid: old, inDoubt: true, witness: ahead }, { as: a });
    h.log();
    expect(h.reply(first)).toMatchObject({ code: 'INTERNAL' });
    expect(h.noted('log-set-back')).toBe(1);
    h.world.log.revision = 110;
    const second = h.ask({ type: 'resolve', txid: old, witness: ahead }, { as: a });
    h.log();
    expect(h.reply(second)).toMatchObject({ decision: 'abort' });
    const third = h.ask(
      { type: 'query', txid: old, inDoubt: true, witness: { ...ahead, revision: '999' } },
      { as: a },
    );
    h.world.answer(0, { fail: true });
    expect(h.reply(third)).toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  it('goes with every prepare, and never back', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = made(50n, 1);
    const tick = (revision: string): void =>
      h.world.step({ type: 'tick', requestCount: 0, witness: { generation: 0, revision } });
    tick('200');
    tick('150');
    h.transact(['a']);
    expect(h.sent(a, 'prepare')).toMatchObject([{ witness: { generation: 0, revision: '200' } }]);
    expect(positionOf(h.txid)).toBe(positionOf(txid));
  });
});

describe('a report', () => {
  it('is answered line by line, and then as a whole', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const committed = h.world.inherit(32, { requestId: null, finished: true });
    const kept = h.world.inherit(64, { requestId: null, finished: true });
    const pending = h.world.inherit(65, { requestId: null, finished: false });
    h.world.log.floor = positionOf(made(39n));
    h.transact(['a']);
    const { witness } = h.world.log;
    const doubts = [committed, old, h.txid].map((txid) => ({ txid, witness }));
    const inDoubt = [...doubts, { txid: made(41n), witness: ahead }];
    const collected = made(39n);
    const id = h.ask(
      { type: 'report', inDoubt, kept: [kept, pending, collected, made(40n, 3)] },
      { as: a },
    );
    h.log();
    const decisions = h.sent(a, 'decision').map(({ txid, decision }) => [txid, decision]);
    expect(decisions.sort()).toEqual(
      [
        [committed, 'commit'],
        [old, 'abort'],
        [h.txid, 'undecided'],
      ].sort(),
    );
    expect(h.noted('log-set-back'), 'the line whose witness is ahead').toBe(1);
    expect(h.sent(a, 'forget')).toMatchObject([{ txids: [kept, collected] }]);
    expect(h.noted('commit-without-record'), 'a kept commit that no one recorded').toBe(1);
    expect(h.reply(id)).toMatchObject({ type: 'reported' });
  });

  it('fails as a whole where the log could not be read', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const { witness } = h.world.log;
    const id = h.ask({ type: 'report', inDoubt: [{ txid: old, witness }], kept: [] }, { as: a });
    h.world.answer(0, { fail: true });
    expect(h.reply(id)).toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  it('whose witness is read while the leadership ends is told nothing that its successor may contradict', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const voting = h.begin();
    h.ask({ type: 'enlist', txid: voting, participant: 'a' });
    h.transact(['a']);
    const handed = h.txid;
    h.vote(a, 'commit');
    const later = made(60n);
    const inDoubt = [voting, handed, later].map((txid) => ({ txid, witness: ahead }));
    const id = h.ask({ type: 'report', inDoubt, kept: [] }, { as: a });
    h.world.step({ type: 'lost' });
    h.world.log.revision = 110;
    const read = h.world.work.findIndex((work) => work.kind === 'read' && work.txids[0] === voting);
    h.world.answer(read);
    const decisions = () => h.sent(a, 'decision').map(({ txid, decision }) => [txid, decision]);
    expect(decisions(), 'what was handed to the log is not decided here').toEqual([
      [voting, 'abort'],
      [handed, 'undecided'],
    ]);
    h.log();
    expect(
      decisions().map(([txid]) => txid),
      'the other leadership tells',
    ).not.toContain(later);
    expect(h.reply(id)).toMatchObject({ type: 'reported' });
  });
});
