/** The connection of each prepare, which ends with it (session.ts), and what all connections have in common. */
import mysql from 'mysql2/promise';
import type { MariadbConnection } from './connection-options.ts';

const connectTimeoutMs = 10_000;

export async function openSession(connection: MariadbConnection): Promise<mysql.Connection> {
  const session = await mysql.createConnection(settingsOf(connection));
  session.on('error', ignore);
  return session;
}

export function settingsOf(connection: MariadbConnection): mysql.ConnectionOptions {
  return {
    ...connection,
    connectTimeout: connectTimeoutMs,
    // Objects are values, never parts of a statement.
    stringifyObjects: true,
    multipleStatements: false,
  };
}

function ignore(): void {}
