/** `GET /metrics`: who reads slowly holds little, and not for long. */
import type { RequestListener } from 'node:http';
import type { Clock } from '../../ports/clock.ts';
import type { Page } from './page.ts';

/** Answers that are not taken yet. */
const maxUnderWay = 8;
const takeTimeoutMs = 10_000;

export function metricsHandler(given: {
  readonly clock: Clock;
  readonly page: () => Promise<Page>;
  readonly failed: (error: unknown) => void;
}): RequestListener {
  let underWay = 0;
  return (request, response) => {
    const { method } = request;
    const say = (status: number, text: string, more: Record<string, string> = {}): void => {
      response.writeHead(status, {
        'content-type': 'text/plain; charset=utf-8',
        'content-length': Buffer.byteLength(text),
        'cache-control': 'no-store',
        ...more,
      });
      response.end(method === 'HEAD' ? undefined : text);
    };
    if (method !== 'GET' && method !== 'HEAD') {
      say(405, 'Only GET and HEAD.\n', { allow: 'GET, HEAD' });
      return;
    }
    if (underWay >= maxUnderWay) {
      say(503, 'As many as may read this page do so. Ask again later.\n', { 'retry-after': '1' });
      return;
    }
    underWay += 1;
    const late = given.clock.setTimer(takeTimeoutMs, () => request.socket.destroy());
    response.once('close', () => {
      underWay -= 1;
      late.cancel();
    });
    given.page().then(
      ({ contentType, text }) => {
        if (!response.destroyed) say(200, text, { 'content-type': contentType });
      },
      (error: unknown) => {
        if (response.destroyed) return;
        given.failed(error);
        say(500, 'The page could not be made; the log of the node says why.\n');
      },
    );
  };
}
