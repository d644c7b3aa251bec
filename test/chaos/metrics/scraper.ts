/** Reads the metrics of every node and of the clients again and again, beside the load. */
import type { Registry } from 'prom-client';
import type { RawPeer } from '../../support/network/raw-peer.ts';
import type { NodeProcess } from '../../support/nodes/node-process.ts';
import { pause } from '../../support/process/child.ts';
import { type Reading, type Sample, type Signal, signalsOf } from './signals.ts';

const everyMs = 250;
/** Longer than a busy node takes; one that stands still takes longer. */
const answerMs = 750;
const kept = 4;

export class Scraper {
  readonly signals: Signal[] = [];
  count = 0;
  readonly #latest = new Map<string, Sample[]>();
  /** Connections, by client. */
  readonly #most = new Map<string, number>();
  readonly #loops: Promise<void>[] = [];
  #over = false;

  start(nodes: readonly NodeProcess[], clients: Registry): void {
    for (const node of nodes) this.#loops.push(this.#watch(node));
    this.#loops.push(this.#watchClients(clients));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  async #watch(node: NodeProcess): Promise<void> {
    let peer: RawPeer | null = null;
    for (let id = 1; !this.#over; id += 1) {
      const dueMs = performance.now() + everyMs;
      let read: Reading;
      try {
        peer ??= await node.asked(answerMs);
        read = await statsOf(peer, id);
      } catch (error) {
        read = { type: 'none', why: error instanceof Silent ? 'silent' : 'gone' };
        peer?.socket.terminate();
        peer = null;
      }
      this.#take(node.name, read);
      await pause(Math.max(10, dueMs - performance.now()));
    }
    peer?.socket.terminate();
  }

  async #watchClients(registry: Registry): Promise<void> {
    while (!this.#over) {
      const connections = await byClient(registry, 'verdict_client_connections');
      const retries = await byClient(registry, 'verdict_client_retries_total');
      for (const [client, count] of connections) {
        const most = Math.max(this.#most.get(client) ?? 0, count);
        this.#most.set(client, most);
        const read = { connections: count, most, retries: retries.get(client) ?? 0 };
        this.#take(`client ${client}`, { type: 'client', ...read });
      }
      await pause(everyMs);
    }
  }

  #take(source: string, read: Reading): void {
    this.count += 1;
    const samples = this.#latest.get(source) ?? [];
    this.#latest.set(source, samples);
    samples.push({ source, atMs: performance.now(), read });
    if (samples.length > kept) samples.shift();
    this.signals.push(...signalsOf(samples));
  }
}

/** Clients of one name are one. */
async function byClient(registry: Registry, name: string): Promise<Map<string, number>> {
  const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {};
  const sums = new Map<string, number>();
  for (const { labels, value } of values) {
    const client = String(labels['client']);
    sums.set(client, (sums.get(client) ?? 0) + Number(value));
  }
  return sums;
}

class Silent extends Error {}

async function statsOf(peer: RawPeer, id: number): Promise<Reading> {
  if (peer.isClosed) throw new Error('The connection is over.');
  const asked = peer.ask({ type: 'stats', id });
  // Its own patience is longer.
  asked.catch(() => undefined);
  const closed = peer.closed.then(() => {
    throw new Error('The connection ended.');
  });
  const reply = await Promise.race([asked, closed, pause(answerMs).then(() => null)]);
  if (reply === null) throw new Silent();
  // Topology and replies of hours would be kept otherwise.
  peer.received.length = 0;
  if (reply.type !== 'stats') throw new Error(JSON.stringify(reply));
  return { type: 'stats', stats: reply };
}
