/**
 * One process of a service that moves money, and runs several times over one PostgreSQL, each with
 * a journal of its own.
 */
import process from 'node:process';
import type { PostgresqlAddress } from '../../../cluster/databases/postgresql-server.ts';
import { type ParticipantOptions, serveParticipant, vote } from '../../../src/participant.ts';
import { openPostgresqlResource } from '../../../src/postgresql.ts';
import type { TlsFiles } from '../network/security.ts';
import { tell } from '../process/tell.ts';

export interface TransferSettings {
  readonly name: string;
  readonly urls: readonly string[];
  readonly journal: string;
  readonly database: PostgresqlAddress;
  readonly options: Partial<ParticipantOptions>;
  readonly tls?: TlsFiles;
}

/** One side of a transfer. */
export interface Move {
  readonly request: string;
  readonly account: number;
  readonly cents: number;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as TransferSettings;
const resource = await openPostgresqlResource<Move>({
  name: settings.name,
  connection: settings.database,
  maxSessions: 8,
  prepare: async (sql, { payload: { request, account, cents } }) => {
    const moved = await sql.query(
      'UPDATE account SET cents = cents + $1 WHERE id = $2 AND cents + $1 >= 0',
      [cents, account],
    );
    if (moved.affectedCount !== 1) return vote.abort('Too little money.');
    await sql.query('INSERT INTO ledger (request, cents) VALUES ($1, $2)', [request, cents]);
    return vote.commit();
  },
});
const participant = await serveParticipant({
  name: settings.name,
  urls: settings.urls,
  dataDirectory: settings.journal,
  options: settings.options,
  ...(settings.tls === undefined ? {} : { tls: settings.tls }),
  resource,
  onAlarm: ({ alarm, message }) => tell(`ALARM ${alarm}: ${message}`),
});
process.once('SIGTERM', () => void stop());
await participant.connected();
tell('connected');

async function stop(): Promise<void> {
  await participant.close();
  await resource.close();
  process.exit(0);
}
