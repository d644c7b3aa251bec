import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, eventually } from '../../support/child.ts';
import { isRunning } from '../../support/run-script.ts';
import { temporaryDirectory } from '../../support/stores.ts';

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
    const parent = new Child('./parent-entry.ts', { args: [directory.path, state] });
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
