/**
 * One of several processes of a service over one database, each with a journal of its own. Run:
 * replica-entry.ts SETTINGS.
 */
import { writeSync } from 'node:fs';
import { openMariadbResource } from '../../../src/mariadb.ts';
import { serveParticipant, vote } from '../../../src/participant.ts';
import { openPostgresqlResource, type PrepareSql } from '../../../src/postgresql.ts';
import { crashHook } from './crash-hook.ts';
import type { Booking, ReplicaSettings } from './replica.ts';

const { kind, connection, name, url, data, options } = JSON.parse(
  process.argv[2] ?? '{}',
) as ReplicaSettings;
const say = (level: string, fields: object, text: string): void => {
  const withErrors = (_key: string, value: unknown): unknown =>
    value instanceof Error ? value.message : value;
  writeSync(1, `${JSON.stringify({ level, text, ...fields }, withErrors)}\n`);
};
const placeholders = kind === 'postgresql' ? ['$1', '$2'] : ['?', '?'];
const prepare: PrepareSql<Booking, unknown> = async (sql, { txid, payload }) => {
  await sql.query(`UPDATE account SET balance = balance - 1 WHERE id = ${placeholders[0]}`, [
    payload.account,
  ]);
  await sql.query(`INSERT INTO booking (txid, account) VALUES (${placeholders.join(', ')})`, [
    txid,
    payload.account,
  ]);
  return vote.commit();
};
let reached = (_point: string): void => undefined;
process.on('message', ({ crashAt }: { readonly crashAt: string }) => {
  reached = crashHook(crashAt);
  process.send?.('armed');
});
const settings = { name, connection, prepare, isolation: 'read committed' } as const;
const resource =
  kind === 'postgresql'
    ? await openPostgresqlResource<Booking>(settings)
    : await openMariadbResource<Booking>(settings);
const participant = await serveParticipant<Booking>({
  name,
  urls: [url],
  dataDirectory: data,
  resource,
  options,
  reached: (point) => reached(point),
  logger: {
    debug: () => undefined,
    info: (fields, text) => say('info', fields, text),
    warn: (fields, text) => say('warn', fields, text),
    error: (fields, text) => say('error', fields, text),
  },
  onAlarm: (alarm) => say('alarm', alarm, alarm.message),
});
await participant.connected();
say('info', { instance: participant.instance }, 'Serving.');

process.once('SIGTERM', () => {
  void participant
    .close({ timeoutMs: 5_000 })
    .then(() => resource.close())
    .then(() => process.exit(0));
});
