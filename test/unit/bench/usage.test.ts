import process from 'node:process';
import { expect, test } from 'vitest';
import { cpuMsOf, storageBytesOf, writtenBytes } from '../../bench/rig/usage.ts';

const { pid } = process;

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

test('the CPU of a process is what it counts itself', () => {
  const before = { seen: cpuMsOf(pid), own: ownCpuMs() };
  // Of its own time, not of the clock's: the machine may be busy.
  while (ownCpuMs() - before.own < 300);
  const own = ownCpuMs() - before.own;
  const seen = cpuMsOf(pid) - before.seen;
  // User and system time each come in ticks of 10 ms.
  expect(Math.abs(seen - own)).toBeLessThan(100);
});

test('a process that is not there is an error, not a zero', () => {
  expect(storageBytesOf(pid)).toBeGreaterThanOrEqual(0);
  // The largest pid of Linux is below.
  expect(() => storageBytesOf(2 ** 22 + 1)).toThrow('ENOENT');
});

test('the bytes that disks have written are their sectors, each disk once', () => {
  const diskstats = `
   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17
 254       0 vda 100 200 300 400 500 600 1000 800 9 10 11 12 13 14 15 16 17
 254       1 vda1 100 200 300 400 500 600 1000 800 9 10 11 12 13 14 15 16 17
 259       0 nvme0n1 1 2 3 4 5 6 24 8 9 10 11 12 13 14 15 16 17
`;
  const disks = ['vda', 'nvme0n1'];
  expect(writtenBytes(diskstats, (name) => disks.includes(name))).toBe(1_024 * 512);
});
