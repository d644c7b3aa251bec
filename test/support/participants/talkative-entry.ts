/**
 * A service whose errors quote what they were given, with the SDK's own log on stderr. Run:
 * talkative-entry.ts SETTINGS, one JSON object.
 */
import { serveParticipant, vote } from '../../../src/participant.ts';
import { openPostgresqlResource } from '../../../src/postgresql.ts';

interface Settings {
  readonly urls: readonly string[];
  readonly token?: string;
  readonly dataDirectory: string;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;

await serveParticipant<{ readonly text: string; readonly fails?: 'prepare' | 'result' }, string>({
  name: 'talkative',
  ...settings,
  prepare: ({ payload }) => {
    if (payload.fails === 'prepare') throw new Error(`No stock for ${payload.text}`);
    // A result that cannot be sent.
    if (payload.fails === 'result') return vote.commit((() => payload.text) as never);
    return vote.commit(`result of ${payload.text}`);
  },
  commit: () => undefined,
  rollback: () => undefined,
  inDoubt: () => [],
});
console.log('Serving.');

// At an address where no database is. Whoever starts it sees why it does not start.
const connectionString = process.env['DATABASE_URL'] ?? '';
await openPostgresqlResource({
  name: 'database',
  connection: { connectionString },
  prepare: () => vote.commit(),
}).catch((error: unknown) => console.error('No database:', error));
