/**
 * Plants each forbidden thing in a copy of the project's layout and sees the linter, the check of
 * import directions or the compiler refuse it - and nothing else in that copy.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkArchitecture } from '../../../scripts/lint/architecture.ts';
import { slownessFactor } from '../../support/process/slowness.ts';

const root = join(import.meta.dirname, '../../..');

interface Plant {
  readonly file: string;
  readonly source: string;
  /** Who refuses it: one of Biome's rules, the check of architecture.ts, or the compiler. */
  readonly by: `lint/${string}` | 'architecture' | 'compiler';
}

const time = 'lint/style/noRestrictedGlobals';
const property = 'lint/nursery/noJsRestrictedProperties';
const restrictedImport = 'lint/style/noRestrictedImports';

const plants: readonly Plant[] = [
  // The core: no clock, no chance, nothing asynchronous, no I/O.
  core('date-now', 'export const planted: number = Date.now();', time),
  core('date-type', 'export function planted(at: Date): number {\n  return at.getTime();\n}', time),
  core('through-global', 'export const planted: unknown = globalThis;', time),
  core('math-random', 'export const planted: number = Math.random();', property),
  core(
    'random-taken-out',
    'const { random } = Math;\nexport const planted: number = random();',
    property,
  ),
  core('promise', 'export const planted: unknown = Promise.resolve(1);', time),
  core('promise-type', 'export type Planted = Promise<number>;', time),
  core('async-function', 'export const planted: () => unknown = async () => 1;', 'architecture'),
  core(
    'async-method',
    'export class Planted {\n  run(): unknown {\n    return { async step() {} };\n  }\n}',
    'architecture',
  ),
  core('await', 'export const planted: number = await 1;', 'architecture'),
  core(
    'for-await',
    'export async function planted(from: AsyncIterable<number>) {\n  for await (const one of from) return one;\n}',
    'architecture',
  ),
  core('timer', 'setTimeout(() => {}, 1);', 'compiler'),
  core('microtask', 'queueMicrotask(() => {});', 'compiler'),
  core('console', "console.log('planted');", 'compiler'),
  core('process', 'export const planted: unknown = process;', 'compiler'),
  core('node-module', "export { readFileSync as planted } from 'node:fs';", 'compiler'),
  core('node-module-import', "export { readFileSync as planted } from 'node:fs';", 'architecture'),
  core('package', "export { pack as planted } from 'msgpackr';", 'architecture'),
  core('wire', "export { target } from '../wire/target.ts';", 'architecture'),
  core('ports', "export type { Target } from '../ports/target.ts';", 'architecture'),
  core('inner/wire', "export { target } from '../../wire/target.ts';", 'architecture'),

  // The rooms of a term: doors, one way, a state of their own. And circles, anywhere.
  core('term/term', "export { inside } from './flow/inside.ts';", 'architecture'),
  core('term/locks/door', "export { inside } from '../requests/inside.ts';", 'architecture'),
  core('term/flow/up', "export { door } from '../phase-one/phase-one.ts';", 'architecture'),
  core('term/flow/type-up', "export type { Door } from '../intake/intake.ts';", 'architecture'),
  core('term/attic/attic', "export { door } from '../flow/flow.ts';", 'architecture'),
  plant(
    'src/node/room.ts',
    "export { inside } from '../core/term/flow/inside.ts';",
    'architecture',
  ),
  core(
    'term/locks/member',
    'export function planted(state: { readonly flow: number }): number {\n  return state.flow;\n}',
    'architecture',
  ),
  core(
    'term/member',
    'export function planted(state: { readonly phaseTwo: number }): number {\n  return state.phaseTwo;\n}',
    'architecture',
  ),
  core(
    'term/locks/taken',
    'export function planted(state: { readonly flow: number }): number {\n  const { flow } = state;\n  return flow;\n}',
    'architecture',
  ),
  core(
    'term/locks/given',
    "import type { TermState } from '../state.ts';\n\nexport function planted({ flow }: TermState): number {\n  return flow;\n}",
    'architecture',
  ),
  core(
    'circle/one',
    "import { two } from './two.ts';\n\nexport const planted: number = two;",
    'architecture',
  ),
  plant('src/peer/itself.ts', "export { planted } from './itself.ts';", 'architecture'),

  // Directions, in every way that an import can be written.
  plant('src/wire/ports.ts', "export { target } from '../ports/target.ts';", 'architecture'),
  plant('src/wire/node.ts', "export { Buffer as planted } from 'node:buffer';", 'architecture'),
  plant('src/wire/package.ts', "export { WebSocket as planted } from 'ws';", 'architecture'),
  plant('src/ports/wire.ts', "export { target } from '../wire/target.ts';", 'architecture'),
  plant('src/ports/package.ts', "export { pack as planted } from 'msgpackr';", 'architecture'),
  plant('src/system/wire.ts', "export * from '../wire/target.ts';", 'architecture'),
  plant('src/transport/peer.ts', "export { target } from '../peer/target.ts';", 'architecture'),
  plant(
    'src/decision-log/embedded/journal.ts',
    "export { target } from '../../journal/target.ts';",
    'architecture',
  ),
  plant(
    'src/decision-log/memory/coordinator.ts',
    "export { target } from '../../coordinator/target.ts';",
    'architecture',
  ),
  plant(
    'src/journal/log.ts',
    "export { target } from '../decision-log/target.ts';",
    'architecture',
  ),
  plant('src/peer/client.ts', "export { target } from '../client/target.ts';", 'architecture'),
  plant('src/peer/node.ts', "export { isIP as planted } from 'node:net';", 'architecture'),
  plant(
    'src/coordinator/files.ts',
    "export { readFileSync as planted } from 'node:fs';",
    'architecture',
  ),
  plant('src/client/side.ts', "import '../coordinator/target.ts';", 'architecture'),
  plant('src/client/cli.ts', "export { target } from '../cli/target.ts';", 'architecture'),
  plant(
    'src/client/dynamic.ts',
    "export const planted: Promise<unknown> = import('../coordinator/target.ts');",
    'architecture',
  ),
  plant(
    'src/client/computed.ts',
    'export const planted = (path: string): Promise<unknown> => import(path);',
    'architecture',
  ),
  plant(
    'src/participant/type.ts',
    "export type Planted = import('../coordinator/target.ts').Target;",
    'architecture',
  ),
  plant(
    'src/participant/client.ts',
    "export { target } from '../client/target.ts';",
    'architecture',
  ),
  plant(
    'src/coordinator/deep/down/client.ts',
    "export { target } from '../../../client/target.ts';",
    'architecture',
  ),
  plant(
    'src/coordinator/participant.ts',
    "export { target } from '../participant/target.ts';",
    'architecture',
  ),
  plant('src/coordinator/node.ts', "export { target } from '../node/target.ts';", 'architecture'),
  plant(
    'src/participant/resources.ts',
    "export { target } from '../resources/target.ts';",
    'architecture',
  ),
  plant('src/system/store.ts', "export { target } from '../store/target.ts';", 'architecture'),
  plant('src/coordinator/cli.ts', "export { target } from '../cli/target.ts';", 'architecture'),
  plant('src/client.ts', "export { target } from './coordinator/target.ts';", 'architecture'),
  plant('src/index.ts', "export { target } from './cli/target.ts';", 'architecture'),
  plant('src/cli/outside.ts', "export { target } from '../../cluster/target.ts';", 'architecture'),
  plant('src/novelty/one.ts', 'export const planted = 1;', 'architecture'),
  plant(
    'cluster/launcher/cli.ts',
    "export { target } from '../../src/cli/target.ts';",
    'architecture',
  ),

  // Examples use what a user has: no room of src, and no way around it.
  plant(
    'cluster/shop/services/room.ts',
    "export type { Target } from '../../../src/ports/target.ts';",
    'architecture',
  ),
  plant(
    'cluster/shop/room.ts',
    "export { target } from '../../src/participant/target.ts';",
    'architecture',
  ),
  plant(
    'cluster/demo/room.ts',
    "export const planted = import('../../src/core/target.ts');",
    'architecture',
  ),

  // Time and chance, everywhere but in the adapters of their ports.
  ...['client', 'participant', 'peer', 'coordinator', 'wire', 'transport', 'journal'].flatMap(
    (unit) => [
      plant(`src/${unit}/date.ts`, 'export const planted: number = Date.now();', time),
      plant(`src/${unit}/chance.ts`, 'export const planted: number = Math.random();', property),
      plant(`src/${unit}/timer.ts`, 'setTimeout(() => {}, 1);', time),
    ],
  ),
  plant('src/coordinator/interval.ts', 'setInterval(() => {}, 1);', time),
  // A field or a parameter of a map's iterator is one that is kept.
  ...['core', 'participant'].map((unit) =>
    plant(
      `src/${unit}/iterator.ts`,
      'export interface Planted {\n  readonly order: MapIterator<string>;\n}',
      time,
    ),
  ),
  plant('src/coordinator/immediate.ts', 'setImmediate(() => {});', time),
  plant('src/coordinator/performance.ts', 'export const planted = performance.now();', time),
  plant('src/coordinator/uuid.ts', 'export const planted = crypto.randomUUID();', time),
  plant('src/client/signal.ts', 'export const planted = AbortSignal.timeout(1);', property),
  plant('src/client/hrtime.ts', 'export const planted = process.hrtime.bigint();', property),
  plant('src/client/tick.ts', 'process.nextTick(() => {});', property),
  plant(
    'src/transport/uuid.ts',
    "export { randomUUID as planted } from 'node:crypto';",
    restrictedImport,
  ),
  plant(
    'src/transport/all-of-crypto.ts',
    "import * as crypto from 'node:crypto';\nexport const planted = crypto;",
    restrictedImport,
  ),
  plant(
    'src/decision-log/timers.ts',
    "export { setTimeout as planted } from 'node:timers/promises';",
    restrictedImport,
  ),
  plant(
    'src/journal/hooks.ts',
    "export { performance as planted } from 'node:perf_hooks';",
    restrictedImport,
  ),

  // The rest of the house rules.
  plant('src/client/any.ts', 'export const planted: any = 1;', 'lint/suspicious/noExplicitAny'),
  plant('src/client/default.ts', 'export default 1;', 'lint/style/noDefaultExport'),
  plant('src/client/console.ts', "console.log('planted');", 'lint/suspicious/noConsole'),
  plant('src/client/enum.ts', 'export enum Planted {\n  One,\n}', 'lint/style/noEnum'),
  plant(
    'src/client/non-null.ts',
    'export const planted = (of: string | null): string => of!;',
    'lint/style/noNonNullAssertion',
  ),
  plant(
    'src/client/floating.ts',
    'async function run(): Promise<void> {}\nexport function planted(): void {\n  run();\n}',
    'lint/nursery/noFloatingPromises',
  ),
  plant(
    'src/client/import-type.ts',
    "import { Target } from './target.ts';\nexport type Planted = Target;",
    'lint/style/useImportType',
  ),
  plant(
    'src/transport/bare-node.ts',
    "export { isIP } from 'net';",
    'lint/style/useNodejsImportProtocol',
  ),
];

