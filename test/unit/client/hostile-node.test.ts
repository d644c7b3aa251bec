/**
 * The client SDK at the hands of a node that forges, contradicts and exaggerates: one row for each
 * kind. Every call ends within its time-out, with the outcome of its own transaction or an error;
 * never with somebody else's outcome (I2).
 */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/core/catalogue.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import { isVerdictError } from '../../../src/peer/verdict-error.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import type { ScriptedNode } from '../../support/nodes/scripted-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { epochOfRevision, leaderInfo, txidOf, welcomeOf } from '../../support/samples/messages.ts';
import { fromNodeSamples } from '../../support/samples/samples.ts';

const txid = txidOf(1);
const other = txidOf(2);
const branches = [{ participant: 'inventory' }];
const timeoutMs = 5_000;

const outcome = (of: typeof txid, how: 'committed' | 'aborted') =>
  ({ type: 'outcome', txid: of, outcome: how, results: null }) as const;
const status = (of: typeof txid, state: 'COMMITTED' | 'ABORTED') =>
  ({ type: 'status', txid: of, state, attention: false, branches: [], ageMs: 1 }) as const;
const begun = (of: typeof txid) =>
  ({ type: 'begun', txid: of, timeoutMs: 1_000, share: 'share-1' }) as const;

/**
 * But for a topology: the leader of a newer epoch that it names would be believed, and waited for.
 */
const stranger: readonly FromNode[] = [
  ...Object.values(fromNodeSamples).filter(({ type }) => type !== 'welcome' && type !== 'topology'),
  { ...outcome(other, 'committed'), id: 9_999 },
  { type: 'decision', id: 9_999, txid, decision: 'commit', source: 'recorded' },
];

const junk = ['', '::', 'ws://', 'http://[', 'javascript:0', 'ws://a#b', 'x'.repeat(2_000)];
const absurd = Number.MAX_SAFE_INTEGER;

interface Row {
  readonly what: string;
  /** Told before the call is answered. */
  readonly tells?: readonly FromNode[];
  /** The replies to the call, each with its id. */
  readonly replies?: readonly object[];
  /** The reply to every status that is asked for then; null: none. */
  readonly status?: ReturnType<typeof status> | null;
  /** `committed` and `aborted` are said of `txid`, or it is an error. */
  readonly ends: readonly ('committed' | 'aborted' | ErrorCode | 'TIMEOUT')[];
}

