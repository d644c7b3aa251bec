/**
 * What each folder of src may import, that the core is synchronous, that the rooms of a term keep
 * to their doors, and that no files import each other's values in a circle.
 *
 * Biome holds the other rules (biome.jsonc). These two it cannot express: its patterns match the
 * text of an import path, and `../wire/codec.ts` means another folder at each depth; and it has no
 * rule against `async`. So this reads every file's syntax tree and resolves the paths.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, relative, resolve, sep } from 'node:path';
import { parseSync } from 'vite';
import { cycleMessage, cyclesOf } from './cycles.ts';
import { roomOf, roomProblem, stateProblem } from './rooms.ts';

interface Rule {
  /** Units of src beside itself: a folder, or an entry point by its file name. */
  readonly imports: readonly string[];
  /** Packages from node_modules. */
  readonly packages: readonly string[] | 'any';
  /** Node's own modules; what of them may be taken is for biome.jsonc to say. */
  readonly node: readonly string[] | 'any';
}

export const foundation: readonly string[] = ['core', 'wire', 'ports'];
export const adapters: readonly string[] = [
  'system',
  'store',
  'transport',
  'decision-log',
  'journal',
  'tracing',
];
const sides: readonly string[] = ['client', 'participant', 'coordinator', 'node'];
const shared: readonly string[] = [...foundation, ...adapters, 'peer'];
const anyPackage = { packages: 'any' } as const;

/**
 * Nothing but the command itself imports `cli`, and `client` and `participant` run without a
 * coordinator.
 */
export const rules: Readonly<Record<string, Rule>> = {
  core: { imports: [], packages: [], node: [] },
  wire: { imports: ['core'], packages: ['msgpackr'], node: [] },
  ports: { imports: ['core'], packages: [], node: [] },
  system: { imports: ['core', 'ports'], ...anyPackage, node: 'any' },
  store: { imports: ['core', 'ports', 'system'], ...anyPackage, node: 'any' },
  transport: { imports: [...foundation, 'system'], ...anyPackage, node: 'any' },
  'decision-log': { imports: [...foundation, 'system', 'store'], ...anyPackage, node: 'any' },
  journal: { imports: [...foundation, 'system', 'store'], ...anyPackage, node: 'any' },
  tracing: { imports: ['core'], packages: ['@opentelemetry/api'], node: [] },
  peer: { imports: foundation, ...anyPackage, node: [] },
  access: { imports: [...foundation, 'system', 'peer'], ...anyPackage, node: 'any' },
  client: { imports: shared, ...anyPackage, node: [] },
  participant: { imports: shared, ...anyPackage, node: [] },
  resources: { imports: [...shared, 'participant'], ...anyPackage, node: [] },
  orm: {
    imports: [...foundation, 'system', 'resources'],
    ...anyPackage,
    node: ['node:async_hooks'],
  },
  coordinator: { imports: shared, ...anyPackage, node: [] },
  node: { imports: [...shared, 'coordinator'], ...anyPackage, node: ['node:crypto', 'node:http'] },
  http: { imports: [...shared, 'client'], packages: ['fastify', 'express'], node: [] },
  embedded: { imports: [...shared, 'coordinator'], packages: [], node: [] },
  nestjs: {
    imports: [...shared, 'client', 'participant', 'http'],
    packages: ['@nestjs/common', '@nestjs/core', 'rxjs'],
    node: ['node:path'],
  },
  testing: {
    imports: [...shared, ...sides],
    packages: [],
    node: ['node:assert/strict'],
  },
  transactions: {
    imports: [...shared, 'client', 'participant', 'embedded', 'resources'],
    packages: [],
    node: ['node:fs'],
  },
  cli: { imports: [...shared, ...sides, 'access', 'embedded'], ...anyPackage, node: 'any' },
  // In a browser: of the core and the ports what is pure.
  console: { imports: ['core', 'ports'], packages: ['preact', 'uplot'], node: [] },
  'client.ts': { imports: [...shared, 'client'], packages: [], node: [] },
  'participant.ts': { imports: [...shared, 'participant'], packages: [], node: [] },
  'versioned-store.ts': {
    imports: [...shared, 'participant', 'resources'],
    packages: [],
    node: [],
  },
  'outbox.ts': { imports: [...shared, 'participant', 'resources'], packages: [], node: [] },
  'postgresql.ts': { imports: [...shared, 'participant', 'resources'], packages: [], node: [] },
  'mariadb.ts': { imports: [...shared, 'participant', 'resources'], packages: [], node: [] },
  'fastify.ts': { imports: [...shared, 'http'], packages: [], node: [] },
  'express.ts': { imports: [...shared, 'http'], packages: [], node: [] },
  'nestjs.ts': { imports: [...shared, 'nestjs'], packages: [], node: [] },
  'kysely.ts': { imports: [...foundation, 'system', 'resources', 'orm'], packages: [], node: [] },
  'drizzle.ts': { imports: [...foundation, 'system', 'resources', 'orm'], packages: [], node: [] },
  'knex.ts': { imports: [...foundation, 'system', 'resources', 'orm'], packages: [], node: [] },
  'prisma.ts': { imports: [...foundation, 'system', 'resources', 'orm'], packages: [], node: [] },
  'typeorm.ts': { imports: [...foundation, 'system', 'resources', 'orm'], packages: [], node: [] },
  'testing.ts': { imports: [...shared, ...sides, 'testing'], packages: [], node: [] },
  'index.ts': { imports: ['client.ts', 'participant.ts'], packages: [], node: [] },
  'embedded.ts': {
    imports: [...shared, 'coordinator', 'embedded', 'resources', 'transactions'],
    packages: [],
    node: [],
  },
};

