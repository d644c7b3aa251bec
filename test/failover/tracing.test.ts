/**
 * A trace across a failover: the leader is killed between the decision and the commits, and those
 * of the next one hang in the same trace, for the record has kept it.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { type Recorder, record, type SeenSpan } from '../support/tracing/recorder.ts';
import {
  pathsOf,
  spansIn,
  TracedService,
  traceOf,
  writingSpans,
} from '../support/tracing/traced-processes.ts';

const [programs] = await etcdsToTest();
const names = ['inventory', 'payment'] as const;

describe.skipIf(programs === undefined)('a leader killed behind the decision', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  let client: Client;
  let file: string;
  let services: TracedService[] = [];
  let recorder: Recorder;
  let sampled = true;
  let own: SeenSpan[] = [];

  beforeAll(async () => {
    if (programs === undefined) return;
    recorder = record({
      process: 'client',
      ended: (span) => own.push(span),
      sampler: {
        shouldSample: () => ({ decision: sampled ? 2 : 0 }),
        toString: () => 'as the test says',
      },
    });
    etcd = await TestEtcd.start(programs);
    file = join(etcd.path, 'spans');
    cluster = await writingSpans(file, 'node', () =>
      EtcdCluster.started({
        etcd,
        participants: [],
        identities: { participants: names },
        requestWindowMs: 30_000,
        secured: true,
      }),
    );
    const given = { directory: cluster.directory, file, urls: cluster.urls };
    services = await Promise.all(
      names.map(
        async (name) => new TracedService(name, { ...given, ...(await cluster.tls(name)) }),
      ),
    );
    await Promise.all(services.map((service) => service.start()));
    client = await cluster.client();
  });

  afterAll(async () => {
    await recorder?.stop();
    for (const service of services) await service.kill();
    await cluster?.remove();
    await etcd?.dispose();
  });

  afterEach(async () => {
    own = [];
    await writingSpans(file, 'node', () => cluster.startAll());
  });

  const all = (): SeenSpan[] => [...own, ...spansIn(file)];
  const branches = names.map((participant) => ({ participant }));

  it('is followed by another, whose commits are in the trace of the client', async () => {
    const { node: killed, epoch } = await cluster.leader();
    cluster.crashAt(killed, 'decision-durable');
    const call = client.transact({ requestId: 'sampled', branches, timeoutMs: 20_000 });
    const { node: next } = await cluster.leader({ after: epoch });
    expect((await call).outcome).toBe('committed');
    const root = own.find(({ name }) => name === 'verdict transact');
    const trace = root?.trace ?? '';
    const isConfirmed = (spans: readonly SeenSpan[]) =>
      spans.filter(({ name }) => name === 'confirm').length === names.length;
    await eventually(
      () => (isConfirmed(spansIn(file).filter((span) => span.trace === trace)) ? true : null),
      () => `two commits in\n${pathsOf(all(), trace).join('\n')}`,
    );
    const spans = await traceOf(all, trace, 1 + 3 * names.length);
    const paths = pathsOf(spans, trace);
    for (const name of names) {
      expect(paths).toContain(
        `client: verdict transact > ${next}: verdict commit > ${name}: ${name} commit > ${name}: confirm`,
      );
      // The span of the leader that was killed never ended.
      expect(paths).toContain(
        `? > ${killed}: verdict prepare > ${name}: ${name} prepare > ${name}: reserve`,
      );
    }
    const sent = root?.events.filter(({ name }) => name === 'verdict.sent') ?? [];
    expect(sent.length).toBeGreaterThan(1);
  });

  it.each([true, false])('keeps it in the record where it is sampled: %s', async (isSampled) => {
    sampled = isSampled;
    const before = new Set(spansIn(file).map(({ trace }) => trace));
    const { node: killed } = await cluster.leader();
    // No one leads on: the record stays as it was written.
    for (const { name } of cluster.running) if (name !== killed) await cluster.node(name).stop();
    cluster.crashAt(killed, 'decision-durable');
    const requestId = `sampled-${isSampled}`;
    const call = client.transact({ requestId, branches, timeoutMs: 30_000 });
    await cluster.node(killed).died();
    const kept = etcd.control('get', '--prefix', `/verdict/${cluster.name}/`);
    expect(kept).toContain(requestId);
    expect(kept.includes('traceparent')).toBe(isSampled);
    await writingSpans(file, 'node', () => cluster.startAll());
    expect((await call).outcome).toBe('committed');
    if (isSampled) return;
    expect(own).toEqual([]);
    // Of the traces before it some may still be written.
    expect(spansIn(file).filter(({ trace }) => !before.has(trace))).toEqual([]);
  });
});
