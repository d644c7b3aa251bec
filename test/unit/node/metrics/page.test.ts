/** What Prometheus gets: by its conventions, whole, and bounded. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { figuresOf } from '../../../../src/node/figures-of.ts';
import { metricsHandler } from '../../../../src/node/metrics/http.ts';
import { nodeMetrics } from '../../../../src/node/metrics/metrics.ts';
import { MetricsPage } from '../../../../src/node/metrics/page.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { LoopNode, obedient } from '../../../support/nodes/loop-node.ts';

let loop: LoopNode;
beforeEach(async () => {
  loop = await LoopNode.started();
});
afterEach(() => loop.stop());

describe('the names', () => {
  it.each(nodeMetrics)('$name is named after its unit and kind', ({ name, type, help, labels }) => {
    expect(name).toMatch(/^verdict_[a-z]+(?:_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(name).not.toMatch(/_ms\b|milli|_(?:count|sum|bucket)$/);
    expect(help).toMatch(/^[A-Z0-9].+\.$/);
    expect(labels).not.toContain('le');
  });

  it('are all different', () => {
    expect(new Set(nodeMetrics.map(({ name }) => name)).size).toBe(nodeMetrics.length);
  });
});

async function committed(count: number): Promise<void> {
  await loop.peer({ name: 'stock"\\\n', roles: ['participant'], instance: 's1' }, obedient());
  const client = await loop.peer({ name: 'shop', roles: ['client'] });
  for (let at = 0; at < count; at += 1) {
    const branches = [{ participant: 'stock', payload: null }];
    await client.ask({ type: 'transact', branches });
    await loop.clock.advance(3);
  }
}

describe('the page', () => {
  it('counts what was decided, and its histograms are cumulative', async () => {
    await loop.peer({ name: 'stock', roles: ['participant'], instance: 's1' }, obedient());
    await committed(3);
    const page = new MetricsPage(loop.clock, () => figuresOf(loop.node));
    const { text, contentType } = await page.get();
    expect(contentType).toBe(Registry.PROMETHEUS_CONTENT_TYPE);
    expect(text).toContain('verdict_transactions_ended_total{outcome="committed",reason=""} 3\n');
    expect(text).toContain('process_cpu_seconds_total');
    for (const { name } of nodeMetrics) expect(text).toContain(`# HELP ${name} `);
    const buckets = [
      ...text.matchAll(
        /verdict_transaction_phase_seconds_bucket\{phase="decide",le="(.+?)"\} (\d+)/g,
      ),
    ].map(([, le, value]) => [
      Number(le === '+Inf' ? Number.POSITIVE_INFINITY : le),
      Number(value),
    ]);
    expect(buckets.map(([le]) => le)).toEqual(
      [...buckets.map(([le]) => le)].sort((a = 0, b = 0) => a - b),
    );
    expect(buckets.map(([, value]) => value)).toEqual(
      [...buckets.map(([, value]) => value)].sort((a = 0, b = 0) => a - b),
    );
    expect(buckets.at(-1)).toEqual([Number.POSITIVE_INFINITY, 3]);
    expect(text).toContain('verdict_transaction_phase_seconds_count{phase="decide"} 3\n');
  });

  it('has at most 201 participants, whatever their names', async () => {
    await committed(0);
    for (let at = 0; at < 300; at += 1) {
      await loop.peer({ name: `p${at}`, roles: ['participant'], instance: `i${at}` });
    }
    const { text } = await new MetricsPage(loop.clock, () => figuresOf(loop.node)).get();
    expect(text.match(/^verdict_participant_instances\{/gm)).toHaveLength(201);
    expect(text).toMatch(/^verdict_participant_instances\{participant="other"\} 1\d\d$/m);
    // One line for each sample: what is in a name breaks none.
    for (const line of text.split('\n')) {
      expect(line).toMatch(/^(?:|#.*|[a-z0-9_]+(?:\{.*\})? \S+)$/);
    }
  });

  it('is made once for all who ask while it is made', async () => {
    let made = 0;
    const page = new MetricsPage(systemClock, () => {
      made += 1;
      return figuresOf(loop.node);
    });
    const [one, other] = await Promise.all([page.get(), page.get()]);
    expect(other).toBe(one);
    expect(made).toBe(1);
  });
});

describe('over HTTP', () => {
  let server: Server;
  let text: string;
  let address: string;
  beforeEach(async () => {
    text = 'verdict_ready 1\n';
    const page = async () => ({ contentType: 'text/plain', text });
    const answer = metricsHandler({ clock: systemClock, page, failed: () => undefined });
    server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('answers GET and HEAD, and nothing else', async () => {
    const got = await fetch(address);
    expect([got.status, await got.text()]).toEqual([200, text]);
    const head = await fetch(address, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(text.length)]);
    const posted = await fetch(address, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('has eight slow readers, and tells the ninth to come again', async () => {
    text = 'x'.repeat(16 * 1024 * 1024);
    const { port } = server.address() as AddressInfo;
    const slow = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
        await new Promise((resolve) => socket.once('readable', resolve));
        return socket;
      }),
    );
    const ninth = await fetch(address);
    expect([ninth.status, ninth.headers.get('retry-after')]).toEqual([503, '1']);
    text = 'verdict_ready 1\n';
    const gone = slow.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of slow) socket.destroy();
    await Promise.all(gone);
    await expect.poll(async () => (await fetch(address)).status).toBe(200);
  });
});
