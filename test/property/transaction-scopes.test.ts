/**
 * Hundreds of programs at once that nest transactions of two clients, forget, race, throw and leave
 * timers behind: every branch is in the transaction that its caller was in, or in none.
 */
import { expect, it, onTestFinished } from 'vitest';
import {
  type Client,
  maybeTransaction,
  type Propagation,
  withTransaction,
} from '../../src/client.ts';
import { bindVerdict, TransactionAbortedError, Transactional } from '../../src/nestjs.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { type Caller, ScopedPrograms } from '../support/clients/scoped-programs.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const seed = 20_281;
const programs = 150;
const participants = ['a', 'b'];

const plain: Caller = async (client, propagation, work) =>
  (await withTransaction(client, { propagation, maxAttempts: 1 }, work)).outcome;

/** A service whose method has that propagation, on the connection of that client. */
function decorated(client: Client, propagation: Propagation) {
  class Service {
    run(work: () => Promise<void>): Promise<void> {
      return work();
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(Service.prototype, 'run');
  if (descriptor === undefined) throw new Error('It has no method.');
  Transactional({ propagation, maxAttempts: 1, connection: 'of-test' })(
    Service.prototype,
    'run',
    descriptor,
  );
  Object.defineProperty(Service.prototype, 'run', descriptor);
  return bindVerdict(new Service(), client, 'of-test');
}

const nested: Caller = async (client, propagation, work) => {
  const service = decorated(client, propagation);
  try {
    await service.run(() => work(maybeTransaction(client)));
    return 'done';
  } catch (error) {
    if (error instanceof TransactionAbortedError) return 'aborted';
    throw error;
  }
};

it.each([
  ['withTransaction', plain],
  ['@Transactional', nested],
] as const)(
  'by %s',
  async (_, call) => {
    const coordinator = await startTestCoordinator({ options: { transactionTimeoutMs: 2_000 } });
    onTestFinished(() => coordinator.close());
    const applied = new Map<string, string[]>();
    for (const name of participants) {
      await coordinator.participant((verdict) =>
        serveParticipant<{ tag: string }>({
          name,
          logger: silentLogger,
          prepare: () => vote.commit(),
          commit: ({ txid, payload }) => {
            const tag = payload?.tag ?? '';
            applied.set(tag, [...(applied.get(tag) ?? []), txid]);
          },
          rollback: () => undefined,
          ...verdict,
        }),
      );
    }
    const names = ['one', 'other', 'leaves'];
    const clients = await Promise.all(names.map((name) => coordinator.connect({ name })));
    const run = new ScopedPrograms({ random: seededRandom(seed), clients, participants, call });
    let left = programs;
    await Promise.all(
      Array.from({ length: programs }, async () => {
        await run.run();
        left -= 1;
        const [, , leaves] = clients;
        if (left === Math.floor(programs / 2) && leaves !== undefined) await run.close(leaves);
      }),
    );
    await coordinator.whenAllSettled();
    const told = Object.groupBy(run.told.values(), (outcome) => outcome);
    expect(run.wrongIn(applied)).toEqual([]);
    expect(told['committed']?.length).toBeGreaterThan(programs / 8);
    expect(told['rejected']?.length).toBeGreaterThan(programs / 8);
    expect(run.enlisted.length).toBeGreaterThan(programs);
  },
  60_000,
);
