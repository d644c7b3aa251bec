/** What a peer shows in its upgrade request, and how it is told that this is not enough. */
import type { IncomingMessage } from 'node:http';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Shown } from '../../ports/access.ts';
import { clientCertificate } from '../tls/client-certificate.ts';
import type { AcceptorTls } from '../tls/server-credentials.ts';
import type { Refusal } from './refusal.ts';

const { STATUS_CODES } = process.getBuiltinModule('node:http');

/**
 * A refusal where a certificate is wrong, or missing and must be there. `clientAuth`: null where
 * no TLS is spoken.
 */
export function shownBy(
  { headers, socket }: IncomingMessage,
  clientAuth: AcceptorTls['clientAuth'] | null,
  nowMs: number,
): Shown | Refusal {
  const showing =
    clientAuth === null || clientAuth === 'none'
      ? none
      : clientCertificate(socket as TLSSocket, nowMs);
  if (showing.status === 'refused') return { status: 401, text: showing.text };
  if (showing.status === 'none' && clientAuth === 'required') return certificateMissing;
  return {
    address: socket.remoteAddress ?? '',
    certificate: showing.status === 'verified' ? showing.certificate : null,
    authorization: headers.authorization ?? null,
    private: clientAuth !== null,
  };
}

const none = { status: 'none' } as const;
const certificateMissing: Refusal = {
  status: 401,
  text: 'This node wants a client certificate: give one as tls.cert and tls.key (--tls-cert, --tls-key).',
};

export function refuse(socket: Duplex, status: number, text: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${text}\n`;
  // `destroySoon` would wait for the peer to read; a stranger gets no such patience.
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
