import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Txid } from '../../../src/core/txid.ts';
import { openEmbeddedLog } from '../../../src/decision-log/embedded/log.ts';
import { type LmdbStore, openLmdb } from '../../../src/store/lmdb.ts';
import { StoreUnreadableError } from '../../../src/store/store-unreadable.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';

const writer = fileURLToPath(new URL('../../support/logs/decision-log-writer.ts', import.meta.url));

describe('LMDB store', () => {
  let directory: { readonly path: string; remove(): void };
  let store: LmdbStore;
  const open = (path = directory.path, shared = false) =>
    openLmdb({
      directory: path,
      shared,
      file: 'test.mdb',
      onFatal: (error) => {
        throw error;
      },
    });
  beforeEach(() => {
    directory = temporaryDirectory();
    store = open();
  });
  afterEach(async () => {
    await store.close();
    directory.remove();
  });
  it('keeps what it makes for its own account', async () => {
    const path = join(directory.path, 'made', 'here');
    const own = open(path);
    try {
      await own.transact((keys) => keys.put('a', 1));
      const modes = [
        join(directory.path, 'made'),
        path,
        ...readdirSync(path).map((file) => join(path, file)),
      ];
      expect(modes.map((each) => (statSync(each).mode & 0o777).toString(8))).toEqual([
        '700',
        '700',
        '600',
        '600',
      ]);
    } finally {
      await own.close();
    }
  });

  const get = (key: string) => store.snapshot((keys) => keys.get(key));

  it('keeps fields of any name, two at a time, as plain fields', async () => {
    const prototypes = [Object, Array, Map, Promise, Date, Buffer, Error].map(
      (kind) => kind.prototype as object,
    );
    const all = prototypes.flatMap((prototype) => Object.getOwnPropertyNames(prototype));
    // No peer and no store takes this one.
    const names = [...new Set([...all, 'prototype'])].filter((name) => name !== '__proto__');
    const pairs = names.flatMap((one) =>
      ['x', 1, null, {}].map((value) => names.map((other) => ({ [one]: value, [other]: value }))),
    );
    await store.transact((keys) => {
      for (const [index, maps] of pairs.entries()) keys.put(`k${index}`, maps);
    });
    for (const [index, maps] of pairs.entries()) expect(get(`k${index}`)).toEqual(maps);
  });

  it('writes nothing of a transaction whose body throws half-way', async () => {
    await store.transact((keys) => keys.put('a', 1));
    const work = store.transact((keys) => {
      keys.put('a', 2);
      keys.put('b', 2);
      throw new Error('half-way');
    });
    await expect(work).rejects.toThrow('half-way');
    expect([get('a'), get('b')]).toEqual([1, undefined]);
    await store.transact((keys) => keys.put('b', 3));
    expect([get('a'), get('b')]).toEqual([1, 3]);
  });

  it('reads its own writes within a transaction, ranges included', async () => {
    const seen = await store.transact((keys) => {
      keys.put('p/2', 'two');
      keys.put('p/1', 'one');
      keys.put('q', 'other');
      keys.remove('p/2');
      keys.put('p/3', 'three');
      return [keys.get('p/1'), keys.get('p/2'), keys.range({ start: 'p/', end: 'p0', limit: 9 })];
    });
    expect(seen).toEqual([
      'one',
      undefined,
      [
        ['p/1', 'one'],
        ['p/3', 'three'],
      ],
    ]);
    expect(store.snapshot((keys) => keys.range({ start: 'p/', end: 'z', limit: 2 }))).toHaveLength(
      2,
    );
  });

  it('sees at once what another process committed', async () => {
    await store.close();
    store = open(directory.path, true);
    await store.transact((keys) => keys.put('a', 1));
    expect(get('a')).toBe(1);
    const module = fileURLToPath(new URL('../../../src/store/lmdb.ts', import.meta.url));
    const script = `import { openLmdb } from ${JSON.stringify(module)};
      const directory = ${JSON.stringify(directory.path)};
      const store = openLmdb({ directory, file: 'test.mdb', shared: true, onFatal: () => process.exit(70) });
      await store.transact((keys) => keys.put('a', 2));
      await store.close();`;
    // Synchronously: nothing in between gives LMDB's binding a chance to renew its snapshot by
    // itself.
    execFileSync(process.execPath, ['--input-type=module', '-e', script]);
    expect(get('a')).toBe(2);
  });

  it('grows past its first map', async () => {
    const value = new Uint8Array(1024 * 1024).fill(7);
    for (let batch = 0; batch < 3; batch += 1) {
      await store.transact((keys) => {
        for (let index = 0; index < 100; index += 1) keys.put(`${batch}/${index}`, value);
      });
    }
    expect((get('2/99') as Uint8Array).length).toBe(value.length);
    expect((get('0/0') as Uint8Array).length).toBe(value.length);
  });

  it('takes a directory whose name looks like a file', async () => {
    const path = `${directory.path}/deep/data.d/store.v1`;
    const other = open(path);
    await other.transact((keys) => keys.put('a', 1));
    await other.close();
    const again = open(path);
    expect(again.snapshot((keys) => keys.get('a'))).toBe(1);
    await again.close();
  });

  it.each([
    ['text', Buffer.from('x'.repeat(20_000))],
    ['zeros', Buffer.alloc(8_192)],
    ['a few bytes', Buffer.from('abc')],
  ])('says what to do about a file that is none of its own: %s', (_, content) => {
    const path = `${directory.path}/other`;
    mkdirSync(path);
    writeFileSync(`${path}/test.mdb`, content);
    expect(() => open(path)).toThrow(StoreUnreadableError);
    expect(() => open(path)).toThrow(/cannot be opened.*backup/);
  });

  it('ends the process when a write fails, and every answer before it stands', async () => {
    const path = `${directory.path}/log`;
    // A limit on the size of files makes writes fail as a full disk does, for this one process.
    const child = spawn(
      'sh',
      ['-c', 'ulimit -f 2000; exec "$0" "$@"', process.execPath, writer, path],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const complaint = text(child.stderr);
    const exited = once(child, 'exit');
    const answered: Txid[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      answered.push((JSON.parse(line) as { txid: Txid }).txid);
    }
    expect(await exited).toEqual([70, null]);
    expect(await complaint).toMatch(/A write to .*decisions\.mdb\.log-a failed/);
    expect(answered.length).toBeGreaterThan(0);
    const log = await openEmbeddedLog({
      directory: path,
      node: 'after',
      url: 'ws://after',
      clock: realClock,
    });
    for (const txid of answered) expect((await log.read(txid)).record?.outcome).toBe('commit');
    await log.close();
  });
});
