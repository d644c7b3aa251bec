/**
 * What an earlier process left, finished by the next one on the same log: lives of one coordinator,
 * in one process.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type EmbeddedOptions,
  type LogChoice,
  TransactionCoordinator,
} from '../../../src/embedded.ts';
import { held, ScriptedParticipant, throws } from '../../support/library/embedded-participant.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { eventually } from '../../support/process/child.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let log: LogChoice;
const open = new Set<TransactionCoordinator>();

beforeEach(() => {
  directory = temporaryDirectory();
  log = { kind: 'lmdb', directory: join(directory.path, 'log') };
});

afterEach(async () => {
  for (const coordinator of open) await coordinator.close();
  open.clear();
  directory.remove();
});

/** The life before must be over: the directory has one owner. */
function life(options: EmbeddedOptions = {}): TransactionCoordinator {
  const coordinator = new TransactionCoordinator({ log, retryDelayMs: 1, ...options });
  open.add(coordinator);
  return coordinator;
}

/** A life in which the transaction was committed and `payment` did not get to do its part. */
async function leaveUnfinished(): Promise<string> {
  const first = life();
  const txid = await first.beginTransaction();
  const payment = new ScriptedParticipant('payment', { commit: [false] });
  await first.registerParticipant(txid, new ScriptedParticipant('inventory'));
  await first.registerParticipant(txid, payment);
  expect(await first.commitTransaction(txid)).toBe(true);
  await first.close();
  return txid;
}

/** A life in which the transaction began, and no one decided it. */
async function leaveUndecided(): Promise<string> {
  const first = life({ drainMs: 0 });
  const txid = await first.beginTransaction();
  await first.close();
  return txid;
}

const nothing = { committed: [], rolledBack: [], unfinished: [], unjudged: [], failed: [] };

