import { describe, expect, it } from 'vitest';
import { participantCrashPoints } from '../../../src/participant/crash-points.ts';
import { vote } from '../../../src/participant/vote.ts';
import type { PrepareResult } from '../../../src/ports/resource.ts';
import {
  commandOf,
  isAck,
  isVote,
  ListingResource,
  prepareOf,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { epochOfRevision, leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);

describe('the two phases', () => {
  it('prepare, vote, commit, acknowledge, forget; each after it is durable', async () => {
    const { node, journal, application, points } = await rig();
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    expect(journal.log).toEqual(['adopt 0', 'vote started stock', 'vote prepared stock']);
    expect(n1.take()).toEqual([
      { type: 'vote', txid, branch: 'stock', vote: 'commit', result: { left: 3 } },
    ]);
    await tell(n1, commandOf('commit', txid));
    expect(journal.state({ txid, branch: 'stock' })).toBe('committed');
    expect(n1.take()).toEqual([
      { type: 'ack', txid, branch: 'stock', decision: 'commit', ok: true },
    ]);
    await tell(n1, { type: 'forget', txids: [txid] });
    expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
    expect(application.ends[0]?.payload).toEqual({ take: 1 });
    expect(points).toEqual(
      participantCrashPoints.filter((point) => point !== 'after-rollback-applied'),
    );
  });

  it('send nothing before the journal answered', async () => {
    const { node, journal } = await rig();
    const n1 = await node('n1');
    n1.take();
    const voted = journal.hold('vote');
    await tell(n1, prepareOf(txid));
    expect(n1.take()).toEqual([]);
    voted();
    await settle();
    expect(said(n1)).toEqual(['vote commit']);
    const committed = journal.hold('committed');
    await tell(n1, commandOf('commit', txid));
    expect(n1.take()).toEqual([]);
    committed();
    await settle();
    expect(said(n1)).toEqual(['ack commit ok']);
    const buried = journal.hold('tombstone');
    await tell(n1, commandOf('rollback', txidOf(2)));
    expect(n1.take()).toEqual([]);
    buried();
    await settle();
    expect(said(n1)).toEqual(['ack abort ok']);
  });

  it('answer repeats alike, without a second effect', async () => {
    const { node, application } = await rig();
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid), prepareOf(txid));
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote commit', 'vote commit']);
    await tell(n1, commandOf('commit', txid), commandOf('commit', txid));
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['ack commit ok', 'ack commit ok']);
    await tell(n1, commandOf('rollback', txidOf(2)));
    await tell(n1, commandOf('rollback', txidOf(2)));
    expect(said(n1)).toEqual(['ack abort ok', 'ack abort ok']);
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
  });

  it('remember a readonly vote for repeats, out of memory', async () => {
    const { node, application, participant } = await rig();
    application.answer = () => vote.readonly('seen');
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote readonly', 'vote readonly']);
    expect(application.calls).toEqual(['prepare stock']);
    expect(participant.inDoubt()).toEqual([]);
  });

  it('carry an abort with its reason, and call no rollback for it', async () => {
    const { node, application, journal } = await rig();
    application.answer = () =>
      vote.abort('too little stock', { code: 'CONFLICT', retryable: true });
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    await tell(n1, prepareOf(txid));
    const votes = n1.take().filter(isVote);
    expect(votes).toHaveLength(2);
    expect(votes[1]).toEqual(votes[0]);
    expect(votes[0]?.reason).toEqual({
      code: 'CONFLICT',
      message: 'too little stock',
      retryable: true,
    });
    expect(application.calls).toEqual(['prepare stock']);
    expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
  });

  it('vote abort for a prepare that throws, after its rollback', async () => {
    const { node, application } = await rig();
    application.answer = () => Promise.reject(new Error('disk full'));
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    expect(n1.take().filter(isVote)[0]?.reason?.message).toBe('disk full');
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it.each([
    ['too large', { bytes: 'x'.repeat(5_000) }, /bytes/],
    ['too deep', { a: { b: { c: { d: { e: { f: { g: { h: 1 } } } } } } } }, /deep/],
    ['not encodable', { f: () => 1 }, /cannot be sent/],
  ])('vote abort for a result that is %s', async (_what, result, text) => {
    const { node, application, journal } = await rig();
    application.answer = () => vote.commit(result as object);
    const limits = {
      maxFrameBytes: 4_096,
      maxDepth: 8,
      maxBranches: 128,
      maxRecordBytes: 16_384,
      maxTimeoutMs: 1_000,
    };
    const n1 = await node('n1', { limits });
    n1.take();
    await tell(n1, prepareOf(txid));
    expect(n1.take().filter(isVote)[0]).toMatchObject({
      vote: 'abort',
      reason: { message: expect.stringMatching(text) },
    });
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
    expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
  });

  it('call a failing commit again and again; acknowledged false once, true when done', async () => {
    const { node, application, clock, journal } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    n1.take();
    application.failures.push(new Error('locked'), new Error('locked'));
    await tell(n1, commandOf('commit', txid));
    const refused = n1.take().filter(isAck)[0];
    expect(refused).toMatchObject({ ok: false, error: { code: 'INTERNAL', message: 'locked' } });
    expect(journal.state({ txid, branch: 'stock' })).toBe('prepared');
    await clock.advance(10_000);
    expect(said(n1)).toContain('ack commit ok');
    expect(application.calls.filter((call) => call === 'commit stock')).toHaveLength(3);
  });

  it('run branches of one network frame at once', async () => {
    const { node, journal } = await rig();
    const n1 = await node('n1');
    n1.take();
    const voted = journal.hold('vote');
    await tell(n1, prepareOf(txidOf(1)), prepareOf(txidOf(2)), prepareOf(txidOf(3)));
    voted();
    await settle();
    expect(said(n1)).toEqual(['vote commit', 'vote commit', 'vote commit']);
  });
});

