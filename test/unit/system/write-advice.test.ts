import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freeBytes, writeAdvice } from '../../../src/system/write-advice.ts';

it.each([
  ['Input/output error', 4_096, /^The disk is full \(4096 bytes are free\)/],
  ['No space left on device', 8_000_000, /^The disk is full/],
  ['MDB_MAP_FULL: Environment mapsize limit reached', null, /^The disk is full: /],
  ['Disk quota exceeded', 8_000_000, /^The disk is full/],
  ['File too large', 8_000_000, /limit on the size of files/],
  ['Input/output error', 8_000_000, /^Check the disk/],
  ['Input/output error', null, /^Check the disk/],
])('after %s with %s bytes free a store says what to do', (why, free, advice) => {
  expect(writeAdvice(why, free)).toMatch(advice);
});

it('knows what is free where a file lies, and that it may not know', () => {
  expect(freeBytes(join(tmpdir(), 'x'))).toBeGreaterThan(0);
  expect(freeBytes('/no/such/directory/x')).toBeNull();
});
