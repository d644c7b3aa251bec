/** Where a node serves its metrics, and to whom. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { scriptDirectory } from '../support/process/run-script.ts';

const directory = scriptDirectory();
let node: NodeProcess | null = null;
afterEach(async () => {
  await node?.stop();
  node = null;
});

async function started(settings: { token?: string; more?: readonly string[] }): Promise<string> {
  const { token, more = [] } = settings;
  const tokenFile = join(directory.path, 'token');
  if (token !== undefined) writeFileSync(tokenFile, token, { mode: 0o600 });
  const data = join(directory.path, `node-${await freePort()}`);
  node = await NodeProcess.started({ data, more, ...(token !== undefined && { tokenFile }) });
  return `http://127.0.0.1:${node.port}`;
}

async function get(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
}

it("on the node's own port, where everyone may do everything", async () => {
  const own = await started({});
  const { status, text } = await get(`${own}/metrics`);
  expect(status).toBe(200);
  expect(text).toContain('\nverdict_ready 1\n');
  // Of this process, and of what it did.
  expect(text).toMatch(/^verdict_log_operation_seconds_count\{operation="flush"\} [1-9]/m);
  expect(text).toMatch(/^process_cpu_seconds_total \S+$/m);
});

it('with a token not there, but where it is told to, and nothing else there', async () => {
  const port = await freePort();
  const more = ['--metrics-listen', String(port)];
  const own = await started({ token: 'correct-horse-battery-staple', more });
  const hidden = await get(`${own}/metrics`);
  expect(hidden.status).toBe(404);
  expect(hidden.text).not.toContain('verdict_');
  const metrics = `http://127.0.0.1:${port}`;
  expect((await get(`${metrics}/metrics`)).text).toContain('\nverdict_ready 1\n');
  expect(await get(`${metrics}/readyz`)).toMatchObject({ status: 200 });
  expect(await get(`${metrics}/healthz`)).toMatchObject({ status: 200 });
  expect(await get(`${metrics}/v1`)).toMatchObject({ status: 404 });
});

it('with a token and without --metrics-listen nowhere', async () => {
  const own = await started({ token: 'correct-horse-battery-staple' });
  expect((await get(`${own}/metrics`)).status).toBe(404);
});
