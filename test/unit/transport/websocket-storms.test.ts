/**
 * What thousands do at once is taken in portions: how many of it one turn has, not how long that
 * takes.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { atEndOfTurn } from '../../../src/system/turn.ts';
import { endInPortions } from '../../../src/transport/websocket/ending.ts';
import { Portions } from '../../../src/transport/websocket/portions.ts';
import { upgradeRequest } from '../../support/network/hand-made-frames.ts';
import {
  bare,
  cleanUp,
  cleanUps,
  listen,
  rawSocket,
  until,
} from '../../support/network/websocket-rig.ts';
import { pause } from '../../support/process/child.ts';

afterEach(cleanUp);

const peers = 200;
const maxPerTurn = 32;

/** How many there are more at the end of a turn than at the end of the one before it, at most. */
async function mostInATurn(count: () => number, isOver: () => boolean): Promise<number> {
  let most = 0;
  for (let before = count(); !isOver(); ) {
    await new Promise<void>((resolve) => atEndOfTurn(resolve));
    const now = count();
    most = Math.max(most, now - before);
    before = now;
  }
  return most;
}

it.each(['by this side', 'by their peers'])(
  'connections cut at once %s end in portions',
  async (who) => {
    const { url, ends } = await listen();
    const sockets = await Promise.all(Array.from({ length: peers }, () => bare(url)));
    await until(() => ends.length === peers);
    let closed = 0;
    for (const end of ends) void end.closed.then(() => (closed += 1));
    if (who === 'by this side') for (const { connection } of ends) connection.terminate();
    else for (const { socket } of sockets) socket.terminate();
    const most = await mostInATurn(
      () => closed,
      () => closed === peers,
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(maxPerTurn);
  },
);

it('what peers end at once ends here in portions', async () => {
  const portions = new Portions();
  let accepted = 0;
  let ended = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    endInPortions(socket, portions);
    accepted += 1;
    socket.on('end', () => {
      ended += 1;
      socket.end();
    });
    socket.resume();
  });
  cleanUps.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sockets = await Promise.all(Array.from({ length: peers }, () => rawSocket(url)));
  await until(() => accepted === peers);
  for (const socket of sockets) socket.end();
  const most = await mostInATurn(
    () => ended,
    () => ended === peers,
  );
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(maxPerTurn);
});

it('connections that are asked for at once begin in portions', async () => {
  const { url, ends } = await listen();
  const sockets = await Promise.all(Array.from({ length: peers }, () => rawSocket(url)));
  // One is accepted a turn: they are to be there before they ask.
  await pause(200);
  for (const socket of sockets) socket.write(upgradeRequest('x'));
  const most = await mostInATurn(
    () => ends.length,
    () => ends.length === peers,
  );
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(maxPerTurn);
});

it('what still comes on connections that wait to be cut does no harm', async () => {
  const { url, ends } = await listen();
  const sockets = await Promise.all(Array.from({ length: peers }, () => bare(url)));
  await until(() => ends.length === peers);
  for (const { connection } of ends) connection.terminate();
  for (const { socket } of sockets) socket.send('{}');
  await Promise.all(ends.map(({ closed }) => closed));
  await Promise.all(sockets.map(({ ended }) => ended));
  expect(ends.flatMap(({ messages, problems }) => [...messages, ...problems])).toEqual([]);
});

it('a connection that waits to be cut is not read', async () => {
  const socket = new Socket();
  socket.resume();
  endInPortions(socket, new Portions());
  socket.destroy();
  expect([socket.isPaused(), socket.destroyed]).toEqual([true, false]);
  await new Promise<void>((resolve) => atEndOfTurn(resolve));
  expect(socket.destroyed).toBe(true);
});

it('handshakes that are too slow are looked for often enough to end one after the other', async () => {
  const { url } = await listen({ handshakeTimeoutMs: 1_000 });
  const endedAtMs: number[] = [];
  const ended: Promise<void>[] = [];
  for (let left = 10; left > 0; left -= 1) {
    const socket = await rawSocket(url);
    socket.write('GET /v1 HTTP/1.1\r\n');
    socket.resume();
    ended.push(
      once(socket, 'close').then(() => {
        endedAtMs.push(performance.now());
      }),
    );
    await pause(200);
  }
  await Promise.all(ended);
  const apart = endedAtMs.filter((atMs, index) => atMs - (endedAtMs[index - 1] ?? atMs) > 100);
  // Looked for once a second, they would end in three batches at most. A pause makes one of some.
  expect(apart.length).toBeGreaterThanOrEqual(3);
});
