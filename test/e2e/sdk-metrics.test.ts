/** The SDKs' metrics, in a registry that is the application's. */
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { scriptDirectory } from '../support/process/run-script.ts';

const directory = scriptDirectory();
let node: NodeProcess | null = null;
afterEach(async () => {
  await node?.stop();
  node = null;
});

it('are there while clients and participants are, and two of one name are added up', async () => {
  node = await NodeProcess.started({ data: join(directory.path, 'node') });
  const urls = [node.url];
  const registry = new Registry();
  const value = async (line: string): Promise<string | undefined> =>
    (await registry.metrics()).split('\n').find((each) => each.startsWith(`${line} `));
  let refuses = false;
  const participant = await serveParticipant({
    name: 'stock',
    urls,
    dataDirectory: join(directory.path, 'stock'),
    metrics: registry,
    prepare: () => (refuses ? vote.abort('None left.') : vote.commit()),
    commit: () => undefined,
    rollback: () => undefined,
  });
  await participant.connected();
  const clients = await Promise.all(
    ['shop', 'shop', 'desk'].map((name) => connect({ urls, name, metrics: registry })),
  );
  for (const client of clients) {
    await client.transact({ branches: [{ participant: 'stock' }] }, { answer: 'applied' });
  }
  refuses = true;
  await clients[0]?.transact({ branches: [{ participant: 'stock' }] });
  await clients[0]?.run(async () => undefined);
  const calls = 'verdict_client_calls_total';
  expect(await value(`${calls}{client="shop",outcome="committed"}`)).toMatch(/ 3$/);
  expect(await value(`${calls}{client="shop",outcome="aborted"}`)).toMatch(/ 1$/);
  expect(await value(`${calls}{client="desk",outcome="committed"}`)).toMatch(/ 1$/);
  expect(await value('verdict_client_call_seconds_count{client="shop"}')).toMatch(/ 4$/);
  expect(await value('verdict_client_connections{client="shop"}')).toMatch(/ 2$/);
  expect(await value('verdict_client_calls_in_flight{client="shop"}')).toMatch(/ 0$/);
  const ofStock = (name: string, more = ''): Promise<string | undefined> =>
    value(`verdict_participant_${name}{participant="stock"${more}}`);
  expect(await ofStock('votes_total', ',vote="commit"')).toMatch(/ 3$/);
  expect(await ofStock('votes_total', ',vote="abort"')).toMatch(/ 1$/);
  expect(await ofStock('decisions_total', ',decision="commit"')).toMatch(/ 3$/);
  expect(await ofStock('prepare_seconds_count')).toMatch(/ 4$/);
  expect(await ofStock('in_doubt')).toMatch(/ 0$/);
  expect(await ofStock('welcomes_total')).toMatch(/ 1$/);
  await clients[2]?.close();
  expect(await value(`${calls}{client="desk",outcome="committed"}`)).toBeUndefined();
  await clients[0]?.close();
  await clients[1]?.close();
  await participant.close();
  expect(await registry.metrics()).toBe('\n');
});

it('refuse what is no registry before anything is dialled', async () => {
  const metrics = { registerMetric: () => undefined } as never;
  const urls = ['127.0.0.1:1'];
  await expect(connect({ urls, metrics })).rejects.toThrow(/must be a registry of prom-client/);
});
