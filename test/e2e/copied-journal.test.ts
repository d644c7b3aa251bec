/**
 * A data directory is copied while its service runs, and the copy is started: a cloned volume, an
 * image with the directory in it.
 */
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import {
  type ParticipantAlarm,
  type ParticipantHandle,
  serveParticipant,
  vote,
} from '../../src/participant.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

interface Service {
  readonly handle: ParticipantHandle;
  readonly alarms: ParticipantAlarm[];
  connects: number;
}

let directory: string;
let node: NodeProcess;
const services: Service[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  node = await NodeProcess.started({ data: join(directory, 'node'), options: quickOptions });
});

afterEach(async () => {
  await Promise.all(services.splice(0).map(({ handle }) => handle.close()));
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

async function serve(journal: string, result: string): Promise<Service> {
  const alarms: ParticipantAlarm[] = [];
  const info = (_: object, text: string): void => {
    if (text.startsWith('connected')) service.connects += 1;
  };
  const none = (): void => undefined;
  const handle = await serveParticipant({
    name: 'payment',
    urls: [node.url],
    dataDirectory: join(directory, journal),
    logger: { debug: none, info, warn: none, error: none },
    onAlarm: (alarm) => alarms.push(alarm),
    prepare: () => vote.commit(result),
    commit: none,
    rollback: none,
    inDoubt: () => [],
  });
  const service: Service = { handle, alarms, connects: 0 };
  services.push(service);
  return service;
}

it('the copy is refused and says so, and the original works on', async () => {
  const original = await serve('journal', 'original');
  await original.handle.connected();
  cpSync(join(directory, 'journal'), join(directory, 'copy'), { recursive: true });
  const copy = await serve('copy', 'copy');
  expect(copy.handle.instance).toBe(original.handle.instance);

  const alarm = await eventually(
    () => copy.alarms[0] ?? null,
    () => 'the alarm of the copy',
  );
  expect(alarm.alarm).toBe('journal-copied');
  expect(alarm.message).toContain('empty data directory');
  expect(alarm.message).toContain(`/${process.pid}/`);
  expect(original.alarms).toEqual([]);

  await original.handle.connected();
  const before = [original.connects, copy.connects];
  const client = await connect({ urls: [node.url] });
  for (let n = 0; n < 20; n += 1) {
    const done = await client.transact({ branches: [{ participant: 'payment' }] });
    expect(done).toMatchObject({ outcome: 'committed', results: { payment: 'original' } });
  }
  await client.close();
  // No one dials in circles any more.
  expect([original.connects, copy.connects]).toEqual(before);
});
