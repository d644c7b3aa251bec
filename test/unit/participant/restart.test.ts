import { describe, expect, it } from 'vitest';
import { type ParticipantHandle, serveParticipant } from '../../../src/participant/serve.ts';
import { vote } from '../../../src/participant/vote.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { PrepareResult } from '../../../src/ports/resource.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  isVote,
  ListingResource,
  prepareOf,
  rig,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const key = { txid, branch: 'stock' };

function journalWith(state: 'started' | 'prepared' | 'readonly' | 'committed'): WatchedJournal {
  const journal = new WatchedJournal();
  const result = state === 'started' ? {} : { result: { left: 3 } };
  journal.put({ ...key, state, payload: { take: 1 }, ...result });
  return journal;
}

/** When it asks, after its patience. */
async function saysAbort({ clock }: { clock: ManualClock }, node: MemoryConnection): Promise<void> {
  node.take();
  await clock.advance(5_100);
  const query = node.take().find(({ type }) => type === 'query');
  if (query?.type !== 'query') throw new Error('It did not ask.');
  await tell(node, {
    type: 'decision',
    id: query.id,
    txid,
    decision: 'abort',
    source: 'presumed',
  });
}

async function enlisted(participant: ParticipantHandle, n1: MemoryConnection): Promise<void> {
  const enlisting = participant.enlist(txid, { branch: 'stock' });
  await settle();
  const [enlist] = n1.take();
  if (enlist?.type !== 'enlist') throw new Error('Nothing was sent.');
  await tell(n1, { type: 'enlisted', id: enlist.id, ...key });
  await enlisting;
}

describe('a start on a journal that holds', () => {
  it('a prepare that had begun: rolled back', async () => {
    const { application, journal, points } = await rig({ journal: journalWith('started') });
    await settle();
    expect(application.ends).toMatchObject([{ ...key, payload: { take: 1 } }]);
    expect(application.calls).toEqual(['rollback stock']);
    expect(journal.state(key)).toBe('tombstone');
    expect(points).toEqual(['after-rollback-applied']);
  });

  it('a vote: still in doubt, and committed with what was persisted', async () => {
    const { node, application, participant } = await rig({ journal: journalWith('prepared') });
    expect(participant.inDoubt()).toEqual([key]);
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid), commandOf('commit', txid));
    expect(said(n1)).toEqual(['report 1 0', 'vote commit', 'ack commit ok']);
    expect(application.ends[0]?.payload).toEqual({ take: 1 });
    expect(application.calls).toEqual(['commit stock']);
  });

  it('an outcome: acknowledged again, without a second commit', async () => {
    const { node, application } = await rig({ journal: journalWith('committed') });
    const n1 = await node('n1');
    await tell(n1, commandOf('commit', txid));
    expect(said(n1)).toEqual(['report 0 1', 'ack commit ok']);
    expect(application.calls).toEqual([]);
  });

  it('a readonly vote: repeated', async () => {
    const { node, application } = await rig({ journal: journalWith('readonly') });
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    expect(n1.take().filter(isVote)).toMatchObject([{ vote: 'readonly', result: { left: 3 } }]);
    expect(application.calls).toEqual([]);
  });

  it('nothing of what the application holds: its vote was never sent, so it is rolled back', async () => {
    const application = new ListingResource();
    application.held = [key, { txid: 'no txid' as never, branch: 'stock' }];
    const { journal } = await rig({ application });
    await settle();
    expect(application.calls).toEqual(['rollback stock']);
    expect(journal.state(key)).toBe('tombstone');
  });

  it('nothing of it, and says so: with another journal it may have voted', async () => {
    const warnings: object[] = [];
    const logger = {
      ...silentLogger,
      warn: (fields: object, text: string) =>
        void (text.includes('no vote in the journal') && warnings.push(fields)),
    };
    const application = new ListingResource();
    application.held = [key];
    await rig({ application, logger });
    expect(warnings).toMatchObject([{ count: 1, branches: [key] }]);
    await rig({ application, logger, journal: journalWith('prepared') });
    expect(warnings).toHaveLength(1);
  });

  it('the vote for what the application holds: nothing is touched', async () => {
    const application = new ListingResource();
    application.held = [key];
    const { participant } = await rig({ application, journal: journalWith('prepared') });
    await settle();
    expect(application.calls).toEqual([]);
    expect(participant.inDoubt()).toEqual([key]);
  });

  it('the outcome of what the application still holds: committed again, in silence', async () => {
    const application = new ListingResource();
    application.held = [key];
    const { journal } = await rig({ application, journal: journalWith('committed') });
    await settle();
    expect(application.calls).toEqual(['commit stock']);
    expect(journal.state(key)).toBe('committed');
  });
});

