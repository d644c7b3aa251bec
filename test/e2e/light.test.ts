/**
 * The package `verdict-client`, packed and installed into a project of its own: what comes along,
 * what a bundler makes of it, and that clients and participants of it work on each runtime, through
 * a leader that is killed and their own kill -9, over TLS.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { rename, symlink, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { contractPrograms } from '../support/light/contract-programs.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { builtClone } from '../support/process/built-clone.ts';
import { Child, eventually, within } from '../support/process/child.ts';
import { otherRuntimes, type Runtime, thisNode } from '../support/process/runtimes.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const timeoutMs = 120_000 * slownessFactor;
/** Of a client, bundled and minified by esbuild. */
const maxBundleBytes = 150_000;
/** Of what npm installs, all of it. */
const maxInstalledBytes = 3_500_000;

const [programs] = await etcdsToTest();
const runtimes: readonly Runtime[] = [thisNode, ...(await otherRuntimes())];

let built: string;
let directory: ReturnType<typeof temporaryDirectory>;
let project: string;
const children: Child[] = [];

beforeAll(async () => {
  directory = temporaryDirectory();
  project = join(directory.path, 'project');
  const modules = join(project, 'node_modules');
  mkdirSync(modules, { recursive: true });
  built = (await builtClone()).path;
  const packed = await run('npm', ['pack', '--json', '--pack-destination', directory.path], {
    cwd: join(built, 'dist/light'),
    timeout: timeoutMs,
  });
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  await run('tar', ['-xzf', join(directory.path, filename), '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'verdict-client'));
  // What it depends on, from the clone: what is tried is the package and not the registry.
  for (const name of Object.keys(manifest().dependencies)) {
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true });
  }
  await writeFile(join(project, 'package.json'), '{"name":"shop","type":"module"}');
  for (const file of ['service-entry.ts', 'client-entry.ts']) {
    cpSync(join(root, 'test/support/light', file), join(project, file));
  }
});
afterAll(async () => {
  for (const child of children) await child.kill();
  directory.remove();
});

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts?: unknown;
  readonly optionalDependencies?: unknown;
}

function manifest(name = 'verdict-client'): Manifest {
  return JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
}

