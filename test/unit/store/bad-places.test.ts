/**
 * Directories in which nothing can be kept: every kind of store says why and what to do, and none
 * takes the process down.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { warnOfNetwork } from '../../../src/store/store-place.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

const entry = fileURLToPath(new URL('../../support/process/places-entry.ts', import.meta.url));
const uncaughtEntry = fileURLToPath(
  new URL('../../support/process/uncaught-entry.ts', import.meta.url),
);
const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
const fillingEntry = fileURLToPath(
  new URL('../../support/process/filling-entry.ts', import.meta.url),
);
const kinds = ['etcd', 'journal', 'library', 'log', 'outbox', 'sqlite', 'store'];
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const mounts = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0;
if (!mounts)
  console.warn('SKIPPED: full and read-only file systems need root on Linux, and unshare.');

let root: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  root = temporaryDirectory();
  // Also for the account of no one.
  chmodSync(root.path, 0o755);
});
afterEach(() => root.remove());

/** `shell` runs before it, in its mount namespace and with its limits. */
function openAll(shell: string, ...more: readonly string[]): Record<string, string> {
  const script = `${shell}; exec "$@"`;
  const place = mounts ? ['unshare', '--mount'] : [];
  const [program = '', ...args] = [
    ...place,
    ...['sh', '-ec', script, 'sh', process.execPath, entry, root.path, ...more],
  ];
  const { stdout, stderr, status, signal } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`It ended with ${status ?? signal}:\n${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, string>;
}

function expectAll(said: Record<string, string>, advice: RegExp): void {
  expect(Object.keys(said).sort()).toEqual(kinds);
  for (const [kind, text] of Object.entries(said)) {
    expect(text, kind).toMatch(advice);
    // Where, and in one line.
    expect(text, kind).toContain(root.path);
    expect(text, kind).not.toContain('\n');
  }
}

const tmpfs = (options: string): string => `mount -t tmpfs ${options} tmpfs "$3"`;

it.skipIf(!mounts)('a read-only file system', () => {
  expectAll(openAll(`${tmpfs('-o ro')}`), /mount it writable/);
});

// From nothing at all to nearly enough: LMDB's own files come one after the other.
it.skipIf(!mounts).each([0, 4, 12, 24, 60])('a full disk with %i KiB left', (kib) => {
  const leave = `rm "$3/hole"`;
  const fill = `head -c ${kib}k /dev/zero > "$3/hole"; cat /dev/zero > "$3/fill" 2>&- || true; ${leave}`;
  const said = openAll(`${tmpfs('-o size=512k')}; ${fill}`);
  // A small file has room where some is.
  const { etcd = '', sqlite = '', ...stores } = said;
  const { log = '' } = stores;
  const small = { etcd: kib === 0 ? etcd : log, sqlite: kib < 60 ? sqlite : log };
  expectAll({ ...stores, ...small }, /The disk is full/);
});

it.skipIf(!mounts)('a disk that fills up: told once, and no rejection is left to no one', () => {
  const { stdout, stderr } = spawnSync(
    'unshare',
    [
      ...['--mount', 'sh', '-ec', `${tmpfs('-o size=2m')}; exec "$@"`, 'sh'],
      ...[process.execPath, fillingEntry, root.path],
    ],
    { encoding: 'utf8', timeout: 60_000 },
  );
  const said = stdout.split('\n').find((line) => line.startsWith('{"told"'));
  expect(JSON.parse(said ?? stderr)).toEqual({
    told: [expect.stringMatching(/The disk is full/)],
    rejected: 3,
    unhandled: [],
  });
});

it.skipIf(!mounts)('a disk that has no room for another file', () => {
  expectAll(openAll(tmpfs('-o nr_inodes=2')), /The disk is full/);
});

it.skipIf(process.platform !== 'linux').each([1, 8, 64])(
  'a limit of %i blocks on the size of files',
  (blocks) => {
    const { etcd: _, sqlite = '', ...said } = openAll(`ulimit -f ${blocks}`);
    const { log = '' } = said;
    expectAll({ ...said, etcd: log, sqlite: blocks < 64 ? sqlite : log }, /ulimit -f/);
  },
);

it.skipIf(process.platform !== 'linux')('all files open that may be', () => {
  expectAll(openAll('ulimit -n 256', 'files'), /ulimit -n/);
});

it('a file where the directory should be, or above it', () => {
  for (const kind of kinds) writeFileSync(join(root.path, kind), '');
  expectAll(openAll(':'), /There is a file where a directory should be/);
});

it.skipIf(!isRoot)('a directory of another account', () => {
  mkdirSync(join(root.path, 'mine'), { mode: 0o755 });
  const asNobody = 'set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; unset HOME';
  expectAll(openAll(asNobody), /chown/);
});

describe('a service that catches nothing ends with what to do, and no stack', () => {
  const opened = ['participant', 'library', 'outbox', 'store'];

  function expectSentence(shell: string, kind: string, advice: RegExp): void {
    const { status, stderr } = spawnSync(
      'unshare',
      [
        ...['--mount', 'sh', '-ec', `${shell}; exec "$@"`, 'sh'],
        ...[process.execPath, uncaughtEntry, root.path, kind],
      ],
      { cwd: projectRoot, encoding: 'utf8', timeout: 60_000 },
    );
    expect(status, stderr).toBe(1);
    expect(stderr).toMatch(advice);
    expect(stderr).not.toMatch(/^ +at |cause/m);
  }

  it.skipIf(!mounts).each(opened)('on a full disk: %s', (kind) => {
    const fill = `cat /dev/zero > "$3/fill" 2>&- || true`;
    expectSentence(
      `${tmpfs('-o size=512k')}; ${fill}`,
      kind,
      /^\[?\w+Error: .*The disk is full.*start again\.\]?$/m,
    );
  });

  it
    .skipIf(!mounts)
    .each(
      ['@lmdb', 'lmdb', 'fs-native-extensions/prebuilds'].flatMap((hidden) =>
        opened.map((kind) => [hidden, kind] as const),
      ),
    )('without node_modules/%s: %s', (hidden, kind) => {
    expectSentence(
      `mount -t tmpfs tmpfs node_modules/${hidden}`,
      kind,
      /^\[?NativePackageError: The package (lmdb|fs-native-extensions), .*npm ci.*\.\]?$/m,
    );
  });

  it.skipIf(!mounts).each(['@lmdb', 'lmdb', 'fs-native-extensions/prebuilds'])(
    'without node_modules/%s a new participant keeps its journal in SQLite, and says so',
    (hidden) => {
      const { status, stderr } = spawnSync(
        'unshare',
        [
          ...[
            '--mount',
            'sh',
            '-ec',
            `mount -t tmpfs tmpfs node_modules/${hidden}; exec "$@"`,
            'sh',
          ],
          ...[process.execPath, uncaughtEntry, root.path, 'chosen'],
        ],
        { cwd: projectRoot, encoding: 'utf8', timeout: 60_000 },
      );
      expect(stderr).toMatch(/kept in SQLite, for LMDB cannot be loaded here/);
      expect(status, stderr).toBe(0);
      expect(readdirSync(join(root.path, 'chosen'))).toContain('journal.sqlite');
    },
  );
});

it('a network file system is warned of once, by its name', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
  warnOfNetwork('/nfs/data', 0x6969);
  warnOfNetwork('/nfs/data', 0x6969);
  warnOfNetwork('/local/data', 0xef53);
  expect(warn.mock.calls.map(([text]) => text)).toEqual([
    expect.stringMatching(/\/nfs\/data.*NFS.*local disk/),
  ]);
  warn.mockRestore();
});
