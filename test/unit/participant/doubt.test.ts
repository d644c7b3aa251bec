import { describe, expect, it } from 'vitest';
import type { DecisionMessage, FromNode, ToNode } from '../../../src/core/messages.ts';
import type { MemoryConnection } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const key = { txid, branch: 'stock' };
const twoNodes = {
  leaders: [leaderInfo('n1')],
  nodes: [
    { node: 'n1', url: 'n1:7070' },
    { node: 'n2', url: 'n2:7070' },
  ],
};

type Question = Extract<ToNode, { type: 'query' | 'resolve' }>;

function questions(connection: MemoryConnection): Question[] {
  return connection
    .take()
    .filter((message) => message.type === 'query' || message.type === 'resolve');
}

function answerTo(question: Question | undefined, decision: DecisionMessage['decision']): FromNode {
  if (question === undefined) throw new Error('Nothing was asked.');
  const { id } = question;
  return { type: 'decision', id, txid: question.txid, decision, source: 'recorded' };
}

/** The leader was asked and says nothing; another node has said that nothing is recorded. */
async function nothingRecorded() {
  const { node, clock, application } = await rig();
  const n1 = await node('n1', twoNodes);
  const n2 = await node('n2', twoNodes);
  await tell(n1, prepareOf(txid));
  await clock.advance(5_101);
  await tell(n2, answerTo(questions(n2)[0], 'undecided'));
  return { n1, n2, clock, application };
}

