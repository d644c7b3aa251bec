/** A bench that is ended by hand leaves nothing behind. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { Child } from '../support/process/child.ts';

// Ctrl-C reaches it from the terminal, and again from each program that it was started through.
it('signals that come while it clears up do not keep it from that', async () => {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const bench = new Child('test/bench/main.ts', {
    args: ['--quick', '--only', 'overload'],
    env: { TMPDIR: directory.path },
  });
  onTestFinished(async () => {
    await bench.kill();
  });
  expect(await bench.line(/overload: embedded: half of the peak/)).not.toBeNull();
  expect(readdirSync(directory.path)).not.toEqual([]);
  try {
    while (bench.exit === null) {
      bench.signal('SIGINT');
      await sleep(1);
    }
  } catch {
    // No process has that id any more.
  }
  expect(await bench.exited).toEqual({ code: 130, signal: null });
  expect(readdirSync(directory.path)).toEqual([]);
});
