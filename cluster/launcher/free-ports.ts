/**
 * Ports for processes that must come back on the same ones, after kill -9 too.
 *
 * Not those that the system hands out (listen on port 0): from the same range it gives every
 * outgoing connection its own, and sooner or later one of these sits on the port of a node that is
 * just being started again.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the outgoing connections' of Linux (32,768) and of macOS (49,152), above what services use
 * by default.
 */
const portMin = 10_240;
const maxPort = 32_767;
const maxTries = 1_000;

/** Given out by this process; they may not be listened on yet. */
const given = new Set<number>();

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const port = portMin + Math.floor(Math.random() * (maxPort - portMin + 1));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`No free port from ${portMin} to ${maxPort} was found on 127.0.0.1.`);
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
