/**
 * Opens each kind of store below a directory in which something is wrong, and prints what came of
 * it as one JSON object. Run: places-entry.ts DIRECTORY [files], with `files`: after all the files
 * are open that may be.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedLog } from '../../../src/decision-log/embedded/log.ts';
import { TransactionCoordinator } from '../../../src/embedded.ts';
import { openLmdbJournal } from '../../../src/journal/lmdb/journal.ts';
import { openSqliteJournal } from '../../../src/journal/sqlite/journal.ts';
import { openOutbox } from '../../../src/outbox.ts';
import { writeDurableFile } from '../../../src/store/durable-file.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { systemRandom } from '../../../src/system/random.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';

const [directory = '', more] = process.argv.slice(2);
const clock = systemClock;

/** All that a failed start brings must be an error: none of these may end the process. */
const kinds: Readonly<Record<string, (directory: string) => Promise<unknown>>> = {
  log: (at) => openEmbeddedLog({ directory: at, node: 'n1', url: 'ws://n1', clock, onFatal }),
  journal: (at) => openLmdbJournal({ directory: at, clock, random: systemRandom, onFatal }),
  sqlite: (at) => openSqliteJournal({ directory: at, clock, random: systemRandom, onFatal }),
  store: (at) => openVersionedStore({ dataDirectory: at, onFatal }),
  outbox: (at) => openOutbox({ dataDirectory: at, onFatal, publish: () => undefined }),
  library: async (at) => {
    const coordinator = new TransactionCoordinator({ log: { kind: 'lmdb', directory: at } });
    await coordinator.ready();
  },
  etcd: (at) => writeDurableFile(join(at, 'etcd-seen.json'), '{}'),
};

if (more === 'files') {
  // Everything is loaded by now that is loaded late.
  const warm = new TransactionCoordinator();
  await warm.ready();
  await import('../../../src/decision-log/embedded/log.ts');
  await import('../../../src/resources/outbox/outbox.ts');
  await import('../../../src/resources/versioned-store/store.ts');
  for (const held: number[] = []; ; ) {
    try {
      held.push(openSync('/dev/null', 'r'));
    } catch {
      // One to find out with where the limit is.
      closeSync(held.pop() ?? 0);
      openSync('/dev/null', 'r');
      break;
    }
  }
}
const said: Record<string, string> = {};
for (const [kind, open] of Object.entries(kinds)) {
  try {
    await open(join(directory, kind));
    said[kind] = 'opened';
  } catch (error) {
    said[kind] = error instanceof Error ? error.message : String(error);
  }
}
process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(0));

function onFatal(): void {
  // The error is what is looked at.
}
