/** One trace through real processes: client, node, log, participants and what these do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { type Recorder, record, type SeenSpan } from '../support/tracing/recorder.ts';
import {
  pathsOf,
  spansIn,
  TracedService,
  traceOf,
  writingSpans,
} from '../support/tracing/traced-processes.ts';

const names = ['inventory', 'payment'] as const;
const secrets = /secret/;
const payload = { card: 'secret payload' };

let directory: string;
let file: string;
let node: NodeProcess;
let services: TracedService[];
let client: Client;
let recorder: Recorder;
let own: SeenSpan[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-tracing-'));
  file = join(directory, 'spans');
  recorder = record({ process: 'client', ended: (span) => own.push(span) });
  node = await writingSpans(file, 'node', () =>
    NodeProcess.started({
      data: join(directory, 'node'),
      options: { ...quickOptions, participantWaitMs: 30_000 },
    }),
  );
  services = names.map((name) => new TracedService(name, { directory, file, urls: [node.url] }));
  await Promise.all(services.map((service) => service.start()));
  client = await connect({ urls: [node.url], name: 'shop', timeoutMs: 20_000 });
});

afterAll(async () => {
  await client?.close();
  await recorder?.stop();
  for (const service of services ?? []) await service.kill();
  if (node?.running) await node.kill();
  await rm(directory, { recursive: true, force: true });
});

afterEach(() => {
  own = [];
});

const all = (): SeenSpan[] => [...own, ...spansIn(file)];
const named = (name: string): SeenSpan => {
  const span = own.find((each) => each.name === name);
  if (span === undefined) throw new Error(`No span ${name} in ${own.map((each) => each.name)}.`);
  return span;
};
const branches = names.map((participant) => ({ participant, payload }));

/** Below the client's span, of a commit. */
function committed(root: string): string[] {
  const leader = `${root} > n1: verdict coordinate`;
  const perBranch = names.flatMap((name) =>
    (['prepare', 'commit'] as const).flatMap((step) => {
      const sent = `${leader} > n1: verdict ${step}`;
      const handled = `${sent} > ${name}: ${name} ${step}`;
      return [sent, handled, `${handled} > ${name}: ${step === 'prepare' ? 'reserve' : 'confirm'}`];
    }),
  );
  return [root, leader, `${leader} > n1: verdict log`, ...perBranch].sort();
}

describe('a trace', () => {
  it('goes from the call over leader, log and branches into what participants do', async () => {
    const outcome = await client.transact({
      requestId: 'secret-id',
      labels: { a: 'secret' },
      branches,
    });
    expect(outcome.outcome).toBe('committed');
    const root = named('verdict transact');
    const spans = await traceOf(all, root.trace, 15);
    expect(pathsOf(spans, root.trace)).toEqual(committed('client: verdict transact'));
    expect(root).toMatchObject({
      kind: 'CLIENT',
      failed: false,
      events: [{ name: 'verdict.sent', attributes: { 'verdict.attempt': 1 } }],
      attributes: { 'verdict.txid': outcome.txid, 'verdict.outcome': 'committed' },
    });
    const of = (name: string): SeenSpan | undefined => spans.find((span) => span.name === name);
    expect(of('verdict coordinate')).toMatchObject({
      kind: 'SERVER',
      attributes: { 'verdict.txid': outcome.txid, 'verdict.outcome': 'committed' },
    });
    expect(of('verdict prepare')).toMatchObject({
      kind: 'CLIENT',
      attributes: { 'verdict.vote': 'commit' },
    });
    expect(of('payment commit')).toMatchObject({
      kind: 'SERVER',
      attributes: { 'verdict.participant': 'payment', 'verdict.txid': outcome.txid },
    });
    // What the application keeps with its own context is there.
    expect(of('reserve')?.attributes).toEqual({ 'application.context': 'kept' });
    expect(JSON.stringify(spans)).not.toMatch(secrets);
  });

  it('hangs below what is active where the call is made', async () => {
    const tracer = trace.getTracer('application');
    const above = tracer.startSpan('checkout');
    await context.with(trace.setSpan(ROOT_CONTEXT, above), () => client.transact({ branches }));
    above.end();
    const spans = await traceOf(all, above.spanContext().traceId, 16);
    expect(pathsOf(spans, above.spanContext().traceId)).toEqual(
      ['client: checkout', ...committed('client: checkout > client: verdict transact')].sort(),
    );
  });

  it('says why a transaction aborted, which is no error, and in no one’s words', async () => {
    const refused = { participant: 'payment', payload: { refuse: true } };
    const outcome = await client.transact({ branches: [{ participant: 'inventory' }, refused] });
    expect(outcome.outcome).toBe('aborted');
    const root = named('verdict transact');
    expect(root).toMatchObject({
      failed: false,
      attributes: {
        'verdict.outcome': 'aborted',
        'verdict.abort.code': 'VOTED_ABORT',
        'verdict.abort.participant': 'payment',
      },
    });
    const released =
      'client: verdict transact > n1: verdict coordinate > n1: verdict rollback > inventory: inventory rollback > inventory: release';
    const spans = await eventually(
      () => (pathsOf(all(), root.trace).includes(released) ? all() : null),
      () => `${released} in\n${pathsOf(all(), root.trace).join('\n')}`,
    );
    expect(JSON.stringify(spans)).not.toMatch(secrets);
  });

  it('has an interactive transaction as one span, and what a run does below it', async () => {
    const result = await client.run(async (tx) => {
      trace.getTracer('application').startSpan('look up').end();
      for (const branch of branches) await tx.enlist(branch);
    });
    expect(result.outcome).toBe('committed');
    const root = named('verdict transaction');
    const spans = await traceOf(all, root.trace, 16);
    expect(pathsOf(spans, root.trace)).toEqual(
      [
        'client: verdict transaction > client: look up',
        ...committed('client: verdict transaction'),
      ].sort(),
    );
  });

  it('of a call whose outcome is unknown ends as an error, by its code', async () => {
    const other = await connect({ urls: [node.url], timeoutMs: 20_000 });
    const call = other.transact({ branches: [{ participant: 'absent' }] });
    await other.close();
    await expect(call).rejects.toThrow();
    expect(named('verdict transact')).toMatchObject({ failed: true });
    expect(named('verdict transact').attributes['error.type']).toMatch(/^[A-Z_]+$/);
  });

  it('goes on at a participant that was restarted between its vote and the commit', async () => {
    const [inventory] = services as [TracedService];
    await inventory.kill();
    await inventory.start({ VERDICT_TEST_PARTICIPANT_CRASH_AT: 'after-vote-durable' });
    const call = client.transact({ branches, timeoutMs: 30_000 });
    void call.catch(() => undefined);
    await inventory.died();
    await inventory.start();
    expect((await call).outcome).toBe('committed');
    const root = named('verdict transact');
    const confirmed = await traceOf(
      () => all().filter(({ name, process }) => name === 'confirm' && process === 'inventory'),
      root.trace,
      1,
    );
    const above = all().find(({ id }) => id === confirmed[0]?.parent);
    expect(above).toMatchObject({ name: 'inventory commit', trace: root.trace });
  });
});
