import { afterEach, expect, it, vi } from 'vitest';
import { runMain } from '../../support/process/cli-io.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

it('dev says where its data was to go, and what else there is', async () => {
  vi.stubEnv('TMPDIR', '/no/such/directory');
  const { errors, exitCode } = await runMain(['dev', '--listen', '127.0.0.1:0']);
  expect(errors).toMatch(/\/no\/such\/directory cannot be used: ENOENT.*TMPDIR.*serve --data/);
  expect(exitCode).toBe(1);
});
