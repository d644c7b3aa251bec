/**
 * Ends processes when the one that started this is gone, however it went: its end of the pipe then
 * closes. Lines on stdin: `SIGNAL pid` to guard one, `- pid` when it ended by itself.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';

const guarded = new Map<number, NodeJS.Signals>();
// The terminal's Ctrl-C is for the runner; this must be there afterwards.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const [word = '', pid = ''] = line.split(' ');
  if (word === '-') guarded.delete(Number(pid));
  else guarded.set(Number(pid), word as NodeJS.Signals);
}
for (const [pid, signal] of guarded) {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended at the same moment.
  }
}
