import { expect, test } from 'vitest';
import { countFlushes } from '../../bench/rig/flushes.ts';

test('one commit of LMDB is two flushes: its pages, then its root', () => {
  const text = [
    '11 openat(AT_FDCWD, "/d/data.mdb", O_RDWR|O_CREAT, 0664) = 22',
    '11 openat(AT_FDCWD, "/d/data.mdb", O_WRONLY|O_DSYNC|O_CLOEXEC) = 23',
    '12 pwrite64(22, "\\2\\0"..., 4096, 8192) = 4096',
    '12 fdatasync(22)                     = 0',
    '12 pwrite64(23, "\\0\\0"..., 128, 4136) = 128',
  ].join('\n');
  expect(countFlushes(text)).toBe(2);
});

test('a call that another thread comes between counts once', () => {
  const text = [
    '11 fdatasync(22 <unfinished ...>',
    '12 fsync(7)                          = 0',
    '11 <... fdatasync resumed>)          = 0',
    '11 msync(0x7f0000000000, 4096, MS_SYNC) = 0',
  ].join('\n');
  expect(countFlushes(text)).toBe(3);
});

test('an open that another thread comes between is known by its second half', () => {
  const text = [
    '11 openat(AT_FDCWD, "/d/data.mdb", O_WRONLY|O_DSYNC|O_CLOEXEC <unfinished ...>',
    '12 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 9',
    '11 <... openat resumed>)             = 23',
    '12 pwrite64(9, "a", 1, 0)            = 1',
    '12 pwrite64(23, "a", 1, 0)           = 1',
  ].join('\n');
  expect(countFlushes(text)).toBe(1);
});

test('a descriptor that is given again to another file flushes no more', () => {
  const text = [
    '11 openat(AT_FDCWD, "/d/data.mdb", O_WRONLY|O_DSYNC) = 23',
    '11 pwrite64(23, "a", 1, 0)           = 1',
    '11 openat(AT_FDCWD, "/d/other", O_WRONLY) = 23',
    '11 pwrite64(23, "a", 1, 0)           = 1',
    '11 openat(AT_FDCWD, "/none", O_RDONLY) = -1 ENOENT (No such file or directory)',
  ].join('\n');
  expect(countFlushes(text)).toBe(1);
});
