import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { Child, eventually } from '../../support/process/child.ts';
import { isRunning } from '../../support/process/run-script.ts';

describe('a process that a test has started', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  it.each([
    ['running', 'SIGKILL'],
    ['running', 'SIGTERM'],
    ['stopped', 'SIGKILL'],
  ] as const)('%s, ends with the one that started it, by %s', async (state, signal) => {
    const parent = new Child('test/support/process/parent-entry.ts', {
      args: [directory.path, state],
    });
    const line = await parent.line(/^started \d+$/);
    const pid = Number(line?.split(' ')[1]);
    expect(isRunning(pid)).toBe(true);
    parent.signal(signal);
    await parent.exited;
    await eventually(
      () => (isRunning(pid) ? null : true),
      () => `process ${pid} to end`,
    );
  });
});
