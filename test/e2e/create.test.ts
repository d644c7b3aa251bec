/**
 * `npm create verdict`, as npm runs it from packed packages: what it lays out installs, passes its
 * own test and type check, and runs. Beyond 127.0.0.1 nothing is asked.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { templateNames } from '../../scripts/create/list.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { builtClone } from '../support/process/built-clone.ts';
import { Child, within } from '../support/process/child.ts';
import { type LocalRegistry, startLocalRegistry } from '../support/process/local-registry.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const timeoutMs = 150_000 * slownessFactor;
/** Of the package, unpacked. It has no dependency. */
const maxBytes = 200_000;

let directory: ReturnType<typeof temporaryDirectory>;
let registry: LocalRegistry;
/** Of `create-verdict`, and of `verdict`. */
let files: Record<'create' | 'whole', readonly string[]>;
const children: Child[] = [];

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}
let create: Packed;

beforeAll(async () => {
  directory = temporaryDirectory();
  const { path } = await builtClone();
  const whole = await pack(path);
  create = await pack(join(path, 'dist/create'));
  const paths = (packed: Packed): readonly string[] => packed.files.map(({ path }) => path).sort();
  files = { create: paths(create), whole: paths(whole) };
  registry = await startLocalRegistry({
    directory: directory.path,
    tarballs: [
      { path: join(directory.path, whole.filename), manifest: manifestOf(path) },
      { path: join(directory.path, create.filename), manifest: manifestOf(`${path}/dist/create`) },
    ],
  });
});
afterAll(async () => {
  for (const child of children) await child.kill();
  await registry?.close();
  directory.remove();
});

async function pack(cwd: string): Promise<Packed> {
  // It is built already.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', directory.path];
  const { stdout } = await run('npm', args, { cwd, timeout: timeoutMs });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [Packed];
  return packed;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function manifestOf(path: string): Manifest {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

function npm(args: readonly string[], cwd = directory.path): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: registry.env, timeout: timeoutMs };
    execFile('npm', args, options, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? (error === null ? 0 : 1)), output: stdout + stderr });
    });
  });
}

it('is a small package that depends on nothing', async () => {
  const own = files.create.filter((path) => !path.startsWith('templates/'));
  expect(own).toEqual(['LICENSE', 'README.md', 'create.mjs', 'package.json']);
  expect(files.create.filter((path) => path.startsWith('templates/service/'))).toEqual(
    [
      'README.md',
      '_gitignore',
      'package.json',
      'scripts/dev.ts',
      'src/inventory.ts',
      'src/order.ts',
      'src/service.ts',
      'src/settings.ts',
      'test/inventory.test.ts',
      'tsconfig.json',
    ].map((path) => `templates/service/${path}`),
  );
  expect(create.unpackedSize).toBeLessThan(maxBytes);
  const { dependencies, version } = manifestOf(join((await builtClone()).path, 'dist/create'));
  expect(dependencies).toBeUndefined();
  expect(version).toBe(manifestOf(root).version);
});

it('is no part of the package verdict', () => {
  expect(files.whole).toContain('dist/client.js');
  expect(files.whole.filter((path) => path.startsWith('dist/create/'))).toEqual([]);
});