function filesBelow(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

function start(runtime: Runtime, file: string, given: object): Child {
  const [first = '', ...more] = runtime.command;
  const child = new Child(resolve(project, file), {
    program: first,
    ...(more.length > 0 && { through: [first, ...more.slice(0, -1)], program: more.at(-1) ?? '' }),
    args: [JSON.stringify(given)],
    cwd: project,
  });
  children.push(child);
  return child;
}

it('brings one package along, small, and nothing native', () => {
  expect(Object.keys(manifest().dependencies)).toEqual(['ws']);
  expect(Object.keys(manifest('ws').dependencies ?? {})).toEqual([]);
  for (const name of ['verdict-client', 'ws']) {
    expect(manifest(name).scripts ?? {}).not.toHaveProperty('install');
    expect(manifest(name).optionalDependencies).toBeUndefined();
  }
  const files = filesBelow(join(project, 'node_modules'));
  expect(files.filter((file) => /\.(node|gyp)$/.test(file))).toEqual([]);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  expect(bytes).toBeLessThan(maxInstalledBytes);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  expect(manifest().version).toBe(version);
});

it('imports nothing that it does not bring', async () => {
  const code = `await import(process.argv[1]); await import(process.argv[1] + '/participant');
    const here = import.meta.resolve(process.argv[1]); console.log(here);`;
  for (const condition of [[], ['--conditions=module']]) {
    const args = [...condition, '--input-type=module', '-e', code, 'verdict-client'];
    const { stdout } = await run(process.execPath, args, { cwd: project });
    expect(stdout).toContain('/verdict-client/');
  }
  const required = `const one = require('verdict-client'); import('verdict-client').then((two) => console.log(one.connect === two.connect));`;
  const { stdout } = await run(process.execPath, ['-e', required, '--input-type=commonjs'], {
    cwd: project,
  });
  expect(stdout).toBe('true\n');
  const jest = `const { connect, isVerdictError } = require('verdict-client');
    require('verdict-client/participant');
    connect({ urls: ['127.0.0.1:1'], timeoutMs: 300 }).catch((error) => console.log(isVerdictError(error), error.code));`;
  await writeFile(join(project, 'jest.cjs'), jest);
  const args = ['--no-experimental-require-module', 'jest.cjs'];
  expect((await run(process.execPath, args, { cwd: project })).stdout).toBe('true TIMEOUT\n');
});

it('type-checks, with the same types as verdict', async () => {
  await writeFile(
    join(project, 'typed.mts'),
    `import { type Client, connect, isVerdictError } from 'verdict-client';
     import { serveParticipant, vote } from 'verdict-client/participant';
     export const client: Promise<Client> = connect({ urls: ['127.0.0.1:1'] });
     export const code = (error: unknown): string => (isVerdictError(error) ? error.code : '');
     export const served = serveParticipant({ name: 'a', urls: [], dataDirectory: 'a', journalKind: 'sqlite', prepare: () => vote.commit(), commit: () => undefined, rollback: () => undefined });`,
  );
  const contract = contractPrograms('verdict-client');
  for (const [file, text] of Object.entries(contract)) await writeFile(join(project, file), text);
  for (const name of ['@types', 'undici-types', 'zod']) {
    const to = join(project, 'node_modules', name);
    if (!existsSync(to)) await symlink(join(root, 'node_modules', name), to);
  }
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--noEmit'];
  const own = ['typed.mts', ...Object.keys(contract)];
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const types = ['--types', 'node', '--lib', 'esnext', '--allowImportingTsExtensions'];
  const { stdout } = await run(process.execPath, [compiler, ...flags, ...types, ...own], {
    cwd: project,
    timeout: timeoutMs,
  }).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

it('has errors that are told by their code, also where verdict is in the same process', async () => {
  const code = `
    import * as light from 'verdict-client';
    import * as whole from ${JSON.stringify(join(built, 'dist/client.js'))};
    for (const { connect } of [light, whole]) {
      await connect({ urls: ['127.0.0.1:1'], timeoutMs: 300 }).catch((error) => console.log(error.name, error.code, error.retryable));
    }`;
  const args = ['--input-type=module', '-e', code];
  const { stdout } = await run(process.execPath, args, { cwd: project });
  const [one, other] = stdout.trim().split('\n');
  expect(one).toBe('VerdictError TIMEOUT true');
  expect(other).toBe(one);
});

describe.skipIf(programs === undefined)('against real nodes, over TLS', () => {
  let cluster: EtcdCluster;
  clusterOfSuite(
    programs,
    {
      secured: 'always',
      nodes: ['n1', 'n2'],
      participants: [],
      identities: { participants: ['books', 'stock'] },
    },
    (made) => {
      cluster = made;
    },
  );
  async function service(
    runtime: Runtime,
    name: string,
    at: string,
    file = 'service-entry.ts',
  ): Promise<Child> {
    const given = { name, urls: cluster.urls, directory: at, ...(await cluster.tls(name)) };
    const child = start(runtime, file, given);
    expect(await child.line(/^serving/), child.lines.join('\n')).not.toBeNull();
    return child;
  }

  const client = async (runtime: Runtime, file: string, count: number): Promise<Child> =>
    start(runtime, file, {
      ...{ urls: cluster.urls, participants: ['books', 'stock'], count },
      ...(await cluster.tls('client')),
    });

  interface Said {
    readonly of: string;
    readonly outcome?: string;
    readonly txid: string;
    readonly verdictError?: boolean;
    readonly results?: unknown;
  }
  const saidBy = (child: Child): readonly Said[] =>
    child.lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Said] : []));

  function expectUsual(said: readonly Said[]): void {
    const of = (name: string) => said.find((each) => each.of === name);
    expect(of('transact')).toMatchObject({
      outcome: 'committed',
      results: { books: { sku: 'lamp' }, stock: { sku: 'lamp' } },
    });
    expect(of('again')?.txid).toBe(of('transact')?.txid);
    expect(of('none')).toMatchObject({ outcome: 'aborted', reason: { code: 'VOTED_ABORT' } });
    expect(of('stranger')).toMatchObject({ verdictError: true });
  }

  it.each(runtimes)(
    'a client and participants on $name end every transaction, through kill -9 of the leader and of one of them',
    async (runtime) => {
      await cluster.startAll();
      const at = (name: string): string => join(directory.path, `${runtime.name}-${name}`);
      const stock = await service(runtime, 'stock', at('stock'));
      let books = await service(runtime, 'books', at('books'));
      const count = 150;
      const caller = await client(runtime, 'client-entry.ts', count);
      const runs = (): readonly Said[] => saidBy(caller).filter(({ of }) => of === 'run');
      const reached = (some: number) =>
        eventually(
          () => (runs().length >= some || caller.exit !== null ? true : null),
          () => `${some} runs:\n${caller.lines.slice(-10).join('\n')}`,
        );
      await reached(20);
      await books.kill();
      books = await service(runtime, 'books', at('books'));
      await reached(60);
      expect(caller.exit).toBeNull();
      await (await cluster.led()).kill();
      await within(caller.exited, 'the client to end', timeoutMs);
      expect(caller.lines.at(-1), caller.lines.slice(-20).join('\n')).toBe('done');
      expectUsual(saidBy(caller));
      expect(runs()).toHaveLength(count);
      const committed = saidBy(caller).flatMap(({ outcome, txid }) =>
        outcome === 'committed' ? [txid] : [],
      );
      // Nearly all: a service that was killed aborts some.
      expect(committed.length).toBeGreaterThan(count / 2);
      for (const name of ['books', 'stock']) {
        const kept = (): readonly string[] =>
          readFileSync(join(at(name), 'books'), 'utf8')
            .split('\n')
            .filter(Boolean);
        await eventually(
          () => (new Set(kept()).size >= new Set(committed).size ? true : null),
          () => `${name} to have committed all`,
        );
        const txids = kept().map((line) => line.split(' ')[0] ?? '');
        expect(new Set(txids)).toEqual(new Set(committed));
        expect(txids).toHaveLength(new Set(committed).size);
        expect(existsSync(join(at(name), 'journal/journal.sqlite'))).toBe(true);
      }
      for (const each of [stock, books]) expect((await each.stop()).code).toBe(0);
    },
    180_000 * slownessFactor,
  );

  it.each(['esm', 'cjs'] as const)(
    'is one small file as esbuild makes it, without further options, and works: %s',
    async (format) => {
      await cluster.startAll();
      const outfile = await bundled('client-entry.ts', 'verdict-client', format);
      const served = await bundled('service-entry.ts', 'verdict-client/participant', format);
      const { size } = statSync(outfile);
      console.info(`The client, bundled as ${format}: ${size} bytes.`);
      expect(size).toBeLessThan(maxBundleBytes);
      // Where there is nothing to import.
      const alone = join(directory.path, `alone-${format}`);
      mkdirSync(alone);
      for (const file of [outfile, served]) cpSync(file, join(alone, basename(file)));
      const at = (name: string): string => join(directory.path, `${format}-${name}`);
      const services = [
        await service(thisNode, 'books', at('books'), join(alone, basename(served))),
        await service(thisNode, 'stock', at('stock'), join(alone, basename(served))),
      ];
      for (const runtime of format === 'esm' ? runtimes : [thisNode]) {
        const caller = await client(runtime, join(alone, basename(outfile)), 5);
        await within(caller.exited, 'the client to end', timeoutMs);
        const said = caller.lines.map((line) => line.slice(0, 200)).join('\n');
        expect(caller.lines.at(-1), `${runtime.name}:\n${said}`).toBe('done');
        expectUsual(saidBy(caller));
      }
      for (const each of services) await each.stop();
    },
    120_000 * slownessFactor,
  );

  it('verdict itself, installed by npm ci --omit=optional, keeps journals in SQLite', async () => {
    await cluster.startAll();
    const whole = join(directory.path, 'whole');
    withoutOptional(join(whole, 'node_modules'));
    const text = readFileSync(join(project, 'service-entry.ts'), 'utf8');
    const file = join(whole, 'service.ts');
    await writeFile(file, text.replace('verdict-client/participant', 'verdict/participant'));
    await writeFile(join(whole, 'package.json'), '{"name":"shop","type":"module"}');
    const at = (name: string): string => join(directory.path, `whole-${name}`);
    const services = [
      await service(thisNode, 'books', at('books'), file),
      await service(thisNode, 'stock', at('stock'), file),
    ];
    expect(services[0]?.lines.join('\n')).toMatch(/kept in SQLite, for LMDB cannot be loaded/);
    const caller = await client(thisNode, 'client-entry.ts', 5);
    await within(caller.exited, 'the client to end', timeoutMs);
    expectUsual(saidBy(caller));
    expect(existsSync(join(at('books'), 'journal/journal.sqlite'))).toBe(true);
    for (const each of services) await each.stop();
    const asked = start(thisNode, file, {
      ...{ name: 'books', urls: cluster.urls, directory: at('new'), journalKind: 'lmdb' },
      ...(await cluster.tls('books')),
    });
    expect(await asked.line(/NativePackageError/)).toMatch(/npm ci --include=optional/);
    await asked.exited;
  }, 120_000);
});