describe('what comes too late, too early or from elsewhere', () => {
  it('rollback while prepare runs: the signal fires, and a late commit is no vote', async () => {
    const { node, application, journal } = await rig();
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('rollback', txid));
    expect(application.prepares[0]?.signal.aborted).toBe(true);
    expect(application.calls).toEqual(['prepare stock']);
    expect(n1.take()).toEqual([]);
    resolve(vote.commit());
    await settle();
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
    expect(said(n1)).toEqual(['ack abort ok']);
    expect(journal.state({ txid, branch: 'stock' })).toBe('tombstone');
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote abort']);
  });

  it('rollback while the vote is written', async () => {
    const { node, application, journal } = await rig({ application: new ListingResource() });
    const n1 = await node('n1');
    n1.take();
    const voted = journal.hold('vote');
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('rollback', txid));
    voted();
    await settle();
    expect(said(n1)).toEqual(['ack abort ok']);
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
    expect(journal.log).toEqual(['adopt 0', 'vote prepared stock', 'tombstone stock']);
  });

  it('prepare after its tombstone, also in another life of the process', async () => {
    const first = await rig();
    const n1 = await first.node('n1');
    await tell(n1, commandOf('rollback', txid));
    await first.participant.close();
    const second = await rig({ journal: first.journal });
    const again = await second.node('n1');
    again.take();
    await tell(again, prepareOf(txid));
    expect(said(again)).toEqual(['vote abort']);
    expect(second.application.calls).toEqual([]);
  });

  it('prepare after forget', async () => {
    const { node, application } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('commit', txid));
    await tell(n1, { type: 'forget', txids: [txid] });
    n1.take();
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote abort']);
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
  });

  it('prepare of an older epoch than is known (I7)', async () => {
    const { node, application, journal } = await rig();
    const n1 = await node('n1', { leaders: [leaderInfo('n1', { revision: 5 })] });
    n1.take();
    expect(journal.known(0)).toBe(epochOfRevision(5));
    await tell(n1, prepareOf(txidOf(1, { revision: 4 })));
    expect(said(n1)).toEqual(['vote abort']);
    expect(application.calls).toEqual([]);
  });

  it('a newer epoch that becomes known while the vote is on its way to the journal (I7)', async () => {
    const { node, application, journal } = await rig({ application: new ListingResource() });
    const n1 = await node('n1');
    n1.take();
    const voted = journal.hold('vote');
    await tell(n1, prepareOf(txid));
    await tell(n1, { type: 'topology', leaders: [leaderInfo('n2', { revision: 2 })], nodes: [] });
    voted();
    await settle();
    expect(said(n1)).toEqual(['vote abort']);
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('commit of an unknown branch: never acknowledged (8.6)', async () => {
    const { node, alarms } = await rig();
    const n1 = await node('n1');
    n1.take();
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['ack commit UNKNOWN_BRANCH']);
    expect(alarms.map(({ alarm }) => alarm)).toEqual(['commit-of-unknown']);
  });

  it('the vote goes only to the connection of the latest prepare', async () => {
    const { node, application } = await rig();
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1', { nodes: [{ node: 'n2', url: 'n2:7070' }] });
    const n2 = await node('n2', { leaders: [leaderInfo('n1')] });
    n1.take();
    await tell(n1, prepareOf(txid));
    await tell(n2, prepareOf(txid));
    n2.take();
    resolve(vote.commit());
    await settle();
    expect(said(n1)).toEqual([]);
    expect(said(n2)).toEqual(['vote commit']);
    expect(application.calls).toEqual(['prepare stock']);
  });

  it('messages of a connection that closed before they were handled are dropped (8.4)', async () => {
    const { node, application, journal } = await rig();
    const n1 = await node('n1');
    n1.deliver(prepareOf(txid), commandOf('rollback', txidOf(2)));
    n1.drop();
    await settle();
    expect(application.calls).toEqual([]);
    expect(journal.state({ txid: txidOf(2), branch: 'stock' })).toBe(null);
  });

  it('the connection closes while prepare runs: the vote waits for the next prepare', async () => {
    const { node, application, clock } = await rig();
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    n1.drop();
    resolve(vote.commit());
    await clock.advance(100);
    const again = await node('n1');
    expect(said(again).filter((one) => one.startsWith('vote'))).toEqual([]);
    await tell(again, prepareOf(txid));
    expect(said(again)).toEqual(['vote commit']);
    expect(application.calls).toEqual(['prepare stock']);
  });
});

