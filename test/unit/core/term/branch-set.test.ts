/** A transaction's branches, few and many; and what a transaction in flight takes at its leader. */
import { describe, expect, it } from 'vitest';
import { coordinatorOptions } from '../../../../src/core/coordinator-options.ts';
import { type Branch, newBranch } from '../../../../src/core/term/branch.ts';
import { BranchSet } from '../../../../src/core/term/branch-set.ts';
import { Term } from '../../../../src/core/term/term.ts';
import { newTransaction } from '../../../../src/core/transaction.ts';
import { makeEpoch, randomDigits, type Txid } from '../../../../src/core/txid.ts';
import { makeTxid } from '../../../support/core/txids.ts';
import { heldBytes } from '../../../support/process/held-bytes.ts';

const epoch = makeEpoch({ generation: 0, revision: 50n });
const random = '0'.repeat(randomDigits);
const participants = ['inventory', 'payment', 'order'];
const count = 5_000;
const maxBytes = 1_536;
const rounds = 3;

describe('the branches of a transaction', () => {
  it.each([0, 1, 7, 8, 9, 100])('are found by name and in their order, of %i', (size) => {
    const transaction = newTransaction(makeTxid({ shard: 0, epoch, sequence: 1, random }), {
      nowMs: 0,
      timeoutMs: 1,
      labels: null,
      owner: null,
      origin: null,
      request: null,
      lockGroup: null,
      asked: null,
      recovered: false,
    });
    const branches = new BranchSet();
    const all: Branch[] = [];
    for (let index = 0; index < size; index += 1) {
      const branch = newBranch(transaction, { participant: 'a', branch: `b${index}` }, null);
      expect(branches.get(branch.branch)).toBeUndefined();
      branches.add(branch);
      all.push(branch);
      expect(branches.size).toBe(all.length);
      expect(branches.values()).toEqual(all);
      for (const each of all) expect(branches.get(each.branch)).toBe(each);
    }
    expect(branches.get('other')).toBeUndefined();
  });
});

describe('a transaction in flight', () => {
  it(`takes at most ${maxBytes} bytes at its leader, with ${participants.length} branches and small payloads`, () => {
    // What the engine compiles meanwhile comes on top, once or twice.
    const bytes = Math.min(...Array.from({ length: rounds }, () => bytesOfEach()));
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(maxBytes);
  });
});

function bytesOfEach(): number {
  const term = leader();
  // What is made once for all is there then.
  begin(term, 10);
  const before = heldBytes();
  begin(term, count);
  const bytes = (heldBytes() - before) / count;
  expect(term.size).toBe(count + 10);
  return bytes;
}

function leader(): Term {
  let issued = 0;
  return new Term({
    shard: 0,
    shards: 1,
    epoch,
    leader: { shard: 0, epoch, node: 'n1', url: 'ws://n1' },
    witness: { generation: 0, revision: '100' },
    requestWindowMs: 120_000,
    options: coordinatorOptions({}),
    fraction: () => 0.5,
    shareOf: () => 'share',
    randomPart: () => (issued++).toString(36).padStart(randomDigits, '0'),
    wallMs: () => 0,
    debug: false,
    nowMs: 1_000.5,
  });
}

/** As its messages come over the wire: each with texts and payloads of its own. */
function begin(term: Term, transactions: number): void {
  const from = {
    connection: 1,
    participant: null,
    origin: { address: '127.0.0.1', name: 'shop' },
    client: { name: 'shop', instance: 'one' },
  };
  for (let id = 0; id < transactions; id += 1) {
    const nowMs = 1_001 + id / 3;
    term.step(
      {
        type: 'message',
        from,
        message: { type: 'begin', id, timeoutMs: 60_000 },
        requestHash: null,
      },
      nowMs,
    );
    const [effect] = term.drain();
    if (effect?.type !== 'send' || effect.message.type !== 'begun') throw new Error('Not begun.');
    const { txid } = effect.message;
    // Who sends it makes one text of its pieces.
    JSON.stringify(effect.message);
    for (const message of participants.map((participant) => enlist(id, txid, participant))) {
      term.step({ type: 'message', from, message, requestHash: null }, nowMs);
    }
    for (const answer of term.drain()) {
      expect(answer).toMatchObject({ message: { type: 'enlisted' } });
    }
  }
}

function enlist(id: number, txid: Txid, participant: string) {
  const payload = JSON.parse('{"amount":1,"key":"abc"}') as unknown;
  return { type: 'enlist', id, txid, participant, payload } as const;
}
