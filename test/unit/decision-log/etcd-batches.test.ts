import { describe, expect, it } from 'vitest';
import { makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { DecisionBatches, maxBatch, maxInFlight } from '../../../src/decision-log/etcd/batches.ts';
import { type PreparedDecision, prepareDecision } from '../../../src/decision-log/etcd/decide.ts';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import { commitOf, txidAt } from '../../support/logs/stores.ts';
import { settle } from '../../support/samples/manual-clock.ts';

const keys = new EtcdKeys('test').shard(0);
const epoch = makeEpoch({ generation: 0, revision: 7n });
const decision = (sequence: number, requestId?: string): PreparedDecision =>
  prepareDecision(
    keys,
    commitOf(txidAt(epoch, sequence), requestId === undefined ? {} : { requestId }),
    0,
  );

/** Batches that stay in flight until they are told to end. */
function harness() {
  const sent: { readonly txids: readonly Txid[]; end(): void; fail(error: Error): void }[] = [];
  const batches = new DecisionBatches((batch) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly { type: 'written' }[]>();
    sent.push({
      txids: batch.map(({ write }) => write.record.txid),
      end: () => resolve(batch.map(() => ({ type: 'written' }))),
      fail: reject,
    });
    return promise;
  });
  const sequences = () =>
    sent.map(({ txids }) => txids.map((txid) => Number.parseInt(txid.split('.')[2] ?? '', 36)));
  return { batches, sent, sequences };
}

describe('batches of decisions', () => {
  it('send at once what came in one turn', async () => {
    const { batches, sequences } = harness();
    void batches.add(decision(1));
    void batches.add(decision(2));
    await settle();
    expect(sequences()).toEqual([[1, 2]]);
    void batches.add(decision(3));
    await settle();
    expect(sequences()).toEqual([[1, 2], [3]]);
  });

  it('gather while as many as may be are in flight', async () => {
    const { batches, sent, sequences } = harness();
    for (let turn = 1; turn <= maxInFlight + 3; turn += 1) {
      void batches.add(decision(turn));
      await settle();
    }
    expect(sequences()).toEqual([[1], [2], [3], [4]]);
    sent[1]?.end();
    await settle();
    expect(sequences().at(-1)).toEqual([5, 6, 7]);
  });

  it('hold no more than fits, by number and by bytes', async () => {
    const { batches, sequences } = harness();
    for (let index = 1; index <= maxBatch + 1; index += 1) void batches.add(decision(index));
    await settle();
    expect(sequences().map((batch) => batch.length)).toEqual([maxBatch, 1]);

    const large = harness();
    for (let index = 1; index <= 5; index += 1) {
      void large.batches.add({ ...decision(index), bytes: 200 * 1024 });
    }
    await settle();
    expect(large.sequences()).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('keep two of one request apart and in order, and let others pass', async () => {
    const { batches, sent, sequences } = harness();
    void batches.add(decision(1, 'r'));
    void batches.add(decision(2, 'r'));
    void batches.add(decision(3, 's'));
    void batches.add(decision(4, 'r'));
    await settle();
    expect(sequences()).toEqual([[1, 3]]);
    sent[0]?.end();
    await settle();
    expect(sequences()).toEqual([[1, 3], [2]]);
    sent[1]?.end();
    await settle();
    expect(sequences()).toEqual([[1, 3], [2], [4]]);
  });

  it('keep two of one transaction apart', async () => {
    const { batches, sent, sequences } = harness();
    void batches.add(decision(1));
    void batches.add(decision(1));
    await settle();
    expect(sequences()).toEqual([[1]]);
    sent[0]?.end();
    await settle();
    expect(sequences()).toEqual([[1], [1]]);
  });

  it('that fail tell each of theirs, and the next ones go on', async () => {
    const { batches, sent, sequences } = harness();
    const told = [decision(1), decision(2)].map((one) => batches.add(one));
    const [first, second] = told;
    await settle();
    void batches.add(decision(2));
    sent[0]?.fail(new Error('over'));
    await expect(first).rejects.toThrow('over');
    await expect(second).rejects.toThrow('over');
    await settle();
    expect(sequences()).toEqual([[1, 2], [2]]);
  });

  it('a record that is too large is refused before anything is sent', () => {
    const write = commitOf(txidAt(epoch, 1));
    const branches = Array.from({ length: 2_000 }, (_, index) => ({
      branch: `branch ${index}`,
      participant: 'p',
      instance: 'i',
    }));
    const large = { ...write, record: { ...write.record, branches } };
    expect(() => prepareDecision(keys, large, 0)).toThrow(/at most 65536/);
  });
});
