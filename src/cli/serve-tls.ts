/** TLS of a node, from its files. */
import { readFileSync } from 'node:fs';
import { thrownText } from '../core/thrown.ts';
import type { Audit } from '../ports/audit.ts';
import type { Logger } from '../ports/logger.ts';
import { readForeignSecretFile } from '../system/secret-file.ts';
import { TlsError } from '../transport/tls/pem.ts';
import type { AcceptorTls } from '../transport/tls/server-credentials.ts';
import type { Io } from './io.ts';
import type { ServerTlsFlags } from './tls-options.ts';

/** Null: the node speaks no TLS. */
export function acceptorTls(
  flags: ServerTlsFlags,
  io: Io,
  { logger, audit }: { readonly logger: Logger; readonly audit: Audit },
): AcceptorTls | null {
  const { tlsCert, tlsKey, tlsClientCa, tlsClientAuth = 'required' } = flags;
  if (tlsCert === undefined || tlsKey === undefined) return null;
  const warn = (problem: string): void => logger.warn({}, problem);
  return {
    read: () => ({
      cert: read(tlsCert, '--tls-cert'),
      key: readForeignSecretFile(tlsKey, 'key of --tls-key', warn).toString(),
      clientCa: tlsClientCa === undefined ? undefined : read(tlsClientCa, '--tls-client-ca'),
    }),
    clientAuth: tlsClientCa === undefined ? 'none' : tlsClientAuth,
    // On a terminal the signal says that it was closed.
    onReread: (reread) => {
      if (io.stderr.isTTY !== true) io.onHangUp(reread);
    },
    changed: (certificate) =>
      audit.write({ event: 'configuration-changed', what: 'certificate', ...certificate }),
    log: (level, text) => logger[level]({}, text),
  };
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
