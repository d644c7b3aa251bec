/** What the `ws` of another runtime does differently, and a client must stand. */
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { cleanUp, dial, goaway, listen } from '../../support/network/websocket-rig.ts';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

it("dials where the upgrade's response has no socket, as on Bun", async () => {
  const { url, next } = await listen();
  const { emit } = WebSocket.prototype;
  const seen: unknown[] = [];
  vi.spyOn(WebSocket.prototype, 'emit').mockImplementation(function (
    this: WebSocket,
    event: string | symbol,
    ...args: unknown[]
  ) {
    const given = event === 'upgrade' ? [{ socket: null }] : args;
    if (event === 'upgrade') seen.push(event);
    return emit.call(this, event, ...given);
  });
  const client = await dial(url);
  const server = await next();
  server.connection.send(goaway('seen'));
  server.connection.close(1000, 'done');
  await client.closed;
  expect(client.messages).toEqual([goaway('seen')]);
  expect(seen).toEqual(['upgrade']);
});
