import { describe, expect, it } from 'vitest';
import {
  type BranchContext,
  type Found,
  type LocalBranch,
  type LocalEffect,
  type LocalEvent,
  type LocalState,
  stepBranch,
  unknownBranch,
} from '../../../../src/core/branch/branch.ts';
import { branchTable } from '../../../../src/core/branch/table.ts';
import {
  context,
  describeEffect,
  describeStep,
  epoch,
  first,
  found,
  newerEpoch,
  olderEpoch,
  prepareData,
  type SampleEvent,
  sampleEvents,
  sampleStates,
  second,
  txid,
} from '../../../support/core/branch-samples.ts';
import {
  expectedBesideSiblings,
  expectedSteps,
  expectedTakenOver,
  expectedWhereKept,
} from './expected.ts';

const prepareFrom = (connection: number): LocalEvent => ({
  type: 'prepare',
  connection,
  prepare: prepareData,
});
const rollbackFrom = (connection: number): LocalEvent => ({ type: 'rollback', connection, epoch });
const commitFrom = (connection: number): LocalEvent => ({ type: 'commit', connection, epoch });

/** Steps one event after the other; what each did, one line each. */
function play(
  start: LocalBranch,
  events: readonly (LocalEvent | SampleEvent)[],
  more: Partial<BranchContext> = {},
): { state: LocalBranch; lines: string[] } {
  let state = start;
  const lines = events.map((one) => {
    const event = typeof one === 'string' ? sampleEvents[one] : one;
    const step = stepBranch(state, event, { ...context, ...more });
    const line = describeStep(state, step);
    state = step.branch;
    return line;
  });
  return { state, lines };
}

const fresh = unknownBranch({ txid, branch: 'stock' });
const loaded = (state: Found['state']): LocalEvent => ({ type: 'journal', found: found(state) });

/** What every sample event does in the state. */
function rowOf(state: LocalBranch, more: Partial<BranchContext> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sampleEvents).map(([label, event]) => {
      try {
        return [label, describeStep(state, stepBranch(state, event, { ...context, ...more }))];
      } catch (error) {
        expect(String(error)).toMatch('assertion');
        return [label, 'impossible'];
      }
    }),
  );
}

describe('the branch table', () => {
  for (const name of ['committing', 'rolling-back'] as const) {
    it(`does in ${name} what is written of a branch that a sibling voted for`, () => {
      const state = { ...sampleStates[name], takenOver: { quiet: false } };
      expect(rowOf(state, { siblings: true })).toEqual({
        ...expectedSteps[name],
        ...expectedTakenOver[name],
      });
    });
  }

  it('has a sample for every event name', () => {
    expect(new Set(Object.values(sampleEvents).map((event) => event.type))).toEqual(
      new Set(Object.keys(branchTable.unknown)),
    );
  });

  for (const name of Object.keys(branchTable) as LocalState[]) {
    it(`does in ${name} what is written`, () => {
      const state = sampleStates[name];
      expect(rowOf(state)).toEqual(expectedSteps[name]);
    });

    it(`does in ${name} what is written where siblings share the store`, () => {
      expect(rowOf(sampleStates[name], { siblings: true })).toEqual({
        ...expectedSteps[name],
        ...expectedBesideSiblings[name],
      });
    });

    it(`does in ${name} what is written where the store keeps votes`, () => {
      expect(rowOf(sampleStates[name], { siblings: true, keepsVotes: true })).toEqual({
        ...expectedSteps[name],
        ...expectedBesideSiblings[name],
        ...(name === 'unknown'
          ? { ...expectedBesideSiblings.unknown, ...expectedWhereKept.unknown }
          : {}),
      });
    });

    it(`does not act on leaders older than the transaction in ${name} (8.2)`, () => {
      const state = sampleStates[name];
      for (const type of ['commit', 'rollback'] as const) {
        const step = stepBranch(state, { type, connection: second, epoch: olderEpoch }, context);
        expect(step.branch).toBe(state);
        expect(step.effects.map(describeEffect)).toEqual([
          `ack ${type === 'commit' ? 'commit' : 'abort'} NOT_LEADER to ${second}`,
          'alarm older-leader',
        ]);
      }
    });
  }
});

