/** Each fault by name: what becomes of the transaction, and that service and coordinator agree. */
import { describe, expect, it } from 'vitest';
import { serveParticipant, silentLogger, vote } from '../../../src/participant.ts';
import {
  type FaultName,
  faultNames,
  startTestCoordinator,
  type TestCoordinator,
} from '../../../src/testing.ts';

/** A service in memory that outlives its crashes, as a database would. */
class Stock {
  left = 10;
  readonly held = new Map<string, number>();
  readonly calls: string[] = [];

  async serve(coordinator: TestCoordinator, name = 'inventory') {
    return coordinator.participant((verdict) =>
      serveParticipant<number>({
        name,
        logger: silentLogger,
        ...verdict,
        prepare: ({ txid, payload }) => {
          this.calls.push('prepare');
          this.held.set(txid, payload);
          return vote.commit();
        },
        commit: ({ txid }) => {
          this.calls.push('commit');
          this.left -= this.held.get(txid) ?? 0;
          this.held.delete(txid);
        },
        rollback: ({ txid }) => {
          this.calls.push('rollback');
          this.held.delete(txid);
        },
      }),
    );
  }
}

const branches = [{ participant: 'inventory', payload: 1 }];

/** What follows: the outcome, and how often the service is called. */
const expected: Readonly<Record<FaultName, readonly ['committed' | 'aborted', readonly string[]]>> =
  {
    'crash before the vote': ['aborted', ['prepare', 'rollback']],
    'crash after the vote': ['committed', ['prepare', 'commit']],
    'crash before the commit': ['committed', ['prepare', 'commit']],
    'crash after the commit': ['committed', ['prepare', 'commit', 'commit']],
    'coordinator gone before the decision': ['aborted', ['prepare', 'rollback']],
    'coordinator gone after the decision': ['committed', ['prepare', 'commit']],
    'reply to the vote lost': ['committed', ['prepare', 'commit']],
    'commit delivered twice': ['committed', ['prepare', 'commit']],
    'abort by another participant': ['aborted', ['prepare', 'rollback']],
    'time-out': ['aborted', ['prepare', 'rollback']],
  };

describe('a fault by name', () => {
  it.each(faultNames)('%s', async (fault) => {
    await using coordinator = await startTestCoordinator();
    const stock = new Stock();
    await stock.serve(coordinator);
    const client = await coordinator.connect();
    const injected = coordinator.inject(fault);
    const outcome = client.transact({ branches });
    await injected.happened;
    if (fault === 'time-out') await coordinator.clock.advance(60_000);
    const { outcome: became, txid } = await outcome;
    const [status] = await coordinator.whenAllSettled();
    expect(status).toMatchObject({ txid, state: became.toUpperCase() });
    expect([became, stock.calls]).toEqual(expected[fault]);
    expect(stock.left).toBe(became === 'committed' ? 9 : 10);
    expect(stock.held.size).toBe(0);
    // Once, and nothing is left of it.
    expect(coordinator.faultsLeft).toEqual([]);
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
  });

  it('happens at the participant that is named, and at no other', async () => {
    await using coordinator = await startTestCoordinator();
    const [inventory, payment] = [new Stock(), new Stock()];
    await inventory.serve(coordinator);
    const paying = await payment.serve(coordinator, 'payment');
    const client = await coordinator.connect();
    const crash = coordinator.inject('crash after the vote', {
      participant: 'payment',
      restart: false,
    });
    expect(await client.transact({ branches })).toMatchObject({ outcome: 'committed' });
    expect(coordinator.faultsLeft).toEqual(['crash after the vote']);
    const both = client.transact({
      branches: [...branches, { participant: 'payment', payload: 1 }],
    });
    await crash.happened;
    expect(paying.isUp).toBe(false);
    expect(() => paying.handle).toThrow('restart()');
    await paying.restart();
    expect(await both).toMatchObject({ outcome: 'committed' });
    await coordinator.whenAllSettled();
    expect([inventory.left, payment.left]).toEqual([8, 9]);
  });

  it('reaches a transaction whose branches were added one by one', async () => {
    await using coordinator = await startTestCoordinator();
    const stock = new Stock();
    await stock.serve(coordinator);
    const client = await coordinator.connect();
    coordinator.inject('abort by another participant', { participant: 'inventory' });
    const tx = await client.begin();
    await tx.enlist({ participant: 'inventory', payload: 1 });
    expect(await tx.commit()).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'VOTED_ABORT', participant: 'another-participant' },
    });
    await coordinator.whenSettled(tx.txid);
    expect(stock.calls).toEqual(['prepare', 'rollback']);
  });

  it('aborts a request under an id, and the next request commits', async () => {
    await using coordinator = await startTestCoordinator();
    const stock = new Stock();
    await stock.serve(coordinator);
    const client = await coordinator.connect();
    coordinator.inject('abort by another participant');
    const request = { requestId: 'order-17', branches };
    expect(await client.transact(request)).toMatchObject({ outcome: 'aborted' });
    expect(await client.transact({ ...request, requestId: 'order-18' })).toMatchObject({
      outcome: 'committed',
    });
    await coordinator.whenAllSettled();
    expect(stock.left).toBe(9);
  });

  it('says which faults there are for one that there is not', async () => {
    await using coordinator = await startTestCoordinator();
    expect(() => coordinator.inject('crash' as never)).toThrow(
      "There is no fault 'crash'. There are: crash before the vote,",
    );
  });

  it('refuses one that could never happen: of the coordinator, at a participant', async () => {
    await using coordinator = await startTestCoordinator();
    expect(() =>
      coordinator.inject('coordinator gone after the decision', { participant: 'inventory' }),
    ).toThrow('meets the coordinator, not a participant');
    expect(coordinator.faultsLeft).toEqual([]);
  });

  it('can be taken back', async () => {
    await using coordinator = await startTestCoordinator();
    coordinator.inject('time-out').cancel();
    expect(coordinator.faultsLeft).toEqual([]);
  });
});
