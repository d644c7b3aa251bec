/** TLS of a node, from its files. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { thrownText } from '../core/thrown.ts';
import type { Audit } from '../ports/audit.ts';
import type { Logger } from '../ports/logger.ts';
import { readForeignSecretFile } from '../system/secret-file.ts';
import { namesIn } from '../transport/tls/names.ts';
import { TlsError } from '../transport/tls/pem.ts';
import type { AcceptorTls } from '../transport/tls/server-credentials.ts';
import type { Io } from './io.ts';
import type { ServerTlsFlags } from './tls-options.ts';

export interface ServeTls extends AcceptorTls {
  /** Of the certificate in use: one that is being written, say, has none yet. */
  readonly hostNames: () => readonly string[];
}

/** Null: the node speaks no TLS. */
export function acceptorTls(
  flags: ServerTlsFlags,
  io: Io,
  { logger, audit }: { readonly logger: Logger; readonly audit: Audit },
): ServeTls | null {
  const { tlsCert, tlsKey, tlsClientCa, tlsClientAuth = 'required' } = flags;
  if (tlsCert === undefined || tlsKey === undefined) return null;
  const warn = (problem: string): void => logger.warn({}, problem);
  let names: readonly string[] = [];
  return {
    hostNames: () => names,
    read: () => ({
      cert: read(tlsCert, '--tls-cert'),
      key: readForeignSecretFile(tlsKey, 'key of --tls-key', warn).toString(),
      clientCa: tlsClientCa === undefined ? undefined : read(tlsClientCa, '--tls-client-ca'),
    }),
    taken: ({ cert }) => {
      names = hostNamesIn(cert);
    },
    clientAuth: tlsClientCa === undefined ? 'none' : tlsClientAuth,
    onReread: (reread) => {
      io.onHangUp(reread);
    },
    changed: (certificate) =>
      audit.write({ event: 'configuration-changed', what: 'certificate', ...certificate }),
    log: (level, text) => logger[level]({}, text),
  };
}

/** Hosts alone. What cannot be read is told by who puts it in use. */
function hostNamesIn(pem: string): readonly string[] {
  try {
    const names = namesIn(new X509Certificate(pem).subjectAltName) ?? [];
    return names.flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4)] : []));
  } catch {
    return [];
  }
}

function read(file: string, option: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    throw new TlsError(`The file of ${option} cannot be read: ${thrownText(error)}.`, {
      cause: error,
    });
  }
}
