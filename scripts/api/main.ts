/**
 * The public surface: what each entry of the package exports, as a report in
 * `scripts/api/reports/`.
 *
 * `npm run api` writes the reports. `npm run api:check` writes nothing, and fails where a report
 * differs from the sources, where a public name or one of its members has no doc comment, and where
 * a public signature names a type that its entry does not export. Members marked `@internal` are
 * stripped from the declarations, here as in the package.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
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

const root = join(import.meta.dirname, '../..');
/** Inside the project, so that the declarations find the packages that they import. */
const declarations = join(root, '.cache/api');
const reports = join(root, 'scripts/api/reports');

const isCheck = process.argv.includes('--check');

rmSync(declarations, { recursive: true, force: true });
try {
  const faults = compile() ? extract(entryNames().map(configOf)) : ['The sources do not compile.'];
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
      docModel: { enabled: false },
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

function faultOf(message: ExtractorMessage): string | null {
  if (message.logLevel !== 'error') return null;
  const { sourceFilePath = '', sourceFileLine = 0 } = message;
  return `${sourceFilePath.replace(`${root}/`, '')}:${sourceFileLine} ${message.text}`;
}
