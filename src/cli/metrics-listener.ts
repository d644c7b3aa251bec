/** A listener for monitoring alone: plain HTTP, without a credential, for a network of its own. */
import type { RequestListener } from 'node:http';
import process from 'node:process';

// An import of it would load Node's fetch as well.
const { createServer } = process.getBuiltinModule('node:http');

const maxConnections = 64;
const timeoutMs = 5_000;
const maxHeaderBytes = 8_192;

export interface MetricsListener {
  readonly host: string;
  readonly port: number;
  close(): void;
}

export async function listenForMetrics(
  at: { readonly host: string; readonly port: number },
  answer: RequestListener,
): Promise<MetricsListener> {
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    keepAliveTimeout: timeoutMs,
  });
  server.maxConnections = maxConnections;
  server.on('request', answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const { host, port } = at;
      const text = `Cannot listen for metrics on ${host}:${port}: ${cause.message}. Take another address with --metrics-listen.`;
      reject(new Error(text, { cause }));
    });
    server.listen(at, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' ? (bound?.port ?? at.port) : at.port;
  return {
    host: at.host,
    port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
