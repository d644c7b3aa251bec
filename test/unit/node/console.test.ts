/** What is served below /console, to whom, and with which guards. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ConsoleFile, type ConsoleFiles, consoleHandler } from '../../../src/node/console.ts';
import { isOwnHost } from '../../../src/transport/websocket/own-host.ts';

function fileOf(type: string, text: string, isHashed = false): ConsoleFile {
  const body = Buffer.from(text);
  return { type, body, gzip: gzipSync(body), etag: `"${text.length}"`, isHashed };
}

const html = 'text/html; charset=utf-8';
const files = new Map([
  ['index.html', fileOf(html, '<!doctype html>')],
  ['assets/index-1a2b.js', fileOf('text/javascript; charset=utf-8', 'export {};', true)],
]);

let served: ConsoleFiles;
let server: Server;
beforeEach(async () => {
  served = files;
  const handler = consoleHandler(
    { files: async () => served, isOwnHost: (host) => isOwnHost(host, ['node.example']) },
    (_request, response) => response.end('others'),
  );
  server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => server.close());

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status, headers: got } = response;
        resolve({ status, headers: got, body: Buffer.concat(chunks) });
      });
    });
    asked.on('error', reject).end();
  });
}

it('serves the page afresh and its parts for good, each as what it is', async () => {
  const page = await ask('/console/');
  expect(page).toMatchObject({
    status: 200,
    headers: { 'content-type': html, 'cache-control': 'no-store' },
  });
  expect(page.body.toString()).toBe('<!doctype html>');
  const part = await ask('/console/assets/index-1a2b.js?x', { 'accept-encoding': 'br, gzip' });
  expect(part.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'content-encoding': 'gzip',
    'cache-control': expect.stringContaining('immutable'),
  });
  expect(gunzipSync(part.body).toString()).toBe('export {};');
  const etag = String(part.headers['etag']);
  const again = await ask('/console/assets/index-1a2b.js', { 'if-none-match': etag });
  expect(again).toMatchObject({ status: 304, body: Buffer.alloc(0) });
});

it('lets nothing but itself run, load or be spoken to, and no one frame it', async () => {
  for (const path of ['/console/', '/console', '/console/none']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:|data:|blob:/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['access-control-allow-origin']).toBeUndefined();
  }
});

it('answers under its own names alone', async () => {
  expect(await ask('/console/', { host: 'node.example' })).toMatchObject({ status: 200 });
  const rebound = await ask('/console/', { host: 'evil.example' });
  expect(rebound.status).toBe(421);
  expect(rebound.body.toString()).toContain('--console-host');
});

it('takes no other method, finds nothing else, and leaves the rest to others', async () => {
  expect(await ask('/console/', {}, 'POST')).toMatchObject({ status: 405 });
  expect(await ask('/console/', {}, 'HEAD')).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  expect(await ask('/console')).toMatchObject({ status: 308, headers: { location: '/console/' } });
  for (const path of ['/console/../package.json', '/console/__proto__', '/console/%2e%2e/x']) {
    expect((await ask(path)).status, path).toBe(404);
  }
  for (const path of ['/', '/healthz', '/consoles', '//console/']) {
    expect((await ask(path)).body.toString(), path).toBe('others');
  }
});

it('says why there is no page', async () => {
  served = 'The console is not there.';
  expect(await ask('/console/')).toMatchObject({ status: 503 });
});
