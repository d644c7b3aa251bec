/** Accounts that each booking takes 1 from, in each database, as `startReplica` serves them. */
import { expect } from 'vitest';
import type { DatabaseServer } from '../../cluster/databases/server.ts';
import type { ReplicaSettings } from '../support/participants/replica.ts';
import { eventually } from '../support/process/child.ts';
import { startMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';

export interface Bookings extends Pick<ReplicaSettings, 'kind' | 'connection'>, AsyncDisposable {
  readonly server: DatabaseServer;
  rows<Row>(text: string): Promise<readonly Row[]>;
  prepared(): Promise<readonly unknown[]>;
}

export async function postgresqlBookings(accounts: number): Promise<Bookings> {
  const postgresql = await startPostgresql();
  const connection = await postgresql.database(`
    CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
    INSERT INTO account SELECT id, 0 FROM generate_series(0, ${accounts - 1}) AS id;
    CREATE TABLE booking (txid text PRIMARY KEY, account int NOT NULL)`);
  const rows = <Row>(text: string): Promise<Row[]> =>
    postgresql.query(connection, text) as Promise<Row[]>;
  return {
    kind: 'postgresql',
    connection,
    server: postgresql.server,
    rows,
    prepared: () => rows('SELECT gid FROM pg_prepared_xacts'),
    [Symbol.asyncDispose]: () => postgresql.dispose(),
  };
}

export async function mariadbBookings(accounts: number): Promise<Bookings> {
  const mariadb = await startMariadb();
  const connection = await mariadb.database([
    'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
    `INSERT INTO account VALUES ${Array.from({ length: accounts }, (_, id) => `(${id}, 0)`).join(', ')}`,
    'CREATE TABLE booking (txid VARCHAR(64) PRIMARY KEY, account INT NOT NULL)',
  ]);
  const rows = <Row>(text: string): Promise<Row[]> => mariadb.query<Row>(connection, text);
  return {
    kind: 'mariadb',
    connection,
    server: mariadb.server,
    rows,
    prepared: () => rows('XA RECOVER'),
    [Symbol.asyncDispose]: () => mariadb.dispose(),
  };
}

/** That exactly these were booked, and in the end shipped. */
export async function expectBooked(
  bookings: Bookings,
  shipped: ReadonlySet<string>,
  committed: readonly string[],
): Promise<void> {
  const expected = [...committed].sort();
  const booked = await bookings.rows<{ txid: string }>('SELECT txid FROM booking');
  expect(booked.map(({ txid }) => txid).sort()).toEqual(expected);
  await eventually(
    async () => (shipped.size === expected.length ? true : null),
    () => `${expected.length} to be shipped`,
  );
  expect([...shipped].sort()).toEqual(expected);
  const [sum] = await bookings.rows<{ sum: string | number }>(
    'SELECT SUM(balance) AS sum FROM account',
  );
  expect(Number(sum?.sum)).toBe(-expected.length);
}
