import { describe, expect, it } from 'vitest';
import { scoped } from '../../../src/core/scope.ts';
import { makeEpoch, makePosition, positionZero, type Txid } from '../../../src/core/txid.ts';
import { check, type Run } from '../../support/checks/checker.ts';
import type { RecordedCall } from '../../support/clients/history.ts';
import { makeTxid } from '../../support/core/txids.ts';
import type { LoggedRecord } from '../../support/logs/log-contents.ts';
import type { Held } from '../../support/participants/effects.ts';

const epoch = makeEpoch({ generation: 0, revision: 3n });
const txid = (sequence: number): Txid =>
  makeTxid({ shard: 0, epoch, sequence, random: 'a'.repeat(13) });
const [one, two, three, four] = [txid(1), txid(2), txid(3), txid(4)] as const;

const plan = { a: {}, b: {}, c: { vote: 'readonly' } } as const;
const call = (tag: string, more: Partial<RecordedCall>): RecordedCall => ({
  tag,
  plan,
  requestId: null,
  txid: null,
  ended: 'ok',
  code: null,
  retryable: false,
  ...more,
});
const held = (id: Txid, tag: string, more: Partial<Held> = {}): Held => ({
  txid: id,
  branch: 'x',
  prepared: false,
  applied: 1,
  tag,
  ...more,
});
const record = (id: Txid, more: Partial<LoggedRecord> = {}): LoggedRecord => ({
  txid: id,
  outcome: 'commit',
  area: 'finished',
  requestId: null,
  ...more,
});

/**
 * One committed, one aborted, one unknown that committed, one request that committed at its second
 * attempt.
 */
const sound: Run = {
  calls: [
    call('one', { txid: one }),
    call('two', { txid: two, ended: 'fail', code: 'VOTED_ABORT' }),
    call('three', { ended: 'info', code: 'OUTCOME_UNKNOWN' }),
    call('four', { txid: four, requestId: 'r4' }),
  ],
  answers: [{ txid: one, committed: true }],
  log: {
    records: [record(one), record(three), record(four, { requestId: 'r4' })],
    requests: [{ requestId: 'r4', txid: four }],
    floors: [positionZero],
  },
  participants: ['a', 'b'].map((participant) => ({
    participant,
    held: [
      held(one, 'one'),
      held(two, 'two', { applied: 0 }),
      held(three, 'three'),
      held(four, 'four'),
    ],
    journalOpen: [],
  })),
};

function withLog(change: Partial<Run['log']>): Run {
  return { ...sound, log: { ...sound.log, ...change } };
}

/** Twice the same request id, under a window of 5 s. */
function withWindow(second: { readonly client: string; readonly apartMs: number }): Run {
  const records = sound.log.records.map((each) => {
    if (each.txid === one) return { ...each, requestId: scoped('shop', 'r'), atMs: 1_000 };
    if (each.txid !== three) return each;
    return { ...each, requestId: scoped(second.client, 'r'), atMs: 1_000 + second.apartMs };
  });
  return { ...withLog({ records }), requestWindowMs: 5_000 };
}

/** Changes what participant b holds. */
function withHeld(change: (entries: readonly Held[]) => readonly Held[]): Run {
  const participants = sound.participants.map((state) =>
    state.participant === 'b' ? { ...state, held: change(state.held) } : state,
  );
  return { ...sound, participants };
}

const changing =
  (id: Txid, more: Partial<Held>): ((entries: readonly Held[]) => readonly Held[]) =>
  (entries) =>
    entries.map((each) => (each.txid === id ? { ...each, ...more } : each));

describe('the checker', () => {
  it('finds nothing in a sound run', () => {
    expect(check(sound)).toEqual([]);
  });

  it.each([
    ['of two clients', { client: 'till', apartMs: 0 }],
    ['past the window', { client: 'shop', apartMs: 5_001 }],
  ])('lets one request id stand for two requests: %s', (_what, second) => {
    expect(check(withWindow(second))).toEqual([]);
  });

  it.each<[string, Run, RegExp]>([
    [
      'two answers about one txid that differ',
      { ...sound, answers: [{ txid: one, committed: false }] },
      /called committed and aborted/,
    ],
    [
      'a commit that was answered and is not in the log',
      withLog({ records: sound.log.records.filter((each) => each.txid !== one) }),
      /was called committed, the log says aborted/,
    ],
    [
      'an abort that was answered and is a commit in the log',
      withLog({ records: [...sound.log.records, record(two)] }),
      /was called aborted, the log says committed/,
    ],
    [
      'a record left in decisions/',
      withLog({
        records: sound.log.records.map((each) =>
          each.txid === one ? { ...each, area: 'decisions' as const } : each,
        ),
      }),
      /left in decisions/,
    ],
    [
      'two records of one txid',
      withLog({ records: [...sound.log.records, record(one)] }),
      /has two records/,
    ],
    [
      'two commits under one request id',
      withLog({ records: [...sound.log.records, record(two, { requestId: 'r4' })] }),
      /request r4 committed as/,
    ],
    [
      'two commits under one request id of one client, soon after each other',
      withWindow({ client: 'shop', apartMs: 5_000 }),
      /request r of shop committed as/,
    ],
    [
      'a request key that points to no commit',
      withLog({ requests: [...sound.log.requests, { requestId: 'r9', txid: two }] }),
      /which did not commit/,
    ],
    [
      'an ok that one participant has not applied',
      withHeld(changing(one, { applied: 0 })),
      /is ok, and applied/,
    ],
    ['an effect applied twice', withHeld(changing(one, { applied: 2 })), /more than once/],
    ['a fail with an effect', withHeld(changing(two, { applied: 1 })), /failed, and applied/],
    ['an unknown one half done', withHeld(changing(three, { applied: 0 })), /half done/],
    [
      'one request done under two txids',
      withHeld((entries) => [...entries, held(two, 'four')]),
      /had effects as/,
    ],
    [
      'an effect under another txid than was answered',
      {
        ...sound,
        calls: sound.calls.map((each) => (each.tag === 'one' ? { ...each, txid: three } : each)),
      },
      /was applied as/,
    ],
    [
      'an effect of no one’s call that the log does not know',
      withHeld((entries) => [...entries, held(txid(9), 'nobody')]),
      /does not know as committed/,
    ],
    [
      'a commit recorded with the vote of a participant that never had the branch',
      withLog({
        records: sound.log.records.map((each) =>
          each.txid === one
            ? { ...each, branches: [{ branch: 'y', participant: 'b', instance: 'b-1' }] }
            : each,
        ),
      }),
      /recorded with a vote of b\/y, which never had it/,
    ],
    [
      'one transaction applied here and rolled back there',
      withHeld(changing(four, { applied: 0 })),
      /applied .* and b rolled it back/,
    ],
    [
      'a branch left prepared',
      withHeld(changing(two, { prepared: true })),
      /still holds .* prepared/,
    ],
    [
      'a journal that waits for an outcome',
      {
        ...sound,
        participants: sound.participants.map((state) => ({
          ...state,
          journalOpen: [`live/${two}/"x" prepared`],
        })),
      },
      /journal of a still has/,
    ],
  ])('finds %s', (_what, run, violation) => {
    expect(check(run).join('\n')).toMatch(violation);
  });

  it('takes no record below the floor for an abort', () => {
    const floor = makePosition(epoch, 1);
    expect(
      check(
        withLog({
          floors: [floor],
          records: sound.log.records.filter((each) => each.txid !== one),
        }),
      ),
    ).toEqual([]);
  });
});
