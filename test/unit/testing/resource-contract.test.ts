/** The shipped contract: a good resource passes, and each broken promise is found. */
import { describe, expect, it } from 'vitest';
import { resourceContract } from '../../../src/testing.ts';
import {
  openShelf,
  type Shelf,
  type ShelfDisk,
  type ShelfFault,
} from '../../support/resources/shelf.ts';

function harness(fault?: ShelfFault) {
  const disk: ShelfDisk = new Map();
  let shelf: Shelf = openShelf(disk, fault);
  return {
    start: async () => {
      shelf = openShelf(disk, fault);
    },
    get resource() {
      return shelf;
    },
    payloadThatWrites: (writes: Readonly<Record<string, string>>) => ({ writes }),
    payloadThatRefuses: (key: string) => ({ writes: { [key]: 'x' }, refuse: true }),
    visible: async (key: string) => shelf.read(key),
    crash: async () => shelf.crash(),
    dispose: async () => shelf.crash(),
  };
}

resourceContract('shelf', () => harness(), { describe, it });

/** The names of the tests that found something; a test that waits for a lock found it, too. */
async function found(fault: ShelfFault): Promise<string[]> {
  const failed: string[] = [];
  const bodies: Promise<void>[] = [];
  resourceContract('shelf', () => harness(fault), {
    describe: (_name, body) => body(),
    it: (name, body) => {
      const waits = new Promise<never>((_, reject) => {
        setTimeout(() => reject(new Error('It waits.')), 5_000);
      });
      bodies.push(Promise.race([body(), waits]).catch(() => void failed.push(name)));
    },
  });
  await Promise.all(bodies);
  return failed;
}

describe('a broken promise is found', () => {
  it.each<ShelfFault>([
    'visible before the commit',
    'not on disk before the vote',
    'locks forgotten in a crash',
    'locks kept after a vote to abort',
    'locks kept after a rollback',
    'a repeated commit writes again',
    'a commit of nothing writes its payload',
    'a rollback ends other branches',
  ])('%s', async (fault) => {
    expect(await found(fault)).not.toEqual([]);
  });

  it('says what to do where there is no test framework', () => {
    expect(() => resourceContract('shelf', () => harness())).toThrow("from 'node:test'");
  });
});
