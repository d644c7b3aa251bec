/**
 * Group commit: decisions that come while writes are in flight gather, and one transaction carries
 * them. A decision waits here and nowhere else between its last vote and the write.
 *
 * - Bounds: `maxBatch` decisions or `maxBatchBytes` in a transaction, `maxInFlight` transactions.
 *   What waits is bounded by `maxTransactions` of the leader.
 * - No added delay: with fewer than `maxInFlight` writes in flight, what came in one turn leaves at
 *   its end.
 * - A batch is answered when it is durable, and fails, by itself. Batches end in any order.
 * - Etcd evaluates the nested compares of a transaction before it applies any, and takes no key
 *   twice: it refuses a batch with two decisions of one request id. In two batches in flight
 *   together either may come first. So a decision waits while one that shares its txid or its
 *   request id is in flight: the first to come is the first to be written.
 */
import type { DecideResult } from '../../core/records.ts';
import type { PreparedDecision } from './decide.ts';

export const maxBatch = 64;
export const maxInFlight = 4;
/** Etcd refuses requests of more than 1.5 MB. */
const maxBatchBytes = 512 * 1024;

interface Waiting {
  readonly decision: PreparedDecision;
  readonly resolve: (result: DecideResult) => void;
  readonly reject: (error: unknown) => void;
}

export class DecisionBatches {
  /** Writes one batch; results in order. Rejects at once after the leadership. */
  readonly #send: (batch: readonly PreparedDecision[]) => Promise<readonly DecideResult[]>;
  #queue: Waiting[] = [];
  readonly #busy = new Set<string>();
  #inFlight = 0;
  #pumping = false;

  constructor(send: (batch: readonly PreparedDecision[]) => Promise<readonly DecideResult[]>) {
    this.#send = send;
  }

  add(decision: PreparedDecision): Promise<DecideResult> {
    const { promise, resolve, reject } = Promise.withResolvers<DecideResult>();
    this.#queue.push({ decision, resolve, reject });
    if (!this.#pumping) {
      this.#pumping = true;
      queueMicrotask(() => this.#pump());
    }
    return promise;
  }

  #pump(): void {
    this.#pumping = false;
    while (this.#inFlight < maxInFlight) {
      const batch = this.#take();
      if (batch.length === 0) return;
      void this.#write(batch);
    }
  }

  #take(): readonly Waiting[] {
    const batch: Waiting[] = [];
    const heldBack: Waiting[] = [];
    const taken = new Set(this.#busy);
    let bytes = 0;
    let index = 0;
    for (; index < this.#queue.length && batch.length < maxBatch; index += 1) {
      const waiting = this.#queue[index];
      if (waiting === undefined) break;
      const names = namesOf(waiting.decision);
      const free = names.every((name) => !taken.has(name));
      // Taken also where it is held back: what comes after it and shares a name stays behind it.
      for (const name of names) taken.add(name);
      if (!free) {
        heldBack.push(waiting);
        continue;
      }
      if (batch.length > 0 && bytes + waiting.decision.bytes > maxBatchBytes) break;
      bytes += waiting.decision.bytes;
      batch.push(waiting);
    }
    if (batch.length > 0) this.#queue = [...heldBack, ...this.#queue.slice(index)];
    return batch;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const names = batch.flatMap(({ decision }) => namesOf(decision));
    for (const name of names) this.#busy.add(name);
    this.#inFlight += 1;
    try {
      const results = await this.#send(batch.map(({ decision }) => decision));
      for (const [index, waiting] of batch.entries()) {
        const result = results[index];
        if (result === undefined) throw new Error('The batch has fewer results than decisions.');
        waiting.resolve(result);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#inFlight -= 1;
      for (const name of names) this.#busy.delete(name);
    }
    this.#pump();
  }
}

function namesOf({ write }: PreparedDecision): readonly string[] {
  const { txid, requestId } = write.record;
  return requestId === undefined ? [`t${txid}`] : [`t${txid}`, `r${requestId}`];
}
