/**
 * The package as `npm pack` makes it, in a project of its own: unpacked beside the dependencies that it names, and nothing else.
 * The dependencies are those of the clone, by links: what is tried is the package and not the registry.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { Child, within } from '../support/child.ts';
import { temporaryDirectory } from '../support/stores.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const timeoutMs = 120_000;
/** What a project brings along itself to be compiled. */
const ownTools = ['typescript', '@typescript', '@types/node', 'undici-types'];

let directory: ReturnType<typeof temporaryDirectory>;
let project: string;
const children: Child[] = [];

beforeAll(async () => {
  directory = temporaryDirectory();
  project = join(directory.path, 'project');
  const modules = join(project, 'node_modules');
  await mkdir(modules, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory.path], {
    cwd: root,
    timeout: timeoutMs,
  });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  await run('tar', ['-xzf', join(directory.path, filename), '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'verdict'));
  for (const name of [...productionDependencies(), ...ownTools]) link(modules, name);
  await writeFile(join(project, 'package.json'), '{"name":"shop","type":"module"}');
});
afterAll(async () => {
  for (const child of children) await child.kill();
  directory.remove();
});

/** Where npm puts what an installation without development's dependencies has, at the top level. */
function productionDependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; peer?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, peer }]) => path !== '' && !dev && !devOptional && !peer)
    .map(([path]) => path.slice('node_modules/'.length))
    .filter((name) => !name.includes('node_modules/'));
}

function link(modules: string, name: string): void {
  const from = join(root, 'node_modules', name);
  const to = join(modules, name);
  // Of another platform, or there already with its scope.
  if (!existsSync(from) || existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(from, to);
}

/** The programs of the README, in their order: a client and a participant. */
function programs(url: string): { readonly client: string; readonly participant: string } {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const found = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) =>
    (code ?? '').replaceAll('127.0.0.1:7070', url),
  );
  const client = found.find((code) => code.includes("from 'verdict/client'"));
  const participant = found.find((code) => code.includes("from 'verdict/participant'"));
  if (client === undefined || participant === undefined) throw new Error('The README has changed.');
  return { client, participant };
}

describe('the package, in a project of its own', () => {
  it('holds what runs and its types, and no sources', async () => {
    const files = await readdir(join(project, 'node_modules/verdict'));
    expect(files.sort()).toEqual(['LICENSE', 'README.md', 'bin', 'dist', 'package.json']);
  });

  it("type-checks the README's programs, its own declarations included", async () => {
    const { client, participant } = programs('127.0.0.1:7070');
    const entries = entryPoints().map((name, index) => `import * as all${index} from '${name}';`);
    await writeFile(join(project, 'client.ts'), client);
    await writeFile(join(project, 'participant.ts'), participant);
    await writeFile(join(project, 'all.ts'), `${entries.join('\n')}\nexport { all0 };\n`);
    const options = {
      strict: true,
      module: 'nodenext',
      target: 'es2024',
      lib: ['esnext'],
      noEmit: true,
      types: ['node'],
    };
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: options,
        files: ['client.ts', 'participant.ts', 'all.ts'],
      }),
    );
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [compiler, '-p', '.'], {
      cwd: project,
      timeout: timeoutMs,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });

  it("runs its command and, as plain JavaScript, the README's programs", async () => {
    const url = `127.0.0.1:${await freePort()}`;
    const { client, participant } = programs(url);
    const payment = participant
      .replaceAll("'inventory'", "'payment'")
      .replaceAll('data/inventory', 'data/payment')
      .replace(/prepare: async[\s\S]*?\n {2}\},/, 'prepare: async () => vote.commit(),');
    const written = { 'client.js': client, 'inventory.js': participant, 'payment.js': payment };
    for (const [file, code] of Object.entries(written)) {
      await writeFile(join(project, file), stripTypeScriptTypes(code));
    }
    const node = start('node_modules/verdict/bin/verdict.mjs', [
      'serve',
      '--data',
      join(project, 'log'),
      '--listen',
      url,
    ]);
    expect(await node.line(/istening|Leading/)).not.toBeNull();
    start('inventory.js', []);
    start('payment.js', []);
    const caller = start('client.js', []);
    const { code } = await within(caller.exited, 'the client to end', timeoutMs);
    expect(caller.lines.join('\n')).toMatch(/^committed as 0\./);
    expect(code).toBe(0);
  });

  it.each([
    ['verdict/client', ['lmdb', 'etcd3', '@grpc/grpc-js', 'commander', 'pino', 'cockatiel']],
    ['verdict/participant', ['etcd3', '@grpc/grpc-js', 'commander', 'pino', 'cockatiel']],
  ])('%s loads neither %j', async (entry, absent) => {
    await writeFile(
      join(project, 'loaded.mjs'),
      `import { registerHooks } from 'node:module';
       const seen = [];
       registerHooks({ load: (url, context, next) => { seen.push(url); return next(url, context); } });
       await import(process.argv[2]);
       console.log(seen.join('\\n'));`,
    );
    const { stdout } = await run(process.execPath, ['loaded.mjs', entry], { cwd: project });
    expect(stdout).toContain('/verdict/dist/');
    for (const name of absent) expect(stdout).not.toContain(`/node_modules/${name}/`);
  });
});

function entryPoints(): string[] {
  const { exports } = JSON.parse(
    readFileSync(join(project, 'node_modules/verdict/package.json'), 'utf8'),
  ) as { exports: Record<string, unknown> };
  return Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => path.replace(/^\./, 'verdict'));
}

function start(file: string, args: readonly string[]): Child {
  const child = new Child(pathToFileURL(join(project, file)).href, { args, cwd: project });
  children.push(child);
  return child;
}
