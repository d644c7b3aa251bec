/** Plain HTTP beside the WebSocket: is the process alive, and may it be sent work. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** What the HTTP side needs to know of a node; null while there is none yet. */
export interface Health {
  readonly ready: boolean;
  leaders(): readonly ({ readonly node: string } | null)[];
}

export function healthHandler(health: () => Health | null): RequestListener {
  return (request, response) => {
    // Not by `new URL`, which throws for what strangers send (`//`).
    const path = (request.url ?? '/').split('?', 1)[0];
    if (path !== '/healthz' && path !== '/readyz') {
      reply(response, request, 404, {
        error: 'Not found. There are /healthz, /readyz, and the WebSocket at /v1.',
      });
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      reply(response, request, 405, { error: 'Only GET and HEAD.' });
      return;
    }
    if (path === '/healthz') {
      reply(response, request, 200, { ok: true });
      return;
    }
    const state = health();
    const leaders = state?.leaders() ?? [];
    const led = leaders.filter((leader) => leader !== null).length;
    reply(response, request, state?.ready === true ? 200 : 503, {
      ready: state?.ready === true,
      shards: leaders.length,
      led,
    });
  };
}

function reply(
  response: ServerResponse,
  request: IncomingMessage,
  status: number,
  body: object,
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}
