/** A participant: what was paid into it. Run: till DIRECTORY */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { serveParticipant, vote } from 'verdict-client/participant';

const [directory = './till'] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
const book = `${directory}/book`;
const written = (): string[] =>
  existsSync(book) ? readFileSync(book, 'utf8').trim().split('\n') : [];

const till = await serveParticipant<{ cents: number }>({
  name: 'till',
  urls: [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'],
  dataDirectory: `${directory}/journal`,
  journalKind: 'sqlite',
  prepare: ({ payload }) =>
    payload.cents > 0 ? vote.commit() : vote.abort('That is not worth the paper.'),
  // It may come twice, after a crash for one: the line names its transaction.
  commit: ({ txid, payload }) => {
    if (written().some((line) => line.startsWith(txid))) return;
    appendFileSync(book, `${txid} ${payload?.cents}\n`);
  },
  rollback: () => undefined,
});
await till.connected();
console.log('till is ready');
process.once('SIGTERM', () => void till.close().then(() => process.exit(0)));
