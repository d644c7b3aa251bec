/** What operators asked for, in the audit log: one line each, whatever becomes of the answer. */
import { beforeEach, describe, expect, it } from 'vitest';
import { OperatorActions } from '../../../src/node/operator-actions.ts';
import { type AuditEvent, type AuditPeer, noAudit } from '../../../src/ports/audit.ts';

const peer: AuditPeer = { connection: 1, identity: null, address: '10.0.0.1' };
let events: AuditEvent[];
let actions: OperatorActions;

beforeEach(() => {
  events = [];
  const audit = { ...noAudit, write: (event: AuditEvent) => events.push(event) };
  actions = new OperatorActions(audit, () => peer);
});

describe('an action', () => {
  it('is written with its answer, once, and not with that of another', () => {
    actions.asked({ type: 'recover', id: 1 });
    actions.answered({ type: 'topology', leaders: [], nodes: [] });
    actions.answered({ type: 'recovered', id: 2, pending: 9, resumed: 9 });
    expect(events).toEqual([]);
    actions.answered({ type: 'recovered', id: 1, pending: 2, resumed: 1 });
    actions.answered({ type: 'recovered', id: 1, pending: 2, resumed: 1 });
    actions.ended();
    const line = { event: 'operator-action', ...peer, action: 'recover' };
    expect(events).toEqual([{ ...line, result: 'done', pending: 2, resumed: 1 }]);
  });

  it('is written though its connection ended first, or its id was used again', () => {
    actions.asked({ type: 'recover', id: 1, reason: 'first' });
    actions.asked({ type: 'recover', id: 1, reason: 'second' });
    expect(events).toMatchObject([{ reason: 'first', result: 'unknown' }]);
    actions.ended();
    expect(events).toMatchObject([{}, { reason: 'second', result: 'unknown' }]);
  });

  it('is written at once where a thousand others wait for theirs', () => {
    for (let id = 1; id <= 1_001; id += 1) actions.asked({ type: 'recover', id });
    expect(events).toMatchObject([{ result: 'unknown' }]);
  });

  it('has of a reason as much as an operator may give', () => {
    const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a' as never;
    actions.asked({ type: 'rollback', id: 1, txid, reason: 'x'.repeat(1_000) });
    actions.ended();
    expect(JSON.stringify(events).length).toBeLessThan(600);
  });

  it('says of a drain what stayed, and of a level for how long', () => {
    const why = 'No other node is ready to take it.';
    actions.asked({ type: 'drain', id: 1, reason: 'a new kernel' });
    actions.answered({
      type: 'drained',
      id: 1,
      node: 'a',
      shards: [
        { shard: 0, to: 'b' },
        { shard: 1, to: null, why },
      ],
    });
    actions.asked({ type: 'step-down', id: 2, shard: 3, to: 'b' });
    actions.answered({ type: 'stepped-down', id: 2, shards: [{ shard: 3, to: 'b' }] });
    actions.asked({ type: 'log-level', id: 3, level: 'debug', forMs: 1_000 });
    actions.answered({ type: 'log-level-set', id: 3, node: 'a', level: 'debug', was: 'info' });
    const line = { event: 'operator-action', ...peer };
    expect(events).toEqual([
      { ...line, action: 'drain', reason: 'a new kernel', result: 'kept', why: `1: ${why}` },
      { ...line, action: 'step-down', shard: 3, to: 'b', result: 'done' },
      { ...line, action: 'log-level', level: 'debug', forMs: 1_000, result: 'done' },
    ]);
  });
});
