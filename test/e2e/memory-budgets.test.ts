/**
 * A node with a small heap, and peers that each keep within every limit of a connection: what they
 * hold together is bounded too, good clients are served beside them, and the memory comes back.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { upgradeRequest, wireFrame } from '../support/network/hand-made-frames.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

const heapMebibytes = 512;
const mebibyte = 1_048_576;
const megabyte = 'x'.repeat(1_000_000);

let directory: string;
let node: NodeProcess;
let participant: ParticipantHandle;
let client: Client;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  node = await NodeProcess.started({
    data: join(directory, 'node'),
    through: ['env', `NODE_OPTIONS=--max-old-space-size=${heapMebibytes}`],
    logLevel: 'info',
    options: { ...quickOptions, handshakeTimeoutMs: 60_000 },
  });
  participant = await serveParticipant({
    name: 'a',
    urls: [node.url],
    dataDirectory: join(directory, 'a'),
    prepare: () => vote.commit(1),
    commit: () => undefined,
    rollback: () => undefined,
    inDoubt: () => [],
  });
  await participant.connected();
  client = await connect({ urls: [node.url], name: 'good' });
});

afterAll(async () => {
  await client.close();
  await participant.close();
  await node.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Transactions of a good client commit while `attack` runs, on the same leadership. */
async function beside(attack: () => Promise<void>): Promise<void> {
  let attacking = true;
  const work = (async () => {
    while (attacking) {
      const outcome = await client.transact({ branches: [{ participant: 'a' }] });
      expect(outcome).toMatchObject({ outcome: 'committed', results: { a: 1 } });
    }
  })();
  try {
    await attack();
  } finally {
    attacking = false;
    await work;
  }
  expect(node.running).toBe(true);
  expect(node.output().match(/Leading: /g)).toHaveLength(1);
}

