/**
 * No record is handed to the log that it does not take: what would become too large is refused, or
 * aborted alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lockName } from '../../../../src/core/locks/names.ts';
import type { DecisionRecord, RecordedBranch } from '../../../../src/core/records.ts';
import {
  branchBytes,
  emptyRecordBytes,
  lockBytes,
} from '../../../../src/core/term/requests/record-size.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';
import { encodeDecision } from '../../../../src/decision-log/etcd/records.ts';
import { a1, b1, TermHarness } from '../../../support/core/term-harness.ts';
import { txidAt } from '../../../support/logs/stores.ts';

const maxRecordBytes = 1_024;
const long = { ...a1, instance: 'i'.repeat(128), sharedResource: 'r'.repeat(128) };
const branches = ['one', 'two', 'three'].map((branch) => ({ participant: 'a', branch }));

describe('a transaction whose record would be too large', () => {
  it('is refused where that is known', () => {
    const h = new TermHarness({ maxRecordBytes });
    h.connect(long);
    const id = h.transact([], { branches });
    expect(h.reply(id)).toMatchObject({ type: 'error', code: 'TOO_LARGE' });
  });

  it('is aborted alone, before its first prepare, where a participant that came has longer names than were guessed', () => {
    const h = new TermHarness({ maxRecordBytes, participantWaitMs: 5_000 });
    const tooLarge = h.transact([], { branches });
    const small = h.transact(['a']);
    const a = h.connect(long);
    expect(h.reply(tooLarge)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'TOO_LARGE', retryable: false },
    });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(small)).toMatchObject({ outcome: 'committed' });
  });

  it('is aborted alone where it becomes so when others have voted', () => {
    const h = new TermHarness({ maxRecordBytes, participantWaitMs: 5_000 });
    const b = h.connect(b1);
    const id = h.transact([], { branches: [...branches, { participant: 'b' }] });
    h.vote(b, 'commit');
    const a = h.connect(long);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'TOO_LARGE' } });
    expect(h.sent(a, 'prepare')).toEqual([]);
    expect(h.sent(b, 'rollback')).toHaveLength(1);
  });

  it('is aborted where another connection took the place of the one that it was measured by', () => {
    const h = new TermHarness({ maxRecordBytes, participantWindow: 1 });
    const a = h.connect(a1);
    h.transact(['a']);
    const waits = h.transact([], { branches });
    h.lose(a);
    const later = h.connect(long, a1);
    h.vote(later, 'abort', { txid: h.world.txids[0] as never });
    expect(h.reply(waits)).toMatchObject({ reason: { code: 'TOO_LARGE' } });
  });

  it('takes no branch more where one enlists itself', () => {
    const h = new TermHarness({ maxRecordBytes });
    const a = h.connect(long);
    const txid = h.begin();
    const replies = branches.map((branch) =>
      h.reply(h.ask({ type: 'enlist', txid, ...branch }, { as: a })),
    );
    expect(replies.map((reply) => reply?.type)).toEqual(['enlisted', 'enlisted', 'error']);
  });
});

it('is bounded by what its parts are counted with, whatever they are named', () => {
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
  const owner = fc.record({ instance: name, sharedResource: fc.option(name) });
  const parts = fc.record({
    branches: fc.array(fc.record({ branch: name, participant: name, owner }), { maxLength: 6 }),
    requestId: fc.option(name),
    hash: fc.string({ unit: fc.constantFrom('0', 'f'), minLength: 64, maxLength: 64 }),
    group: name,
    exclusive: fc.uniqueArray(name, { maxLength: 5 }),
    shared: fc.uniqueArray(name, { maxLength: 5 }),
    atMs: fc.double({ min: 0, max: 1e14, noNaN: true }),
  });
  const state = new TermHarness().world.term as never;
  fc.assert(
    fc.property(parts, (given) => {
      const { group, exclusive, shared, requestId } = given;
      const wants = [
        ...exclusive.map((key) => ({ key: lockName(group, key), mode: 'exclusive' as const })),
        ...shared.map((key) => ({ key: lockName(group, key), mode: 'shared' as const })),
      ];
      const record: DecisionRecord = {
        txid: txidAt(makeEpoch({ generation: 9, revision: 99n }), 7),
        outcome: 'commit',
        branches: given.branches.map(
          ({ branch, participant, owner: { instance, sharedResource } }): RecordedBranch => ({
            branch,
            participant,
            instance,
            ...(sharedResource === null ? {} : { sharedResource }),
          }),
        ),
        ...(requestId === null ? {} : { requestId, requestHash: given.hash }),
        ...(wants.length === 0 ? {} : { locks: { group, exclusive, shared } }),
        atMs: given.atMs,
      };
      const bound = given.branches.reduce(
        (bytes, branch) => bytes + branchBytes(state, branch, branch.owner),
        emptyRecordBytes(requestId) + lockBytes(wants),
      );
      expect(encodeDecision(record).length).toBeLessThanOrEqual(bound);
    }),
    { numRuns: 50 },
  );
});
