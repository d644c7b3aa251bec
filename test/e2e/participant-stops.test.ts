/**
 * A service is stopped as it should be, in a rolling update or a restart, under load: no one's
 * transaction is the worse for it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

let directory: string;
let node: NodeProcess;
let client: Client;
const open = new Set<ParticipantHandle>();
/** Who prepared, in order. */
const prepared: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  node = await NodeProcess.started({ data: join(directory, 'node') });
  client = await connect({ urls: [node.url] });
  prepared.length = 0;
});

afterEach(async () => {
  await client.close();
  await Promise.all([...open].map((each) => each.close({ timeoutMs: 1_000 })));
  open.clear();
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

async function serve(journal: string): Promise<ParticipantHandle> {
  const handle = await serveParticipant({
    name: 'stock',
    urls: [node.url],
    dataDirectory: join(directory, journal),
    logger: silentLogger,
    prepare: () => {
      prepared.push(journal);
      return vote.commit();
    },
    commit: () => undefined,
    rollback: () => undefined,
  });
  open.add(handle);
  await handle.connected();
  return handle;
}

/** Twenty at once until it is ended; what each came to, other than a commit. */
function load(): { end(): Promise<string[]> } {
  const others: string[] = [];
  let on = true;
  const loops = Array.from({ length: 20 }, async () => {
    while (on) {
      const outcome = await client.transact({ branches: [{ participant: 'stock' }] });
      if (outcome.outcome === 'aborted') others.push(outcome.reason.message);
    }
  });
  return {
    async end() {
      on = false;
      await Promise.all(loops);
      return others;
    },
  };
}

function workOf(journal: string): Promise<true> {
  const from = prepared.length;
  return eventually(
    () => (prepared.slice(from).filter((who) => who === journal).length >= 50 ? true : null),
    () => `work of ${journal}`,
  );
}

it('its siblings get what is new, and nothing is refused', async () => {
  const one = await serve('one');
  await serve('two');
  const running = load();
  await Promise.all([workOf('one'), workOf('two')]);
  await one.close();
  await workOf('two');
  const three = await serve('three');
  await workOf('three');
  await three.close();
  await workOf('two');
  expect(await running.end()).toEqual([]);
});

it('alone, what is new waits for the process after it', async () => {
  const first = await serve('one');
  const running = load();
  await workOf('one');
  await first.close();
  await serve('one');
  await workOf('one');
  expect(await running.end()).toEqual([]);
});
