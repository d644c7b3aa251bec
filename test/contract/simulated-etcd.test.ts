/**
 * The etcd of the simulation against a real one: the same requests, drawn at random over a few keys, must be answered
 * alike, or the simulation proves things about an etcd that there is not.
 */
import type { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcd3Client } from '../../src/decision-log/etcd/client.ts';
import {
  absent,
  type Compare,
  countRange,
  get,
  getRange,
  type KeyValue,
  modIs,
  nested,
  noneIn,
  noneNewerIn,
  type Op,
  type OpResult,
  put,
  putUnderLease,
  remove,
  removeRange,
  type Txn,
  type TxnResult,
  valueBelow,
  valueIs,
} from '../../src/decision-log/etcd/requests.ts';
import { writesTwice } from '../simulation/etcd/overlap.ts';
import { EtcdState } from '../simulation/etcd/state.ts';
import { Chance } from '../simulation/world/chance.ts';
import { etcdsToTest, etcdVersion, TestEtcd } from '../support/etcd.ts';
import { realClock } from '../support/stores.ts';

const etcds = await etcdsToTest();
const sequences = 20;
const requestsEach = 150;
const keysMax = 6;
const key = (name: string): Buffer => Buffer.from(`/twice/${name}`);
const value: Buffer = Buffer.from('x');

describe.skipIf(etcds.length === 0).each(etcds)('the simulated etcd and $etcd', (programs) => {
  let etcd: TestEtcd;
  let real: Etcd3;
  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
    real = etcd3Client({ endpoints: etcd.endpoints, clock: realClock }, etcd.endpoints[0] ?? '');
  });
  afterAll(async () => {
    real.close();
    await etcd.dispose();
  });

  it(`answer ${sequences * requestsEach} random requests alike (etcd ${etcdVersion(programs)})`, async () => {
    const kinds = { succeeded: 0, failed: 0, refused: 0 };
    for (let seed = 1; seed <= sequences; seed += 1) {
      const draw = new Requests(new Chance(seed, 'requests'), `/${seed}/`);
      const state = new EtcdState();
      const { header } = await real.kv.range({ key: Buffer.from('/') });
      const offset = Number(header.revision) - state.revision;
      for (let count = 0; count < requestsEach; count += 1) {
        const request = draw.next(state.revision);
        // Here the simulated one is the stricter: it looks at branches that cannot both be taken.
        if (writesTwice(request)) continue;
        const simulated = answerOf(() => state.txn(request, () => false).result, 0);
        const answered = await real.kv.txn(shifted(request, offset)).then(
          (result) => answerOf(() => result, offset),
          (error: unknown) => ({ refused: reasonOf(error) }),
        );
        expect(simulated, `request ${count} of seed ${seed}: ${JSON.stringify(request)}`).toEqual(
          answered,
        );
        if ('refused' in simulated) kinds.refused += 1;
        else kinds[simulated.succeeded ? 'succeeded' : 'failed'] += 1;
      }
    }
    // Narrow inputs would prove little.
    expect(kinds.succeeded).toBeGreaterThan(100);
    expect(kinds.failed).toBeGreaterThan(100);
    expect(kinds.refused).toBeGreaterThan(10);
  });

  it.each([
    ['two puts', [put(key('a'), value), put(key('a'), value)]],
    ['a put and a delete', [put(key('a'), value), remove(key('a'))]],
    ['a put and a nested put', [put(key('a'), value), nested({ success: [put(key('a'), value)] })]],
    [
      'puts of two nested ones',
      [nested({ success: [put(key('a'), value)] }), nested({ success: [put(key('a'), value)] })],
    ],
  ])('refuse %s of one key, and apply nothing', async (_name, success) => {
    const state = new EtcdState();
    const simulated = answerOf(() => state.txn({ success }, () => false).result, 0);
    const answered = await real.kv.txn({ success }).then(
      () => ({ taken: true }),
      (error: unknown) => ({ refused: reasonOf(error) }),
    );
    expect(simulated).toEqual({ refused: 'duplicate key' });
    expect(answered).toEqual(simulated);
    const { kvs } = await real.kv.range({ key: key('a') });
    expect(kvs).toEqual([]);
    expect(state.get(key('a').toString('latin1'))).toBeNull();
  });
});

/** Requests over few keys, so that they meet each other. */
class Requests {
  readonly #chance: Chance;
  readonly #prefix: string;

  constructor(chance: Chance, prefix: string) {
    this.#chance = chance;
    this.#prefix = prefix;
  }

