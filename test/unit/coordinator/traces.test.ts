/** The trace of a transaction at its leader: what is sent, what the record keeps, which spans. */
import { context, propagation, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { afterEach, describe, expect, it } from 'vitest';
import { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import {
  type CoordinatorOptions,
  coordinatorOptions,
} from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import type { DecisionRecord } from '../../../src/core/records.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { loadTracing, tracing } from '../../../src/tracing/tracing.ts';
import { never, realRandom } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { record, type SeenSpan } from '../../support/tracing/recorder.ts';

const id = '4bf92f3577b34da6a3ce929d0e0e4736';
const above = '00f067aa0ba902b7';
const sampled = `00-${id}-${above}-01`;
const unsampled = `00-${id}-${above}-00`;
const client = { connection: 1, participant: null };
const participant = { connection: 2, participant: { name: 'p', instance: 'i' } };
const branches = [{ participant: 'p', payload: 'secret' }];

let spans: SeenSpan[] = [];

async function recorded(): Promise<void> {
  record({ process: 'node', ended: (span) => spans.push(span) });
  await loadTracing();
}

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
  spans = [];
});

async function lead(
  options: Partial<CoordinatorOptions> = {},
  store: MemoryLogStore = new MemoryLogStore(),
  instance = 'i',
) {
  const clock = new ManualClock();
  const log = openMemoryLog({ store, node: 'n', url: 'ws://n', clock });
  const leadership = await log.campaign(0, { signal: never });
  const { shard, epoch } = leadership;
  const sent: FromNode[] = [];
  const broken: unknown[] = [];
  const driver = new ShardDriver({
    ...{ log, leadership, clock, logger: silentLogger, debug: false, random: realRandom },
    options: coordinatorOptions(options),
    leader: { shard, epoch, node: 'n', url: 'ws://n' },
    reached: () => undefined,
    send: (_connection, message) => sent.push(message),
    onBroken: (error) => broken.push(error),
  });
  await driver.start();
  const enlisted = { participant: 'p', instance, sharedResource: null, process: null };
  driver.step({ type: 'participant-connected', connection: 2, ...enlisted });
  const step = (from: typeof client | typeof participant, message: object): void =>
    driver.step({ type: 'message', from, requestHash: null, message } as never);
  const last = <Type extends FromNode['type']>(type: Type) =>
    sent.filter((message) => message.type === type).at(-1) as Extract<FromNode, { type: Type }>;
  /** Every decision is durable after it. */
  const written = () => new Promise((resolve) => setImmediate(resolve));
  const records = async (): Promise<readonly DecisionRecord[]> =>
    leadership.pending({ after: null, limit: 10 });
  const run = async (fields: object): Promise<void> => {
    step(client, { type: 'transact', id: 7, branches, ...fields });
    const { txid } = last('prepare');
    step(participant, { type: 'vote', txid, branch: 'p', vote: 'commit', result: 'secret' });
    await written();
  };
  return { driver, leadership, clock, store, sent, broken, step, last, written, records, run };
}

describe('a leader whose process has no SDK', () => {
  it('hands on what the client sent, and keeps in the record what is sampled', async () => {
    const leader = await lead();
    expect(tracing()).toBeNull();
    await leader.run({ traceparent: sampled, tracestate: 'a=1' });
    const carried = { traceparent: sampled, tracestate: 'a=1' };
    expect(leader.last('prepare')).toMatchObject(carried);
    expect(leader.last('commit')).toMatchObject(carried);
    expect(await leader.records()).toMatchObject([{ traceparent: sampled }]);
  });

  it('keeps nothing of what is not sampled', async () => {
    const leader = await lead();
    await leader.run({ traceparent: unsampled });
    expect(leader.last('commit')).toMatchObject({ traceparent: unsampled });
    const [kept] = await leader.records();
    expect(kept).toMatchObject({ outcome: 'commit' });
    expect(kept).not.toHaveProperty('traceparent');
  });

  it('adds nothing for a client of before', async () => {
    const leader = await lead();
    await leader.run({});
    for (const message of [leader.last('prepare'), leader.last('commit')]) {
      expect(message).not.toHaveProperty('traceparent');
    }
    expect((await leader.records())[0]).not.toHaveProperty('traceparent');
  });

  it('leaves it out of a record that has no room, rather than abort', async () => {
    // All but some bytes of it are names.
    const leader = await lead({ maxRecordBytes: 1_024 }, new MemoryLogStore(), 'i'.repeat(40));
    const names = [128, 128, 128, 80].map((length, index) => `${index}`.padEnd(length, 'b'));
    const long = names.map((branch) => ({ participant: 'p', branch }));
    leader.step(client, { type: 'transact', id: 7, branches: long, traceparent: sampled });
    const { txid } = leader.last('prepare');
    for (const branch of names) {
      leader.step(participant, { type: 'vote', txid, branch, vote: 'commit' });
    }
    await leader.written();
    expect(leader.last('outcome')).toMatchObject({ outcome: 'committed' });
    expect((await leader.records())[0]).not.toHaveProperty('traceparent');
  });

  it('goes on in the trace of the record that an earlier leader left', async () => {
    const store = new MemoryLogStore();
    const before = await lead({}, store);
    await before.run({ traceparent: sampled });
    await before.driver.stop();
    const next = await lead({}, store);
    expect(next.last('commit')).toMatchObject({ traceparent: sampled });
  });

  it('takes the trace of a commit where the begin brought none', async () => {
    const leader = await lead();
    leader.step(client, { type: 'begin', id: 1 });
    const { txid } = leader.last('begun');
    const by = { seesAll: true, ...client };
    leader.step(by, { type: 'enlist', id: 2, txid, participant: 'p' });
    leader.step(by, { type: 'commit', id: 3, txid, traceparent: sampled });
    expect(leader.last('prepare')).toMatchObject({ traceparent: sampled });
  });
});