/**
 * What users are to copy, and what checks it from outside: only its `internals` know more than the
 * entries.
 */
const exampleCode = /^cluster\/(?:shop|demo)\/(?!internals\/)/;

export interface Violation {
  /** From the root, with `/`. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Every violation below `<root>/src` and `<root>/cluster`. */
export function checkArchitecture(root: string): Violation[] {
  const found: Violation[] = [];
  const imports = new Map<string, Map<string, number>>();
  for (const folder of ['src', 'cluster']) {
    for (const path of typescriptFiles(join(root, folder))) {
      const source = readFileSync(path, 'utf8');
      const file = relative(root, path).split(sep).join('/');
      const line = (offset: number): number => source.slice(0, offset).split('\n').length;
      const values = new Map<string, number>();
      for (const { offset, message } of violations(file, source, values)) {
        found.push({ file, line: line(offset), message });
      }
      for (const [target, offset] of values) values.set(target, line(offset));
      imports.set(file, values);
    }
  }
  for (const cycle of cyclesOf(imports)) {
    const [file = '', next = ''] = cycle;
    const line = imports.get(file)?.get(next) ?? 1;
    found.push({ file, line, message: cycleMessage(cycle) });
  }
  return found;
}

interface Finding {
  readonly offset: number;
  readonly message: string;
}

/** `values`: gets the files of which values are imported at once, and where. */
function* violations(
  file: string,
  source: string,
  values: Map<string, number>,
): Generator<Finding> {
  const { program, errors } = parseSync(file, source);
  for (const error of errors) yield { offset: 0, message: `Cannot be parsed: ${error.message}` };
  const unit = unitOf(file);
  const rule = unit === 'cluster' ? undefined : rules[unit];
  if (rule === undefined && unit !== 'cluster') {
    yield {
      offset: 0,
      message: `src/${unit} has no rule yet: say in scripts/lint/architecture.ts what it may import.`,
    };
    return;
  }
  for (const node of nodes(program)) {
    const offset = node.start ?? 0;
    if (unit === 'core' && isAsynchronous(node)) {
      yield { offset, message: 'The core is pure: events in, effects out, nothing asynchronous.' };
    }
    const problem = stateProblem(file, node);
    if (problem !== undefined) yield { offset, message: problem };
    const imported = importedBy(node);
    if (imported === undefined) continue;
    if (imported?.startsWith('.') && isOfValues(node)) values.set(targetOf(file, imported), offset);
    const message =
      imported === null
        ? 'Import by a plain text path, so that this check can follow it.'
        : refusal(file, unit, rule, imported);
    if (message !== undefined) yield { offset, message };
  }
}

function refusal(
  file: string,
  unit: string,
  rule: Rule | undefined,
  imported: string,
): string | undefined {
  if (!imported.startsWith('.')) {
    if (rule === undefined) return undefined;
    if (imported.startsWith('node:')) {
      return rule.node === 'any' || rule.node.includes(imported)
        ? undefined
        : `src/${unit} must not import ${imported}: go through a port.`;
    }
    if (rule.packages === 'any') return undefined;
    const name = imported
      .split('/')
      .slice(0, imported.startsWith('@') ? 2 : 1)
      .join('/');
    return rule.packages.includes(name)
      ? undefined
      : `src/${unit} must not import the package ${name}.`;
  }
  const target = targetOf(file, imported);
  if (roomOf(target) !== undefined) {
    const problem = roomProblem(file, target);
    if (problem !== undefined) return problem;
  }
  const targetUnit = unitOf(target);
  if (targetUnit === unit) return undefined;
  if (rule === undefined) {
    if (!target.startsWith('src/')) return `cluster must not import ${target}: only src.`;
    if (exampleCode.test(file) && !targetUnit.endsWith('.ts')) {
      return `An example must not import ${target}: only what the package exports, such as src/participant.ts. What reads below that goes to ${exampleCode.exec(file)?.[0]}internals/.`;
    }
    return targetUnit === 'cli' ? 'Nothing imports src/cli: run the command instead.' : undefined;
  }
  if (!target.startsWith('src/')) return `src must not import ${target}: it is not in the package.`;
  return rule.imports.includes(targetUnit)
    ? undefined
    : `src/${unit} must not import src/${targetUnit} (imports go one way, docs/ARCHITECTURE.md).`;
}

function targetOf(file: string, imported: string): string {
  return relative('/', resolve('/', dirname(file), imported))
    .split(sep)
    .join('/');
}

/**
 * `src/core/txid.ts` -> `core`, `src/client.ts` -> `client.ts`, `cluster/demo/main.ts` ->
 * `cluster`.
 */
function unitOf(file: string): string {
  const [top = '', unit = ''] = file.split('/');
  return top === 'src' ? unit : top;
}

/** The part of a syntax node (ESTree with TypeScript) that this check looks at. */
export interface Node {
  readonly type?: string;
  readonly start?: number;
  readonly source?: Node | null;
  readonly expression?: Node;
  readonly value?: unknown;
  readonly kind?: string;
  readonly name?: string;
  readonly importKind?: string;
  readonly exportKind?: string;
  readonly specifiers?: readonly Node[];
  readonly object?: Node;
  readonly property?: Node;
  readonly properties?: readonly Node[];
  readonly key?: Node;
  readonly id?: Node;
  readonly init?: Node | null;
  readonly typeAnnotation?: Node | null;
  readonly typeName?: Node;
  readonly async?: boolean;
  readonly await?: boolean;
}

/** All of a tree, each before what is within it. A list: generators within each other are slow. */
function nodes(value: unknown, found: Node[] = []): readonly Node[] {
  if (typeof value !== 'object' || value === null) return found;
  if (!Array.isArray(value)) found.push(value as Node);
  for (const child of Object.values(value)) nodes(child, found);
  return found;
}

/** The path a node imports; null where it is computed; undefined where it imports nothing. */
function importedBy(node: Node): string | null | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return textOf(node.source);
    case 'ExportNamedDeclaration':
      return node.source == null ? undefined : textOf(node.source);
    case 'TSExternalModuleReference':
      return textOf(node.expression);
    default:
      return undefined;
  }
}

