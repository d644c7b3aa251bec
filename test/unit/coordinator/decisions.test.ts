/**
 * Decisions of one turn of the event loop that the log writes in several transactions: each is
 * answered when its own is durable. The etcd is the simulation's: 65 decisions are two transactions
 * there, of 64 and of 1.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { EtcdFaults } from '../../simulation/etcd/server.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { simulatedLeader } from '../../support/etcd/simulated-leader.ts';

const client = { connection: 1, participant: null };
const participant = { connection: 2, participant: { name: 'p', instance: 'i' } };
const ids = Array.from({ length: 65 }, (_, index) => index + 1);

let etcd: SimulatedEtcd;
afterEach(() => etcd.close());

/**
 * A driver whose 65 transactions were voted for in one turn; `faults` begin with their decisions.
 */
async function allVoted(faults: Partial<EtcdFaults>) {
  let begun = false;
  etcd = new SimulatedEtcd({
    faults: {
      latencyMs: () => (begun && faults.latencyMs?.()) || 0.2,
      fate: (name) => (begun && faults.fate?.(name)) || 'done',
    },
  });
  const { driver, leadership, sent } = await simulatedLeader(etcd, 'alpha', {
    leaseTtlMs: 60_000,
    participantWindow: ids.length,
  });
  const enlisted = { participant: 'p', instance: 'i', sharedResource: null, process: null };
  driver.step({ type: 'participant-connected', connection: 2, ...enlisted });
  const step = (from: typeof client | typeof participant, message: object): void =>
    driver.step({ type: 'message', from, requestHash: null, message } as never);
  for (const id of ids) {
    step(client, { type: 'transact', id, branches: [{ participant: 'p', payload: null }] });
  }
  const prepares = sent.filter(({ type }) => type === 'prepare') as { txid: string }[];
  expect(prepares).toHaveLength(ids.length);
  begun = true;
  for (const { txid } of prepares) {
    step(participant, { type: 'vote', txid, branch: 'p', vote: 'commit' });
  }
  const answers = () => sent.filter((message) => 'id' in message);
  const committed = () =>
    answers().flatMap((message) =>
      message.type === 'outcome' && message.outcome === 'committed' ? [message.id] : [],
    );
  /** Distinct: none is acknowledged, and so each is sent again and again. */
  const commanded = () =>
    new Set(sent.flatMap((message) => (message.type === 'commit' ? [message.txid] : []))).size;
  return { leadership, answers, committed, commanded };
}

describe('the decisions of one turn, in two transactions', () => {
  it('are told each when its own is durable: a slow one holds up none of the other', async () => {
    let calls = 0;
    const latencyMs = (): number => {
      calls += 1;
      return calls === 2 ? 500 : 0.2;
    };
    const { committed, commanded } = await allVoted({ latencyMs });
    expect(committed()).toEqual([]);
    await etcd.during(() => etcd.sleep(50));
    expect(committed()).toEqual(ids.slice(0, 64));
    expect(commanded()).toBe(64);
    await etcd.during(() => etcd.sleep(1_000));
    expect(committed()).toEqual(ids);
    expect(commanded()).toBe(65);
  });

  it('fail each with its own: what was durable is told, and the fate of the other is read', async () => {
    let calls = 0;
    let heals = false;
    const fate = () => {
      calls += 1;
      return calls === 1 || heals ? 'done' : 'lost';
    };
    const { leadership, answers, committed, commanded } = await allVoted({ fate });
    leadership.lost.addEventListener('abort', () => {
      heals = true;
    });
    await etcd.during(() => etcd.sleep(4_000));
    expect(leadership.lost.aborted).toBe(false);
    expect(answers()).toHaveLength(64);
    await etcd.during(() => etcd.sleep(4_000));
    expect(leadership.lost.aborted).toBe(true);
    // The leader key was given up before the reading left: what has no record can have none.
    const reason = { code: 'LEADER_CHANGED' };
    expect(answers().slice(64)).toMatchObject([{ id: 65, outcome: 'aborted', reason }]);
    expect(committed()).toEqual(ids.slice(0, 64));
    expect(commanded()).toBe(64);
  });
});
