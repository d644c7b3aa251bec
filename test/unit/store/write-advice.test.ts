import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { placeOf, writeAdvice } from '../../../src/store/write-advice.ts';

const roomy = { freeBytes: 8_000_000, freeFiles: 1_000, atSizeLimit: false };

it.each([
  ['Input/output error', { freeBytes: 4_096 }, /^The disk is full \(4096 bytes are free\)/],
  ['No space left on device', {}, /^The disk is full/],
  ['ENOSPC: no space left on device, open', { freeFiles: 0 }, /room for another file \(df -i\)/],
  ['MDB_MAP_FULL: Environment mapsize limit reached', { freeBytes: null }, /^The disk is full: /],
  ['Disk quota exceeded', {}, /^The disk is full for this account/],
  ['EDQUOT: disk quota exceeded, write', {}, /^The disk is full for this account/],
  ['File too large', {}, /limit on the size of files \(ulimit -f\)/],
  ['Input/output error', { atSizeLimit: true }, /limit on the size of files \(ulimit -f\)/],
  ['Input/output error', {}, /^Check the disk/],
  ['Input/output error', { freeBytes: null, freeFiles: null }, /^Check the disk/],
  ["EACCES: permission denied, mkdir '/x'", {}, /chown/],
  ['Permission denied', {}, /chown/],
  ["EROFS: read-only file system, mkdir '/x'", {}, /mount it writable/],
  ['EMFILE: too many open files, open', {}, /ulimit -n/],
  ['Too many open files', {}, /ulimit -n/],
  ["ENOTDIR: not a directory, mkdir '/x/y'", {}, /There is a file/],
  ['ENOLCK: no locks available', {}, /cannot lock.*local disk/],
  ['Cannot allocate memory', {}, /ulimit -v/],
  ['ESTALE: stale file handle', {}, /file server/],
  ['ENOENT: no such file or directory', {}, /leads nowhere/],
] as const)('after %s with %j a store says what to do', (why, place, advice) => {
  expect(writeAdvice(why, { ...roomy, ...place })).toMatch(advice);
});

it('knows what is free where a file lies or will lie', () => {
  for (const path of [join(tmpdir(), 'x'), join(tmpdir(), 'not', 'there', 'yet', 'x')]) {
    expect(placeOf(path).freeBytes).toBeGreaterThan(0);
    expect(placeOf(path).atSizeLimit).toBe(false);
  }
});