describe('in doubt for longer than the patience', () => {
  it('queries the leader with the witness of the prepare, and does what it says', async () => {
    const { node, clock, application, journal, participant } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    n1.take();
    await clock.advance(4_900);
    expect(questions(n1)).toEqual([]);
    expect(participant.inDoubt()).toEqual([key]);
    await clock.advance(200);
    const [query] = questions(n1);
    expect(query).toMatchObject({
      type: 'query',
      txid,
      inDoubt: true,
      witness: { generation: 0, revision: '9' },
    });
    await tell(n1, answerTo(query, 'commit'));
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
    expect(journal.state(key)).toBe('committed');
    expect(participant.inDoubt()).toEqual([]);
  });

  it('waits while the leader says undecided, and never forces it', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1', twoNodes);
    const n2 = await node('n2', twoNodes);
    await tell(n1, prepareOf(txid));
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(5_050);
      await tell(n1, answerTo(questions(n1)[0], 'undecided'));
    }
    expect(questions(n2)).toEqual([]);
    await clock.advance(5_050);
    await tell(n1, answerTo(questions(n1)[0], 'abort'));
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('resolves through another node when the leader does not answer in time', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1', twoNodes);
    const n2 = await node('n2', twoNodes);
    await tell(n1, prepareOf(txid));
    await clock.advance(5_050);
    const [query] = questions(n1);
    expect(questions(n2)).toEqual([]);
    await clock.advance(2_000);
    // What is recorded was asked first.
    const [recorded, resolve] = questions(n2);
    expect(recorded?.type).toBe('query');
    expect(resolve).toMatchObject({ type: 'resolve', txid });
    await tell(n2, answerTo(resolve, 'abort'));
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
    // The leader's late answer finds no one in doubt.
    await tell(n1, answerTo(query, 'commit'));
    expect(application.calls).toHaveLength(2);
  });

  it('asks another node what is recorded while the leader says nothing', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1', twoNodes);
    const n2 = await node('n2', twoNodes);
    await tell(n1, prepareOf(txid));
    await clock.advance(5_099);
    expect([questions(n1).length, questions(n2).length]).toEqual([1, 0]);
    await clock.advance(2);
    const [query] = questions(n2);
    expect(query).toMatchObject({ type: 'query', txid, inDoubt: true });
    await tell(n2, answerTo(query, 'commit'));
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
  });

  it('takes a leader that says nothing where nothing is recorded for one that is out of reach', async () => {
    const { n2, clock, application } = await nothingRecorded();
    await clock.advance(50);
    expect(questions(n2)).toEqual([]);
    await clock.advance(20);
    const [resolve] = questions(n2);
    expect(resolve?.type).toBe('resolve');
    await tell(n2, answerTo(resolve, 'abort'));
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('forces nothing where it stood still itself, before it has read what came', async () => {
    const { n1, n2, clock, application } = await nothingRecorded();
    const [query] = questions(n1);
    clock.jump(400);
    // The timers that are overdue come first, the sockets after them.
    await clock.advance(0);
    expect(questions(n2)).toEqual([]);
    await tell(n1, answerTo(query, 'undecided'));
    await clock.advance(1_000);
    expect(questions(n2)).toEqual([]);
    expect(application.calls).toEqual(['prepare stock']);
  });

  it('forces nothing where the leader answers while that is waited for', async () => {
    const { n1, n2, clock } = await nothingRecorded();
    await clock.advance(40);
    await tell(n1, answerTo(questions(n1)[0], 'undecided'));
    await clock.advance(1_000);
    expect(questions(n2)).toEqual([]);
  });

  it('resolves through another node when the leader is not connected', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1', twoNodes);
    const n2 = await node('n2', twoNodes);
    await tell(n1, prepareOf(txid));
    n1.drop();
    await clock.advance(5_100);
    const [resolve] = questions(n2);
    expect(resolve?.type).toBe('resolve');
    await tell(n2, answerTo(resolve, 'commit'));
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
  });

  it('keeps querying the only node there is', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1', { leaders: [null] });
    await tell(n1, prepareOf(txid));
    await clock.advance(5_100);
    expect(questions(n1).map(({ type }) => type)).toEqual(['query']);
    await clock.advance(3_000);
    const again = questions(n1);
    expect(again.map(({ type }) => type)).toEqual(['query']);
    await tell(n1, answerTo(again[0], 'abort'));
    expect(application.calls).toEqual(['prepare stock', 'rollback stock']);
  });

  it('stops asking when the outcome comes by itself', async () => {
    const { node, clock, application } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    await clock.advance(5_100);
    const [query] = questions(n1);
    await tell(n1, commandOf('commit', txid));
    await tell(n1, answerTo(query, 'abort'));
    await clock.advance(60_000);
    expect(questions(n1)).toEqual([]);
    expect(application.calls).toEqual(['prepare stock', 'commit stock']);
  });

  it('refuses an answer that contradicts what was done (8.5)', async () => {
    const { node, alarms, journal } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    await tell(n1, commandOf('commit', txid));
    await tell(n1, { type: 'decision', txid, decision: 'abort', source: 'presumed' });
    expect(alarms.map(({ alarm }) => alarm)).toEqual(['contradicting-answer']);
    expect(journal.state(key)).toBe('committed');
  });

  it('keeps a branch in doubt that a node tells it to forget (I4)', async () => {
    const { node, alarms, journal } = await rig();
    const n1 = await node('n1');
    await tell(n1, prepareOf(txid));
    await tell(n1, { type: 'forget', txids: [txid] });
    expect(alarms.map(({ alarm }) => alarm)).toEqual(['forget-in-doubt']);
    expect(journal.state(key)).toBe('prepared');
  });
});

