/** When the database is asked who waits for what is prepared, and when that is told. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../src/ports/logger.ts';
import {
  LockWatch,
  type WaitingStatement,
  type Waits,
} from '../../../../src/resources/sql/lock-watch.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';
import { txidOf } from '../../../support/samples/messages.ts';

const one = { txid: txidOf(1), branch: 'ledger' };
const two = { txid: txidOf(2), branch: 'ledger' };
const update: WaitingStatement = { id: '7', statement: 'UPDATE  x', sure: true, branches: [one] };

function watched(first: Waits = { prepared: [], waiting: [] }) {
  const clock = new ManualClock();
  const warnings: (object & { text: string })[] = [];
  const state = { waits: first as Waits | Error, asked: 0 };
  const watch = new LockWatch({
    participant: 'payment',
    clock,
    logger: { ...silentLogger, warn: (fields, text) => void warnings.push({ ...fields, text }) },
    look: async () => {
      state.asked += 1;
      if (state.waits instanceof Error) throw state.waits;
      return state.waits;
    },
  });
  return { clock, warnings, state, watch };
}

describe('the database is asked', () => {
  it('once after the start, and not again while nothing is prepared', async () => {
    const { clock, state } = watched();
    await clock.advance(3_600_000);
    expect(state.asked).toBe(1);
  });

  it('about no branch that ends within a second, however many there are', async () => {
    const { clock, state, watch } = watched();
    await clock.advance(1_000);
    for (let round = 10; round < 200; round += 1) {
      const branch = { txid: txidOf(round), branch: 'ledger' };
      watch.prepared(branch);
      await clock.advance(900);
      watch.ended(branch);
    }
    expect(state.asked).toBe(1);
  });

  it('while one is prepared for longer, and no more when it has ended, here or elsewhere', async () => {
    const { clock, state, watch } = watched();
    await clock.advance(1_000);
    watch.prepared(one);
    watch.prepared(two);
    state.waits = { prepared: [one, two], waiting: [] };
    await clock.advance(10_000);
    expect(state.asked).toBeGreaterThan(10);
    watch.ended(one);
    state.waits = { prepared: [], waiting: [] };
    await clock.advance(1_000);
    const { asked } = state;
    await clock.advance(60_000);
    expect(state.asked).toBe(asked);
    watch.prepared(one);
    await clock.advance(2_000);
    expect(state.asked).toBeGreaterThan(asked);
  });

  it('less often while it does not answer, and not at all once closed', async () => {
    const { clock, state, watch } = watched();
    state.waits = new Error('no connection');
    await clock.advance(60_000);
    expect(state.asked).toBeGreaterThan(5);
    expect(state.asked).toBeLessThan(15);
    watch.close();
    const { asked } = state;
    watch.prepared(one);
    await clock.advance(60_000);
    expect(state.asked).toBe(asked);
  });
});

describe('a statement that waits', () => {
  it('for a second is told with what it waits for, then once a minute; what the process before left counts', async () => {
    const { clock, warnings } = watched({ prepared: [one], waiting: [update] });
    await clock.advance(1_400);
    expect(warnings).toEqual([]);
    await clock.advance(200);
    expect(warnings).toMatchObject([
      { participant: 'payment', statement: 'UPDATE x', branches: [one], waitedMs: 1_000 },
    ]);
    expect(warnings[0]?.text).toMatch(/a statement waits for a branch .*"ready".*tx show TXID/);
    await clock.advance(58_000);
    expect(warnings).toHaveLength(1);
    await clock.advance(3_000);
    expect(warnings).toHaveLength(2);
  });

  it('for less, one after the other, is not told', async () => {
    const { clock, warnings, state } = watched({ prepared: [one], waiting: [] });
    for (let id = 0; id < 30; id += 1) {
      state.waits = { prepared: [one], waiting: [{ ...update, id: String(id) }] };
      await clock.advance(500);
    }
    expect(warnings).toEqual([]);
  });

  it('for another branch is news; many for one are one line', async () => {
    const { clock, warnings, state } = watched();
    const many = Array.from({ length: 50 }, (_, id) => ({ ...update, id: String(id) }));
    state.waits = { prepared: [one, two], waiting: many };
    await clock.advance(5_000);
    expect(warnings).toMatchObject([{ branches: [one], waitingCount: 50 }]);
    const other = { ...update, id: 'other', sure: false, branches: [one, two] };
    state.waits = { prepared: [one, two], waiting: [...many, other] };
    await clock.advance(5_000);
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toMatchObject({ branches: [one, two] });
    expect(warnings[1]?.text).toContain('may be waiting for one of the branches');
  });
});