it.each(templateNames)(
  'lays out %s by npm create, which installs and type-checks',
  async (template) => {
    const project = `my-${template}`;
    const made = await npm(['create', '--yes', 'verdict', project, '--', '--template', template]);
    const next = new RegExp(
      `^  cd ${project}\n  npm install\n  npm test\n  npm (?:run )?(.+)$`,
      'm',
    );
    expect(made.output).toMatch(next);
    expect(made.code).toBe(0);
    const path = join(directory.path, project);
    const { name, private: isPrivate, dependencies, scripts } = manifestOf(path);
    expect(Object.keys(scripts ?? {})).toContain(next.exec(made.output)?.[1]);
    const { version } = manifestOf(root);
    expect({ name, isPrivate, verdict: dependencies?.['verdict'] }).toEqual({
      ...{ name: project, isPrivate: true, verdict: version },
    });
    expect(readdirSync(path)).toContain('.gitignore');
    expect(readdirSync(path)).not.toContain('start.ts');
    const readme = readFileSync(join(path, 'README.md'), 'utf8');
    const installed = await npm(['install'], path);
    expect(installed.code, installed.output).toBe(0);
    for (const [, link = ''] of readme.matchAll(/\]\(([^):#]+)/g)) {
      expect(statSync(join(path, link)).isFile(), link).toBe(true);
    }
    expect(await npm(['exec', '--', 'tsc', '--noEmit'], path)).toEqual({ code: 0, output: '' });
  },
);

it('gives the service a test that passes, and fails where the service is wrong', async () => {
  const path = join(directory.path, 'my-service');
  const right = await npm(['test'], path);
  expect(right.output).toMatch(/^\S+ pass 6$/m);
  expect(right.code).toBe(0);
  const source = join(path, 'src/inventory.ts');
  const text = readFileSync(source, 'utf8');
  writeFileSync(source, text.replace('left < 0', 'left < -100'));
  const wrong = await npm(['test'], path);
  writeFileSync(source, text);
  expect(wrong.output).toMatch(/^\S+ fail 1$/m);
  expect(wrong.code).not.toBe(0);
});

it('gives the service a coordinator to develop against, and leaves nothing of it', async () => {
  const path = join(directory.path, 'my-service');
  const temporary = join(directory.path, 'temporary');
  mkdirSync(temporary);
  const url = `127.0.0.1:${await freePort()}`;
  const env = { ...registry.env, VERDICT_URLS: url, TMPDIR: temporary };
  const dev = new Child(join(path, 'scripts/dev.ts'), { args: [], cwd: path, env });
  children.push(dev);
  await dev.line(/inventory: connected to a node/);
  const order = async (...args: readonly string[]): Promise<Ended> => {
    const child = new Child(join(path, 'src/order.ts'), { args, cwd: path, env });
    children.push(child);
    const { code } = await within(child.exited, 'the order to end', timeoutMs);
    return { code: code ?? -1, output: child.lines.join('\n') };
  };
  const first = await order('lamp', '2', 'order-1');
  expect(first.output).toMatch(/^committed as \S+: \{ left: 8 \}$/);
  expect(await order('lamp', '2', 'order-1')).toEqual(first);
  expect(await order('lamp', '9')).toEqual({
    ...{ code: 1, output: 'aborted: Only 8 of lamp left.' },
  });
  // As an editor saves: the service starts anew, on what it had.
  cpSync(join(path, 'src/inventory.ts'), join(path, 'inventory.copy'));
  const restarted = dev.lines.length;
  writeFileSync(
    join(path, 'src/inventory.ts'),
    readFileSync(join(path, 'inventory.copy'), 'utf8').replace('Only ', 'No more than '),
  );
  await within(
    (async () => {
      while (!dev.lines.slice(restarted).some((line) => /connected to a node/.test(line))) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })(),
    'the service to start anew',
  );
  expect((await order('lamp', '9')).output).toBe('aborted: No more than 8 of lamp left.');
  expect(await dev.stop()).toMatchObject({ code: 0 });
  expect(readdirSync(temporary).filter((name) => /verdict|service/.test(name))).toEqual([]);
});

it('lays out from the packed file alone, as long as nothing is published', async () => {
  const file = join(directory.path, create.filename);
  const made = await npm([
    'exec',
    '--yes',
    '--package',
    file,
    '--',
    'create-verdict',
    'unpublished',
  ]);
  expect(made.output).toContain('  cd unpublished\n');
  expect(made.code).toBe(0);
  expect(manifestOf(join(directory.path, 'unpublished')).name).toBe('unpublished');
});

it('says so where npm took --template for its own', async () => {
  const { code, output } = await npm([
    ...['create', '--yes', 'verdict', 'taken', '--template', 'service'],
  ]);
  expect(output).toMatch(/npm create verdict DIRECTORY -- --template NAME/);
  expect(code).toBe(2);
  expect(readdirSync(directory.path)).not.toContain('taken');
});