describe('reports', () => {
  it('are sent on connecting, in pages, and their answers are taken', async () => {
    const first = await rig();
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      first.journal.put({ txid: txidOf(sequence), branch: 'stock', state: 'prepared' });
    }
    first.journal.put({ txid: txidOf(6), branch: 'stock', state: 'committed' });
    const { node, application, journal } = await rig({
      journal: first.journal,
      options: { reportPage: 4 },
    });
    const n1 = await node('n1');
    const [one] = n1.take();
    if (one?.type !== 'report') throw new Error('No report.');
    expect(one.inDoubt).toHaveLength(4);
    expect(one.inDoubt[0]).toEqual({ txid: txidOf(1), witness: { generation: 0, revision: '1' } });
    await tell(n1, { type: 'reported', id: one.id });
    const [two] = n1.take();
    if (two?.type !== 'report') throw new Error('No second page.');
    expect([two.inDoubt.length, two.kept]).toEqual([1, [txidOf(6)]]);
    await tell(
      n1,
      { type: 'decision', txid: txidOf(1), decision: 'commit', source: 'recorded' },
      { type: 'decision', txid: txidOf(2), decision: 'abort', source: 'presumed' },
      { type: 'decision', txid: txidOf(3), decision: 'undecided', source: 'presumed' },
      { type: 'forget', txids: [txidOf(6)] },
      { type: 'reported', id: two.id },
    );
    expect(application.calls).toEqual(['commit stock', 'rollback stock']);
    expect(journal.state({ txid: txidOf(6), branch: 'stock' })).toBe('tombstone');
    expect(n1.take()).toEqual([]);
  });

  it('go to the leader only, and wait until its epoch is durable (I7)', async () => {
    const { node, journal } = await rig();
    const n1 = await node('n1', twoNodes);
    const n2 = await node('n2', twoNodes);
    expect([said(n1), said(n2)]).toEqual([['report 0 0'], []]);
    const adopted = journal.hold('adoptEpoch');
    const topology = {
      type: 'topology',
      leaders: [leaderInfo('n2', { revision: 2 })],
      nodes: twoNodes.nodes,
    } as const;
    await tell(n1, topology);
    await tell(n2, topology);
    expect([said(n1), said(n2)]).toEqual([[], []]);
    adopted();
    await settle();
    expect(journal.log).toEqual(['adopt 0', 'adopt 0']);
    expect([said(n1), said(n2)]).toEqual([[], ['report 0 0']]);
  });

  it('are sent again on every connection, and when no one answered', async () => {
    const { node, clock } = await rig();
    const n1 = await node('n1');
    expect(said(n1)).toEqual(['report 0 0']);
    await clock.advance(16_000);
    expect(said(n1)).toEqual(['report 0 0']);
    n1.drop();
    await clock.advance(100);
    const again = await node('n1');
    expect(said(again)).toEqual(['report 0 0']);
  });
});

describe('a report to a leader that still reads what the old one left', () => {
  it('is sent again soon: locks wait for its answers', async () => {
    const { node, clock } = await rig();
    const n1 = await node('n1');
    const [first] = n1.take();
    if (first?.type !== 'report') throw new Error('No report.');
    const notLeader = { code: 'NOT_LEADER', message: 'Not yet.', retryable: true } as const;
    await tell(n1, { type: 'error', id: first.id, ...notLeader, retryAfterMs: 100, leader: null });
    await clock.advance(99);
    expect(said(n1)).toEqual([]);
    await clock.advance(2);
    expect(said(n1)).toEqual(['report 0 0']);
  });
});

describe('sessions', () => {
  it('are kept with every node that is told of', async () => {
    const { node, dialer } = await rig();
    const n1 = await node('n1', twoNodes);
    await node('n2', twoNodes);
    await tell(n1, {
      type: 'topology',
      leaders: [null],
      nodes: [...twoNodes.nodes, { node: 'n3', url: 'n3:7070' }, { node: 'n4', url: 'no address' }],
    });
    expect(dialer.attempts.map(({ options }) => options.url)).toEqual(['ws://n3:7070/v1']);
  });

  it('leave one connection where two addresses lead to one node', async () => {
    const { node, dialer, clock } = await rig({ urls: ['here:7070', 'there:7070'] });
    const welcome = { node: 'n1', nodes: [{ node: 'n1', url: 'here:7070' }], leaders: [] };
    const here = await node('here', welcome);
    const there = await node('there', welcome);
    await clock.advance(60_000);
    expect([here.open, there.open]).toEqual([false, true]);
    expect(dialer.attempts).toEqual([]);
    there.drop();
    await clock.advance(100);
    expect(dialer.attempts.map(({ options }) => options.url).sort()).toEqual([
      'ws://here:7070/v1',
      'ws://there:7070/v1',
    ]);
  });
});

