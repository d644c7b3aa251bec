/** A TLS handshake both ways, and what each end made of the other. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import type { Credential } from '../../../src/cli/dev-ca/certificate.ts';

export interface Seen {
  /** Why the client ended it, null where it did not. */
  readonly client: string | null;
  /** Why the server did; else the URI of whom it let in. */
  readonly server: string | null;
}

/** One connection, on which both ends want a certificate of the authority. */
export async function handshake(
  ca: string,
  node: Credential,
  identity: Credential | null,
  options: ConnectionOptions = {},
): Promise<Seen> {
  const server = createServer({
    cert: node.certificate,
    key: node.key,
    ca,
    requestCert: true,
    // Else Node closes without a word, and why is not to be seen.
    rejectUnauthorized: false,
  });
  const served = new Promise<string | null>((resolve) => {
    server.once('tlsClientError', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'no code'));
    server.once('secureConnection', (socket: TLSSocket) => {
      const { authorized, authorizationError: why } = socket;
      resolve(authorized ? (socket.getPeerX509Certificate()?.subjectAltName ?? null) : `${why}`);
      socket.end(authorized ? 'welcome' : '');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({
    host: '127.0.0.1',
    port,
    ca,
    ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
    ...options,
  });
  try {
    const ended = new Promise<string | null>((resolve) => {
      client.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'no code'));
      client.once('data', () => resolve(null));
      client.once('close', () => resolve('closed'));
    });
    return { client: await ended, server: await served };
  } finally {
    client.destroy();
    server.close();
  }
}