/** V8's heap and what lies beside it; the node itself takes some 100. */
function residentMebibytes(): number {
  const status = readFileSync(`/proc/${node.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}

function peers(count: number, name: string, roles: readonly string[]): Promise<RawPeer[]> {
  return Promise.all(
    Array.from({ length: count }, (_each, index) =>
      RawPeer.greeted(node.url, { name, instance: `${name}-${index}`, roles }),
    ),
  );
}

describe('what a node keeps for its peers', () => {
  it('is told in welcome, and follows the heap', async () => {
    const peer = await RawPeer.open(node.url);
    peer.send({ type: 'hello', protocol: 1, name: 'x', instance: 'x', roles: ['client'] });
    const { limits } = await peer.next('welcome');
    expect(limits).toMatchObject({ maxTransactions: 100_000, maxConnectionsPerAddress: 4_096 });
    const { maxHeldBytes = 0, maxInputBytes = 0, maxOutputBytes = 0, maxRequests = 0 } = limits;
    expect(maxHeldBytes).toBeGreaterThanOrEqual((heapMebibytes / 4) * mebibyte);
    expect(maxHeldBytes + maxInputBytes + maxOutputBytes).toBeLessThan(
      // V8 counts the young generation beside it.
      heapMebibytes * 0.75 * mebibyte,
    );
    expect(maxRequests).toBeLessThan(1_000_000);
    await peer.close();
  });

  it('of payloads: more than a share of them is BUSY, and they make room when they end', async () => {
    await beside(async () => {
      const hogs = await Promise.all(
        ['m', 'n', 'o'].map((name) => RawPeer.greeted(node.url, { name, roles: ['client'] })),
      );
      const fill = async (hog: RawPeer): Promise<number> => {
        const begun = await hog.ask({ type: 'begin', id: 1, timeoutMs: 60_000 });
        if (begun.type !== 'begun') throw new Error(JSON.stringify(begun));
        for (let index = 0; index < 120; index += 1) {
          const reply = await hog.ask({
            type: 'enlist',
            id: 10 + index,
            txid: begun.txid,
            participant: 'nobody',
            branch: `b${index}`,
            payload: megabyte,
          });
          if (reply.type !== 'error') continue;
          expect(reply).toMatchObject({ code: 'BUSY', retryable: true });
          await hog.ask({ type: 'status', id: 2, txid: begun.txid });
          return index;
        }
        return 120;
      };
      const taken = await Promise.all(hogs.map(fill));
      const all = taken.reduce((sum, each) => sum + each, 0);
      expect(all).toBeGreaterThan(50);
      expect(all).toBeLessThan(150);
      await Promise.all(hogs.map((hog) => hog.close()));
    });
  });

  it('of results: what is kept of those that ended is bounded, and the rest of them is gone', async () => {
    const evil = await RawPeer.greeted(node.url, { name: 'evil', roles: ['participant'] });
    const mallory = await RawPeer.greeted(node.url, { name: 'mallory', roles: ['client'] });
    const before = residentMebibytes();
    await beside(async () => {
      for (let id = 1; id <= 400; id += 1) {
        mallory.send({
          type: 'transact',
          id,
          // Each leaves a record of a few bytes in the log.
          requestId: `r${id}`,
          branches: [{ participant: 'evil' }],
        });
        const { txid, branch } = await evil.next('prepare');
        evil.send({ type: 'vote', txid, branch, vote: 'readonly', result: megabyte });
        await mallory.next('outcome');
      }
    });
    expect(residentMebibytes()).toBeLessThan(before + 200);
    await Promise.all([evil.close(), mallory.close()]);
  });

  it('of what no one reads: connections that read nothing are dropped before it is too much', async () => {
    const maker = await RawPeer.greeted(node.url, { name: 'maker', roles: ['client'] });
    const labels = Object.fromEntries(
      Array.from({ length: 16 }, (_each, index) => [`${index}`.padEnd(120, 'k'), 'v'.repeat(250)]),
    );
    for (let id = 1; id <= 900; id += 100) {
      maker.send(
        ...Array.from({ length: 100 }, (_each, index) => ({
          type: 'begin',
          id: id + index,
          timeoutMs: 60_000,
          labels,
        })),
      );
      await eventually(
        () => (maker.received.some((each) => 'id' in each && each.id === id + 99) ? true : null),
        () => 'the transactions to begin',
      );
    }
    const before = residentMebibytes();
    await beside(async () => {
      const deaf = await peers(24, 'deaf', ['operator']);
      for (const peer of deaf) peer.socket.pause();
      for (let round = 0; round < 6; round += 1) {
        for (const peer of deaf) peer.send({ type: 'list', id: round, limit: 1_000 });
        const good = await client.transact({ branches: [{ participant: 'a' }] });
        expect(good.outcome).toBe('committed');
      }
      expect(residentMebibytes()).toBeLessThan(before + heapMebibytes);
      for (const peer of deaf) peer.socket.terminate();
    });
    await maker.close();
  });

  it('of messages that are never complete: connections beyond a share are closed', async () => {
    const before = residentMebibytes();
    await beside(async () => {
      const half = wireFrame(0x82, Buffer.alloc(1_000_000), mebibyte);
      const sockets: Socket[] = [];
      let closed = 0;
      for (let index = 0; index < 300; index += 1) {
        const socket = dial(node.port, '127.0.0.1');
        sockets.push(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          closed += 1;
        });
        let heard = '';
        socket.on('data', (bytes: Buffer) => {
          if (heard.includes('welcome')) return;
          const upgraded = heard.includes('101 Switching');
          heard += bytes.toString('latin1');
          if (heard.includes('welcome')) socket.write(half);
          else if (!upgraded && heard.includes('101 Switching')) {
            const hello = {
              type: 'hello',
              protocol: 1,
              name: 'h',
              instance: 'h',
              roles: ['client'],
            };
            socket.write(wireFrame(0x82, Buffer.from(pack(hello))));
          }
        });
        socket.write(upgradeRequest(node.url));
      }
      await eventually(
        () => (closed > 200 ? true : null),
        () => `connections to be closed, not only ${closed}`,
      );
      expect(residentMebibytes()).toBeLessThan(before + 250);
      for (const socket of sockets) socket.destroy();
    });
  });
});
