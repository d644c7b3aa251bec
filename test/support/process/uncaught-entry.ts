/**
 * A service as it is written, that catches nothing: opens one kind of store below a directory in
 * which something is wrong. Run: uncaught-entry.ts DIRECTORY KIND.
 */
import { join } from 'node:path';
import { TransactionCoordinator } from '../../../src/embedded.ts';
import { openOutbox } from '../../../src/outbox.ts';
import { serveParticipant, vote } from '../../../src/participant.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';

const [directory = '', kind = ''] = process.argv.slice(2);
const at = join(directory, kind);

const participant = {
  name: 'inventory',
  urls: ['127.0.0.1:1'],
  dataDirectory: at,
  prepare: () => vote.commit(),
  commit: () => undefined,
  rollback: () => undefined,
};

const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
  participant: () => serveParticipant({ ...participant, journalKind: 'lmdb' }),
  chosen: () => serveParticipant(participant),
  library: () => new TransactionCoordinator({ log: { kind: 'lmdb', directory: at } }).ready(),
  outbox: () => openOutbox({ dataDirectory: at, publish: () => undefined }),
  store: () => openVersionedStore({ dataDirectory: at }),
};
await kinds[kind]?.();
process.exit(0);