describe('a slow prepare', () => {
  it('says that it is working, and ends when the coordinator no longer waits', async () => {
    const { node, application, clock } = await rig({ options: { workingMs: 1_000 } });
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid, { timeoutMs: 3_500 }));
    application.prepares[0]?.working();
    await clock.advance(3_100);
    expect(said(n1)).toEqual(['working', 'working', 'working', 'working']);
    expect(application.prepares[0]?.signal.aborted).toBe(false);
    await clock.advance(1_000);
    expect(application.prepares[0]?.signal.aborted).toBe(true);
    resolve(vote.commit());
    await settle();
    expect(said(n1).at(-1)).toBe('vote abort');
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('keeps others waiting only up to the limit, and never a commit', async () => {
    const { node, application } = await rig({ options: { maxConcurrency: 1, maxQueue: 1 } });
    const n1 = await node('n1');
    await tell(n1, prepareOf(txidOf(1)));
    n1.take();
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    await tell(n1, prepareOf(txidOf(2)), prepareOf(txidOf(3)));
    await tell(n1, prepareOf(txidOf(4)));
    const refused = n1.take().filter(isVote);
    expect(refused).toMatchObject([
      { txid: txidOf(4), vote: 'abort', reason: { retryable: true } },
    ]);
    expect(application.calls).toEqual(['prepare stock', 'prepare stock']);
    await tell(n1, commandOf('commit', txidOf(1)));
    expect(said(n1)).toEqual(['ack commit ok']);
    resolve(vote.commit());
    await settle();
    expect(said(n1)).toEqual(['vote commit', 'vote commit']);
  });
});

describe('a journal that fails', () => {
  it('is the end: nothing is said any more', async () => {
    const { node, journal, fatal, dialer } = await rig();
    const n1 = await node('n1');
    n1.take();
    journal.fault = new Error('EIO');
    await tell(n1, prepareOf(txid));
    expect(fatal.map(({ message }) => message)).toEqual(['EIO']);
    expect(n1.take()).toEqual([]);
    expect(n1.open).toBe(false);
    expect(dialer.attempts).toEqual([]);
  });
});
