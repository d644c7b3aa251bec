/**
 * The console: an operator's page, served from memory by the node that it looks at. It holds no
 * secret and knows nothing of the cluster: what it shows it asks for over the WebSocket, as whoever
 * it can prove to be.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

export interface ConsoleFile {
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: Buffer;
  readonly etag: string;
  /** Its name changes with what is in it. */
  readonly isHashed: boolean;
}

/** By their path below `/console/`. A text: why there are none, for people. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile> | string;

export interface ConsoleOptions {
  /** Asked at each request; the first may take its time. */
  readonly files: () => Promise<ConsoleFiles>;
  /** Whether a request that names this host is for this node. */
  readonly isOwnHost: (host: string | undefined) => boolean;
}

const prefix = '/console';

/** Nothing but what the node itself serves runs, loads, or is spoken to; no one may frame it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const guards: Readonly<Record<string, string>> = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Answers what is asked for below `/console`, and leaves the rest to `others`. */
export function consoleHandler(options: ConsoleOptions, others: RequestListener): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return others(request, response);
    void answer(options, { request, response, path }).catch(() => response.destroy());
  };
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
}

async function answer(options: ConsoleOptions, asked: Asked): Promise<void> {
  const { request, path } = asked;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return say(asked, 405, 'Only GET and HEAD.', { allow: 'GET, HEAD' });
  }
  if (!options.isOwnHost(request.headers.host)) return say(asked, 421, unknownName);
  if (path === prefix) return say(asked, 308, 'See /console/.', { location: `${prefix}/` });
  const files = await options.files();
  if (typeof files === 'string') return say(asked, 503, files);
  const file = files.get(path.slice(prefix.length + 1) || 'index.html');
  if (file === undefined) return say(asked, 404, 'Not found. The console is at /console/.');
  send(asked, file);
}

const unknownName =
  'This node does not know that it has the name in the address. Open it by its address, or by a name in its certificate, or start it with --console-host NAME.';

function send({ request, response }: Asked, file: ConsoleFile): void {
  const headers = {
    ...guards,
    etag: file.etag,
    vary: 'accept-encoding',
    'cache-control': file.isHashed ? 'public, max-age=31536000, immutable' : 'no-store',
  };
  if (request.headers['if-none-match'] === file.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const body = zipped ? file.gzip : file.body;
  response.writeHead(200, {
    ...headers,
    'content-type': file.type,
    'content-length': body.length,
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function say(
  { request, response }: Asked,
  status: number,
  text: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    ...guards,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...more,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
