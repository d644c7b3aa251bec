import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDirectory } from '../../../src/store/store-place.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import type { Rounds } from '../../support/process/directory-maker.ts';

const maker = new URL('../../support/process/directory-maker.ts', import.meta.url);

let root: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  root = temporaryDirectory();
});
afterEach(() => root.remove());

describe('a directory that is made', () => {
  it('is there with those above it, for the account alone; the first of them is told', () => {
    expect(makeDirectory(join(root.path, 'a/b/c'))).toBe(join(root.path, 'a'));
    expect(makeDirectory(join(root.path, 'a/b/c'))).toBeUndefined();
    expect(makeDirectory(join(root.path, 'a/b/d'))).toBe(join(root.path, 'a/b/d'));
    expect(statSync(join(root.path, 'a')).mode & 0o777).toBe(0o700);
  });

  it('is made though others make the same ones, or ones beside it, at the same time', async () => {
    const threads = 2;
    const rounds = 2_000;
    const arrived = new Int32Array(new SharedArrayBuffer(rounds * Int32Array.BYTES_PER_ELEMENT));
    const names = Array.from({ length: rounds }, (_, round) => `shop-${round}`);
    const ended = Array.from({ length: threads }, (_, thread) => {
      // Some rounds make one and the same.
      const own = (round: number) => (round % 3 === 0 ? 'same' : `service-${thread}`);
      const directories = names.map((name, round) => join(root.path, name, own(round), 'store'));
      const workerData: Rounds = { directories, arrived, threads };
      const worker = new Worker(maker, { workerData });
      return new Promise<number>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', resolve);
      });
    });
    expect(await Promise.all(ended)).toEqual([0, 0]);
    expect(readdirSync(root.path)).toHaveLength(rounds);
  });
});