describe('in doubt about what a report named', () => {
  /** In doubt for longer than the patience before any leader was there. */
  async function returned(count = 1) {
    const before = await rig();
    const led = await before.node('n1');
    const sequences = Array.from({ length: count }, (_, index) => index + 1);
    for (const sequence of sequences) await tell(led, prepareOf(txidOf(sequence)));
    const now = await rig({ journal: before.journal });
    await now.clock.advance(5_050);
    const n1 = await now.node('n1', twoNodes);
    const n2 = await now.node('n2', twoNodes);
    const [report] = n1.take().filter(({ type }) => type === 'report');
    if (report?.type !== 'report') throw new Error('Nothing was reported.');
    expect(report.inDoubt.map((line) => line.txid)).toEqual(sequences.map((each) => txidOf(each)));
    return { ...now, n1, n2, report };
  }

  it('leaves it to the leader, and asks after the patience', async () => {
    const { n1, n2, clock, report } = await returned();
    await clock.advance(4_900);
    expect([...questions(n1), ...questions(n2)]).toEqual([]);
    n1.deliver({ type: 'reported', id: report.id });
    // Its command is still to come, in its turn.
    await clock.advance(4_900);
    expect([...questions(n1), ...questions(n2)]).toEqual([]);
    await clock.advance(700);
    expect(questions(n1)).toMatchObject([{ type: 'query', txid }]);
  });

  it('asks without waiting for the patience where the leader refuses the report', async () => {
    const { n1, report, clock } = await returned();
    const { id } = report;
    n1.deliver({ type: 'error', id, code: 'BUSY', message: 'Later.', retryable: true });
    await clock.advance(300);
    expect(questions(n1)).toMatchObject([{ type: 'query', txid }]);
  });

  it('asks another node without waiting where the leader is gone', async () => {
    const { n1, n2, clock } = await returned();
    n1.drop();
    await clock.advance(300);
    expect(questions(n2)).toMatchObject([{ type: 'resolve', txid }]);
  });

  it('does what the leader commands meanwhile, and asks nothing', async () => {
    const { n1, n2, clock, participant } = await returned();
    await tell(n1, commandOf('commit', txid));
    expect(participant.inDoubt()).toEqual([]);
    await clock.advance(20_000);
    expect([...questions(n1), ...questions(n2)]).toEqual([]);
  });

  it('leaves the rest to a leader whose commands end some of it', async () => {
    const { n1, n2, clock, report } = await returned(2);
    n1.deliver({ type: 'reported', id: report.id });
    await clock.advance(4_900);
    await tell(n1, commandOf('commit', txidOf(2)));
    await clock.advance(4_900);
    expect([...questions(n1), ...questions(n2)]).toEqual([]);
    await clock.advance(700);
    expect(questions(n1)).toMatchObject([{ type: 'query', txid }]);
  });

  it('does so where the page that named it is not answered in time', async () => {
    const { n1, n2, clock } = await returned(3);
    for (const sequence of [2, 3]) {
      await clock.advance(4_900);
      await tell(n1, commandOf('commit', txidOf(sequence)));
    }
    n1.take();
    // Past the time-out of the page.
    await clock.advance(4_900);
    expect(said(n1)).toEqual(['report 1 2']);
    expect(questions(n2)).toEqual([]);
    await clock.advance(700);
    expect(questions(n1)).toMatchObject([{ type: 'query', txid }]);
  });

  it('counts no command for what began later, nor one of another node', async () => {
    const { n1, n2, clock, report } = await returned(2);
    n1.deliver({ type: 'reported', id: report.id });
    await tell(n1, prepareOf(txidOf(9)));
    await clock.advance(4_900);
    await tell(n1, commandOf('commit', txidOf(9)));
    await tell(n2, commandOf('commit', txidOf(2)));
    await clock.advance(700);
    expect(questions(n1)).toMatchObject([{ type: 'query', txid }]);
  });

  it('asks in the end, however long commands come one by one', async () => {
    const { n1, clock, report } = await returned(30);
    n1.deliver({ type: 'reported', id: report.id });
    const asked: string[] = [];
    for (let sequence = 2; sequence <= 22; sequence += 1) {
      await clock.advance(4_000);
      asked.push(...questions(n1).map((question) => question.txid));
      if (sequence <= 12) expect(asked).toEqual([]);
      await tell(n1, commandOf('commit', txidOf(sequence)));
    }
    expect(asked).toContain(txid);
  });
});
