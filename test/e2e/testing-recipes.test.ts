/**
 * Every program of docs/TESTING-YOUR-SERVICE.md, as it stands there, in the test runner that it is
 * for, in a project that has the package as npm installs it.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { packedInto } from '../support/process/packed.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const directory = temporaryDirectory();
const timeoutMs = 60_000 * slownessFactor;
/** Of one test in a runner, whose usual 5 seconds a slow machine may need. */
const patient = '--testTimeout=60000';
const text = readFileSync(join(root, 'docs/TESTING-YOUR-SERVICE.md'), 'utf8');
const blocks = new Map(
  [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => {
    const name = language === 'ts' ? 'inventory.ts' : /^\/\/ (\S+),/.exec(code)?.[1];
    if (name === undefined) throw new Error(`A block says no name: ${code.slice(0, 80)}`);
    return [name, code] as const;
  }),
);
const jest = join('node_modules', 'jest', 'bin', 'jest.js');

beforeAll(async () => {
  await packedInto(directory.path, ['@jest', 'jest', 'vitest', 'zod']);
  writeFileSync(join(directory.path, 'package.json'), '{"name":"shop","type":"module"}');
  const shelf = readFileSync(join(root, 'test/support/resources/shelf.ts'), 'utf8');
  blocks.set(
    'shelf.ts',
    shelf.replaceAll(/'(?:\.\.\/)+src\/([\w-]+)\.ts'/g, (_, entry) => `'verdict/${entry}'`),
  );
  for (const [name, code] of blocks) writeFileSync(join(directory.path, name), code);
});
afterAll(() => directory.remove());

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Ends by itself: a runner that waits for an open handle would not. */
function run(args: readonly string[], cwd = directory.path): Promise<Ended> {
  // A runner that is told that it runs in another one reports in another form.
  const { NODE_TEST_CONTEXT: _, VITEST: __, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, timeout: timeoutMs, env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? (error === null ? 0 : 1)), output: stdout + stderr });
    });
  });
}

it('has a program for each runner, and no other', () => {
  expect([...blocks.keys()].sort()).toEqual([
    'contract.test.js',
    'coordinator.test.cjs',
    'coordinator.test.js',
    'inventory.ts',
    'jest.config.js',
    'shelf.ts',
    'strip-types.cjs',
    'unit.test.js',
  ]);
});

