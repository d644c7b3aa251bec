/** The package as `npm pack` makes it, in a project of its own. */
import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { Child, within } from '../support/process/child.ts';
import { oldestNode, oldestVersion } from '../support/process/oldest-node.ts';
import { installed, packedInto } from '../support/process/packed.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { packageLibraries } from './package-libraries.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const timeoutMs = 120_000 * slownessFactor;
/** What a project brings along itself to be compiled. */
const ownTools = ['typescript', '@typescript', '@types/node', 'undici-types'];

let directory: ReturnType<typeof temporaryDirectory>;
let project: string;
const children: Child[] = [];

beforeAll(async () => {
  directory = temporaryDirectory();
  project = join(directory.path, 'project');
  await packedInto(project, ownTools);
  await writeFile(join(project, 'package.json'), '{"name":"shop","type":"module"}');
});
afterAll(async () => {
  for (const child of children) await child.kill();
  directory.remove();
});

function readmeSection(title: string): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const section = readme.slice(readme.indexOf(`\n## ${title}\n`));
  return section.slice(0, section.indexOf('\n## ', 1));
}

/** Its program alone; test/databases runs it. */
function twoDatabases(): string {
  const [, code = ''] =
    /^```ts\n([\s\S]*?)^```$/m.exec(readmeSection('Two databases in one service')) ?? [];
  expect(code).toContain('openTransactions');
  return code;
}

/** What "Your first transaction" of the README says, in its order. */
function firstHour(): {
  readonly commands: readonly string[];
  readonly participants: string;
  readonly client: string;
} {
  const text = readmeSection('Your first transaction');
  const fences = [...text.matchAll(/^```(ts|sh)\n([\s\S]*?)^```$/gm)];
  expect(fences.map(([, language]) => language)).toEqual(['sh', 'ts', 'ts', 'sh']);
  const [install = '', client = '', participants = '', shell = ''] = fences.map(
    ([, , code]) => code ?? '',
  );
  // In a new directory npm's own default is CommonJS.
  expect(install).toContain('npm pkg set type=module');
  for (const file of ['participants.ts', 'client.ts']) {
    expect(text).toContain(`as \`${file}\``);
    expect(text).toContain(`run \`node ${file}\``);
  }
  const commands = `${install}${shell}`.split('\n').filter((line) => line !== '');
  return { commands, participants, client };
}