describe('old entries', () => {
  it('are swept: tombstones and readonly votes, when they are old enough', async () => {
    const { node, application, journal, clock } = await rig({ options: { tombstoneMs: 60_000 } });
    application.answer = () => vote.readonly();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid), commandOf('rollback', txidOf(2)));
    await clock.advance(50_000);
    expect(journal.state(key)).toBe('readonly');
    await clock.advance(20_000);
    expect(journal.state({ ...key, txid: txidOf(2) })).toBe(null);
    expect(journal.state(key)).toBe('tombstone');
    await clock.advance(70_000);
    expect(journal.state(key)).toBe(null);
  });
});

describe('a tombstone', () => {
  it('is no older for a wall clock that is set forward, while the participant runs or between two lives', async () => {
    const journal = new WatchedJournal();
    const options = { tombstoneMs: 60_000 };
    const clock = new ManualClock();
    const first = await rig({ journal, options, clock });
    await tell(await first.node('n1'), commandOf('rollback', txid));
    clock.setWall(3_600_000);
    await clock.advance(50_000);
    expect(journal.state(key)).toBe('tombstone');
    await first.participant.close({ timeoutMs: 0 });
    const second = await rig({ journal, options, clock });
    clock.sleep(3_600_000);
    await clock.advance(50_000);
    expect(journal.state(key)).toBe('tombstone');
    await clock.advance(30_000);
    expect(journal.state(key)).toBe(null);
    await second.participant.close({ timeoutMs: 0 });
  });
});

describe('a readonly vote that became old', () => {
  it('takes no commit of its transaction with it: a repeat after a restart is acknowledged', async () => {
    const journal = new WatchedJournal();
    const options = { tombstoneMs: 60_000 };
    const first = await rig({ journal, options });
    const n1 = await first.node('n1');
    first.application.answer = () => vote.readonly();
    await tell(n1, prepareOf(txid, { branch: 'look' }));
    first.application.answer = () => vote.commit();
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('commit', txid));
    await first.clock.advance(130_000);
    expect(journal.state({ txid, branch: 'look' })).not.toBe('readonly');
    expect(journal.state(key)).toBe('committed');
    await first.participant.close({ timeoutMs: 0 });

    const second = await rig({ journal, options });
    const again = await second.node('n1');
    again.take();
    await tell(again, commandOf('commit', txid));
    expect(said(again)).toEqual(['ack commit ok']);
    expect(second.alarms).toEqual([]);
  });
});

