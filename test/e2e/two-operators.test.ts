/** Two operators at once who want the opposite: each is told how things are at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually } from '../support/process/child.ts';
import { type CliProcess, type Ended, startCli, until } from '../support/process/cli-process.ts';
import { patienceMs } from '../support/process/slowness.ts';

let directory = '';
let url = '';
let proxy: TcpProxy;
let node: CliProcess;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-two-'));
  const port = await freePort();
  url = `127.0.0.1:${port}`;
  proxy = await TcpProxy.started(port);
  const at = ['--data', join(directory, 'node'), '--listen', url, '--node', 'a'];
  node = startCli(['serve', ...at, '--advertise', proxy.url, '--option', 'drainDelayMs=5000']);
  await until('the node is ready', () => node.errors().includes('Ready.'));
});

afterAll(async () => {
  await proxy.close();
  node.process.kill('SIGKILL');
  await node.ended;
  rmSync(directory, { recursive: true });
});

/**
 * One drains, and the other undrains before anything is handed over. The start of a command may
 * outlast that: the one that undrains is ready before, and its request waits.
 */
async function undrainedMeanwhile(...flags: readonly string[]): Promise<Ended> {
  const at = ['a', '--yes', '--url', proxy.url, '--timeout', String(patienceMs)];
  let isIn = false;
  let waits = false;
  proxy.rule = (direction, bytes) => {
    if (direction === 'reply') isIn ||= bytes.includes('welcome');
    waits = direction === 'request' && isIn;
    return waits ? 'hold' : 'pass';
  };
  const undrain = startCli(['undrain', ...at]);
  await until('an undrain that waits', () => waits);
  const drain = startCli(['drain', ...at, ...flags]);
  const isNotReady = async () => (await fetch(`http://${url}/readyz`)).status === 503 || null;
  await eventually(isNotReady, () => 'a drain');
  proxy.release();
  expect((await undrain.ended).exitCode).toBe(exitCodes.ok);
  return drain.ended;
}

it('drain does not say that a node is drained which was undrained meanwhile', async () => {
  const { exitCode, out } = await undrainedMeanwhile();
  expect(out).not.toMatch(/is drained|takes no more shards/);
  expect(out).toContain('a was undrained meanwhile, and takes leaderships.');
  expect(exitCode).toBe(exitCodes.notDone);
});

it('nor to programs', async () => {
  const { exitCode, out } = await undrainedMeanwhile('--json');
  expect(JSON.parse(out)).toMatchObject({ node: 'a', drained: false, shards: [{ to: null }] });
  expect(exitCode).toBe(exitCodes.notDone);
});
