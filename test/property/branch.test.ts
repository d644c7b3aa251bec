/**
 * Any sequence of messages, answers, timers and crashes, against an application and a journal that
 * answer in any order: what the branch machine promises holds after every step.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BranchContext,
  type Found,
  type LocalBranch,
  type LocalEffect,
  type LocalEvent,
  stepBranch,
  unknownBranch,
} from '../../src/core/branch/branch.ts';
import type { Epoch } from '../../src/core/txid.ts';
import { epoch, newerEpoch, prepareData, txid } from '../support/core/branch-samples.ts';

type Action =
  | { readonly do: 'event'; readonly event: LocalEvent }
  /** Let the application's call, or the journal's write, that is under way end. */
  | { readonly do: 'application'; readonly how: 'commit' | 'readonly' | 'abort' | 'threw' }
  | { readonly do: 'journal' }
  | { readonly do: 'adopt-newer-epoch' }
  | { readonly do: 'crash' };

const connection = fc.integer({ min: 1, max: 3 });
const network: fc.Arbitrary<LocalEvent> = fc.oneof(
  connection.map((one) => ({ type: 'prepare', connection: one, prepare: prepareData }) as const),
  connection.map((one) => ({ type: 'rollback', connection: one, epoch }) as const),
  fc
    .tuple(connection, fc.constantFrom(epoch, newerEpoch))
    .map(([one, of]) => ({ type: 'commit', connection: one, epoch: of }) as const),
  fc.constant({ type: 'forget' } as const),
  fc
    .constantFrom('commit', 'abort', 'undecided', 'expired')
    .map((decision) => ({ type: 'answer', decision }) as const),
  connection.map((one) => ({ type: 'connection-lost', connection: one }) as const),
  fc.constant({ type: 'enlisted' } as const),
  fc
    .constantFrom('prepare-timeout', 'patience-over', 'limit-over', 'retry-due')
    .map((type) => ({ type }) as const),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: network.map((event): Action => ({ do: 'event', event })) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('commit', 'commit', 'readonly', 'abort', 'threw')
      .map((how): Action => ({ do: 'application', how })),
  },
  { weight: 4, arbitrary: fc.constant<Action>({ do: 'journal' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ do: 'crash' }) },
  { weight: 1, arbitrary: fc.constant<Action>({ do: 'adopt-newer-epoch' }) },
);

const told = (event: LocalEvent): Action => ({ do: 'event', event });
/** The life of a branch that nothing befalls. Chance alone seldom gets to its end. */
const quietLife: readonly Action[] = [
  told({ type: 'prepare', connection: 1, prepare: prepareData }),
  told({ type: 'enlisted' }),
  { do: 'application', how: 'commit' },
  { do: 'journal' },
  told({ type: 'commit', connection: 1, epoch }),
  { do: 'application', how: 'commit' },
  { do: 'journal' },
  told({ type: 'forget' }),
];
const anything = fc.array(action, { maxLength: 40, size: 'max' });
/** Anything from the start, or after the quiet life up to some point. */
const life = fc.oneof(
  anything,
  fc
    .tuple(fc.integer({ min: 1, max: quietLife.length }), anything)
    .map(([quiet, actions]) => [...quietLife.slice(0, quiet), ...actions]),
);

/**
 * The world around one branch: a journal with its rules, an application, and what was ever said.
 */
class World {
  state: LocalBranch = unknownBranch({ txid, branch: 'stock' });
  entry: Found | null = null;
  knownEpoch: Epoch = epoch;
  calling: 'prepare' | 'commit' | 'rollback' | null = null;
  writing: LocalEffect | null = null;
  /** What the application was told to do for good, in this order. */
  readonly done: ('commit' | 'rollback')[] = [];
  crashedSince = false;
  /** The one decision of this transaction (I2), once it was told. */
  decided: 'commit' | 'abort' | null = null;
  /** A rollback was taken in this life of the process. */
  rolledBack = false;
  readonly recordsStart: boolean;

  constructor(recordsStart: boolean) {
    this.recordsStart = recordsStart;
  }

