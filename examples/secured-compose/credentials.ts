/** What the cluster issued for `name`: VERDICT_CERTS is where `docker compose cp` has put it. */
import { join } from 'node:path';
import process from 'node:process';
import type { TlsOptions } from 'verdict/client';

const directory = process.env['VERDICT_CERTS'] ?? './verdict-certs';

export const urls: readonly string[] = (
  process.env['VERDICT_URLS'] ?? '127.0.0.1:7071,127.0.0.1:7072,127.0.0.1:7073'
).split(',');

export function tlsOf(name: string): TlsOptions {
  return {
    ca: { file: join(directory, 'ca.crt') },
    cert: { file: join(directory, 'identities', `${name}.crt`) },
    key: { file: join(directory, 'identities', `${name}.key`) },
  };
}
