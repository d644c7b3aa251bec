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
  const { uri, ...parts } = connection;
  return {
    ...parts,
    ...(uri === undefined ? {} : { uri: withoutMultiple(uri) }),
    connectTimeout: connectTimeoutMs,
    // Objects are values, never parts of a statement.
    stringifyObjects: true,
    multipleStatements: false,
    flags: ['-MULTI_STATEMENTS'],
  };
}

/** What a URI asks for goes before the options. */
function withoutMultiple(uri: string): string {
  const url = new URL(uri);
  for (const name of ['multipleStatements', 'flags']) url.searchParams.delete(name);
  return url.href;
}

function ignore(): void {}
