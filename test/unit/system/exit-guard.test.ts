import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { openLmdb } from '../../../src/store/lmdb.ts';
import type { WayToEnd } from '../../support/logs/ending-writer.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';
import { Child } from '../../support/process/child.ts';

/** Makes what follows PID 1 of a namespace of its own, as the only process of a container is. */
const asFirstProcess = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const [unshare = '', ...more] = asFirstProcess;
const namespaces = process.getuid?.() === 0 && spawnSync(unshare, [...more, 'true']).status === 0;
if (!namespaces) console.warn('SKIPPED: PID 1 of a namespace needs root on Linux, and unshare.');

describe('a process that ends in the middle of a transaction', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  const killed = { code: null, signal: 'SIGKILL' };
  it.each<[WayToEnd, object, readonly RegExp[]]>([
    ['exit', killed, [/exit listener: 9/]],
    ['in-body', killed, [/exit listener: 9/]],
    ['throw', killed, [/exit listener: 1/, /Error: no one catches this/]],
    ['reject', killed, [/exit listener: 1/, /Error: no one catches this/]],
    ['fatal', killed, [/exit listener: 70/, /the other store failed/]],
    ['soon', { code: 130, signal: null }, [/exit listener: 130/]],
  ])('%s: does not stay, says why, and gives its directory back', async (way, exit, texts) => {
    const child = new Child('test/support/logs/ending-writer.ts', { args: [directory.path, way] });
    try {
      expect(await child.line(/never written/)).toBeNull();
    } finally {
      await child.kill();
    }
    expect(child.exit).toEqual(exit);
    const said = child.lines.join('\n');
    for (const text of texts) expect(said).toMatch(text);
    expect(said).not.toMatch(/the answer was told|a transaction began/);
    await expectStored(way === 'soon' ? 2 : 1);
  });

  // No signal from within ends that one.
  it.skipIf(!namespaces).each<[WayToEnd, number, RegExp]>([
    ['exit', 9, /exit listener: 9/],
    ['in-body', 9, /exit listener: 9/],
    ['throw', 1, /Error: no one catches this/],
    ['fatal', 70, /the other store failed/],
  ])('%s, as the first process of a container: the same', async (way, code, text) => {
    const child = new Child('test/support/logs/ending-writer.ts', {
      args: [directory.path, way],
      through: asFirstProcess,
    });
    try {
      expect(await child.line(/never written/)).toBeNull();
    } finally {
      await child.kill();
    }
    expect(child.exit).toEqual({ code, signal: null });
    expect(child.lines.join('\n')).toMatch(text);
    expect(child.lines.join('\n')).not.toMatch(/the answer was told/);
    await expectStored(1);
  });

  /** The one that ended in time wrote what it had begun. */
  async function expectStored(value: number): Promise<void> {
    const lock = lockDirectory({ directory: directory.path, purpose: 'after', clock: realClock });
    const store = openLmdb({
      directory: directory.path,
      file: 'test.mdb',
      onFatal: (error) => {
        throw error;
      },
    });
    expect(store.snapshot((keys) => keys.get('a'))).toBe(value);
    await store.close();
    lock.release();
  }
});
