import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../../src/system/directory-lock.ts';
import { openLmdb } from '../../../src/system/lmdb.ts';
import { Child } from '../../support/child.ts';
import type { WayToEnd } from '../../support/ending-writer.ts';
import { realClock, temporaryDirectory } from '../../support/stores.ts';

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
    ['throw', killed, [/exit listener: 1/, /Error: nobody catches this/]],
    ['reject', killed, [/exit listener: 1/, /Error: nobody catches this/]],
    ['fatal', killed, [/exit listener: 70/, /the other store failed/]],
    ['soon', { code: 130, signal: null }, [/exit listener: 130/]],
  ])('%s: does not stay, says why, and gives its directory back', async (way, exit, texts) => {
    const child = new Child('./ending-writer.ts', { args: [directory.path, way] });
    try {
      expect(await child.line(/never written/)).toBeNull();
    } finally {
      await child.kill();
    }
    expect(child.exit).toEqual(exit);
    for (const text of texts) expect(child.lines.join('\n')).toMatch(text);
    expect(child.lines.join('\n')).not.toMatch(/the answer was told|a transaction began/);
    const lock = lockDirectory({ directory: directory.path, purpose: 'after', clock: realClock });
    const store = openLmdb({
      directory: directory.path,
      file: 'test.mdb',
      onFatal: (error) => {
        throw error;
      },
    });
    // The one that ended in time wrote what it had begun.
    expect(store.snapshot((keys) => keys.get('a'))).toBe(way === 'soon' ? 2 : 1);
    await store.close();
    lock.release();
  });
});
