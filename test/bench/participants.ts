/**
 * The product's participants for the bench: they hold nothing of their own, so only Verdict's work
 * is measured. Run: participants.ts DIRECTORY PORT[,PORT...] NAME...
 */

import { join } from 'node:path';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';

const [directory = '', ports = '', ...names] = process.argv.slice(2);

for (const name of names) {
  await serveParticipant({
    logger: silentLogger,
    name,
    urls: ports.split(',').map((port) => `127.0.0.1:${port}`),
    dataDirectory: join(directory, name),
    prepare: async () => vote.commit(),
    commit: async () => undefined,
    rollback: async () => undefined,
    inDoubt: () => [],
    // A leader that comes back is found at once: the pauses between two tries are not measured.
    options: { retryDelayMs: 20, maxRetryDelayMs: 200 },
  });
}
console.log('ready');
process.on('disconnect', () => process.exit(0));