function plant(file: string, source: string, by: Plant['by']): Plant {
  return { file, source: `${source}\n`, by };
}

function core(name: string, source: string, by: Plant['by']): Plant {
  return plant(`src/core/${name}.ts`, source, by);
}

/** What is allowed, and what the planted files import. */
const target =
  'export interface Target {\n  readonly one: 1;\n}\n\nexport const target: Target = { one: 1 };\n';
const units = [
  ...['core', 'wire', 'ports', 'system', 'store', 'transport', 'decision-log', 'journal', 'peer'],
  ...['client', 'participant', 'resources', 'coordinator', 'node', 'cli'],
];
const clean: Readonly<Record<string, string>> = {
  ...Object.fromEntries(units.map((unit) => [`src/${unit}/target.ts`, target])),
  'cluster/target.ts': target,
  'src/core/term/state.ts': 'export interface TermState {\n  readonly flow: number;\n}\n',
  'src/core/term/flow/inside.ts':
    "import type { TermState } from '../state.ts';\n\nexport function inside({ flow }: TermState): number {\n  return flow;\n}\n",
  'src/core/term/flow/flow.ts': "export { inside as door } from './inside.ts';\n",
  'src/core/term/requests/inside.ts': 'export const inside: number = 1;\n',
  'src/core/term/phase-one/phase-one.ts': "export { door } from '../flow/flow.ts';\n",
  'src/core/term/intake/intake.ts':
    "export interface Door {\n  readonly one: 1;\n}\n\nexport { door } from '../phase-one/phase-one.ts';\n",
  'src/core/circle/two.ts':
    "import { planted } from './one.ts';\n\nexport const two: number = 2;\nexport const both = (): number => two + planted;\n",
  'src/core/circle/three.ts':
    "import type { Four } from './four.ts';\n\nexport const three: Four = 3;\n",
  'src/core/circle/four.ts':
    "import { three } from './three.ts';\n\nexport type Four = number;\nexport const four: number = three;\n",
  'src/core/inner/clean.ts':
    "import { target } from '../target.ts';\n\nexport const width: number = Math.max(target.one, 2);\n",
  'src/wire/clean.ts':
    "import { pack } from 'msgpackr';\nimport { target } from '../core/target.ts';\n\nexport const bytes: Uint8Array = pack(target);\n",
  'src/system/clean.ts':
    "import { randomBytes } from 'node:crypto';\n\nexport const now = (): number => Date.now() + Math.random();\nexport const token = (): string => randomBytes(8).toString('hex');\n",
  'src/transport/clean.ts':
    "import { createHash } from 'node:crypto';\n\nexport { createHash };\nexport { target } from '../system/target.ts';\n",
  'src/client/clean.ts':
    "export { target } from '../transport/target.ts';\n\nexport async function soon(): Promise<number> {\n  return await Promise.resolve(1);\n}\n\nexport function later(run: () => void): void {\n  queueMicrotask(run);\n}\n",
  'src/node/clean.ts':
    "export { createServer } from 'node:http';\nexport { target } from '../coordinator/target.ts';\n",
  'src/resources/clean.ts': "export { target } from '../participant/target.ts';\n",
  'src/cli/clean.ts':
    "import { target } from '../node/target.ts';\n\nconsole.log(target, Date.now());\n",
  'src/participant.ts': "export { target } from './participant/target.ts';\n",
  'cluster/launcher/clean.ts': "export { target } from '../../src/client/target.ts';\n",
  'cluster/shop/services/clean.ts': "export { target } from '../../../src/participant.ts';\n",
  'cluster/demo/clean.ts': "export { target } from '../shop/internals/clean.ts';\n",
  'cluster/shop/internals/clean.ts': "export { target } from '../../../src/client/target.ts';\n",
};

