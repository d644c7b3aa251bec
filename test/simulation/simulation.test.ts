/**
 * The simulation itself: it is deterministic, keeps the real world out, and finds what is wrong.
 */
import { describe, expect, it } from 'vitest';
import type { DecisionRecord } from '../../src/core/records.ts';
import type { Txid } from '../../src/core/txid.ts';
import { txidOf } from '../support/samples/messages.ts';
import { Facts } from './check/facts.ts';
import { JournalCheck } from './check/journal-check.ts';
import { MessageCheck } from './check/message-check.ts';
import { runBatch } from './command/batch.ts';
import { commandFor, shrink } from './command/shrink.ts';
import { formatFaults, parseFaults } from './faults.ts';
import { drawPlan } from './plan.ts';
import { regressions } from './regressions.ts';
import { runPlan } from './run.ts';
import { shutIn } from './world/ban.ts';
import type { SimProcess } from './world/process.ts';
import { World } from './world/world.ts';

/** A run settles promises by itself, which it cannot do within one. */
function fromEventLoop<T>(body: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(body());
      } catch (error) {
        reject(error);
      }
    });
  });
}

describe('a simulated run', () => {
  it('breaks nothing, and most of what is asked is answered', async () => {
    const report = await fromEventLoop(() => runBatch(1, 40));
    expect(report.failures).toEqual([]);
    expect(report.calls['ok']).toBeGreaterThan(200);
    expect(report.calls['fail']).toBeGreaterThan(20);
    expect(report.checks).toBeGreaterThan(10_000);
  });

  it('is the same when it is run again, and another with another seed', async () => {
    const [one, again, other] = await fromEventLoop(() =>
      [7, 7, 8].map((seed) => runPlan(drawPlan(seed))),
    );
    expect(again?.hash).toBe(one?.hash);
    expect(again?.events).toBe(one?.events);
    expect(other?.hash).not.toBe(one?.hash);
  });

  it('is the same whether or not it is traced', async () => {
    const [plain, traced] = await fromEventLoop(() =>
      [false, true].map((trace) => runPlan(drawPlan(11), { trace })),
    );
    expect(traced?.hash).toBe(plain?.hash);
    expect(traced?.trace.length).toBeGreaterThan(100);
  });

  it('takes its faults from the command line as they were printed', () => {
    const { faults } = drawPlan(5);
    expect(parseFaults(formatFaults(faults))).toEqual(faults);
    expect(() => parseFaults('earthquake=1')).toThrow('no fault earthquake');
  });

  it.each(regressions)('$seed stays mended: $why', async ({ seed, limits }) => {
    const { violation } = await fromEventLoop(() => runPlan(drawPlan(seed, limits)));
    expect(violation).toBeNull();
  });
});

describe('the real world', () => {
  it.each([
    ['Date.now', () => Date.now()],
    ['new Date()', () => new Date()],
    ['Math.random', () => Math.random()],
    ['setTimeout', () => setTimeout(() => undefined, 1)],
    ['setImmediate', () => setImmediate(() => undefined)],
    ['nextTick', () => process.nextTick(() => undefined)],
    ['performance.now', () => performance.now()],
    ['getRandomValues', () => crypto.getRandomValues(new Uint8Array(1))],
    ['randomUUID', () => crypto.randomUUID()],
  ])('%s throws inside, and works outside', async (_name, use) => {
    // Vitest puts its own `nextTick` in for each of its messages, until the end of the turn.
    await expect(fromEventLoop(() => shutIn(use))).rejects.toThrow('inside a simulation');
    expect(use).not.toThrow();
  });
});

