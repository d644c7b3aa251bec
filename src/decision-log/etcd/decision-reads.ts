/**
 * Readings of the same turn share a transaction: after an outage thousands of doubts are read for
 * one participant, and each would cost etcd a request.
 *
 * Only those for one asker: whether it was retired is read in the same step. And only those that
 * were asked before the transaction leaves (!): one under way may have passed what is asked later.
 */
import { type Member, retirementsOf } from '../../core/retired.ts';
import { positionZero, shardOf, type Txid } from '../../core/txid.ts';
import { recordRead } from '../state.ts';
import { observe } from './leader-key.ts';
import { metaOf } from './meta.ts';
import { assertPart } from './part.ts';
import { assertNotSetBack } from './quarantine.ts';
import type { EtcdReading } from './reading.ts';
import { decodeDecision, decodeFinished, decodePosition } from './records.ts';
import { found, get, type Op, type TxnResult } from './requests.ts';
import type { EtcdStore } from './store.ts';

/** As many as one connection has read at once; of the largest records by default, 512 KiB. */
const maxTxids = 32;

interface Waiting {
  readonly txid: Txid;
  readonly answer: PromiseWithResolvers<EtcdReading>;
}

interface Batch {
  readonly shard: number;
  readonly asker: Member | undefined;
  readonly waiting: Waiting[];
}

export class DecisionReads {
  readonly #store: EtcdStore;
  readonly #batches = new Map<string, Batch>();

  constructor(store: EtcdStore) {
    this.#store = store;
  }

  read({ txid, asker }: { readonly txid: Txid; readonly asker?: Member }): Promise<EtcdReading> {
    const shard = shardOf(txid);
    const key = JSON.stringify([shard, asker?.participant, asker?.instance, asker?.sharedResource]);
    let batch = this.#batches.get(key);
    if (batch === undefined) {
      const begun = { shard, asker, waiting: [] };
      batch = begun;
      this.#batches.set(key, begun);
      queueMicrotask(() => this.#send(key, begun));
    }
    const answer = Promise.withResolvers<EtcdReading>();
    batch.waiting.push({ txid, answer });
    // Full: what comes now begins another.
    if (batch.waiting.length === maxTxids) this.#batches.delete(key);
    return answer.promise;
  }

  #send(key: string, batch: Batch): void {
    if (this.#batches.get(key) === batch) this.#batches.delete(key);
    void this.#read(batch);
  }

  async #read(batch: Batch): Promise<void> {
    const { waiting } = batch;
    let result: TxnResult;
    try {
      result = await this.#store.insist({ success: this.#ops(batch) }, { operation: 'read' });
    } catch (error) {
      for (const { answer } of waiting) answer.reject(error);
      return;
    }
    for (const [index, { answer }] of waiting.entries()) {
      try {
        answer.resolve(this.#interpret(batch, result, index));
      } catch (error) {
        // Its record cannot be read; those of the others may.
        answer.reject(error);
      }
    }
  }

  #ops({ shard, asker, waiting }: Batch): Op[] {
    const { keys } = this.#store;
    const own = keys.shard(shard);
    return [
      ...waiting.flatMap(({ txid }) => [get(own.decision(txid)), get(own.finishedRecord(txid))]),
      get(own.floor),
      get(own.leader),
      get(keys.meta),
      ...(asker === undefined ? [] : retirementsOf(asker)).map((one) => get(keys.retiredOne(one))),
    ];
  }

  #interpret({ shard, asker, waiting }: Batch, result: TxnResult, index: number): EtcdReading {
    const { responses, header } = result;
    const shared = 2 * waiting.length;
    const decision = found(responses, 2 * index);
    const finished = found(responses, 2 * index + 1);
    const floor = found(responses, shared);
    const leader = observe(shard, found(responses, shared + 1));
    const meta = metaOf(found(responses, shared + 2));
    // Of the etcd of other shards the absence says nothing (!).
    assertPart(this.#store, meta);
    const seen = { generation: meta.generation, revision: header.revision };
    const store = this.#store;
    store.guard(() => {
      store.witness.adoptGeneration(seen);
      assertNotSetBack(meta);
    });
    const retired = responses.slice(shared + 3);
    return {
      leader,
      meta,
      reading: {
        record: recordRead(
          decision && decodeDecision(decision.value),
          finished && decodeFinished(finished.value),
        ),
        floor: floor === null ? positionZero : decodePosition(floor.value),
        leader: leader?.info ?? null,
        witness: seen,
        ...(asker === undefined
          ? {}
          : { retired: retired.some((_, at) => found(retired, at) !== null) }),
      },
    };
  }
}
