/** By which names a node with TLS goes, while its files change. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { processIo } from '../../../src/cli/io.ts';
import { acceptorTls } from '../../../src/cli/serve-tls.ts';
import { noAudit } from '../../../src/ports/audit.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { ServerCredentials } from '../../../src/transport/tls/server-credentials.ts';
import { TlsAuthority } from '../../support/network/tls-authority.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

it('has the names of the certificate in use, and not of one that cannot be', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'verdict-serve-tls-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const authority = await TlsAuthority.made();
  const before = await authority.issue({ names: ['DNS:before.example'] });
  const next = await authority.issue({ names: ['DNS:next.example'] });
  const files = authority.write(directory, 'node', before);
  const io = { ...processIo(), onHangUp: () => () => undefined };
  const given = { logger: silentLogger, audit: noAudit };
  const tls = acceptorTls({ tlsCert: files.cert, tlsKey: files.key }, io, given);
  if (tls === null) throw new Error('no TLS');
  const clock = new ManualClock();
  const credentials = new ServerCredentials(tls, clock);
  onTestFinished(() => credentials.close());
  credentials.first();
  credentials.watch(() => undefined);
  for (const text of ['', next.cert.slice(0, 300), next.cert]) {
    writeFileSync(files.cert, text);
    await clock.advance(5_000);
    expect(tls.hostNames()).toEqual(['before.example']);
  }
  writeFileSync(files.key, next.key);
  await clock.advance(5_000);
  expect(tls.hostNames()).toEqual(['next.example']);
});
