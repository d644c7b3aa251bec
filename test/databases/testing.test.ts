/** Faults of `verdict/testing` at a participant over a real PostgreSQL. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serveParticipant, silentLogger, vote } from '../../src/participant.ts';
import { openPostgresqlResource, type SqlResource } from '../../src/postgresql.ts';
import {
  call,
  type FaultName,
  faultNames,
  startTestCoordinator,
  type TestCoordinator,
} from '../../src/testing.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

type Address = Awaited<ReturnType<TestPostgresql['database']>>;

let postgresql: TestPostgresql;
let address: Address;
let coordinator: TestCoordinator;
const open: SqlResource<unknown, unknown>[] = [];

async function openResource(): Promise<SqlResource<unknown, unknown>> {
  const resource = await openPostgresqlResource({
    connection: address,
    name: 'stock',
    prepare: async (sql) => {
      await sql.query('UPDATE stock SET units = units - 1');
      return vote.commit();
    },
  });
  open.push(resource);
  return resource;
}

const units = async (): Promise<number> =>
  (await postgresql.query<{ units: number }>(address, 'SELECT units FROM stock'))[0]?.units ?? -1;

beforeAll(async () => {
  postgresql = await startPostgresql();
  address = await postgresql.database(
    'CREATE TABLE stock (units int NOT NULL); INSERT INTO stock VALUES (100)',
  );
  coordinator = await startTestCoordinator();
  await coordinator.participant(async (verdict) =>
    serveParticipant({
      name: 'stock',
      logger: silentLogger,
      ...verdict,
      resource: await openResource(),
    }),
  );
});
afterAll(async () => {
  await coordinator.close();
  for (const resource of open) await resource.close();
  await postgresql.dispose();
});

it.each<FaultName>(faultNames)('leaves the books right: %s', async (fault) => {
  const client = await coordinator.connect();
  const before = await units();
  const { happened } = coordinator.inject(fault);
  const transacted = client.transact({ branches: [{ participant: 'stock' }] });
  await happened;
  if (fault === 'time-out') await coordinator.clock.advance(60_000);
  const { outcome } = await transacted;
  await coordinator.whenAllSettled();
  expect(await units()).toBe(outcome === 'committed' ? before - 1 : before);
  const prepared = await postgresql.query(address, 'SELECT gid FROM pg_prepared_xacts');
  expect(prepared).toEqual([]);
});

it('is called without a coordinator, too', async () => {
  const resource = await openResource();
  const before = await units();
  const branch = await call(resource).prepare({});
  expect(branch.vote).toBe('commit');
  expect(await units()).toBe(before);
  await branch.commit({ times: 2 });
  expect(await units()).toBe(before - 1);
});