/** Whether the other file is run first for it. A dynamic import comes later. */
function isOfValues({ type, importKind, exportKind, specifiers }: Node): boolean {
  if (type === 'ExportAllDeclaration') return exportKind !== 'type';
  if (type !== 'ImportDeclaration' && type !== 'ExportNamedDeclaration') return false;
  if (importKind === 'type' || exportKind === 'type') return false;
  const kinds = (specifiers ?? []).map((each) => each.importKind ?? each.exportKind);
  return kinds.length === 0 || kinds.some((kind) => kind !== 'type');
}

function textOf(node: Node | null | undefined): string | null {
  return typeof node?.value === 'string' ? node.value : null;
}

function isAsynchronous(node: Node): boolean {
  return (
    node.async === true ||
    node.type === 'AwaitExpression' ||
    (node.type === 'ForOfStatement' && node.await === true) ||
    (node.type === 'VariableDeclaration' && node.kind === 'await using')
  );
}

function typescriptFiles(folder: string): string[] {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.isFile() && ['.ts', '.tsx', '.mts'].includes(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true, recursive: true });
}

if (import.meta.main) {
  const found = checkArchitecture(process.cwd());
  for (const { file, line, message } of found) console.error(`${file}:${line} ${message}`);
  if (found.length > 0) process.exitCode = 1;
}
