/** The examples that need Docker, each by its one command. */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { registryFile } from '../support/nodes/compose-cluster.ts';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';
import { example } from '../support/process/example.ts';

const timeoutMs = 600_000;

describe('a service beside the secured compose cluster', () => {
  skipWithout(dockerMissing());

  it(
    'is issued its identity, and takes part; nothing is left behind',
    async () => {
      const { path, remove } = temporaryDirectory();
      try {
        const VERDICT_NPMRC = process.env['VERDICT_NPMRC'] ?? (await registryFile(path));
        const env = { VERDICT_NPMRC };
        const { status, told } = await example(['secured-compose'], { timeoutMs, env });
        expect(told).toMatch(
          /gift-1: committed, (\S+)\ngift-1: committed, \1\ngift-2: aborted, No mug/,
        );
        expect(status).toBe(0);
        const filter = ['--filter', 'name=verdict-example-', '--format', '{{.Names}}'];
        expect(await docker(['ps', '--all', ...filter])).toBe('');
        expect(await docker(['volume', 'ls', ...filter.slice(0, 2), '--quiet'])).toBe('');
      } finally {
        remove();
      }
    },
    timeoutMs,
  );
});