describe('rollback and prepare at once', () => {
  it('interrupts a prepare that runs; its late commit is no vote', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      rollbackFrom(first),
      rollbackFrom(second),
      'says commit',
      'application-rolled-back',
      'outcome-written',
      prepareFrom(first),
    ]);
    expect(lines).toEqual([
      'preparing | call-prepare',
      'preparing | interrupt-prepare',
      'preparing',
      'rolling-back | call-rollback',
      'recording-abort | write-tombstone',
      'gone | ack abort ok to 1 | ack abort ok to 2',
      'gone | vote abort to 1',
    ]);
  });

  it('does not call rollback where the interrupted prepare says that it holds nothing', () => {
    const { lines } = play(fresh, [prepareFrom(first), rollbackFrom(first), 'says abort']);
    expect(lines.at(-1)).toBe('recording-abort | write-tombstone');
  });

  it('rolls back a vote that was being written, and does not send it', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      'says commit',
      rollbackFrom(first),
      'vote-written',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.slice(2)).toEqual([
      'voting',
      'rolling-back | call-rollback',
      'recording-abort | write-tombstone',
      'gone | ack abort ok to 1',
    ]);
  });

  it('ends in a tombstone also where the journal refused the vote', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      'says commit',
      rollbackFrom(first),
      'refused tombstone',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.at(-1)).toBe('gone | ack abort ok to 1');
  });

  it('answers a prepare that comes after its own rollback with abort', () => {
    const { lines } = play(fresh, [rollbackFrom(first), prepareFrom(first), 'outcome-written']);
    expect(lines).toEqual([
      'recording-abort | write-tombstone',
      'recording-abort | vote abort to 1',
      'gone | ack abort ok to 1',
    ]);
  });

  it('takes a rollback that comes while `started` is written, without calling the application', () => {
    const { lines } = play(
      fresh,
      [prepareFrom(first), rollbackFrom(second), 'vote-written', 'outcome-written'],
      { recordsStart: true },
    );
    expect(lines).toEqual([
      'starting | write started',
      'starting',
      'recording-abort | write-tombstone',
      'gone | ack abort ok to 2',
    ]);
  });
});

describe('votes', () => {
  it('go once, to the connection of the latest prepare', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      prepareFrom(second),
      'says commit',
      'vote-written',
    ]);
    expect(lines.at(1)).toBe('preparing');
    expect(lines.at(-1)).toBe('prepared | vote commit to 2 | start patience');
  });

  it('go nowhere when that connection closed, and are repeated when asked again', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      { type: 'connection-lost', connection: first },
      'says commit',
      'vote-written',
      prepareFrom(second),
    ]);
    expect(lines.slice(3)).toEqual(['prepared | start patience', 'prepared | vote commit to 2']);
  });

  it('are abort for an older epoch than is known, and nothing is called (I7)', () => {
    const { lines } = play(fresh, [prepareFrom(first)], { knownEpoch: newerEpoch });
    expect(lines).toEqual(['unknown | vote abort to 1']);
  });

  it('are abort when the journal knew a newer epoch first (I7)', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      'says commit',
      'refused stale',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.slice(-3)).toEqual([
      'rolling-back | vote abort to 1 | call-rollback',
      'recording-abort | write-tombstone',
      'gone',
    ]);
  });

  it('are abort at once where prepare threw, however long its rollback fails; the acknowledgement is not', () => {
    const { lines } = play(fresh, [
      prepareFrom(first),
      'threw',
      'application-failed',
      prepareFrom(second),
      rollbackFrom(first),
      'retry-due',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.slice(1)).toEqual([
      'rolling-back | vote abort to 1 | call-rollback',
      'rolling-back | start retry',
      'rolling-back | vote abort to 2',
      'rolling-back | ack abort INTERNAL to 1',
      'rolling-back | call-rollback',
      'recording-abort | write-tombstone',
      'gone | ack abort ok to 1',
    ]);
  });

  it('are abort, with the time-out as reason, after a prepare that took too long', () => {
    const { lines, state } = play(fresh, [
      prepareFrom(first),
      'prepare-timeout',
      'says commit',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.at(1)).toBe('preparing | interrupt-prepare');
    expect(lines.at(2)).toBe('rolling-back | vote abort to 1 | call-rollback');
    expect(state).toMatchObject({ reason: { message: expect.stringMatching('in time') } });
  });

  it('carry no result where there is none', () => {
    const effects: LocalEffect[] = [];
    let state = fresh;
    for (const event of [
      prepareFrom(first),
      { type: 'application-prepared', prepared: { vote: 'commit', result: undefined } },
      { type: 'vote-written' },
    ] as const) {
      const step = stepBranch(state, event, context);
      state = step.branch;
      effects.push(...step.effects);
    }
    expect(effects.find((effect) => effect.type === 'send')).toEqual({
      type: 'send',
      to: first,
      message: { type: 'vote', txid, branch: 'stock', vote: 'commit' },
    });
  });
});

