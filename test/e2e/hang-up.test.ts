/** SIGHUP ends no node; a terminal that is closed stops the node on it, in order. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { eventually } from '../support/process/child.ts';
import { runCli, startCli, until } from '../support/process/cli-process.ts';
import { endWithParent } from '../support/process/end-with-parent.ts';
import { lacking } from '../support/process/lacking.ts';

const bin = fileURLToPath(new URL('../../bin/verdict.mjs', import.meta.url));
const noScript = lacking(has('script') ? null : 'there is no program named script here');

function has(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function directoryOfTest(): string {
  const { path, remove } = temporaryDirectory();
  running.unshift(remove);
  return path;
}

const running: (() => void)[] = [];
afterEach(() => {
  for (const end of running.splice(0).reverse()) end();
});

describe.each(['serve', 'dev'])('verdict %s', (command) => {
  const place = (url: string): string[] =>
    command === 'dev'
      ? ['dev', '--listen', url]
      : ['serve', '--listen', url, '--data', directoryOfTest()];

  it('without an audit file goes on after SIGHUP, and stops in order after SIGTERM', async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const node = startCli(place(url));
    running.push(() => node.process.kill('SIGKILL'));
    await until('the node is ready', () => node.errors().includes('Ready.'));
    node.process.kill('SIGHUP');
    await until('it to say so', () => node.errors().includes('SIGHUP: '));
    expect((await runCli(['status', '--url', url])).exitCode).toBe(exitCodes.ok);
    node.process.kill('SIGTERM');
    expect((await node.ended).exitCode).toBe(exitCodes.ok);
  });
});

describe.skipIf(noScript !== null)('a node on a terminal', () => {
  it('goes on after SIGHUP, and stops in order once the terminal is closed', async () => {
    const directory = directoryOfTest();
    const audit = join(directory, 'audit.jsonl');
    const url = `127.0.0.1:${await freePort()}`;
    const command = [process.execPath, bin, 'serve', '--listen', url, '--node', 'a'];
    const files = ['--data', join(directory, 'node'), '--audit-file', audit];
    const shell = `exec ${[...command, ...files].join(' ')}`;
    const terminal = spawn('script', ['-qec', shell, '/dev/null'], { stdio: 'pipe' });
    endWithParent(terminal);
    let text = '';
    terminal.stdout.on('data', (chunk) => {
      text += chunk;
    });
    running.push(() => terminal.kill('SIGKILL'));
    const said = (what: string): Promise<true> =>
      eventually(
        () => text.includes(what) || null,
        () => `${what} in ${text}`,
      );
    await said('Ready.');
    const lines = (): Record<string, unknown>[] =>
      existsSync(audit)
        ? readFileSync(audit, 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line))
        : [];
    const pid = Number(lines().find(({ event }) => event === 'started')?.['pid']);
    running.push(() => isThere(pid) && process.kill(pid, 'SIGKILL'));
    process.kill(pid, 'SIGHUP');
    await said('SIGHUP: ');
    expect((await runCli(['status', '--url', url])).exitCode).toBe(exitCodes.ok);
    terminal.kill('SIGKILL');
    await eventually(
      () => (isThere(pid) ? null : true),
      () => 'the node to end',
    );
    expect(lines().at(-1)).toMatchObject({ event: 'stopped', how: 'signal', signal: 'SIGHUP' });
  });
});

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