describe('enlisting itself', () => {
  it('lets the application work when the leader agreed, and prepares what it did', async () => {
    const { node, participant, application, journal } = await rig();
    const n1 = await node('n1');
    n1.take();
    let enlisted = false;
    const enlisting = participant.enlist(txid, { branch: 'stock', payload: { take: 2 } });
    void enlisting.then(() => {
      enlisted = true;
    });
    await settle();
    const [enlist] = n1.take();
    if (enlist?.type !== 'enlist') throw new Error('Nothing was sent.');
    expect(enlist).toMatchObject({
      participant: 'inventory',
      branch: 'stock',
      payload: { take: 2 },
    });
    expect(enlisted).toBe(false);
    const recorded = journal.hold('vote');
    await tell(n1, { type: 'enlisted', id: enlist.id, ...key });
    expect(enlisted).toBe(false);
    recorded();
    expect(await enlisting).toEqual(key);
    await tell(n1, prepareOf(txid));
    expect(said(n1)).toEqual(['vote commit']);
    expect(application.calls).toEqual(['prepare stock']);
  });

  it('is refused when the rollback came first', async () => {
    const { node, participant } = await rig();
    const n1 = await node('n1');
    n1.take();
    const refused = expect(participant.enlist(txid, { branch: 'stock' })).rejects.toMatchObject({
      code: 'WRONG_STATE',
    });
    await settle();
    const [enlist] = n1.take();
    if (enlist?.type !== 'enlist') throw new Error('Nothing was sent.');
    await tell(n1, commandOf('rollback', txid), { type: 'enlisted', id: enlist.id, ...key });
    await refused;
  });

  it('asks again where the leader changed or was not there, until its time-out', async () => {
    const { node, participant, clock } = await rig();
    const enlisting = participant.enlist(txid, { timeoutMs: 2_000 });
    await clock.advance(500);
    const n1 = await node('n1');
    await clock.advance(200);
    expect(said(n1)).toContain('enlist');
    const late = participant.enlist(txidOf(9, { shard: 3 }), { timeoutMs: 1_000 });
    const failed = expect(late).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      acted: 'nothing',
    });
    const timedOut = expect(enlisting).rejects.toMatchObject({ code: 'TIMEOUT' });
    await clock.advance(5_000);
    await failed;
    await timedOut;
  });

  it('is rolled back when no prepare comes, and votes abort when one does', async () => {
    const { node, participant, application, clock } = await rig({
      options: { lockLimitMs: 30_000 },
    });
    const n1 = await node('n1');
    n1.take();
    await enlisted(participant, n1);
    await clock.advance(30_100);
    expect(application.calls).toEqual(['rollback stock']);
    await tell(n1, prepareOf(txid));
    expect(said(n1).at(-1)).toBe('vote abort');
  });

  it('is rolled back at once when its leader is succeeded (I7)', async () => {
    const { node, participant, application } = await rig();
    const n1 = await node('n1');
    n1.take();
    await enlisted(participant, n1);
    await tell(n1, { type: 'topology', leaders: [leaderInfo('n1', { revision: 2 })], nodes: [] });
    expect(application.calls).toEqual(['rollback stock']);
  });
});

