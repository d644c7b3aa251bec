/** Queries of a database's driver hang below the call of the participant that made them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { openPostgresqlResource } from '../../src/postgresql.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';
import { type Recorder, record, type SeenSpan } from '../support/tracing/recorder.ts';

const count = 8;
const spans: SeenSpan[] = [];
const query = pg.Client.prototype.query;
let recorder: Recorder;
let postgresql: TestPostgresql;
let node: NodeProcess;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-tracing-'));
  postgresql = await startPostgresql();
  node = await NodeProcess.started({ data: join(directory, 'node'), options: quickOptions });
  recorder = record({ process: 'service', ended: (span) => spans.push(span) });
  // As the instrumentation of `pg` does it: a span of what is active where the query is made.
  pg.Client.prototype.query = function traced(this: pg.Client, ...given: unknown[]) {
    const text = (given[0] as { text?: string })?.text ?? String(given[0]);
    trace
      .getTracer('pg')
      .startSpan(`pg ${text.split(' ', 1)[0]}`)
      .end();
    return (query as (...all: unknown[]) => unknown).apply(this, given);
  } as typeof query;
});

afterAll(async () => {
  pg.Client.prototype.query = query;
  await recorder?.stop();
  if (node?.running) await node.kill();
  await postgresql?.dispose();
  rmSync(directory, { recursive: true, force: true });
});

it('each in the trace of its own transaction, while others run beside it', async () => {
  const connection = await postgresql.database('CREATE TABLE item (id text PRIMARY KEY)');
  const resource = await openPostgresqlResource<string>({
    name: 'stock',
    connection,
    prepare: async (sql, { payload }) => {
      await sql.query('INSERT INTO item VALUES ($1)', [payload]);
      return vote.commit();
    },
  });
  await using _closed = { [Symbol.asyncDispose]: () => resource.close() };
  await using participant = await serveParticipant({
    name: 'stock',
    urls: [node.url],
    dataDirectory: join(directory, 'stock'),
    resource,
  });
  await participant.connected();
  await using client = await connect({ urls: [node.url], timeoutMs: 20_000 });
  const call = (id: number) =>
    client.transact({ branches: [{ participant: 'stock', payload: `${id}` }] });
  const outcomes = await Promise.all(Array.from({ length: count }, (_, id) => call(id)));
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(count).fill('committed'));
  const above = (name: string): string[] =>
    spans
      .filter((span) => span.name === name)
      .map(({ parent }) => spans.find(({ id }) => id === parent))
      .map((span) => `${span?.name} ${span?.attributes['verdict.txid']}`)
      .sort();
  const expected = (step: string) => outcomes.map(({ txid }) => `stock ${step} ${txid}`).sort();
  await eventually(
    () => (spans.filter(({ name }) => name === 'stock commit').length === count ? true : null),
    () => 'the commits to end',
  );
  expect(above('pg INSERT').filter((each) => each.startsWith('stock prepare'))).toEqual(
    expect.arrayContaining(expected('prepare')),
  );
  expect(new Set(above('pg COMMIT'))).toEqual(new Set(expected('commit')));
});
