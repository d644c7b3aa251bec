/**
 * The participant SDK at the hands of a node that forges, contradicts and exaggerates: one row for
 * each kind. A branch in doubt stays so unless it is told its own outcome (I4), no commit runs that
 * was not prepared, the first outcome stands (I2), no prepare of an older leader is taken (I7); and
 * afterwards an honest transaction passes.
 */
import { describe, expect, it } from 'vitest';
import type { FromNode } from '../../../src/core/messages.ts';
import type { Txid } from '../../../src/core/txid.ts';
import type { MemoryConnection } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  type Rig,
  rig,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { epochOfRevision, leaderInfo, txidOf, welcomeOf } from '../../support/samples/messages.ts';
import { fromNodeSamples } from '../../support/samples/samples.ts';

/** In doubt when a row begins. */
const doubt = txidOf(1, { revision: 5 });
const other = txidOf(2, { revision: 5 });
const branch = 'stock';
const options = { patienceMs: 1_000, queryTimeoutMs: 500, workingMs: 0 };

const decision = (txid: Txid, decided: 'commit' | 'abort' | 'undecided' | 'expired', id?: number) =>
  ({
    type: 'decision',
    txid,
    decision: decided,
    source: 'recorded',
    ...(id === undefined ? {} : { id }),
  }) satisfies FromNode;

const junkUrls = [
  '',
  '::',
  'ws://',
  'http://[',
  'javascript:0',
  'ws://a#b',
  '\u202e',
  'x'.repeat(2_000),
];

interface Row {
  readonly what: string;
  readonly tells: readonly FromNode[];
  /** What the node hears of it; left out: anything. */
  readonly says?: readonly string[];
  /** The journal's word about the branch in doubt afterwards. */
  readonly leaves: 'prepared' | 'committed' | 'tombstone';
  readonly alarms?: readonly string[];
}