describe('two processes on one shared resource', () => {
  /** Each with an application of its own. */
  const shared = () => ({ sharedResource: 'stock-db', application: new ListingResource() });

  it('one prepares, the other commits', async () => {
    const a = await rig(shared());
    const b = await rig({ ...shared(), journal: a.journal });
    const [toA, toB] = [await a.node('n1'), await b.node('n1')];
    await tell(toA, prepareOf(txid));
    toB.take();
    await tell(toB, commandOf('commit', txid));
    expect(said(toB)).toEqual(['ack commit ok']);
    toA.take();
    await tell(toA, commandOf('commit', txid), prepareOf(txid));
    expect(said(toA)).toEqual(['ack commit ok', 'vote commit']);
    expect(a.application.calls).toEqual(['prepare stock']);
    expect(b.application.calls).toEqual(['commit stock']);
  });

  it('the one in doubt finds in the journal what the other learned', async () => {
    const a = await rig(shared());
    const b = await rig({ ...shared(), journal: a.journal });
    const [toA, toB] = [await a.node('n1'), await b.node('n1')];
    await tell(toA, prepareOf(txid));
    await tell(toB, commandOf('rollback', txid));
    expect(b.application.calls).toEqual(['rollback stock']);
    toA.take();
    await a.clock.advance(60_000);
    expect(said(toA)).not.toContain('query');
    expect(a.participant.inDoubt()).toEqual([]);
    expect(a.application.calls).toEqual(['prepare stock']);
  });

  it('one that was away for long does not report what the other ended, and was told to forget', async () => {
    const a = await rig(shared());
    const b = await rig({ ...shared(), journal: a.journal });
    const [toA, toB] = [await a.node('n1'), await b.node('n1')];
    await tell(toA, prepareOf(txid), prepareOf(txidOf(2)));
    toA.drop({ kind: 'silent' });
    await tell(toB, commandOf('commit', txid), { type: 'forget', txids: [txid] });
    await b.clock.advance(1_000);
    expect((await a.journal.find(key))?.state).toBe('tombstone');
    await a.clock.advance(3_000);
    const again = await a.node('n1');
    const report = again.sent.find((message) => message.type === 'report');
    expect(report).toMatchObject({ inDoubt: [{ txid: txidOf(2) }], kept: [] });
  });

  it('a starting one leaves alone what a running one prepares, until there is a decision', async () => {
    const a = await rig(shared());
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    a.application.answer = () => promise;
    const toA = await a.node('n1');
    await tell(toA, prepareOf(txid));
    const application = new ListingResource();
    application.held = [key];
    const b = await rig({ ...shared(), journal: a.journal, application });
    const toB = await b.node('n1');
    toB.take();
    await tell(toB, prepareOf(txid));
    expect(said(toB)).toEqual(['vote abort']);
    expect(application.calls).toEqual([]);
    resolve(vote.commit());
    await settle();
    expect(said(toA).at(-1)).toBe('vote commit');
    await tell(toB, commandOf('commit', txid));
    expect(said(toB)).toEqual(['ack commit ok']);
    expect(application.calls).toEqual(['commit stock']);
  });

  // (!) A tombstone would leave the next start nothing to do, and what the dead one held locked.
  it.each([
    ['lists what it holds', ListingResource],
    ['lists nothing', ScriptedResource],
  ])(
    'what one held as it died is rolled back by the next that starts, which %s',
    async (_, Kind) => {
      const fresh = () => ({ sharedResource: 'stock-db', application: new Kind() });
      const a = await rig(fresh());
      a.application.answer = () => new Promise(() => undefined);
      await tell(await a.node('n1'), prepareOf(txid));
      const b = await rig({ ...fresh(), journal: a.journal });
      const toB = await b.node('n1');
      await tell(toB, commandOf('rollback', txid));
      expect(said(toB)).toContain('ack abort ok');
      // It dies here, and what it was preparing became durable all the same.
      const c = await rig({ ...fresh(), journal: a.journal });
      const toC = await c.node('n1');
      await tell(toC, prepareOf(txid));
      expect(said(toC)).toContain('vote abort');
      await saysAbort(c, toC);
      expect(c.application.calls).toEqual(['rollback stock']);
      // Once more when no prepare can run any more, and for good.
      await c.clock.advance(590_000);
      expect([c.application.calls.length, a.journal.state(key)]).toEqual([1, 'started']);
      await c.clock.advance(11_000);
      expect(c.application.calls).toEqual(['rollback stock', 'rollback stock']);
      expect(a.journal.state(key)).toBe('tombstone');
    },
  );

  it('what is read while a result comes in is read again', async () => {
    const { node, journal, application } = await rig(shared());
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    const [voted, found] = [journal.hold('vote'), journal.hold('find')];
    resolve(vote.readonly());
    // Reads `started`, just before the vote is written.
    await tell(n1, prepareOf(txid));
    voted();
    await settle();
    found();
    await settle();
    expect(said(n1)).toEqual(['vote readonly', 'vote readonly']);
  });

  it('what a dead one began is asked about, and rolled back on the decision', async () => {
    const { node, clock, application, journal } = await rig({
      ...shared(),
      journal: journalWith('started'),
    });
    const n1 = await node('n1');
    n1.take();
    expect(application.calls).toEqual([]);
    await saysAbort({ clock }, n1);
    expect(application.calls).toEqual(['rollback stock']);
    await clock.advance(601_000);
    expect(journal.state(key)).toBe('tombstone');
  });
});

