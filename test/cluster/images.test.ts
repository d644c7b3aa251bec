/**
 * `npm run images` against a real engine and a real registry: what it writes is what Compose runs,
 * though the tag is moved.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';
import { type Registry, registryMissing, startRegistry } from '../support/nodes/registry.ts';

const missing = dockerMissing() ?? (await registryMissing());
const root = fileURLToPath(new URL('../..', import.meta.url));
const script = join(root, 'scripts/images/main.ts');
let directory: ReturnType<typeof temporaryDirectory>;
let registry: Registry;

describe('images by digest', () => {
  skipWithout(missing);
  let etcd = '';
  let node = '';

  beforeEach(async () => {
    if (missing !== null) return;
    directory = temporaryDirectory();
    registry = await startRegistry(directory.path);
    [etcd, node] = [`${registry.host}/etcd:v1`, `${registry.host}/node:v1`];
    await publish(etcd, 'one');
    await publish(node, 'one');
  });

  afterEach(async () => {
    if (missing !== null) return;
    const ours = await docker(['image', 'ls', '--quiet', `${registry.host}/*`]);
    const ids = [...new Set(ours.split('\n').filter((id) => id !== ''))];
    if (ids.length > 0) await docker(['image', 'rm', '--force', ...ids]);
    await registry.end();
    directory.remove();
  });

  /** An image with nothing but its content. */
  async function publish(image: string, content: string): Promise<void> {
    writeFileSync(join(directory.path, 'content'), content);
    writeFileSync(join(directory.path, 'Dockerfile'), 'FROM scratch\nCOPY content /\n');
    await docker([
      'build',
      '--quiet',
      '--tag',
      image,
      '--file',
      join(directory.path, 'Dockerfile'),
      directory.path,
    ]);
    await docker(['push', '--quiet', image]);
  }

  function pin(file: string): void {
    execFileSync(process.execPath, [script, '--file', file], {
      env: { ...process.env, VERDICT_ETCD_IMAGE: etcd, VERDICT_NODE_IMAGE: node },
      timeout: 120_000,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  const configured = (file: string): Promise<string> =>
    docker(['compose', '--env-file', file, 'config'], { cwd: root, env: { VERDICT_NPMRC: file } });

  it('are what Compose takes, until it is run again', async () => {
    const file = join(directory.path, '.env');
    writeFileSync(file, 'VERDICT_SHARDS=2\n');
    pin(file);
    const first = readFileSync(file, 'utf8');
    expect(first).toMatch(/^VERDICT_SHARDS=2$/m);
    const [, pinnedEtcd = ''] = /^VERDICT_ETCD_IMAGE=(.+)$/m.exec(first) ?? [];
    expect(pinnedEtcd).toMatch(/\/etcd:v1@sha256:[0-9a-f]{64}$/);
    const config = await configured(file);
    expect(config).toContain(`image: ${pinnedEtcd}`);
    expect(config).toMatch(/NODE_IMAGE: .*\/node:v1@sha256:[0-9a-f]{64}/);

    await publish(etcd, 'two');
    // The engine finds the old content by the name that was written.
    await docker(['pull', '--quiet', pinnedEtcd]);
    pin(file);
    expect(readFileSync(file, 'utf8')).not.toContain(pinnedEtcd);
  });

  it('of which the registry knows nothing are not pinned, and it says why', async () => {
    const file = join(directory.path, '.env');
    node = `${registry.host}/nowhere:v1`;
    expect(() => pin(file)).toThrow(/docker pull .*nowhere:v1 failed: .*Nothing was written/);
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });
});