const place = mkdtempSync(join(tmpdir(), 'verdict-purity-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** `who file` for everything that was refused. */
const refused = new Set<string>();
const toolsTimeoutMs = 60_000 * slownessFactor;

beforeAll(async () => {
  for (const file of ['package.json', 'biome.jsonc', 'tsconfig.json', 'src/core/tsconfig.json']) {
    cpSync(join(root, file), join(place, file));
  }
  // Biome takes what git ignores from here, and the copy is not to be linted as a part of anything
  // else.
  cpSync(join(root, '.gitignore'), join(place, '.gitignore'));
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  for (const { file, source } of plants) write(file, source);
  for (const [file, source] of Object.entries(clean)) write(file, source);

  for (const { file } of checkArchitecture(place)) refused.add(`architecture ${file}`);
  const [biome, compiler] = await Promise.all([
    run('biome', [
      'lint',
      '--reporter=json',
      '--max-diagnostics=none',
      '--diagnostic-level=error',
      '.',
    ]),
    run('tsc', ['-p', 'src/core', '--pretty', 'false']),
  ]);
  for (const { category, location } of diagnosticsOf(biome))
    refused.add(`${category} ${location.path}`);
  for (const match of compiler.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)) {
    refused.add(`compiler ${match[1]}`);
  }
}, toolsTimeoutMs + 10_000);

describe('What the project forbids', () => {
  it.each(plants)('is refused by $by: $file', ({ file, by }) => {
    expect(refused).toContain(`${by} ${file}`);
  });

  it('is nothing that a clean file needs', () => {
    const cleanFiles = new Set(Object.keys(clean));
    expect([...refused].filter((line) => cleanFiles.has(line.split(' ')[1] ?? ''))).toEqual([]);
  });

  // It parses every file in one go, which on a machine at work on all else takes its time.
  it('is not in the project itself', { timeout: toolsTimeoutMs }, () => {
    expect(checkArchitecture(root)).toEqual([]);
  });
});

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string };
}

function diagnosticsOf(report: string): readonly Diagnostic[] {
  return (JSON.parse(report) as { readonly diagnostics: readonly Diagnostic[] }).diagnostics;
}

function write(file: string, source: string): void {
  mkdirSync(dirname(join(place, file)), { recursive: true });
  writeFileSync(join(place, file), source);
}

/** The tool's standard output; it ends with an error, for it finds some. */
function run(tool: string, args: readonly string[]): Promise<string> {
  const command = join(root, 'node_modules/.bin', tool);
  const options = { cwd: place, timeout: toolsTimeoutMs, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(command, args, options, (_error, stdout) => resolve(stdout));
  });
}