describe('close', () => {
  it('tells the node first, takes what was sent before that one knew, and waits a second for one that is silent', async () => {
    const { node, participant, clock, journal } = await rig();
    const n1 = await node('n1');
    n1.onSent = null;
    n1.take();
    const closing = participant.close();
    await tell(n1, prepareOf(txid));
    await settle();
    expect(said(n1)).toEqual(['goaway', 'report 0 0', 'vote commit']);
    expect(journal.state(key)).toBe('prepared');
    await clock.advance(1_000);
    await closing;
    expect(n1.open).toBe(false);
  });

  it('lets what is under way end, takes nothing new, and leaves doubt to the journal', async () => {
    const { node, participant, application, journal, clock } = await rig();
    const { promise, resolve } = Promise.withResolvers<PrepareResult<unknown>>();
    application.answer = () => promise;
    const n1 = await node('n1');
    n1.take();
    await tell(n1, prepareOf(txid));
    const closing = participant.close();
    await settle();
    expect(said(n1)).toEqual(['goaway', 'report 0 0']);
    await tell(n1, prepareOf(txidOf(2)));
    expect(said(n1)).toEqual(['vote abort']);
    resolve(vote.commit());
    await closing;
    expect(said(n1)).toEqual(['vote commit']);
    expect(journal.state(key)).toBe('prepared');
    expect(n1.open).toBe(false);
    await settle();
    expect(clock.timers).toBe(0);
  });

  it('does not wait longer than it is told', async () => {
    const { node, participant, application, clock } = await rig();
    application.answer = () => new Promise(() => undefined);
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    const closing = participant.close({ timeoutMs: 1_000 });
    await clock.advance(1_000);
    await closing;
    expect(application.prepares[0]?.signal.aborted).toBe(true);
    await expect(participant.enlist(txid)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('settings', () => {
  it.each([
    ['a name', { name: '' }, /name/],
    ['a node', { urls: [] }, /urls/],
    ['one journal', { dataDirectory: '/nowhere' }, /either dataDirectory/],
    ['options in bounds', { options: { patienceMs: 1 } }, /patienceMs/],
  ])('need %s', async (_what, settings, text) => {
    const serving = serveParticipant({
      logger: silentLogger,
      name: 'inventory',
      urls: ['n1:7070'],
      journal: new WatchedJournal(),
      dialer: new MemoryDialer(),
      clock: new ManualClock(),
      prepare: () => vote.commit(),
      commit: () => undefined,
      rollback: () => undefined,
      ...settings,
    });
    await expect(serving).rejects.toThrow(text);
  });

  it('tell when no node can be reached, and when one can', async () => {
    const { participant, clock, node } = await rig();
    const waiting = expect(participant.connected({ timeoutMs: 100 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await clock.advance(200);
    await waiting;
    const connected = participant.connected();
    await node('n1');
    await connected;
    await participant.connected();
  });

  it('tell why they were refused, if they were', async () => {
    const { participant, clock, dialer } = await rig();
    const message = 'The token is not one of this node.';
    dialer.next('ws://n1:7070/v1').accept().deliver({
      type: 'error',
      code: 'UNAUTHENTICATED',
      message,
      retryable: false,
    });
    const waiting = participant.connected({ timeoutMs: 100 }).catch((error: unknown) => error);
    await clock.advance(200);
    const error = await waiting;
    expect(error).toMatchObject({ code: 'TIMEOUT', cause: { code: 'UNAUTHENTICATED' } });
    expect(String(error)).toContain(`The last refusal, of ws://n1:7070/v1: ${message}`);
  });

  it('tell of no refusal before they were welcome', async () => {
    const { participant, clock, dialer, node } = await rig();
    dialer.next('ws://n1:7070/v1').accept().deliver({
      type: 'error',
      code: 'UNAUTHENTICATED',
      message: 'The token is not one of this node.',
      retryable: false,
    });
    await clock.advance(20_000);
    (await node('n1')).terminate();
    await clock.advance(1);
    const waiting = participant.connected({ timeoutMs: 1 }).catch((error: unknown) => error);
    await clock.advance(1);
    const error = await waiting;
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(String(error)).not.toContain('refusal');
  });
});