  take(one: Action): void {
    switch (one.do) {
      case 'event':
        return this.event(one.event);
      case 'application':
        return this.application(one.how);
      case 'journal':
        return this.journal();
      case 'adopt-newer-epoch':
        this.knownEpoch = newerEpoch;
        return;
      case 'crash':
        this.calling = null;
        this.writing = null;
        this.rolledBack = false;
        this.crashedSince = true;
        this.state = unknownBranch({ txid, branch: 'stock' });
        return this.step({ type: 'journal', found: this.entry });
    }
  }

  /** Broken nodes say anything; but to a branch in doubt everybody says the same (I2). */
  event(event: LocalEvent): void {
    const says = decisionIn(event);
    if (says !== null && this.state.state === 'prepared') {
      this.decided ??= says;
      if (says !== this.decided) return;
    }
    this.step(event);
    const refused = ['committing', 'recording-commit', 'committed'].includes(this.state.state);
    if (event.type === 'rollback' && !refused) {
      this.rolledBack = true;
      this.decided = 'abort';
    }
  }

  step(event: LocalEvent): void {
    const before = this.state;
    const context: BranchContext = {
      knownEpoch: this.knownEpoch,
      shared: false,
      siblings: false,
      recordsStart: this.recordsStart,
      keepsVotes: false,
    };
    const { branch: state, effects } = stepBranch(before, event, context);
    this.state = state;
    // 8.6: a commit of what was rolled back is told to somebody, whoever sent it.
    const alarmed = effects.some(({ type }) => type === 'alarm');
    if (event.type === 'commit' && before.state === 'gone') expect(alarmed).toBe(true);
    if (event.type === 'commit' && before.state === 'forgotten') expect(alarmed).toBe(false);
    for (const effect of effects) this.carryOut(effect);
    if (state.state === 'forgotten') expect(this.entry?.forgotten).toBe(true);
    if (state.state === 'gone') expect(this.entry?.forgotten).toBeUndefined();
    // I4: whatever came, a branch in doubt is left only for an outcome.
    if (before.state === 'prepared' && state.state !== 'prepared') {
      expect(['committing', 'rolling-back']).toContain(state.state);
      expect(['commit', 'rollback', 'answer']).toContain(event.type);
    }
  }

  carryOut(effect: LocalEffect): void {
    switch (effect.type) {
      case 'call-prepare':
        expect(this.calling).toBe(null);
        expect(['tombstone', 'prepared', 'committed', 'readonly']).not.toContain(this.entry?.state);
        this.calling = 'prepare';
        // A crash may hide that a prepare was rolled back before anything was promised: it begins
        // anew.
        expect(this.done).not.toContain('commit');
        this.done.length = 0;
        return;
      case 'call-commit':
        expect(this.calling).toBe(null);
        // Only ever of what is durably prepared: never after a rollback, never after a forget.
        expect(this.entry?.state).toBe('prepared');
        this.calling = 'commit';
        return;
      case 'call-rollback':
        expect(this.calling).toBe(null);
        expect(this.entry?.state).not.toBe('committed');
        this.calling = 'rollback';
        return;
      case 'write-vote':
      case 'write-committed':
      case 'write-tombstone':
        expect(this.writing).toBe(null);
        this.writing = effect;
        return;
      case 'write-forget':
        expect(['committed', 'readonly']).toContain(this.entry?.state);
        this.entry =
          this.entry?.state === 'committed'
            ? { ...this.found('tombstone'), forgotten: true }
            : this.found('tombstone');
        return;
      case 'send': {
        const { message } = effect;
        if (message.type === 'vote' && message.vote !== 'abort') {
          const voted = message.vote === 'commit' ? ['prepared', 'committed'] : ['readonly'];
          expect(voted).toContain(this.entry?.state);
          // A late `commit` of the application must not become a vote.
          expect(this.rolledBack).toBe(false);
        }
        // 8.5: acknowledged only what is durable.
        if (message.type === 'ack' && message.ok) {
          const committed = this.entry?.state === 'committed' || this.entry?.forgotten === true;
          expect(committed).toBe(message.decision === 'commit');
          if (!committed) expect(this.entry?.state).toBe('tombstone');
        }
        return;
      }
    }
  }