describe('the package, in a project of its own', () => {
  it('holds what runs and its types, and no sources', async () => {
    const files = await readdir(join(project, 'node_modules/verdict'));
    expect(files.sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'dist',
      'docs',
      'package.json',
    ]);
  });

  it("type-checks the README's programs, its own declarations included", async () => {
    const { client, participants } = firstHour();
    const entries = entryPoints()
      // The others need the types of their library (package-libraries.ts).
      .filter((name) => !isLibrarys(name) && !/fastify|express/.test(name))
      .map((name, index) => `import * as all${index} from '${name}';`);
    await writeFile(join(project, 'client.ts'), client);
    await writeFile(join(project, 'participants.ts'), participants);
    await writeFile(join(project, 'databases.ts'), twoDatabases());
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
        files: ['client.ts', 'participants.ts', 'databases.ts', 'all.ts'],
      }),
    );
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [compiler, '-p', '.'], {
      cwd: project,
      timeout: timeoutMs,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });

  it.each([
    ['this Node', async () => process.execPath],
    ['the oldest Node that package.json allows', oldestNode],
  ])("runs the README's first hour as it stands there, on %s", async (_name, find) => {
    const program = await find();
    if (program === null) {
      console.warn(`Skipped: Node ${oldestVersion} cannot be had from npm here.`);
      return;
    }
    const { commands, participants, client } = firstHour();
    const url = `127.0.0.1:${await freePort()}`;
    const app = join(directory.path, `app-${basename(dirname(dirname(program)))}`);
    await mkdir(app);
    symlinkSync(join(project, 'node_modules'), join(app, 'node_modules'));
    await writeFile(join(app, 'package.json'), '{"name":"shop","type":"module"}');
    // The address alone is another one: 7070 may be taken here.
    const here = (text: string): string => text.replaceAll('127.0.0.1:7070', url);
    await writeFile(join(app, 'participants.ts'), here(participants));
    await writeFile(join(app, 'client.ts'), here(client));
    const command = (pattern: RegExp): string => {
      const found = commands.find((line) => pattern.test(line));
      if (found === undefined) throw new Error(`The README has no line like ${pattern}`);
      return found.replace(/ +#.*$/, '');
    };
    const shell = (line: string): Child => {
      // `npx` without npm: what it would run is in the project.
      const text = line.replaceAll(
        'npx verdict',
        `"${program}" node_modules/verdict/bin/verdict.mjs`,
      );
      const child = new Child('/bin/sh', { program: '/usr/bin/env', args: ['-c', text], cwd: app });
      children.push(child);
      return child;
    };
    const run = (file: string): Child => {
      const child = new Child(join(app, file), { program, args: [], cwd: app });
      children.push(child);
      return child;
    };

    const node = shell(`exec ${command(/npx verdict dev/)} --listen ${url}`);
    expect(await node.line(/^Verdict listens on/)).not.toBeNull();
    const services = run('participants.ts');
    await services.line(/verdict: inventory: connected to a node/);
    await services.line(/verdict: payment: connected to a node/);
    const first = run('client.ts');
    expect(await first.line(/./)).toMatch(/^committed as 0\./);
    expect(await within(first.exited, 'the client to end', timeoutMs)).toMatchObject({ code: 0 });
    const again = run('client.ts');
    expect(await again.line(/./)).toBe(first.lines[0]);
    const submitted = shell(`${command(/npx verdict submit -$/)} --url ${url}`);
    expect(await submitted.line(/^order-18/)).toMatch(/^order-18 {2}0\.\S+ {2}committed$/);
    const listed = shell(`${command(/npx verdict tx list/)} --url ${url}`);
    await within(listed.exited, 'the list', timeoutMs);
    expect(listed.lines.filter((line) => /order-1[78]/.test(line))).toHaveLength(2);
    for (const child of [services, node]) await child.stop();
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

packageLibraries({
  project: () => project,
  install: (modules, packages) => installed(modules, [...ownTools, ...packages]),
});

it('says in one sentence that a Node is too old, to import and to require, at every way in', async () => {
  await writeFile(
    join(project, 'old.cjs'),
    `Object.defineProperty(process.versions, 'node', { value: '20.11.1' });
     Object.defineProperty(process, 'version', { value: 'v20.11.1' });
     (async () => {
       for (const name of process.argv.slice(2)) {
         try { require(name); console.log(name, 'was required'); } catch (error) { console.log(error.message); }
         await import(name).then(() => console.log(name, 'was imported'), (error) => console.log(error.message));
       }
     })();`,
  );
  const entries = entryPoints().filter(standsAlone);
  const { stdout } = await run(process.execPath, ['old.cjs', ...entries], { cwd: project });
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(2 * entries.length);
  expect(new Set(lines)).toEqual(
    new Set(['Verdict needs Node 22.18 or newer, and this is v20.11.1: install a newer one.']),
  );
});

it('is the same module to import and to require', async () => {
  const code = `const all = async () => { for (const name of process.argv.slice(1)) console.log(Object.entries(await import(name)).every(([key, value]) => require(name)[key] === value)); }; all();`;
  const names = ['verdict/client', 'verdict/participant', 'verdict/versioned-store'];
  const { stdout } = await run(process.execPath, ['-e', code, ...names], { cwd: project });
  expect(stdout).toBe('true\n'.repeat(names.length));
});

it('can be required where `require` knows no modules, as in Jest, and works', async () => {
  const names = entryPoints().filter(standsAlone);
  await writeFile(
    join(project, 'jest.cjs'),
    `for (const name of ${JSON.stringify(names)}) if (Object.keys(require(name)).length === 0) throw new Error(name);
     const { TransactionCoordinator } = require('verdict/embedded');
     const { connect, isVerdictError } = require('verdict/client');
     const { openVersionedStore } = require('verdict/versioned-store');
     (async () => {
       const store = await openVersionedStore({ dataDirectory: 'required-store', initial: [{ key: 'lamp', value: 10 }] });
       const coordinator = new TransactionCoordinator({ log: { kind: 'lmdb', directory: 'required-log' } });
       const txid = await coordinator.beginTransaction();
       await coordinator.registerParticipant(txid, { name: 'one', prepare: () => true, commit: () => true, rollback: () => true });
       console.log(await coordinator.commitTransaction(txid), (await store.read('lamp')).value);
       await coordinator.close();
       await store.close();
       await connect({ urls: ['127.0.0.1:1'], timeoutMs: 300 }).catch((error) => console.log(isVerdictError(error), error.code));
     })();`,
  );
  const args = ['--no-experimental-require-module', 'jest.cjs'];
  const { stdout } = await run(process.execPath, args, { cwd: project });
  expect(stdout).toBe('true 10\ntrue TIMEOUT\n');
});

it('says in one sentence that a browser, or what looks like one, is no place for it', async () => {
  const code = `for (const name of process.argv.slice(1)) try { require(name); console.log(name); } catch (error) { console.log(error.message); }`;
  const args = ['--conditions=browser', '-e', code, ...entryPoints()];
  const { stdout } = await run(process.execPath, args, { cwd: project });
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(entryPoints().length);
  expect(new Set(lines).size).toBe(1);
  expect(lines[0]).toMatch(/^Verdict needs Node, and this is a browser.*@jest-environment node/);
});

/** Those of a database or a library need its package, which this project has not. */
function standsAlone(name: string): boolean {
  return !/mariadb|postgresql/.test(name) && !isLibrarys(name);
}

/** Their declarations need it, too: who imports none of them needs none of these packages. */
function isLibrarys(name: string): boolean {
  return /kysely|drizzle|knex|prisma|typeorm|nestjs/.test(name);
}

function entryPoints(): string[] {
  const { exports } = JSON.parse(
    readFileSync(join(project, 'node_modules/verdict/package.json'), 'utf8'),
  ) as { exports: Record<string, unknown> };
  return Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => path.replace(/^\./, 'verdict'));
}