const rows: readonly Row[] = [
  {
    what: 'the outcome of another transaction, after its own was announced',
    replies: [begun(txid), outcome(other, 'committed')],
    status: status(txid, 'ABORTED'),
    ends: ['aborted'],
  },
  {
    what: 'the outcome and then the status of another transaction',
    replies: [begun(txid), outcome(other, 'committed')],
    status: status(other, 'COMMITTED'),
    ends: ['OUTCOME_UNKNOWN'],
  },
  {
    what: 'two transactions for one call',
    replies: [begun(txid), begun(other)],
    status: status(txid, 'COMMITTED'),
    ends: ['committed'],
  },
  {
    what: 'two outcomes that contradict each other: the first stands',
    replies: [begun(txid), outcome(txid, 'aborted'), outcome(txid, 'committed')],
    ends: ['aborted'],
  },
  {
    what: 'a reply of another kind',
    replies: [begun(txid), { type: 'reported' }],
    status: status(txid, 'COMMITTED'),
    ends: ['committed'],
  },
  {
    what: 'a reply of another kind, and nothing else',
    replies: [{ type: 'enlisted', txid: other, branch: 'x' }],
    ends: ['OUTCOME_UNKNOWN'],
  },
  { what: 'nothing at all', ends: ['OUTCOME_UNKNOWN'] },
  {
    what: 'nothing but what a client never asked for',
    tells: stranger,
    replies: [begun(txid), outcome(txid, 'committed')],
    ends: ['committed'],
  },
  {
    what: 'to come again in 24 days',
    replies: [{ type: 'error', code: 'BUSY', message: '', retryable: true, retryAfterMs: 2 ** 31 }],
    ends: ['BUSY'],
  },
  {
    what: 'that a shard beyond all leads',
    replies: [
      {
        type: 'error',
        code: 'NOT_LEADER',
        message: '',
        retryable: true,
        leader: leaderInfo('a', { shard: 46_655, revision: 9, url: '::' }),
      },
    ],
    ends: ['TIMEOUT'],
  },
  {
    what: 'a code that is no refusal, with a transaction that is not the call’s',
    replies: [
      begun(txid),
      { type: 'error', code: 'WRONG_STATE', message: '', retryable: false, txid: other },
    ],
    status: status(txid, 'ABORTED'),
    ends: ['aborted', 'OUTCOME_UNKNOWN'],
  },
  {
    what: 'an epoch that goes backwards',
    tells: [
      {
        type: 'topology',
        leaders: [leaderInfo('a', { revision: 0 })],
        nodes: [{ node: 'a', url: 'ws://a:7070/v1' }],
      },
    ],
    replies: [begun(txid), outcome(txid, 'committed')],
    ends: ['committed'],
  },
  {
    what: 'of thousands of nodes, and of junk addresses',
    tells: [
      {
        type: 'topology',
        leaders: [leaderInfo('a')],
        nodes: [
          { node: 'a', url: 'ws://a:7070/v1' },
          ...junk.map((url, index) => ({ node: `j${index}`, url })),
          ...Array.from({ length: 4_000 }, (_each, index) => ({
            node: `x${index}`,
            url: `ws://x${index}:1/v1`,
          })),
        ],
      },
    ],
    replies: [begun(txid), outcome(txid, 'committed')],
    ends: ['committed'],
  },
  {
    what: 'of sixty-five thousand leaders',
    tells: [
      {
        type: 'topology',
        leaders: Array.from({ length: 65_536 }, (_each, shard) => leaderInfo('a', { shard })),
        nodes: [{ node: 'a', url: 'ws://a:7070/v1' }],
      },
    ],
    replies: [begun(txid), outcome(txid, 'committed')],
    ends: ['committed'],
  },
  {
    what: 'a second welcome, with limits of everything and of nothing',
    tells: [absurd, 0].map((most) =>
      welcomeOf('a', {
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
    replies: [begun(txid), outcome(txid, 'committed')],
    ends: ['committed'],
  },
];

/** Answers what comes until the call has ended, or its time is long over. */
async function answer(
  node: ScriptedNode,
  row: Row,
  world: { readonly advance: (byMs: number) => Promise<void>; readonly isOver: () => boolean },
): Promise<void> {
  let seen = 0;
  for (let passedMs = 0; passedMs < 2 * timeoutMs && !world.isOver(); passedMs += 100) {
    await settle();
    for (; seen < node.all.length; seen += 1) {
      const asked = node.all[seen];
      const [connection] = node.connections.filter(({ open }) => open);
      if (asked === undefined || !('id' in asked) || connection === undefined) continue;
      const replies = asked.type === 'status' ? [row.status ?? null] : (row.replies ?? []);
      for (const reply of replies) {
        if (reply !== null) connection.deliver({ ...reply, id: asked.id } as FromNode);
      }
    }
    await world.advance(100);
  }
}

describe('a client told', () => {
  it.each(rows)('$what', async (row) => {
    const { client, node, clock, dialer } = await connectedClient();
    for (const message of row.tells ?? []) node.tell(message);
    await settle();
    const startedAtMs = clock.monotonicMs();
    const call = watch(client.transact({ branches }, { timeoutMs }));
    await answer(node, row, {
      advance: (byMs) => clock.advance(byMs),
      isOver: () => call.state() !== 'waiting',
    });
    expect(call.state()).not.toBe('waiting');
    expect(clock.monotonicMs() - startedAtMs).toBeLessThanOrEqual(timeoutMs + 100);
    if (call.state() === 'resolved') {
      expect(call.value()).toMatchObject({ txid });
      expect(row.ends).toContain(call.value().outcome);
    } else {
      const error = call.error();
      if (!isVerdictError(error)) throw error;
      expect(row.ends).toContain(error.code);
    }
    expect(dialer.dialled.length).toBeLessThan(300);
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it.each(['committed', 'aborted'] as const)(
    'that another transaction %s does not take it for the one it commits, or asks for',
    async (how) => {
      const { client, node } = await connectedClient();
      const beginning = client.begin();
      (await node.next('begin')).reply(begun(txid));
      const transaction = await beginning;
      const committing = watch(transaction.commit({ timeoutMs }));
      (await node.next('commit')).reply(outcome(other, how));
      (await node.next('status')).reply(
        status(txid, how === 'committed' ? 'ABORTED' : 'COMMITTED'),
      );
      await settle();
      expect(committing.value()).toMatchObject({
        txid,
        outcome: how === 'committed' ? 'aborted' : 'committed',
      });
      const asking = watch(client.status(txid));
      (await node.next('status')).reply(status(other, 'COMMITTED'));
      await settle();
      expect(asking.error()).toMatchObject({ code: 'INVALID_MESSAGE' });
      await client.close();
    },
  );

  it('an older epoch than it knows does not go back to the deposed leader', async () => {
    const { client, node } = await connectedClient();
    node.tell({
      type: 'topology',
      leaders: [leaderInfo('a', { revision: 5 })],
      nodes: [{ node: 'a', url: 'ws://a:7070/v1' }],
    });
    node.tell({ type: 'topology', leaders: [leaderInfo('a', { revision: 2 })], nodes: [] });
    const call = client.transact({ branches }, { timeoutMs });
    const asked = await node.next('transact');
    expect(asked.message.epoch).toBe(epochOfRevision(5));
    asked.reply(outcome(txid, 'committed'));
    expect((await call).outcome).toBe('committed');
    await client.close();
  });
});
