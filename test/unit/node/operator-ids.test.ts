/** An operator that uses an id again: what the audit log says of each action stays true. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { type AuditEvent, noAudit, type OperatorAction } from '../../../src/ports/audit.ts';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';
const invalid = { type: 'error', code: 'INVALID_MESSAGE' };
let events: AuditEvent[];
let node: LoopNode;
let operator: LoopPeer;

beforeEach(async () => {
  events = [];
  const audit = { ...noAudit, write: (event: AuditEvent) => events.push(event) };
  const [clock, store] = [new ManualClock(), new MemoryLogStore({ requestWindowMs: 120_000 })];
  node = await LoopNode.started({}, { node: 'loop', clock, store, audit });
  operator = await node.peer({ name: 'alice', roles: ['operator'] });
});
afterEach(async () => {
  expect(node.faults).toEqual([]);
  await node.stop();
});

const retire = (id: number, instance: string) =>
  ({ type: 'retire', id, participant: 'p', instance, reason: `for ${instance}` }) as const;

function actions(): OperatorAction[] {
  return events.filter((event) => event.event === 'operator-action');
}

function retired(): unknown[] {
  return events.flatMap((event) =>
    event.event === 'retired' && 'instance' in event ? [event.instance] : [],
  );
}

/** Whatever was asked for is done. */
async function allDone(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await settle();
}

describe('an id of what is still under way', () => {
  it.each<[string, object]>([
    ['another action', retire(1, 'p-2')],
    ['the same action', retire(1, 'p-1')],
    ['a question, whose answer would be taken for its own', { type: 'status', id: 1, txid }],
  ])('ends the connection when it comes with %s, which is not done', async (_what, second) => {
    operator.send(retire(1, 'p-1'));
    operator.send(second);
    await allDone();
    expect(operator.heard.at(-1)).toMatchObject(invalid);
    expect(operator.isOpen).toBe(false);
    operator.drop();
    await allDone();
    // Its end was told to no one: another line says that it was done.
    expect(actions()).toMatchObject([{ action: 'retire', reason: 'for p-1', result: 'unknown' }]);
    expect(retired()).toEqual(['p-1']);
  });

  it('is free again with the answer', async () => {
    for (const instance of ['p-1', 'p-2']) {
      operator.send(retire(1, instance));
      await allDone();
    }
    expect(operator.isOpen).toBe(true);
    expect(actions()).toMatchObject([
      { reason: 'for p-1', result: 'done' },
      { reason: 'for p-2', result: 'done' },
    ]);
    expect(retired()).toEqual(['p-1', 'p-2']);
  });

  it('is of one connection: another operator may use it', async () => {
    const other = await node.peer({ name: 'bob', roles: ['operator'] });
    operator.send(retire(1, 'p-1'));
    other.send(retire(1, 'p-2'));
    await allDone();
    expect(actions()).toHaveLength(2);
    expect(actions()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'alice', reason: 'for p-1', result: 'done' }),
        expect.objectContaining({ name: 'bob', reason: 'for p-2', result: 'done' }),
      ]),
    );
  });
});
