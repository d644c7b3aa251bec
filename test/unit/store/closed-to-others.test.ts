import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';

const entry = fileURLToPath(new URL('../../support/process/places-entry.ts', import.meta.url));

let root: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  root = temporaryDirectory();
});
afterEach(() => root.remove());

describe.skipIf(process.platform === 'win32')('what is kept is closed to other accounts', () => {
  it('every file and directory that is made, whatever the umask', () => {
    const script = ['-ec', 'umask 000; exec "$@"', 'sh', process.execPath, entry, root.path];
    const { stdout, stderr } = spawnSync('sh', script, { encoding: 'utf8', timeout: 60_000 });
    const { etcd: _, ...said } = JSON.parse(stdout) as Record<string, string>;
    expect(new Set(Object.values(said)), stderr).toEqual(new Set(['opened']));
    const made = readdirSync(root.path, { recursive: true, withFileTypes: true }).map((each) => {
      const path = join(each.parentPath, each.name);
      const mode = (statSync(path).mode & 0o777).toString(8);
      return { path: relative(root.path, path), mode, wanted: each.isDirectory() ? '700' : '600' };
    });
    // The logs beside the stores, and LMDB's files of locks.
    expect(made.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'journal/journal.mdb',
        'journal/journal.mdb-lock',
        'journal/journal.mdb.log-a',
        'journal/owner.lock',
        'etcd/etcd-seen.json',
        'log/decisions.mdb',
      ]),
    );
    expect(made.filter(({ mode, wanted }) => mode !== wanted)).toEqual([]);
  });

  it.each([0o755, 0o701, 0o702, 0o704, 0o777])('warns once of a directory of mode %o', (mode) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const directory = join(root.path, 'open');
    mkdirSync(directory);
    chmodSync(directory, mode);
    for (let start = 0; start < 2; start += 1) {
      lockDirectory({ directory, purpose: 'test', clock: realClock }).release();
    }
    expect(warn.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(`open to other accounts \\(mode ${mode.toString(8)}\\). Run chmod 700`),
    ]);
    warn.mockRestore();
  });

  it.each([0o700, 0o770])('says nothing of a directory of mode %o', (mode) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const directory = join(root.path, 'closed');
    mkdirSync(directory);
    chmodSync(directory, mode);
    lockDirectory({ directory, purpose: 'test', clock: realClock }).release();
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
