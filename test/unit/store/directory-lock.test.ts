import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { DirectoryLockedError } from '../../../src/store/directory-locked.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';

const holder = fileURLToPath(new URL('../../support/process/directory-holder.ts', import.meta.url));

describe('directory lock', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());
  const lock = (more: { shared?: boolean; purpose?: string } = {}) =>
    lockDirectory({ directory: directory.path, purpose: 'test', clock: realClock, ...more });

  it('excludes a second open in the same process, by whatever path', () => {
    const first = lock({ purpose: 'first' });
    expect(() => lock()).toThrow(DirectoryLockedError);
    expect(() =>
      lockDirectory({ directory: `${directory.path}/.`, purpose: 'test', clock: realClock }),
    ).toThrow(/this same process \(pid \d+, first, since \d{4}-/);
    first.release();
    first.release();
    lock().release();
  });

  it('lets shared ones in together, and no one alone beside them', () => {
    const one = lock({ shared: true });
    const other = lock({ shared: true });
    expect(() => lock()).toThrow(DirectoryLockedError);
    one.release();
    expect(() => lock()).toThrow(DirectoryLockedError);
    other.release();
    const alone = lock();
    expect(() => lock({ shared: true })).toThrow(DirectoryLockedError);
    alone.release();
  });

  it('makes the directory', () => {
    lockDirectory({
      directory: `${directory.path}/a/b`,
      purpose: 'test',
      clock: realClock,
    }).release();
  });

  it('refuses on Deno, which its native code would end', () => {
    // What Deno says of itself; the list is frozen against assignment alone.
    Object.defineProperty(process.versions, 'deno', { value: '2.9.6', configurable: true });
    try {
      expect(() => lock()).toThrow(/cannot be locked on Deno.*Run this program on Node/);
    } finally {
      Reflect.deleteProperty(process.versions, 'deno');
    }
    lock().release();
  });

  it('excludes another process, is told its pid, and is given back by kill -9', async () => {
    const child = spawn(process.execPath, [holder, directory.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      expect(() => lock()).toThrow(
        `The directory ${directory.path} is in use by the process with pid ${child.pid} (holder,`,
      );
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    lock().release();
  });
});
