/**
 * A participant of the light package on whatever runtime runs this file, which a test copies into a
 * project of its own. Each commit is a line of a file, as is each prepare. Run: service-entry.ts
 * {"name", "urls", "directory", "tls"}.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const { serveParticipant, vote } = (await import(
  'verdict-client/participant' as string
)) as typeof import('../../../src/participant.ts');

const given = JSON.parse(process.argv[2] ?? '');
mkdirSync(given.directory, { recursive: true });
const file = join(given.directory, 'books');
const held = join(given.directory, 'held');
const has = (path: string, line: string): boolean =>
  existsSync(path) && readFileSync(path, 'utf8').split('\n').includes(line);

const participant = await serveParticipant<{ readonly sku: string }>({
  name: given.name,
  urls: given.urls,
  ...(given.tls !== undefined && { tls: given.tls }),
  ...(given.journalKind !== undefined && { journalKind: given.journalKind }),
  dataDirectory: join(given.directory, 'journal'),
  prepare: ({ txid, branch, payload }) => {
    if (payload.sku === 'none') return vote.abort('None left.');
    appendFileSync(held, `${txid} ${branch}\n`);
    return vote.commit({ sku: payload.sku });
  },
  commit: ({ txid, branch }) => {
    if (!has(file, `${txid} ${branch}`)) appendFileSync(file, `${txid} ${branch}\n`);
  },
  rollback: () => undefined,
});
await participant.connected({ timeoutMs: 30_000 });
console.log(`serving, instance ${participant.instance}`);
process.on('SIGTERM', async () => {
  await participant.close();
  process.exit(0);
});