describe('commit', () => {
  it('is called again until it succeeds; every command is answered once meanwhile', () => {
    const { lines } = play(sampleStates.prepared, [
      commitFrom(first),
      'application-failed',
      commitFrom(second),
      'retry-due',
      commitFrom(second),
      'application-failed',
      'retry-due',
      'application-committed',
      'outcome-written',
      commitFrom(second),
    ]);
    expect(lines).toEqual([
      'committing | stop patience | call-commit',
      'committing | ack commit INTERNAL to 1 | start retry',
      'committing | ack commit INTERNAL to 2',
      'committing | call-commit',
      'committing',
      'committing | ack commit INTERNAL to 2 | start retry',
      'committing | call-commit',
      'recording-commit | write-committed',
      'committed | ack commit ok to 2 | ack commit ok to 1',
      'committed | ack commit ok to 2',
    ]);
  });

  it('does not follow from an answer once the branch was rolled back', () => {
    const { lines } = play(sampleStates.prepared, [
      rollbackFrom(first),
      'answer commit',
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.at(1)).toBe('rolling-back | alarm contradicting-answer');
    expect(lines.at(-1)).toBe('gone | ack abort ok to 1');
  });

  it('learned by an answer is acknowledged to whoever commands it later', () => {
    const { lines } = play(sampleStates.prepared, [
      'patience-over',
      'answer commit',
      'application-committed',
      'outcome-written',
      commitFrom(second),
      'forget',
      prepareFrom(second),
      commitFrom(second),
    ]);
    expect(lines.slice(3)).toEqual([
      'committed',
      'committed | ack commit ok to 2',
      'forgotten | write-forget',
      'forgotten | vote abort to 2',
      'forgotten | ack commit ok to 2',
    ]);
  });
});

describe('the journal on start', () => {
  it('rolls back what was started', () => {
    const { lines } = play(fresh, [
      loaded('started'),
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines).toEqual([
      'rolling-back | call-rollback',
      'recording-abort | write-tombstone',
      'gone',
    ]);
  });

  it('asks about what was started on a shared resource, and aborts it only on a decision', () => {
    const shared = { shared: true, recordsStart: true };
    const { lines } = play(
      fresh,
      [loaded('started'), prepareFrom(first), 'patience-over', 'answer undecided', 'answer abort'],
      shared,
    );
    expect(lines).toEqual([
      'orphaned | start patience',
      'orphaned | vote abort to 1',
      'orphaned | query',
      'orphaned | start patience',
      'rolling-back | stop patience | call-rollback',
    ]);
  });

  // (!) Its prepare may take effect behind the rollback, and its process die ahead of its vote: a
  // tombstone would hide that.
  it('leaves the record of what another process began until no prepare of it can run', () => {
    const shared = { shared: true, recordsStart: true };
    const { lines } = play(
      fresh,
      [
        loaded('started'),
        rollbackFrom(first),
        'application-rolled-back',
        prepareFrom(second),
        rollbackFrom(second),
        'application-rolled-back',
        'tombstone-due',
        'application-rolled-back',
        'outcome-written',
      ],
      shared,
    );
    expect(lines).toEqual([
      'orphaned | start patience',
      'rolling-back | stop patience | call-rollback',
      'rolled-back | ack abort ok to 1 | start tombstone',
      'rolled-back | vote abort to 2',
      'rolling-back | stop tombstone | call-rollback',
      'rolled-back | ack abort ok to 2 | start tombstone',
      'rolling-back | stop tombstone | call-rollback',
      'recording-abort | write-tombstone',
      'gone',
    ]);
  });

  it('writes the tombstone of what the application lists and the journal does not know', () => {
    const { lines } = play(fresh, ['held', 'answer abort', 'application-rolled-back'], {
      shared: true,
    });
    expect(lines).toEqual([
      'orphaned | start patience',
      'rolling-back | stop patience | call-rollback',
      'recording-abort | write-tombstone',
    ]);
  });

  it('leaves what the application holds on a shared resource to a decision, too', () => {
    const { lines } = play(fresh, ['held', loaded('prepared'), 'answer commit'], { shared: true });
    expect(lines).toEqual([
      'orphaned | start patience',
      'prepared | stop patience | start patience',
      'committing | stop patience | call-commit',
    ]);
  });

  it('lets the other process win that wrote `started` first', () => {
    const { lines } = play(fresh, [prepareFrom(first), 'refused started', rollbackFrom(first)], {
      shared: true,
      recordsStart: true,
    });
    expect(lines).toEqual([
      'starting | write started',
      'orphaned | start patience | vote abort to 1',
      'rolling-back | stop patience | call-rollback',
    ]);
  });
});

describe('a participant that enlists itself', () => {
  it('works, and is prepared where it works', () => {
    const { lines } = play(fresh, ['enlisted', 'vote-written', prepareFrom(first)], {
      recordsStart: true,
    });
    expect(lines).toEqual([
      'starting | write started',
      'working | start limit | enlisted',
      'preparing | stop limit | call-prepare',
    ]);
  });

  it('is told when a rollback came first', () => {
    const { lines } = play(fresh, ['enlisted', rollbackFrom(first), 'vote-written'], {
      recordsStart: true,
    });
    expect(lines.at(-1)).toBe('recording-abort | enlist refused | write-tombstone');
  });

  it('is rolled back, unprepared, when its limit is over, and votes abort when asked', () => {
    const { lines } = play(fresh, [
      'enlisted',
      'limit-over',
      prepareFrom(first),
      'application-rolled-back',
      'outcome-written',
    ]);
    expect(lines.slice(1)).toEqual([
      'rolling-back | call-rollback',
      'rolling-back | vote abort to 1',
      'recording-abort | write-tombstone',
      'gone',
    ]);
  });

  it('is rolled back when an older leader asks it to prepare (I7)', () => {
    const { lines } = play(sampleStates.working, [prepareFrom(first)], { knownEpoch: newerEpoch });
    expect(lines).toEqual(['rolling-back | stop limit | vote abort to 1 | call-rollback']);
  });
});

describe("a sibling's vote, found in a store that is shared", () => {
  const siblings = { siblings: true };

  it('is asked about, whatever the answer, and never rolled back alone', () => {
    const { lines } = play(
      fresh,
      ['held by another', 'answer undecided', 'patience-over', 'answer expired', 'held by another'],
      siblings,
    );
    expect(lines).toEqual([
      'voted-elsewhere | query',
      'voted-elsewhere | start patience',
      'voted-elsewhere | query',
      'voted-elsewhere | alarm outcome-expired | start patience',
      '=',
    ]);
  });

  it('is committed on the answer, and leaves nothing to remember', () => {
    const { lines } = play(
      fresh,
      [
        'held by another',
        'answer commit',
        'application-failed',
        'retry-due',
        'application-committed',
      ],
      siblings,
    );
    expect(lines.slice(1)).toEqual([
      'committing | stop patience | call-commit',
      'committing | start retry',
      'committing | call-commit',
      'unknown',
    ]);
  });

  it('was ended by the sibling itself before the answer came: no one is alarmed', () => {
    const { lines } = play(
      fresh,
      ['held by another', 'answer commit', 'nothing to commit'],
      siblings,
    );
    expect(lines.at(-1)).toBe('unknown');
    for (const found of ['is committed', 'is committed by a sibling'] as const) {
      expect(play(fresh, ['held by another', 'answer abort', found], siblings).lines.at(-1)).toBe(
        'unknown',
      );
    }
  });

  it('is rolled back on the answer, and a prepare that comes late finds the tombstone', () => {
    const { lines } = play(
      fresh,
      [
        'held by another',
        'answer abort',
        'application-rolled-back',
        'outcome-written',
        prepareFrom(first),
      ],
      siblings,
    );
    expect(lines.slice(2)).toEqual([
      'recording-abort | write-tombstone',
      'gone',
      'gone | vote abort to 1',
    ]);
  });

  it('is not alarming where a leader that was succeeded sends the commit again', () => {
    const late = { siblings: true, knownEpoch: newerEpoch };
    const { lines } = play(fresh, [commitFrom(first), 'nothing to commit'], late);
    expect(lines.at(-1)).toBe('unknown | ack commit UNKNOWN_BRANCH to 1');
  });

  it('committed on command by the sibling, and then answered abort below the floor: the journal follows', () => {
    const { lines } = play(
      sampleStates.prepared,
      ['answer abort', 'is committed by a sibling', 'outcome-written', 'forget'],
      siblings,
    );
    expect(lines).toEqual([
      'rolling-back | stop patience | call-rollback',
      'recording-commit | write-committed',
      'committed',
      'forgotten | write-forget',
    ]);
  });

  it('committed by hand is nothing that may pass in silence', () => {
    const { lines } = play(sampleStates.prepared, ['answer abort', 'is committed'], siblings);
    expect(lines.at(-1)).toBe('rolling-back | start retry');
  });
});
