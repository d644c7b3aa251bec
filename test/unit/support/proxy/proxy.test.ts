import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { command } from '../../../support/network/proxy/commands.ts';
import { FaultProxy } from '../../../support/network/proxy/proxy.ts';
import { eventually, pause } from '../../../support/process/child.ts';
import { seededRandom } from '../../../support/samples/seeded-random.ts';

/** What each end heard, and a connection between them through the proxy. */
let server: WebSocketServer;
let http: ReturnType<typeof createServer>;
let proxy: FaultProxy;
let atTarget: string[];
let accepted: WebSocket[];
const dialled: WebSocket[] = [];

beforeEach(async () => {
  atTarget = [];
  accepted = [];
  http = createServer((_request, response) => response.end('healthy'));
  server = new WebSocketServer({ server: http });
  server.on('connection', (socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.on('message', (data) => atTarget.push(String(data)));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  proxy = await FaultProxy.started({
    target: { host: '127.0.0.1', port },
    chance: () => random.fraction(),
  });
});
const random = seededRandom(7);

afterEach(async () => {
  for (const socket of dialled) socket.terminate();
  proxy.close();
  for (const socket of accepted) socket.terminate();
  await new Promise((resolve) => http.close(resolve));
});

function connect(): WebSocket {
  const socket = new WebSocket(`ws://${proxy.address}`);
  dialled.push(socket);
  socket.on('error', () => undefined);
  return socket;
}

async function connected(): Promise<WebSocket> {
  const socket = connect();
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  await until(() => accepted.length > 0);
  return socket;
}

function heardBy(socket: WebSocket): string[] {
  const heard: string[] = [];
  socket.on('message', (data) => heard.push(String(data)));
  return heard;
}

function until(holds: () => boolean): Promise<unknown> {
  return eventually(
    () => (holds() ? true : null),
    () => `it to hold; the target heard ${atTarget.length} messages`,
    10_000,
  );
}

const many = Array.from({ length: 200 }, (_, index) => `message ${index}`);

describe('the fault proxy', () => {
  it('passes whole conversations unchanged: large messages, fragments, pings between them, other requests', async () => {
    const socket = await connected();
    const heard = heardBy(socket);
    const large = 'x'.repeat(300_000);
    socket.send('part one, ', { fin: false });
    socket.ping('between');
    socket.send('part two', { fin: true });
    socket.send(large);
    for (const text of many) accepted[0]?.send(text);
    await until(() => atTarget.length === 2 && heard.length === many.length);
    expect(atTarget).toEqual(['part one, part two', large]);
    expect(heard).toEqual(many);
    const response = await fetch(`http://${proxy.address}/health`);
    expect(await response.text()).toBe('healthy');
  });

  it('says no more of an end than the end itself did', async () => {
    const socket = await connected();
    const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
    accepted[0]?.send('last words');
    accepted[0]?.close(4_000, 'done');
    expect(await closed).toBe(4_000);
    await until(() => proxy.standing === 0);
  });

  it('holds everything back while blocked, one way or both, and lets it pass when healed', async () => {
    const socket = await connected();
    const heard = heardBy(socket);
    proxy.block('forward');
    socket.send('held');
    accepted[0]?.send('passes');
    await until(() => heard.length === 1);
    expect(atTarget).toEqual([]);
    proxy.block();
    accepted[0]?.send('held too');
    accepted[0]?.close(4_001, 'unheard');
    await pause(50);
    expect(heard).toEqual(['passes']);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
    await proxy.heal();
    expect(await closed).toBe(4_001);
    expect(heard).toEqual(['passes', 'held too']);
    expect(atTarget).toEqual(['held']);
  });

  it('holds new connections back while blocked', async () => {
    proxy.block('backward');
    const socket = connect();
    await until(() => accepted.length === 1);
    await pause(30);
    expect(socket.readyState).toBe(WebSocket.CONNECTING);
    await proxy.heal();
    await until(() => socket.readyState === WebSocket.OPEN);
  });

  it.each([
    ['dialler', 'target'],
    ['target', 'dialler'],
  ] as const)('leaves the %s in the belief that the %s is there', async (believer, _other) => {
    const socket = await connected();
    const [other] = accepted;
    const ends = { dialler: socket, target: other as WebSocket };
    const mistaken = ends[believer];
    const informed = ends[believer === 'dialler' ? 'target' : 'dialler'];
    proxy.halfOpen(believer);
    await until(() => informed.readyState === WebSocket.CLOSED);
    for (const text of many) mistaken.send(text);
    await pause(50);
    expect(mistaken.readyState).toBe(WebSocket.OPEN);
    expect(proxy.standing).toBe(1);
    await connected();
    await proxy.heal();
    await until(() => mistaken.readyState === WebSocket.CLOSED);
    expect(proxy.standing).toBe(1);
  });

  it('refuses new connections, on the same address until it heals', async () => {
    const socket = await connected();
    const { address } = proxy;
    proxy.refuse();
    await expect(connected()).rejects.toThrow(/ECONNREFUSED/);
    socket.send('the old one stands');
    await until(() => atTarget.length === 1);
    await proxy.heal();
    expect(proxy.address).toBe(address);
    await connected();
  });

  it('resets what stands', async () => {
    const socket = await connected();
    proxy.cut();
    await until(() => socket.readyState === WebSocket.CLOSED && proxy.standing === 0);
    await connected();
  });

  it('loses messages, and spares the first', async () => {
    proxy.disturb({ drop: 0.5 }, 'forward');
    const socket = await connected();
    for (const text of many) socket.send(text);
    await pause(100);
    expect(atTarget[0]).toBe(many[0]);
    expect(atTarget.length).toBeGreaterThan(50);
    expect(atTarget.length).toBeLessThan(150);
    expect(atTarget).toEqual(many.filter((text) => atTarget.includes(text)));
  });

  it('doubles messages', async () => {
    proxy.disturb({ duplicate: 0.5, lagMs: 20 });
    const socket = await connected();
    for (const text of many) socket.send(text);
    await until(() => new Set(atTarget).size === many.length);
    await pause(40);
    expect(atTarget.length).toBeGreaterThan(250);
    expect(atTarget.length).toBeLessThan(350);
  });

  it('lets messages overtake each other, and loses none', async () => {
    proxy.disturb({ reorder: 0.3, lagMs: 30 });
    const socket = await connected();
    for (const text of many) {
      socket.send(text);
      if (random.fraction() < 0.1) await pause(1);
    }
    await until(() => atTarget.length === many.length);
    expect(atTarget).not.toEqual(many);
    expect([...atTarget].sort()).toEqual([...many].sort());
  });

  it('delays without changing the order', async () => {
    proxy.disturb({ delayMs: 30, jitterMs: 20 });
    const socket = await connected();
    const sentAtMs = performance.now();
    for (const text of many) socket.send(text);
    await until(() => atTarget.length === many.length);
    expect(performance.now() - sentAtMs).toBeGreaterThanOrEqual(30);
    expect(atTarget).toEqual(many);
  });

  it('does by command what it does by call, and names what it does not know', async () => {
    await connected();
    await command(proxy, 'disturb drop=1 sparingFirst=0 forward');
    const socket = await connected();
    socket.send('lost');
    // Control frames are never lost: once this one is answered, the message has passed the proxy.
    const answered = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping();
    await answered;
    await command(proxy, 'heal');
    socket.send('arrives');
    await until(() => atTarget.length === 1);
    expect(atTarget).toEqual(['arrives']);
    await command(proxy, 'half-open target');
    await command(proxy, 'cut');
    await until(() => proxy.standing === 0);
    await command(proxy, 'block backward');
    await command(proxy, 'status');
    await expect(command(proxy, 'explode')).rejects.toThrow(/no command "explode"/);
    await expect(command(proxy, 'block sideways')).rejects.toThrow(/forward or backward/);
    await expect(command(proxy, 'disturb drop=2')).rejects.toThrow(/0 to 1/);
    await expect(command(proxy, 'disturb speed=2')).rejects.toThrow(/no speed/);
  });

  it('keeps little of what a blocked sender goes on sending', async () => {
    const socket = await connected();
    proxy.block('forward');
    const block = 'y'.repeat(1024 * 1024);
    for (let index = 0; index < 32; index += 1) socket.send(block);
    await pause(100);
    // The rest waits with the sender.
    expect(socket.bufferedAmount).toBeGreaterThan(8 * block.length);
    await proxy.heal();
    await until(() => atTarget.length === 32);
  });
});
