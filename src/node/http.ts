/** HTTP beside the WebSocket: is the process alive, may it be sent work, and its metrics. */
import type { IncomingMessage, RequestListener } from 'node:http';

/** What the HTTP side needs to know of a node; null while there is none yet. */
export interface Health {
  readonly ready: boolean;
  /** What an operator has to mend. */
  problems(): readonly string[];
  confirmedLeaders(): readonly ({ readonly node: string } | null)[];
}

/**
 * `isOpen`: whoever reaches the port may do everything. Where that is not so, a stranger hears
 * whether the node is ready, and no more of the cluster.
 */
export function healthHandler(
  health: () => Health | null,
  isOpen: boolean,
  /** Null: they are not served here. */
  metrics: RequestListener | null = null,
): RequestListener {
  return (request, response) => {
    if (metrics !== null && pathOf(request) === '/metrics') {
      metrics(request, response);
      return;
    }
    const { status, body } = answerTo(request, health, { isOpen, hasMetrics: metrics !== null });
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

/** Not by `new URL`, which throws for what strangers send (`//`). */
function pathOf({ url = '/' }: IncomingMessage): string | undefined {
  return url.split('?', 1)[0];
}

function answerTo(
  request: IncomingMessage,
  health: () => Health | null,
  { isOpen, hasMetrics }: { readonly isOpen: boolean; readonly hasMetrics: boolean },
): { readonly status: number; readonly body: object } {
  const { method } = request;
  const path = pathOf(request);
  if (path !== '/healthz' && path !== '/readyz') {
    const pages = hasMetrics ? '/healthz, /readyz, /metrics' : '/healthz, /readyz';
    const error = `Not found. There are ${pages}, the WebSocket at /v1, and the page at /console/.`;
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
  const problems = state?.problems() ?? [];
  const more = problems.length === 0 ? {} : { problems };
  return { status, body: { ready, shards: leaders.length, led, ...more } };
}