  next(revision: number): Txn {
    return this.#txn(revision, 2);
  }

  #txn(revision: number, depth: number): Txn {
    const chance = this.#chance;
    const list = <T>(most: number, one: () => T): T[] =>
      Array.from({ length: chance.whole(0, most) }, one);
    return {
      compare: list(2, () => this.#compare(revision)),
      success: list(4, () => this.#operation(revision, depth)),
      failure: list(2, () => this.#operation(revision, depth)),
    };
  }

  #compare(revision: number): Compare {
    const chance = this.#chance;
    const recent = String(Math.max(0, revision - chance.whole(0, 8)));
    return chance.pick([
      () => absent(this.#key()),
      () => noneIn(this.#range()),
      () => modIs(this.#key(), recent),
      () => noneNewerIn(this.#range(), recent),
      () => valueIs(this.#key(), this.#value()),
      () => valueBelow(this.#key(), this.#value()),
    ])();
  }

  #operation(revision: number, depth: number): Op {
    const chance = this.#chance;
    if (depth > 0 && chance.happens(0.25)) return nested(this.#txn(revision, depth - 1));
    return chance.pick([
      () => put(this.#key(), this.#value()),
      () => put(this.#key(), this.#value()),
      () => get(this.#key()),
      () => getRange(this.#range(), chance.whole(0, 3)),
      () => countRange(this.#range()),
      () => remove(this.#key()),
      () => (chance.happens(0.5) ? removeRange(this.#range()) : get(this.#key())),
      () =>
        chance.happens(0.1) ? putUnderLease(this.#key(), this.#value(), '12345') : get(this.#key()),
    ])();
  }

  #key(): Buffer {
    return Buffer.from(`${this.#prefix}${this.#chance.whole(1, keysMax)}`);
  }

  #range(): { key: Buffer; range_end: Buffer } {
    const from = this.#chance.whole(1, keysMax);
    const to = this.#chance.whole(from, keysMax + 1);
    const end = to > keysMax ? `${this.#prefix}~` : `${this.#prefix}${to}\u0000`;
    return { key: Buffer.from(`${this.#prefix}${from}`), range_end: Buffer.from(end) };
  }

  #value(): Buffer {
    return Buffer.from(this.#chance.pick(['', 'a', 'aa', 'b', 'ba', '\u00ff']));
  }
}

type Answer = {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly responses: unknown[];
};

function answerOf(run: () => TxnResult, offset: number): Answer | { readonly refused: string } {
  try {
    return plain(run(), offset);
  } catch (error) {
    return { refused: reasonOf(error) };
  }
}

/** Both name a reason that begins alike. */
function reasonOf(error: unknown): string {
  const found = /duplicate key|lease not found|too many operations/.exec(String(error));
  if (found === null) throw error;
  return found[0];
}

function plain({ succeeded, header, responses }: TxnResult, offset: number): Answer {
  return {
    succeeded,
    revision: Number(header.revision) - offset,
    responses: responses.map((response) => plainResponse(response, offset)),
  };
}

function plainResponse(response: OpResult, offset: number): unknown {
  const { response_range: range, response_delete_range: removed, response_txn: txn } = response;
  if (range) {
    const { kvs, more, count } = range;
    return { kvs: kvs.map((kv) => plainKeyValue(kv, offset)), more, count };
  }
  if (removed) return { deleted: Number(removed.deleted) };
  if (txn) {
    const { succeeded, responses } = txn;
    return { succeeded, responses: responses.map((each) => plainResponse(each, offset)) };
  }
  return 'put';
}

function plainKeyValue(kv: KeyValue, offset: number): unknown {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    created: Number(kv.create_revision) - offset,
    changed: Number(kv.mod_revision) - offset,
    version: Number(kv.version),
    lease: kv.lease,
  };
}

/** The real one's revisions began elsewhere. */
function shifted(request: Txn, offset: number): Txn {
  return {
    compare: (request.compare ?? []).map((compare) =>
      // 0 stands for a key that is not there.
      compare.mod_revision === undefined || compare.mod_revision === '0'
        ? compare
        : { ...compare, mod_revision: String(Number(compare.mod_revision) + offset) },
    ),
    success: (request.success ?? []).map((op) => shiftedOp(op, offset)),
    failure: (request.failure ?? []).map((op) => shiftedOp(op, offset)),
  };
}

function shiftedOp(op: Op, offset: number): Op {
  return op.request_txn === undefined ? op : { request_txn: shifted(op.request_txn, offset) };
}
