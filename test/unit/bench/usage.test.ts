import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { expect, test } from 'vitest';
import { cpuMsOf, diskBytes, storageBytesOf } from '../../bench/rig/usage.ts';

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

test('what is flushed to a disk is counted', () => {
  // In memory where the directory for temporary files is.
  const directory = mkdtempSync('/var/tmp/verdict-usage-');
  try {
    const before = diskBytes();
    writeFileSync(`${directory}/file`, Buffer.alloc(4 * 1024 * 1024, 1), { flush: true });
    const written = diskBytes() - before;
    // Others write, too, and a container may see no disk.
    expect(written === 0 || written >= 4 * 1024 * 1024).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