const rows: readonly Row[] = [
  {
    what: 'forget of what is in doubt',
    tells: [{ type: 'forget', txids: [doubt, other] }],
    says: [],
    leaves: 'prepared',
    alarms: ['forget-in-doubt'],
  },
  {
    what: 'a commit of what was never prepared',
    tells: [commandOf('commit', other), commandOf('commit', doubt, 'another')],
    says: ['ack commit UNKNOWN_BRANCH', 'ack commit UNKNOWN_BRANCH'],
    leaves: 'prepared',
    alarms: ['commit-of-unknown', 'commit-of-unknown'],
  },
  {
    what: 'a commit of a leader older than the transaction',
    tells: [{ type: 'commit', txid: doubt, branch, epoch: epochOfRevision(4) }],
    says: ['ack commit NOT_LEADER'],
    leaves: 'prepared',
    alarms: ['older-leader'],
  },
  {
    what: 'a rollback of a leader older than the transaction',
    tells: [{ type: 'rollback', txid: doubt, branch, epoch: epochOfRevision(4) }],
    says: ['ack abort NOT_LEADER'],
    leaves: 'prepared',
    alarms: ['older-leader'],
  },
  {
    what: 'a commit, then a rollback',
    tells: [commandOf('commit', doubt), commandOf('rollback', doubt)],
    says: ['ack abort WRONG_STATE', 'ack commit ok'],
    leaves: 'committed',
    alarms: ['rollback-after-commit'],
  },
  {
    what: 'a rollback, then a commit',
    tells: [commandOf('rollback', doubt), commandOf('commit', doubt)],
    says: ['ack commit UNKNOWN_BRANCH', 'ack abort ok'],
    leaves: 'tombstone',
    alarms: ['commit-after-rollback'],
  },
  {
    what: 'decisions that contradict each other: commit first',
    tells: [decision(doubt, 'commit'), decision(doubt, 'abort')],
    says: [],
    leaves: 'committed',
    alarms: ['contradicting-answer'],
  },
  {
    what: 'decisions that contradict each other: abort first',
    tells: [decision(doubt, 'abort'), decision(doubt, 'commit')],
    says: [],
    leaves: 'tombstone',
    alarms: ['contradicting-answer'],
  },
  {
    what: 'a decision that decides nothing',
    tells: [decision(doubt, 'undecided'), decision(doubt, 'expired')],
    says: [],
    leaves: 'prepared',
    alarms: ['outcome-expired'],
  },
  {
    what: 'decisions about what was never prepared',
    tells: [decision(other, 'commit'), decision(other, 'abort')],
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
  {
    what: 'an answer to a request that was never made',
    tells: [decision(doubt, 'commit', 4_711), { type: 'reported', id: 4_712 }],
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
  {
    what: 'answers that are not a participant’s',
    tells: [
      fromNodeSamples.outcome,
      fromNodeSamples.begun,
      fromNodeSamples.enlisted,
      fromNodeSamples.status,
      fromNodeSamples.list,
      fromNodeSamples.info,
      fromNodeSamples.recovered,
      fromNodeSamples.retired,
      { type: 'error', code: 'INTERNAL', message: '', retryable: true },
      { type: 'goaway', reason: 'x'.repeat(1_024) },
    ],
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
  {
    what: 'a prepare under an epoch that is not its transaction’s',
    tells: [
      prepareOf(other, { epoch: epochOfRevision(6) }),
      prepareOf(other, { epoch: epochOfRevision(4) }),
    ],
    says: ['vote abort', 'vote abort'],
    leaves: 'prepared',
  },
  {
    what: 'an epoch that goes backwards',
    tells: [
      { type: 'topology', leaders: [leaderInfo('n1', { revision: 3 })], nodes: [] },
      prepareOf(txidOf(9, { revision: 3 })),
    ],
    says: ['vote abort'],
    leaves: 'prepared',
  },
  {
    what: 'a prepare after its own rollback',
    tells: [commandOf('rollback', other), prepareOf(other)],
    says: ['vote abort', 'ack abort ok'],
    leaves: 'prepared',
  },
  {
    what: 'a second welcome, with limits of nothing, and of everything',
    tells: [0, Number.MAX_SAFE_INTEGER].map((most) =>
      welcomeOf('n1', {
        shards: 65_536,
        heartbeatMs: 0,
        requestWindowMs: 0,
        limits: {
          maxFrameBytes: most,
          maxDepth: most,
          maxBranches: most,
          maxRecordBytes: most,
          maxTimeoutMs: most,
        },
      }),
    ),
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
  {
    what: 'a topology of thousands of nodes, and of junk addresses',
    tells: [
      {
        type: 'topology',
        leaders: [leaderInfo('n1', { revision: 5 })],
        nodes: [
          { node: 'n1', url: 'ws://n1:7070/v1' },
          ...junkUrls.map((url, index) => ({ node: `j${index}`, url })),
          ...Array.from({ length: 4_000 }, (_each, index) => ({
            node: `x${index}`,
            url: `ws://x${index}:1/v1`,
          })),
        ],
      },
    ],
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
  {
    what: 'a topology of sixty-five thousand leaders',
    tells: [
      {
        type: 'topology',
        leaders: Array.from({ length: 65_536 }, (_each, shard) =>
          leaderInfo('elsewhere', { shard, revision: 4 }),
        ),
        nodes: [{ node: 'n1', url: 'ws://n1:7070/v1' }],
      },
    ],
    says: [],
    leaves: 'prepared',
    alarms: [],
  },
];

async function inDoubt(): Promise<Rig & { readonly n1: MemoryConnection }> {
  const made = await rig({ options });
  const n1 = await made.node('n1', { leaders: [leaderInfo('n1', { revision: 5 })] });
  await tell(n1, prepareOf(doubt));
  answerReports(n1);
  expect(said(n1)).toContain('vote commit');
  return { ...made, n1 };
}

/** Else it would be sent again and again: this is not what is looked at here. */
function answerReports(connection: MemoryConnection): void {
  for (const message of connection.sent) {
    if (message.type === 'report') connection.deliver({ type: 'reported', id: message.id });
  }
}

describe('a participant told', () => {
  it.each(rows)('$what', async ({ tells, says, leaves, alarms: wanted }) => {
    const { n1, journal, application, alarms, fatal, dialer, participant } = await inDoubt();
    await tell(n1, ...tells);
    await settle();
    if (says !== undefined) expect(said(n1).sort()).toEqual([...says].sort());
    else n1.take();
    expect(journal.state({ txid: doubt, branch })).toBe(leaves);
    if (wanted !== undefined) expect(alarms.map(({ alarm }) => alarm)).toEqual(wanted);
    expect(fatal).toEqual([]);
    // Of what was not prepared nothing is committed, and nothing that was is both.
    const ends = application.calls.filter((call) => !call.startsWith('prepare'));
    expect(ends).toEqual(
      leaves === 'committed'
        ? [`commit ${branch}`]
        : leaves === 'tombstone'
          ? [`rollback ${branch}`]
          : [],
    );
    expect(participant.inDoubt()).toEqual(leaves === 'prepared' ? [{ txid: doubt, branch }] : []);
    expect(dialer.attempts.length).toBeLessThanOrEqual(256);

    const honest = txidOf(50, { revision: 5 });
    await tell(n1, prepareOf(honest));
    expect(said(n1)).toContain('vote commit');
    await tell(n1, commandOf('commit', honest));
    expect(said(n1)).toEqual(['ack commit ok']);
  });
});

describe('a participant that asks', () => {
  it.each(['commit', 'abort'] as const)(
    'about one transaction does not take the %s of another for an answer',
    async (decided) => {
      const { n1, clock, journal, application, participant } = await inDoubt();
      await clock.advance(options.patienceMs + 10);
      const query = n1.take().find((message) => message.type === 'query');
      if (query?.type !== 'query') throw new Error('It did not ask.');
      await tell(n1, decision(other, decided, query.id));
      expect(journal.state({ txid: doubt, branch })).toBe('prepared');
      expect(application.ends).toEqual([]);
      // It asks again, and takes the answer that is one.
      await clock.advance(5_000);
      const again = n1
        .take()
        .filter((message) => message.type === 'query')
        .at(-1);
      if (again?.type !== 'query') throw new Error('It did not ask again.');
      await tell(n1, decision(doubt, 'commit', again.id));
      await settle();
      expect(journal.state({ txid: doubt, branch })).toBe('committed');
      expect(participant.inDoubt()).toEqual([]);
    },
  );

  it('is not kept from reporting by a node that asks it to wait for weeks', async () => {
    const clock = new ManualClock();
    const made = await rig({ options, clock });
    const n1 = await made.node('n1', { leaders: [leaderInfo('n1', { revision: 5 })] });
    const reports = () => n1.take().filter((message) => message.type === 'report');
    const [first] = reports();
    if (first?.type !== 'report') throw new Error('It did not report.');
    const error = {
      type: 'error',
      id: first.id,
      code: 'BUSY',
      message: 'Later.',
      retryable: true,
      retryAfterMs: 2 ** 31,
    } as const;
    await tell(n1, error);
    await clock.advance(60_000);
    expect(reports().length).toBeGreaterThan(0);
  });

  it('to enlist itself does not work for another transaction, or under another name', async () => {
    for (const lie of [
      { txid: other, branch: 'mine' },
      { txid: doubt, branch: 'yours' },
    ]) {
      const made = await rig({ options });
      const n1 = await made.node('n1', { leaders: [leaderInfo('n1', { revision: 5 })] });
      const enlisting = made.participant.enlist(doubt, { branch: 'mine' });
      await settle();
      const asked = n1.take().find((message) => message.type === 'enlist');
      if (asked?.type !== 'enlist') throw new Error('It did not ask.');
      const refused = expect(enlisting).rejects.toMatchObject({ code: 'INVALID_MESSAGE' });
      await tell(n1, { type: 'enlisted', id: asked.id, ...lie });
      await refused;
      expect(made.fatal).toEqual([]);
    }
  });
});