describe('a leader whose process has an SDK', () => {
  it('makes spans, whose own context is sent on; the record keeps that of the client', async () => {
    await recorded();
    const leader = await lead();
    await leader.run({ traceparent: sampled });
    const { txid } = leader.last('commit');
    leader.step(participant, { type: 'ack', txid, branch: 'p', decision: 'commit', ok: true });
    const byName = new Map(spans.map((span) => [span.name, span]));
    expect([...byName.keys()].sort()).toEqual([
      'verdict commit',
      'verdict coordinate',
      'verdict log',
      'verdict prepare',
    ]);
    const root = byName.get('verdict coordinate');
    expect(root).toMatchObject({ trace: id, parent: above });
    for (const name of ['prepare', 'commit'] as const) {
      const span = byName.get(`verdict ${name}`);
      expect(span).toMatchObject({ trace: id, parent: root?.id });
      expect(leader.last(name).traceparent).toBe(`00-${id}-${span?.id}-01`);
    }
    expect(JSON.stringify(spans)).not.toContain('secret');
  });

  it('keeps its own context where the client has none', async () => {
    await recorded();
    const leader = await lead();
    await leader.run({});
    const root = spans.find(({ name }) => name === 'verdict coordinate');
    const [kept] = await leader.records();
    expect(kept?.traceparent).toBe(`00-${root?.trace}-${root?.id}-01`);
  });

  it('makes none where the client samples nothing', async () => {
    await recorded();
    const leader = await lead();
    await leader.run({ traceparent: unsampled });
    expect(leader.last('commit')).toMatchObject({ traceparent: unsampled });
    expect(spans).toEqual([]);
  });

  it('has one for each time that something is sent, and ends what goes unanswered', async () => {
    await recorded();
    const leader = await lead({ ackTimeoutMs: 100, retryDelayMs: 10, maxRetryDelayMs: 10 });
    await leader.run({ traceparent: sampled });
    await leader.clock.advance(150);
    const commits = () => spans.filter(({ name }) => name === 'verdict commit');
    expect(commits()).toMatchObject([{ failed: true, attributes: { 'error.type': 'UNANSWERED' } }]);
    leader.driver.step({ type: 'participant-lost', connection: 2 });
    expect(commits().at(-1)?.attributes).toMatchObject({ 'error.type': 'CONNECTION_LOST' });
  });

  it('ends what is under way with its leadership', async () => {
    await recorded();
    const leader = await lead();
    leader.step(client, { type: 'transact', id: 7, branches, traceparent: sampled });
    await leader.driver.stop();
    expect(spans.map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
      ['verdict coordinate', 'LEADERSHIP_LOST'],
      ['verdict prepare', 'LEADERSHIP_LOST'],
    ]);
  });

  it('has a span of a refused request, with the code', async () => {
    await recorded();
    const leader = await lead();
    leader.step(client, { type: 'transact', id: 7, branches: [], traceparent: sampled });
    expect(spans).toMatchObject([
      { name: 'verdict coordinate', failed: true, attributes: { 'error.type': 'INVALID_MESSAGE' } },
    ]);
  });

  it('links the trace of whoever commits what another began', async () => {
    await recorded();
    const leader = await lead();
    leader.step(client, { type: 'begin', id: 1, traceparent: sampled });
    const { txid } = leader.last('begun');
    const other = id.replace('4', '5');
    const by = { seesAll: true, ...client };
    leader.step(by, { type: 'commit', id: 3, txid, traceparent: `00-${other}-${above}-01` });
    expect(spans).toMatchObject([{ name: 'verdict coordinate', trace: id, links: [other] }]);
  });

  it.each(['sampler', 'processor'])('is not hurt by a broken %s', async (part) => {
    const fails = (): never => {
      throw new Error('The SDK of the application is broken.');
    };
    const processor = {
      onStart: () => undefined,
      onEnd: fails,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    new NodeTracerProvider(
      part === 'sampler'
        ? { sampler: { shouldSample: fails, toString: () => part } }
        : { spanProcessors: [processor] },
    ).register();
    await loadTracing();
    const leader = await lead();
    await leader.run({ traceparent: sampled });
    expect(leader.last('outcome')).toMatchObject({ outcome: 'committed' });
    const { txid } = leader.last('commit');
    leader.step(participant, { type: 'ack', txid, branch: 'p', decision: 'commit', ok: true });
    await leader.driver.stop();
    expect(leader.broken).toEqual([]);
  });
});