/** By esbuild without further options; the file. */
async function bundled(file: string, from: string, format: 'esm' | 'cjs'): Promise<string> {
  const outfile = join(project, `${file.replace('.ts', '')}.${format === 'esm' ? 'mjs' : 'cjs'}`);
  const contents = readFileSync(join(project, file), 'utf8')
    .replace(/\(await import\([^)]*\)\) as typeof import\('.*'\)/, 'all')
    .replace(/^/, `import * as all from '${from}';\n`)
    // CommonJS has no await at its top.
    .replace(
      /\nconst given([\s\S]*)$/,
      (_all, rest) => `\nvoid (async () => {\nconst given${rest}})();\n`,
    );
  const { warnings } = await build({
    stdin: { contents, loader: 'ts', resolveDir: project },
    ...{ bundle: true, minify: true, platform: 'node', format, outfile, logLevel: 'silent' },
  });
  expect(warnings).toEqual([]);
  return outfile;
}

/** The package and what it depends on, by the lock file, without the packages of one platform. */
function withoutOptional(modules: string): void {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Record<'dev' | 'devOptional' | 'optional' | 'peer', boolean>>;
  };
  for (const [path, { dev, devOptional, optional, peer }] of Object.entries(lock.packages)) {
    if (path === '' || dev || devOptional || optional || peer) continue;
    cpSync(join(root, path), join(modules, '..', path), { recursive: true, dereference: true });
  }
  for (const part of ['package.json', 'dist']) {
    cpSync(join(built, part), join(modules, 'verdict', part), { recursive: true });
  }
}