  application(how: 'commit' | 'readonly' | 'abort' | 'threw'): void {
    const call = this.calling;
    if (call === null) return;
    this.calling = null;
    if (call === 'prepare') {
      if (how === 'threw') {
        this.step({
          type: 'application-prepared',
          prepared: { vote: 'threw', reason: { message: 'no' } },
        });
      } else if (how === 'abort') {
        const reason = { message: 'no' };
        this.step({ type: 'application-prepared', prepared: { vote: 'abort', reason } });
      } else {
        this.step({ type: 'application-prepared', prepared: { vote: how, result: 1 } });
      }
    } else if (how === 'threw') {
      this.step({ type: 'application-failed', message: 'no' });
    } else {
      // One kind of end, ever; a repeat of it only where a crash hid that it was done.
      expect(this.done.filter((one) => one !== call)).toEqual([]);
      if (!this.crashedSince) expect(this.done).toEqual([]);
      this.crashedSince = false;
      this.done.push(call);
      this.step(
        call === 'commit' ? { type: 'application-committed' } : { type: 'application-rolled-back' },
      );
    }
  }

  journal(): void {
    const write = this.writing;
    if (write === null) return;
    this.writing = null;
    switch (write.type) {
      case 'write-vote':
        if (write.epoch < this.knownEpoch) {
          return this.step({ type: 'vote-refused', by: 'stale-epoch' });
        }
        if (this.entry !== null && this.entry.state !== 'started') {
          return this.step({ type: 'vote-refused', by: 'entry', entry: this.entry });
        }
        this.entry = this.found(write.state);
        return this.step({ type: 'vote-written' });
      case 'write-committed':
        expect(this.entry?.state).toBe('prepared');
        this.entry = this.found('committed');
        return this.step({ type: 'outcome-written' });
      case 'write-tombstone':
        expect(this.entry?.state).not.toBe('committed');
        expect(this.entry?.forgotten).toBeUndefined();
        this.entry = this.found('tombstone');
        return this.step({ type: 'outcome-written' });
    }
  }

  found(state: Found['state']): Found {
    const { witness, payload } = prepareData;
    return { state, epoch, witness, payload, result: 1 };
  }
}

function decisionIn(event: LocalEvent): 'commit' | 'abort' | null {
  if (event.type === 'commit') return 'commit';
  if (event.type === 'rollback') return 'abort';
  if (event.type !== 'answer') return null;
  return event.decision === 'commit' || event.decision === 'abort' ? event.decision : null;
}

describe('a branch', () => {
  it('keeps its promises under any sequence of events (I4, I7, 8.1, 8.2, 8.5)', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(fc.boolean(), life, (recordsStart, actions) => {
        const world = new World(recordsStart);
        for (const one of actions) {
          world.take(one);
          reached.add(world.state.state);
        }
        // And then it ends: with every call and write answered, nothing but doubt and its own
        // prepare waits for anybody.
        for (let more = 0; more < 20; more++) {
          world.take({ do: 'application', how: 'commit' });
          world.take({ do: 'journal' });
          world.take({ do: 'event', event: { type: 'retry-due' } });
        }
        expect([
          'unknown',
          'working',
          'prepared',
          'readonly',
          'committed',
          'gone',
          'forgotten',
        ]).toContain(world.state.state);
        reached.add(world.state.state);
      }),
      { numRuns: 6_000 },
    );
    // Narrow inputs hide bugs: every state but the shared resource's was there.
    expect([...reached].sort()).toEqual(
      [
        'unknown',
        'starting',
        'working',
        'preparing',
        'voting',
        'prepared',
        'readonly',
        'committing',
        'recording-commit',
        'committed',
        'rolling-back',
        'recording-abort',
        'gone',
        'forgotten',
      ].sort(),
    );
  });
});
