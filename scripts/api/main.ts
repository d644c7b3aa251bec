/**
 * The public surface: what each entry of the package exports, as a report in `scripts/api/reports/`
 * and, for readers, as a page in `docs/api`.
 *
 * `npm run api` writes both. `npm run api:check` writes nothing, and fails where one of them
 * differs from the sources, and where a public name or one of its members has no doc comment.
 * Members marked `@internal` are
 * stripped from the declarations, here as in the package.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import {
  CompilerState,
  ConsoleMessageId,
  Extractor,
  ExtractorConfig,
  type ExtractorLogLevel,
  type ExtractorMessage,
} from '@microsoft/api-extractor';
import { modelsOf } from './model.ts';
import { referencePages } from './reference.ts';

const root = join(import.meta.dirname, '../..');
/** Inside the project, so that the declarations find the packages that they import. */
const declarations = join(root, '.cache/api');
const reports = join(root, 'scripts/api/reports');
const reference = join(root, 'docs/api');
const maxPageCharacters = 100_000;

const isCheck = process.argv.includes('--check');

rmSync(declarations, { recursive: true, force: true });
try {
  const entries = entryNames();
  const faults = compile()
    ? [...extract(entries.map(configOf)), ...writeReference(entries)]
    : ['The sources do not compile.'];
  for (const fault of faults) {
    console.error(fault);
    process.exitCode = 1;
  }
} finally {
  rmSync(declarations, { recursive: true, force: true });
}

/** False: the compiler has said why. */
function compile(): boolean {
  const options = ['--emitDeclarationOnly', '--declarationMap'];
  const { status } = spawnSync(
    join(root, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', ...options, '--outDir', join(declarations, 'types')],
    { cwd: root, stdio: 'inherit' },
  );
  return status === 0;
}

/** `client` for `./dist/client.d.ts`, as package.json's `exports` name them. */
function entryNames(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { readonly types: string }>;
  };
  return Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [basename(entry.types, '.d.ts')],
  );
}

function configOf(name: string): ExtractorConfig {
  const error = { logLevel: 'error' as ExtractorLogLevel };
  const none = { logLevel: 'none' as ExtractorLogLevel };
  return ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(declarations, 'types', `${name}.d.ts`),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.build.json') },
      newlineKind: 'lf',
      apiReport: {
        enabled: true,
        includeForgottenExports: true,
        reportFileName: name,
        reportFolder: reports,
        reportTempFolder: join(declarations, 'reports'),
      },
      docModel: {
        enabled: true,
        includeForgottenExports: true,
        apiJsonFilePath: modelPath(name),
      },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: error },
        extractorMessageReporting: {
          default: error,
          'ae-undocumented': error,
          // The report has them too, so that what they say is pinned.
          'ae-forgotten-export': none,
          'ae-missing-release-tag': none,
        },
        // Comments are prose for people: they need not be TSDoc to the letter.
        tsdocMessageReporting: { default: none },
      },
    },
  });
}

/** One program for all entries: most of the time goes into reading it. */
function extract(configs: readonly ExtractorConfig[]): Set<string> {
  const [first, ...others] = configs;
  if (first === undefined) throw new Error('package.json exports nothing');
  mkdirSync(reports, { recursive: true });
  const compilerState = CompilerState.create(first, {
    additionalEntryPoints: others.map((config) => config.mainEntryPointFilePath),
  });
  const faults = new Set<string>();
  for (const config of configs) {
    const { apiReportChanged } = Extractor.invoke(config, {
      compilerState,
      localBuild: !isCheck,
      printApiReportDiff: isCheck,
      messageCallback: (message) => {
        const fault = faultOf(message);
        if (fault !== null) faults.add(fault);
        message.handled = message.messageId !== ConsoleMessageId.ApiReportDiff;
      },
    });
    if (isCheck && apiReportChanged) {
      faults.add(
        `scripts/api/reports/${basename(config.reportFilePath)} differs from the sources: run \`npm run api\`, and read the difference as a user of the package would.`,
      );
    }
  }
  return faults;
}

function modelPath(name: string): string {
  return join(declarations, 'models', `${name}.api.json`);
}

/** The pages, or where only asked whether they are right, what is wrong with them. */
function writeReference(entries: readonly string[]): string[] {
  const models = modelsOf(
    new Map(entries.map((name) => [name, readFileSync(modelPath(name), 'utf8')])),
  );
  const pages = referencePages(models, new Map(entries.map((name) => [name, headerOf(name)])));
  if (!isCheck) {
    rmSync(reference, { recursive: true, force: true });
    mkdirSync(reference);
    for (const [name, text] of pages) writeFileSync(join(reference, name), text);
  }
  const there = new Map(
    readdirSync(reference).map((name) => [name, readFileSync(join(reference, name), 'utf8')]),
  );
  const names = [...new Set([...pages.keys(), ...there.keys()])];
  return [
    ...names
      .filter((name) => pages.get(name) !== there.get(name))
      .map((name) => `docs/api/${name} differs from the sources: run \`npm run api\`.`),
    ...[...pages]
      .filter(([, text]) => text.length > maxPageCharacters)
      .map(
        ([name]) => `docs/api/${name} has over ${maxPageCharacters} characters: who reads that?`,
      ),
  ];
}

/** What an entry is for: the comment at the top of its file. */
function headerOf(name: string): string {
  const source = readFileSync(join(root, 'src', `${name}.ts`), 'utf8');
  const [, text = ''] = /^\/\*\*([\s\S]*?)\*\//.exec(source) ?? [];
  if (text === '')
    throw new Error(`src/${name}.ts has no comment at its top that says what it is for`);
  return text.replaceAll(/^ *\* ?/gm, '').trim();
}

function faultOf(message: ExtractorMessage): string | null {
  if (message.logLevel !== 'error') return null;
  const { sourceFilePath = '', sourceFileLine = 0 } = message;
  return `${sourceFilePath.replace(`${root}/`, '')}:${sourceFileLine} ${message.text}`;
}
