/**
 * The set-up script as it runs on a fresh machine. npm is replaced by a script that leaves behind
 * what npm leaves behind, so that a failure, a wait or two runs at once can be had at will and
 * without a network; with the real npm the script runs in front of every `npm test`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { slownessFactor } from '../../support/process/slowness.ts';

const root = join(import.meta.dirname, '../../..');

const npm = `#!/bin/sh
if [ "$1" = --version ]; then echo "\${NPM_VERSION:-11.0.0}"; exit 0; fi
echo "$*" >> installs
if [ -n "$NPM_INTERRUPTS" ]; then kill -TERM $PPID; sleep 30; fi
echo 'npm warn EBADENGINE this machine is too old' >&2
sleep "\${NPM_SECONDS:-0}"
if [ -n "$NPM_FAILS" ]; then echo "$NPM_FAILS" >&2; exit 1; fi
mkdir -p node_modules/.bin node_modules/node/bin
if [ -z "$NPM_IGNORES_SCRIPTS" ]; then ln -sf "$REAL_NODE" node_modules/node/bin/node; fi
ln -sf ../node/bin/node node_modules/.bin/node
touch node_modules/.package-lock.json
`;

let place: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'verdict-setup-'));
  for (const path of ['scripts/setup.mjs', 'scripts/setup', 'bin/hand-over.mjs']) {
    cpSync(join(root, path), join(place, path), { recursive: true });
  }
  writeFileSync(join(place, 'package-lock.json'), '{}');
  mkdirSync(join(place, 'tools'));
  writeFileSync(join(place, 'tools/npm'), npm);
  chmodSync(join(place, 'tools/npm'), 0o755);
});

afterEach(() => rmSync(place, { recursive: true, force: true }));

describe('On a fresh clone', () => {
  it('installs, then runs the command, whose standard output stays clean', async () => {
    const first = await setUp(['node', '-p', '40 + 2']);
    expect(first).toMatchObject({ code: 0, stdout: '42\n' });
    expect(first.stderr).toContain('npm ci');
    expect(installs()).toBe(1);
  });

  it('keeps back the warnings of an installation that succeeds', async () => {
    expect((await setUp(['node', '-p', '1'])).stderr).not.toContain('EBADENGINE');
  });

  it('installs once for runs that start together', async () => {
    const runs = [1, 2, 3].map((one) => setUp(['node', '-p', `${one}`], { NPM_SECONDS: '0.7' }));
    const results = await Promise.all(runs);
    expect(results.map(({ code, stdout }) => `${code} ${stdout}`)).toEqual([
      '0 1\n',
      '0 2\n',
      '0 3\n',
    ]);
    expect(installs()).toBe(1);
  });

  it('takes over the lock of a run that was killed', async () => {
    mkdirSync(join(place, '.cache'));
    writeFileSync(join(place, '.cache/setup.lock'), `${await pidOfTheDead()}`);
    expect(await setUp(['node', '-p', '1'])).toMatchObject({ code: 0, stdout: '1\n' });
    expect(existsSync(join(place, '.cache/setup.lock'))).toBe(false);
  });

  it('shows the last lines of an installation that fails, and what to do', async () => {
    const result = await setUp(['node', '-p', '1'], { NPM_FAILS: 'npm error ENOTFOUND somewhere' });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('npm error ENOTFOUND somewhere');
    expect(result.stderr).toContain('Check the network');
    expect(existsSync(join(place, '.cache/setup.lock'))).toBe(false);
  });

  it('says so where the install scripts did not run', async () => {
    const result = await setUp(['node', '-p', '1'], { NPM_IGNORES_SCRIPTS: '1' });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('ignore-scripts');
  });

  it('refuses an npm that is too old', async () => {
    const result = await setUp(['node', '-p', '1'], { NPM_VERSION: '8.19.4' });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(
      'npm 9 or newer is needed to set up this clone; this is 8.19.4',
    );
    expect(installs()).toBe(0);
  });

  it('ends the installation with itself when interrupted', async () => {
    const started = start(['node', '-p', '1'], { NPM_SECONDS: '30' });
    await until(() => installs() === 1);
    started.child.kill('SIGTERM');
    const result = await started.result;
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('interrupted by SIGTERM');
  });

  it('does so from the very first moment of it', async () => {
    for (let time = 0; time < 3; time += 1) {
      const result = await setUp(['node', '-p', '1'], { NPM_INTERRUPTS: '1' });
      expect(result.stderr).toContain('interrupted by SIGTERM');
      expect(result.code).toBe(1);
    }
  });
});

describe('On a clone that is set up', () => {
  beforeEach(async () => {
    await setUp(['node', '-p', '1']);
  });

  it('says and installs nothing', async () => {
    expect(await setUp(['node', '-p', '1'])).toEqual({ code: 0, stdout: '1\n', stderr: '' });
    expect(installs()).toBe(1);
  });

  it('installs again when the lock file has changed', async () => {
    const later = new Date(Date.now() + 10_000);
    utimesSync(join(place, 'package-lock.json'), later, later);
    await setUp(['node', '-p', '1']);
    expect(installs()).toBe(2);
  });

  it('leaves alone a node_modules that is linked in from elsewhere', async () => {
    renameSync(join(place, 'node_modules'), join(place, 'elsewhere'));
    symlinkSync(join(place, 'elsewhere'), join(place, 'node_modules'));
    rmSync(join(place, 'elsewhere/.package-lock.json'));
    expect(await setUp(['node', '-p', '1'])).toMatchObject({ code: 0, stdout: '1\n' });
    expect(installs()).toBe(1);
  });

  it('passes arguments and exit code through', async () => {
    const script = 'console.log(JSON.stringify(process.argv.slice(1))); process.exitCode = 7';
    expect(await setUp(['node', '-e', script, '--', '--cluster', 'two words', ''])).toEqual({
      code: 7,
      stdout: '["--cluster","two words",""]\n',
      stderr: '',
    });
  });

  it('passes signals on, and lets the command end in its own way', async () => {
    const script =
      "process.on('SIGTERM', () => process.exit(9)); console.log('ready'); setInterval(() => {}, 1000)";
    const started = start(['node', '-e', script]);
    await until(() => started.stdout() === 'ready\n');
    started.child.kill('SIGTERM');
    expect(await started.result).toMatchObject({ code: 9 });
  });

  it('does so from the very first moment of the command', async () => {
    for (let time = 0; time < 3; time += 1) {
      const script = "trap 'exit 9' TERM; kill -TERM $PPID; sleep 0.5; sleep 0.5";
      expect(await setUp(['sh', '-c', script])).toMatchObject({ code: 9 });
    }
  });

  it('tells the end of a killed command as a shell does', async () => {
    const script = "process.kill(process.pid, 'SIGKILL')";
    expect(await setUp(['node', '-e', script])).toMatchObject({ code: 137 });
  });

  it('says what to do where the command cannot be started', async () => {
    const result = await setUp(['no-such-command']);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('Remove node_modules');
  });
});

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

function setUp(command: readonly string[], environment: Environment = {}): Promise<Result> {
  return start(command, environment).result;
}

function start(command: readonly string[], environment: Environment = {}) {
  const child: ChildProcess = spawn(process.execPath, ['scripts/setup.mjs', ...command], {
    cwd: place,
    env: {
      ...environment,
      PATH: `${join(place, 'tools')}:/usr/local/bin:/usr/bin:/bin`,
      REAL_NODE: process.execPath,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 15_000 * slownessFactor,
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const result = new Promise<Result>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...output }));
  });
  return { child, result, stdout: () => output.stdout };
}

function installs(): number {
  const path = join(place, 'installs');
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').length : 0;
}

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: 10_000 * slownessFactor, interval: 20 }).toBe(true);
}

function pidOfTheDead(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve(child.pid ?? 0));
  });
}