describe('the checks', () => {
  const txid: Txid = txidOf(1);
  const record: DecisionRecord = {
    txid,
    outcome: 'commit',
    branches: [{ participant: 'p1', branch: 'b', instance: 'i' }],
    atMs: 0,
  };

  function found(plant: (facts: Facts, journals: JournalCheck) => void): string | undefined {
    const world = new World({ seed: 1, trace: false });
    const facts = new Facts(world);
    plant(facts, new JournalCheck(facts));
    return world.violation?.message;
  }

  function vote(journals: JournalCheck): void {
    journals.written('p1', [[`l/${txid}/"b"`, { state: 'prepared' }]]);
  }

  function decide(facts: Facts): void {
    facts.at(txid).asked.set('b', 'p1');
    facts.decided.set(txid, 'commit');
    facts.committed(record);
  }

  it('find nothing in a commit as it should be', () => {
    expect(
      found((facts, journals) => {
        vote(journals);
        decide(facts);
        facts.saysCommitted(txid, 'c1', { readonly: false });
        journals.applied('p1', txid, 'b');
        journals.written('p1', [[`l/${txid}/"b"`, { state: 'committed' }]]);
        facts.finished(txid);
      }),
    ).toBeUndefined();
  });

  /** `p1` votes; the commit is in its store, where `noted` says who was told to in its place. */
  function leave(
    facts: Facts,
    journals: JournalCheck,
    { noted = 'p1.b' as string | null, isCollected = true },
  ): void {
    vote(journals);
    decide(facts);
    const branch = facts.branch(txid, 'p1', 'b');
    journals.applied('p1', txid, 'b');
    facts.committedDurably(branch);
    if (noted !== null) branch.notedBy.add(noted);
    facts.finished(txid);
    if (isCollected) facts.collected(txid);
  }

  function tellAbort(facts: Facts, name: string): void {
    const machine = (of: string): SimProcess => ({ name: of, startedAtMs: 0 }) as SimProcess;
    const told = { type: 'decision', txid, decision: 'abort', source: 'presumed' } as const;
    new MessageCheck(facts).sent(machine('n1'), machine(name), told);
  }

  it('find nothing in "abort" to one that was away until what its sibling committed was collected', () => {
    expect(
      found((facts, journals) => {
        leave(facts, journals, {});
        tellAbort(facts, 'p1');
        journals.written('p1', [[`l/${txid}/"b"`, { state: 'committed' }]]);
      }),
    ).toBeUndefined();
  });

  it('nor where another of its branches had voted readonly, or was in its journal as committed', () => {
    expect(
      found((facts, journals) => {
        journals.written('p1', [[`l/${txid}/"c"`, { state: 'prepared' }]]);
        journals.written('p1', [[`l/${txid}/"d"`, { state: 'readonly' }]]);
        leave(facts, journals, {});
        journals.applied('p1', txid, 'c');
        journals.written('p1', [[`l/${txid}/"c"`, { state: 'committed' }]]);
        tellAbort(facts, 'p1');
      }),
    ).toBeUndefined();
  });

  it.each<[string, string, (facts: Facts, journals: JournalCheck) => void]>([
    [
      '"abort" said of what a sibling committed, and it is in doubt of another branch',
      'I2',
      (facts, journals) => {
        journals.written('p1', [[`l/${txid}/"c"`, { state: 'prepared' }]]);
        leave(facts, journals, {});
        tellAbort(facts, 'p1');
      },
    ],
    [
      '"abort" said of what a sibling committed, and the record is there',
      'I2',
      (facts, journals) => {
        leave(facts, journals, { isCollected: false });
        tellAbort(facts, 'p1');
      },
    ],
    [
      '"abort" said to one of its own commit',
      'I2',
      (facts, journals) => {
        leave(facts, journals, { noted: null });
        tellAbort(facts, 'p1');
      },
    ],
    [
      '"abort" said of a commit that its store says it carried out for another',
      'I2',
      (facts, journals) => {
        leave(facts, journals, { noted: 'p1' });
        tellAbort(facts, 'p1');
      },
    ],
    [
      '"abort" said to one whose own journal has the commit',
      'I2',
      (facts, journals) => {
        leave(facts, journals, {});
        journals.written('p1', [[`l/${txid}/"b"`, { state: 'committed' }]]);
        tellAbort(facts, 'p1');
      },
    ],
    [
      '"abort" said of what a sibling committed, to another participant',
      'I2',
      (facts, journals) => {
        leave(facts, journals, {});
        tellAbort(facts, 'p2');
      },
    ],
    [
      'what a sibling committed buried by the one that was told "abort"',
      'I1',
      (facts, journals) => {
        leave(facts, journals, {});
        tellAbort(facts, 'p1');
        journals.written('p1', [[`t/${txid}/"b"`, { state: 'tombstone' }]]);
      },
    ],
    ['a commit without a vote', 'I3', (facts) => decide(facts)],
    [
      'a commit after "aborted" was said',
      'I2',
      (facts, journals) => {
        vote(journals);
        facts.saysAborted(txid, 'c1');
        decide(facts);
      },
    ],
    [
      '"aborted" said of a commit',
      'I2',
      (facts, journals) => {
        vote(journals);
        decide(facts);
        facts.saysAborted(txid, 'c1');
      },
    ],
    [
      '"committed" said of nothing',
      'I2',
      (facts) => facts.saysCommitted(txid, 'c1', { readonly: false }),
    ],
    [
      'an effect without a decision',
      'I4',
      (_facts, journals) => {
        vote(journals);
        journals.applied('p1', txid, 'b');
      },
    ],
    [
      'an effect applied twice',
      'I1',
      (facts, journals) => {
        vote(journals);
        decide(facts);
        journals.applied('p1', txid, 'b');
        journals.applied('p1', txid, 'b');
      },
    ],
    [
      'a branch rolled back against the decision',
      'I1',
      (facts, journals) => {
        vote(journals);
        decide(facts);
        journals.rolledBack('p1', txid, 'b');
      },
    ],
    [
      'a vote that is forgotten',
      'I4',
      (_facts, journals) => {
        vote(journals);
        journals.written('p1', [[`l/${txid}/"b"`, undefined]]);
      },
    ],
    [
      'a vote after the tombstone',
      'I7',
      (_facts, journals) => {
        journals.written('p1', [[`t/${txid}/"b"`, { state: 'tombstone' }]]);
        vote(journals);
      },
    ],
    [
      'a vote of an older epoch than is known',
      'I7',
      (_facts, journals) => {
        journals.written('p1', [['epochs/0', 'z'.repeat(17)]]);
        vote(journals);
      },
    ],
    [
      'a record that moves before the acknowledgement',
      'I9',
      (facts, journals) => {
        vote(journals);
        decide(facts);
        facts.finished(txid);
      },
    ],
    [
      'a request committed twice',
      'I8',
      (facts) => {
        const request = facts.request('r');
        for (const sequence of [1, 2]) {
          const wrong = request.commit(txidOf(sequence));
          facts.check(sequence === 1 || wrong === null, 'I8', String(wrong));
        }
      },
    ],
  ])('find %s', (_what, invariant, plant) => {
    expect(found(plant)).toMatch(new RegExp(`^${invariant}: `));
  });
});

describe('a failing run', () => {
  it('is made smaller, as long as it fails', () => {
    const { limits } = shrink(
      { faults: { partition: 0.5, 'node-crash': 1, 'etcd-late': 0.2 }, jobs: 13 },
      ({ faults = {}, jobs = 0 }) => faults['etcd-late'] !== undefined && jobs >= 3,
    );
    expect(limits).toEqual({ faults: { 'etcd-late': 0.2 }, jobs: 3 });
    expect(commandFor(9, limits)).toBe(
      'npm run simulate -- --seed 9 --seeds 1 --faults etcd-late=0.2 --jobs 3 --trace',
    );
  });
});
