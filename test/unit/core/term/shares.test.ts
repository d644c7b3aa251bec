/** One peer floods a term; what others can still do, and that all of it comes back. */
import { describe, expect, it } from 'vitest';
import {
  type CoordinatorOptions,
  coordinatorOptions,
} from '../../../../src/core/coordinator-options.ts';
import type { ErrorMessage, FromNode } from '../../../../src/core/messages.ts';
import type { TermRequest } from '../../../../src/core/term/events.ts';
import { Term } from '../../../../src/core/term/term.ts';
import { makeEpoch, randomDigits, type Txid } from '../../../../src/core/txid.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });
const witness = { generation: 0, revision: '1' };
const megabyte = 'x'.repeat(1_000_000);
const [mallory, good, evil] = [1, 2, 3];

class Flooded {
  readonly term: Term;
  #id = 0;
  #nowMs = 0;

  constructor(options: Partial<CoordinatorOptions>) {
    this.term = new Term({
      shard: 0,
      shards: 1,
      epoch,
      leader: { shard: 0, epoch, node: 'n', url: 'ws://n' },
      witness,
      requestWindowMs: 120_000,
      options: coordinatorOptions(options),
      fraction: () => 0.5,
      shareOf: () => 'share-1',
      randomPart: () => String(this.#id).padStart(randomDigits, '0'),
      wallMs: () => 0,
      debug: false,
      nowMs: 0,
    });
    for (const type of ['scan-started', 'scan-ended'] as const) this.term.step({ type }, 0);
    this.term.step(
      {
        type: 'participant-connected',
        connection: evil,
        participant: 'evil',
        instance: 'e',
        sharedResource: null,
        process: null,
      },
      0,
    );
  }

  /** What the term sends because of it. */
  say(connection: number, message: object): FromNode[] {
    this.#id += 1;
    const name = ['', 'mallory', 'good', 'evil'][connection] ?? '';
    this.term.step(
      {
        type: 'message',
        from: {
          connection,
          participant: connection === evil ? { name, instance: 'e' } : null,
          origin: { address: '10.0.0.1', name },
        },
        message: { id: this.#id, ...message } as unknown as TermRequest,
        requestHash: 'hash',
      },
      this.#nowMs,
    );
    return this.drain();
  }

  advance(ms: number): FromNode[] {
    this.#nowMs += ms;
    this.term.step({ type: 'wake' }, this.#nowMs);
    return this.drain();
  }

  /** The log makes every commit durable, and every record moves, at once. */
  drain(): FromNode[] {
    const sent: FromNode[] = [];
    for (let effects = this.term.drain(); effects.length > 0; effects = this.term.drain()) {
      for (const effect of effects) {
        if (effect.type === 'send') sent.push(effect.message);
        else if (effect.type === 'finish') {
          this.term.step({ type: 'finished', txids: [effect.txid] }, this.#nowMs);
        } else if (effect.type === 'decide') {
          const { txid } = effect.write.record;
          this.term.step(
            { type: 'decided', txid, result: { type: 'written' }, witness },
            this.#nowMs,
          );
        } else if (effect.type === 'read-request') {
          const { token } = effect;
          this.term.step({ type: 'request-read', token, entry: null, certain: true }, this.#nowMs);
        }
      }
    }
    return sent;
  }

  begin(connection: number): Txid | ErrorMessage {
    const [reply] = this.say(connection, { type: 'begin', timeoutMs: 60_000 });
    return reply?.type === 'begun' ? reply.txid : (reply as ErrorMessage);
  }

  /** Prepared by the evil participant, whose vote brings so much. */
  voted(requestId: string, vote: object): FromNode[] {
    const branches = [{ participant: 'evil' }];
    const prepare = this.say(mallory, { type: 'transact', requestId, branches }).find(
      ({ type }) => type === 'prepare',
    );
    if (prepare?.type !== 'prepare') throw new Error(`No prepare for ${requestId}.`);
    return this.say(evil, { type: 'vote', txid: prepare.txid, branch: 'evil', ...vote });
  }
}

describe('a list', () => {
  it('ends a page where labels and details are a megabyte, and says so', () => {
    const flooded = new Flooded({});
    for (let index = 0; index < 5; index += 1) {
      flooded.voted(`d${index}`, { vote: 'abort', reason: { message: 'no', detail: megabyte } });
    }
    const listing = flooded.term.list({ limit: 1_000 });
    expect(listing).toMatchObject({
      transactions: [{ reason: { detail: megabyte } }],
      truncated: true,
    });
    expect(flooded.term.list({ attention: true })).toEqual({ transactions: [], truncated: false });
  });
});

describe('one peer that takes all it can get', () => {
  it('of the transactions leaves some to others, and all of them when it is over', () => {
    const flooded = new Flooded({ maxTransactions: 1_000 });
    const begun: Txid[] = [];
    let refusal: ErrorMessage | null = null;
    while (refusal === null) {
      const reply = flooded.begin(mallory);
      if (typeof reply === 'string') begun.push(reply);
      else refusal = reply;
    }
    expect(begun.length).toBeLessThan(1_000);
    expect(refusal).toMatchObject({ code: 'BUSY', retryable: true, retryAfterMs: 250 });
    for (let index = 0; index < 20; index += 1)
      expect(flooded.begin(good)).toEqual(expect.any(String));
    for (const txid of begun) flooded.say(mallory, { type: 'rollback', txid });
    expect(flooded.begin(mallory)).toEqual(expect.any(String));
  });

  it('of the request ids leaves some to others, and all of them after the window', () => {
    const flooded = new Flooded({ maxRequests: 500, maxTransactions: 10_000 });
    const ask = (connection: number, requestId: string) =>
      flooded.say(connection, {
        type: 'transact',
        requestId,
        branches: [{ participant: 'nobody' }],
      });
    let taken = 0;
    for (; taken < 500; taken += 1) {
      const [reply] = ask(mallory, `m${taken}`);
      if (reply?.type === 'error') break;
    }
    expect(taken).toBeLessThan(500);
    expect(taken).toBeGreaterThan(200);
    expect(ask(good, 'g').filter(({ type }) => type === 'error')).toEqual([]);
    flooded.advance(60_000);
    flooded.advance(200_000);
    flooded.term.step({ type: 'tick', requestCount: 0, witness }, 500_000);
    expect(ask(mallory, 'again').filter(({ type }) => type === 'error')).toEqual([]);
  });

  it('of the bytes, by payloads, is refused what is more than its share', () => {
    const flooded = new Flooded({ maxHeldBytes: 20_000_000 });
    const enlist = (connection: number, txid: Txid, branch: number) =>
      flooded.say(connection, {
        type: 'enlist',
        txid,
        participant: 'nobody',
        branch: `b${branch}`,
        payload: megabyte,
      })[0];
    const txid = flooded.begin(mallory) as Txid;
    let taken = 0;
    while (enlist(mallory, txid, taken)?.type === 'enlisted') taken += 1;
    expect(taken).toBeGreaterThan(5);
    expect(taken).toBeLessThan(20);
    expect(enlist(mallory, txid, 99)).toMatchObject({ type: 'error', code: 'BUSY', txid });
    const other = flooded.begin(good) as Txid;
    expect(enlist(good, other, 0)).toMatchObject({ type: 'enlisted' });
    flooded.say(mallory, { type: 'rollback', txid });
    const next = flooded.begin(mallory) as Txid;
    expect(enlist(mallory, next, 0)).toMatchObject({ type: 'enlisted' });
    expect(
      flooded.say(mallory, {
        type: 'transact',
        branches: Array.from({ length: 20 }, (_each, index) => ({
          participant: 'nobody',
          branch: `b${index}`,
          payload: megabyte,
        })),
      }),
    ).toMatchObject([{ type: 'error', code: 'BUSY' }]);
  });

  it('of the bytes, by results and details, is told the outcome without them, and what ended is kept in bounds', () => {
    const flooded = new Flooded({ maxHeldBytes: 20_000_000 });
    for (let index = 0; index < 100; index += 1) {
      const sent = flooded.voted(`r${index}`, { vote: 'readonly', result: megabyte });
      expect(sent).toMatchObject([{ type: 'outcome', results: { evil: megabyte } }, {}]);
      const aborted = flooded.voted(`d${index}`, {
        vote: 'abort',
        reason: { message: 'no', detail: megabyte },
      });
      expect(aborted).toMatchObject([{ outcome: 'aborted', reason: { detail: megabyte } }]);
    }
    const status = (txid: Txid) => flooded.say(mallory, { type: 'status', txid })[0];
    const listed = flooded.term.list({ state: 'ABORTED', limit: 1_000 });
    const [newest] = listed.transactions;
    expect(newest && status(newest.txid)).toMatchObject({ reason: { detail: megabyte } });
    const oldest = listed.transactions.at(-1);
    expect(oldest && status(oldest.txid)).toMatchObject({ reason: { code: 'VOTED_ABORT' } });
    const again = (requestId: string) =>
      flooded.say(mallory, { type: 'transact', requestId, branches: [{ participant: 'evil' }] })[0];
    expect(again('r0')).toMatchObject({ outcome: 'committed', results: null });
    expect(again('r99')).toMatchObject({ outcome: 'committed', results: { evil: megabyte } });
    const first = again('d0');
    expect(first).toMatchObject({ outcome: 'aborted', reason: { code: 'VOTED_ABORT' } });
    expect(first?.type === 'outcome' && first.reason?.detail).toBeUndefined();

    const small = new Flooded({ maxHeldBytes: 500_000 });
    const [outcome] = small.voted('r', { vote: 'readonly', result: megabyte });
    expect(outcome).toMatchObject({ outcome: 'committed', results: null });
    const [abort] = small.voted('d', {
      vote: 'abort',
      reason: { message: 'no', detail: megabyte },
    });
    expect(abort?.type === 'outcome' && abort.reason).toStrictEqual(
      expect.not.objectContaining({ detail: megabyte }),
    );
  });
});
