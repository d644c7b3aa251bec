/**
 * A registry on 127.0.0.1 that has the packages of this clone's node_modules, in the versions of
 * the lock file, and tarballs that a test brings: npm itself installs from it, without a network.
 */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

interface Source {
  readonly manifest: Manifest;
  /** A directory of node_modules, or a packed package. */
  readonly path: string;
}

export interface LocalRegistry {
  /** For npm: this registry, and nothing of the settings and the caches of whoever runs it. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function startLocalRegistry(options: {
  /** For npm's cache. */
  readonly directory: string;
  readonly tarballs: readonly { readonly path: string; readonly manifest: Manifest }[];
}): Promise<LocalRegistry> {
  const all = [...options.tarballs, ...installed()];
  const names = new Set(all.map(({ manifest }) => manifest.name));
  const sources = all.map((source) => ({ ...source, manifest: withPeers(source.manifest, names) }));
  const server = createServer((request, response) => {
    const asked = decodeURIComponent(request.url ?? '').slice(1);
    const [, tarball] = /^-\/(\d+)$/.exec(asked) ?? [];
    if (tarball !== undefined) return void send(sources[Number(tarball)], response);
    const found = sources.filter(({ manifest }) => manifest.name === asked);
    if (found.length === 0) return void response.writeHead(404).end('{}');
    const url = `http://${request.headers.host}/-/`;
    const versions = found.map(({ manifest, ...source }) => {
      const at = sources.findIndex(({ path }) => path === source.path);
      const dist = { tarball: `${url}${at}` };
      return [manifest.version, { ...manifest, dist }] as const;
    });
    const packument = {
      name: asked,
      'dist-tags': { latest: versions[0]?.[0] },
      versions: Object.fromEntries(versions),
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(packument));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const settings = join(options.directory, 'npmrc');
  writeFileSync(settings, '');
  return {
    env: {
      ...withoutNpm(process.env),
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_cache: join(options.directory, 'npm-cache'),
      npm_config_userconfig: settings,
      npm_config_globalconfig: join(options.directory, 'no-npmrc'),
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
      npm_config_fetch_retries: '0',
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What a test starts shall not know that npm and vitest run it. A proxy would lead elsewhere. */
function withoutNpm(env: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([key]) => !/^(?:npm_|NODE_TEST_CONTEXT|VITEST)|^(?:https?|all)_proxy$/i.test(key),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

/** Of optional peers, those that are here: npm gives up on a peer that two want and none has. */
function withPeers(manifest: Manifest, names: ReadonlySet<string>): Manifest {
  const { peerDependencies = {}, peerDependenciesMeta = {} } = manifest;
  const kept = Object.entries(peerDependencies).filter(
    ([name]) => names.has(name) || peerDependenciesMeta[name]?.optional !== true,
  );
  return { ...manifest, peerDependencies: Object.fromEntries(kept) };
}

function installed(): readonly Source[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  return Object.keys(lock.packages)
    .filter((path) => path !== '' && existsSync(join(root, path, 'package.json')))
    .map((path) => {
      const text = readFileSync(join(root, path, 'package.json'), 'utf8');
      return { manifest: JSON.parse(text) as Manifest, path: join(root, path) };
    });
}

/** npm takes the first part of each path away, whatever it is. */
async function send(source: Source | undefined, response: ServerResponse): Promise<void> {
  if (source === undefined) {
    response.writeHead(404).end();
    return;
  }
  const { path } = source;
  if (path.endsWith('.tgz')) {
    await pipeline(createReadStream(path), response).catch(() => undefined);
    return;
  }
  const args = ['-C', dirname(path), '--exclude', `${basename(path)}/node_modules`, '-czf', '-'];
  const tar = spawn('tar', [...args, basename(path)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await pipeline(tar.stdout, response).catch(() => tar.kill());
}