it('runs under node:test', async () => {
  const { code, output } = await run([
    '--test',
    '--test-reporter=tap',
    'unit.test.js',
    'contract.test.js',
  ]);
  expect(output).toMatch(/^# fail 0$/m);
  expect(output).toMatch(/^# pass (?:2[2-9]|[3-9]\d)$/m);
  expect(code).toBe(0);
});

it('runs under vitest', async () => {
  const vitest = 'node_modules/vitest/vitest.mjs';
  const { code, output } = await run([
    vitest,
    'run',
    '--root',
    '.',
    patient,
    'coordinator.test.js',
  ]);
  expect(output).toMatch(/Tests .*4 passed/);
  expect(code).toBe(0);
});

it('runs under jest, with `require` and without a setting', async () => {
  const args = [
    jest,
    '--config={}',
    '--ci',
    patient,
    '--detectOpenHandles',
    'coordinator.test.cjs',
  ];
  const { code, output } = await run(args);
  expect(output).toMatch(/^Tests: +1 passed, 1 total$/m);
  expect(output).not.toContain('open handle');
  expect(code).toBe(0);
});

it('runs under jest as modules: what is for vitest and the contract, with the globals', async () => {
  const place = join(directory.path, 'modules');
  mkdirSync(place);
  symlinkSync(join(directory.path, 'node_modules'), join(place, 'node_modules'));
  writeFileSync(join(place, 'package.json'), '{"name":"shop","type":"module"}');
  for (const name of ['inventory.ts', 'shelf.ts', 'jest.config.js', 'strip-types.cjs']) {
    writeFileSync(join(place, name), blocks.get(name) ?? '');
  }
  for (const [name, imported] of [
    ['coordinator.test.js', 'vitest'],
    ['contract.test.js', 'node:test'],
  ] as const) {
    const whole = blocks.get(name) ?? '';
    const code = whole.replace(new RegExp(`^import .* from '${imported}';\n`, 'm'), '');
    expect(code).not.toBe(whole);
    writeFileSync(join(place, name), code);
  }
  const args = ['--experimental-vm-modules', jest, '--ci', patient];
  const { code, output } = await run(args, place);
  expect(output).toMatch(/^Tests: +(?:2[4-9]|[3-9]\d) passed, \d+ total$/m);
  expect(code).toBe(0);
});

it("knows errors of Node's own modules under jest, where their `Error` is another one", async () => {
  writeFileSync(
    join(directory.path, 'realm.test.cjs'),
    `const built = require('node:path').resolve('node_modules/verdict/dist/require/commonjs');
     test('realm', () => {
       const thrown = (() => {
         try { return require('node:fs').readFileSync('none'); } catch (error) { return error; }
       })();
       expect(thrown instanceof Error).toBe(false);
       expect(require(built + '/store/durable-file.js').systemFiles.read('none')).toBe(null);
       const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
       const logger = require(built + '/participant/stderr-logger.js').stderrLogger('one');
       logger.error({ error: thrown }, 'failed');
       expect(said.mock.calls[0][0]).toContain('(error=ENOENT: no such file');
     });`,
  );
  const { code, output } = await run([jest, '--config={}', '--ci', 'realm.test.cjs']);
  expect(output).toMatch(/^Tests: +1 passed, 1 total$/m);
  expect(code).toBe(0);
});

/** With a store on disk, opened under fake timers. */
const underFakeTimers = `
  const { startTestCoordinator } = await import('verdict/testing');
  const { openVersionedStore } = await import('verdict/versioned-store');
  const { serveParticipant, silentLogger, vote } = await import('verdict/participant');
  const coordinator = await startTestCoordinator();
  FAKE;
  const stillAt = Date.now();
  const store = await openVersionedStore({ dataDirectory: 'store-RUNNER' });
  const resource = store.resource(async (tx, { payload }) => {
    await tx.write('lamp', payload);
    return vote.commit(payload);
  });
  await coordinator.participant((verdict) =>
    serveParticipant({ name: 'inventory', logger: silentLogger, resource, ...verdict }),
  );
  const other = await serveParticipant({
    name: 'other',
    logger: silentLogger,
    urls: coordinator.urls,
    dataDirectory: 'journal-RUNNER',
    prepare: () => vote.commit(),
    commit: () => undefined,
    rollback: () => undefined,
  });
  const client = await coordinator.connect();
  const branches = ['inventory', 'other'].map((participant) => ({ participant, payload: 7 }));
  const { outcome } = await client.transact({ branches });
  coordinator.inject('time-out', { participant: 'inventory' });
  const late = client.transact({ branches });
  await coordinator.clock.advance(60_000);
  const said = [outcome, (await late).outcome, Date.now() - stillAt];
  await other.close();
  await coordinator.close();
  await store.close();
  if (said.join() !== 'committed,aborted,0') throw new Error(said.join());
`;

it.each([
  [
    'vitest',
    "import { test, vi } from 'vitest';",
    ['node_modules/vitest/vitest.mjs', 'run', '--root', '.', patient],
  ],
  ['node:test', "import { mock, test } from 'node:test';", ['--test']],
  [
    'jest',
    "import { jest } from '@jest/globals';",
    ['--experimental-vm-modules', jest, '--config={}', '--ci', patient],
  ],
])('does not wait for the fake timers that it names for %s', async (runner, imports, command) => {
  const row = new RegExp(`^\\| ${runner} \\| \`(.*)\` \\|$`, 'm').exec(text);
  if (row === null) throw new Error(`No fake timers for ${runner}`);
  const [, fake = ''] = row;
  const name = `fake-${runner.replace(':', '-')}.test.js`;
  const body = underFakeTimers.replace('FAKE', fake).replaceAll('RUNNER', runner.replace(':', '-'));
  writeFileSync(
    join(directory.path, name),
    `${imports}\ntest('fake timers', async () => {${body}});\n`,
  );
  const { code, output } = await run([...command, name]);
  expect(output).toContain(runner === 'node:test' ? 'pass 1' : '1 passed');
  expect(code).toBe(0);
});