describe('recover', () => {
  it('commits what was decided, at every participant of it, and once and for all', async () => {
    const txid = await leaveUnfinished();
    const second = life();
    const inventory = new ScriptedParticipant('inventory');
    const payment = new ScriptedParticipant('payment', { commit: [false, throws('No.'), true] });
    const report = await second.recover([inventory, payment]);
    expect(report).toEqual({ ...nothing, committed: [txid] });
    expect(inventory.of(txid)).toEqual(['commit']);
    expect(payment.of(txid)).toEqual(['commit', 'commit', 'commit']);
    expect(await second.whenSettled(txid)).toMatchObject({ outcome: 'committed' });
    expect(await second.commitTransaction(txid)).toBe(true);
    expect(await second.rollbackTransaction(txid)).toBe(false);
    await second.close();
    expect(await life().recover([inventory, payment])).toEqual(nothing);
    expect(inventory.of(txid)).toEqual(['commit']);
  });

  it('reports a name that is missing, and finishes when it comes', async () => {
    const txid = await leaveUnfinished();
    const second = life({ drainMs: 0 });
    const report = await second.recover([new ScriptedParticipant('inventory')]);
    expect(report).toMatchObject({ ...nothing, unfinished: [{ txid, participant: 'payment' }] });
    expect(report.unfinished[0]).toMatchObject({ missing: true, decision: 'commit' });
    const payment = new ScriptedParticipant('payment');
    const other = await second.beginTransaction();
    await second.registerParticipant(other, payment);
    await second.whenSettled(txid);
    expect(payment.of(txid)).toEqual(['commit']);
  });

  it('waits no longer than it is told for one that does not commit', async () => {
    const txid = await leaveUnfinished();
    const second = life({ attentionAfter: 2 });
    const given = [
      new ScriptedParticipant('inventory'),
      new ScriptedParticipant('payment', { commit: [throws('Never.')] }),
    ];
    const report = await second.recover(given, { waitMs: 50 });
    expect(report.unfinished).toMatchObject([
      { txid, participant: 'payment', missing: false, decision: 'commit' },
    ]);
    expect(report.unfinished[0]?.lastError).toContain('Never.');
    expect(report.committed).toEqual([]);
  });

  it('rolls back what a participant holds and no one decided', async () => {
    const txid = await leaveUndecided();
    const second = life();
    const payment = new ScriptedParticipant('payment', { rollback: [false, true] });
    payment.doubts = [txid];
    expect(await second.recover([payment])).toEqual({ ...nothing, rolledBack: [txid] });
    expect(payment.of(txid)).toEqual(['rollback', 'rollback']);
    expect(await second.commitTransaction(txid)).toBe(false);
    expect(await second.getTransactionResult(txid)).toMatchObject({ outcome: 'aborted' });
  });

  it('never rolls back a commit, however late a participant lists it', async () => {
    const first = life();
    const txid = await first.beginTransaction();
    const payment = new ScriptedParticipant('payment');
    await first.registerParticipant(txid, payment);
    await first.commitTransaction(txid);
    await first.whenSettled(txid);
    payment.doubts = [txid];
    expect(await first.recover([payment])).toEqual({ ...nothing, committed: [txid] });
    await first.close();
    expect(await life().recover([payment])).toEqual({ ...nothing, committed: [txid] });
    expect(payment.of(txid)).toEqual(['prepare', 'commit', 'commit', 'commit']);
  });

  it('leaves alone what this process is just running', async () => {
    const only = life();
    const { answer, give } = held();
    const payment = new ScriptedParticipant('payment');
    const shipping = new ScriptedParticipant('shipping', { prepare: [answer] });
    const txid = await only.beginTransaction();
    await only.registerParticipant(txid, payment);
    await only.registerParticipant(txid, shipping);
    const commit = only.commitTransaction(txid);
    await eventually(
      () => (shipping.of(txid).length === 1 ? true : null),
      () => 'No prepare.',
    );
    payment.doubts = [txid];
    expect(await only.recover([payment, shipping])).toEqual(nothing);
    give(true);
    expect(await commit).toBe(true);
    await only.whenSettled(txid);
    expect(payment.of(txid)).toEqual(['prepare', 'commit']);
  });

  it('judges nothing that this log cannot know', async () => {
    const first = life({ drainMs: 0 });
    const real = await first.beginTransaction();
    const [shard, epoch = '', sequence, random] = real.split('.');
    const newer = [shard, epoch.replace(/.$/, 'z'), sequence, random].join('.');
    const payment = new ScriptedParticipant('payment');
    payment.doubts = ['what', newer];
    const report = await first.recover([payment]);
    expect(report.unjudged).toEqual([
      { txid: 'what', participant: 'payment' },
      { txid: newer, participant: 'payment' },
    ]);
    expect(payment.calls).toEqual([]);
  });

  it('judges nothing of an earlier process where the log was in memory', async () => {
    const before = life({ log: { kind: 'memory' }, drainMs: 0 });
    const txid = await before.beginTransaction();
    await before.close();
    const after = life({ log: { kind: 'memory' }, drainMs: 0 });
    await after.beginTransaction();
    const payment = new ScriptedParticipant('payment');
    payment.doubts = [txid];
    expect((await after.recover([payment])).unjudged).toEqual([{ txid, participant: 'payment' }]);
    expect(payment.calls).toEqual([]);
  });

  it('tells of a participant that cannot say what it holds, and asks it again', async () => {
    const txid = await leaveUndecided();
    const second = life();
    const payment = new ScriptedParticipant('payment');
    let asked = 0;
    payment.inDoubt = () => {
      asked += 1;
      if (asked === 1) throw new Error('The database is away.');
      return [txid];
    };
    expect(await second.recover([payment])).toEqual({
      ...nothing,
      failed: [{ participant: 'payment', error: 'The database is away.' }],
    });
    await eventually(
      () => (payment.of(txid).length > 0 ? true : null),
      () => 'It was not asked again.',
    );
    expect(payment.of(txid)[0]).toBe('rollback');
  });

  it.each(['deleted', 'replaced by another'])(
    'rolls back nothing of a log that was %s: what it had committed is not for the new one to judge',
    async (what) => {
      const txid = await leaveUnfinished();
      rmSync(join(directory.path, 'log'), { recursive: true });
      if (what !== 'deleted') await leaveUndecided();
      const errors: string[] = [];
      const none = (): void => undefined;
      const error = (_: object, text: string): void => void errors.push(text);
      const second = life({ logger: { debug: none, info: none, warn: none, error } });
      const payment = new ScriptedParticipant('payment');
      payment.doubts = [txid];
      const unjudged = [{ txid, participant: 'payment' }];
      expect(await second.recover([payment])).toEqual({ ...nothing, unjudged });
      expect(payment.of(txid)).toEqual([]);
      expect(errors).toEqual([expect.stringMatching(/deleted or made anew.*docs\/EMBEDDED\.md/)]);
      await expect(second.getTransactionStatus(txid)).rejects.toMatchObject({
        code: 'UNKNOWN_TRANSACTION',
      });
      // It works on for what is new.
      const next = await second.beginTransaction();
      await second.registerParticipant(next, payment);
      expect(await second.commitTransaction(next)).toBe(true);
    },
  );

  it('refuses two participants of one name', async () => {
    const twice = [new ScriptedParticipant('payment'), new ScriptedParticipant('payment')];
    await expect(life().recover(twice)).rejects.toThrow('two participants named "payment"');
  });
});

describe('a directory', () => {
  it('has one owner', async () => {
    await life().ready();
    await expect(life().ready()).rejects.toMatchObject({ name: 'DecisionLogError' });
  });
});
