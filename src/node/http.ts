/** Plain HTTP beside the WebSocket: is the process alive, and may it be sent work. */
import type { IncomingMessage, RequestListener } from 'node:http';

/** What the HTTP side needs to know of a node; null while there is none yet. */
export interface Health {
  readonly ready: boolean;
  confirmedLeaders(): readonly ({ readonly node: string } | null)[];
}

/**
 * `isOpen`: whoever reaches the port may do everything. Where that is not so, a stranger hears
 * whether the node is ready, and no more of the cluster.
 */
export function healthHandler(health: () => Health | null, isOpen: boolean): RequestListener {
  return (request, response) => {
    const { status, body } = answerTo(request, health, isOpen);
    const text = `${JSON.stringify(body)}\n`;
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
}

function answerTo(
  { url = '/', method }: IncomingMessage,
  health: () => Health | null,
  isOpen: boolean,
): { readonly status: number; readonly body: object } {
  // Not by `new URL`, which throws for what strangers send (`//`).
  const path = url.split('?', 1)[0];
  if (path !== '/healthz' && path !== '/readyz') {
    const error = 'Not found. There are /healthz, /readyz, and the WebSocket at /v1.';
    return { status: 404, body: { error } };
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, body: { error: 'Only GET and HEAD.' } };
  }
  if (path === '/healthz') return { status: 200, body: { ok: true } };
  const state = health();
  const ready = state?.ready === true;
  const status = ready ? 200 : 503;
  if (!isOpen) return { status, body: { ready } };
  const leaders = state?.confirmedLeaders() ?? [];
  const led = leaders.filter((leader) => leader !== null).length;
  return { status, body: { ready, shards: leaders.length, led } };
}
