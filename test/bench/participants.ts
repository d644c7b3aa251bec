/**
 * The product's participants for the bench: they hold nothing of their own, so only Verdict's work
 * is measured. Run:
 * participants.ts [--options JSON] DIRECTORY PORT[,PORT...] NAME...
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { TlsOptions } from '../../src/ports/tls.ts';

const { positionals, values } = parseArgs({
  options: { options: { type: 'string', default: '{}' } },
  allowPositionals: true,
});
const [directory = '', ports = '', ...names] = positionals;
const more = JSON.parse(values.options) as { token?: string; tls?: TlsOptions };

for (const name of names) {
  await serveParticipant({
    logger: silentLogger,
    name,
    urls: ports.split(',').map((port) => `127.0.0.1:${port}`),
    dataDirectory: join(directory, name),
    ...more,
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
