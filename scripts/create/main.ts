/** `npm create verdict`: lays out a project. It asks no network, and runs no other program. */
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { asking } from './ask.ts';
import { layOut } from './lay-out.ts';
import { packageName } from './name.ts';
import { Refusal, shown } from './refusal.ts';
import { type Template, templatesIn, writeTemplate } from './templates.ts';

const usualTemplate = 'service';
const usualDirectory = 'verdict-service';
const interrupted = 130;

/** From where build.ts puts this. */
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { version, engines } = JSON.parse(readFileSync(here('package.json'), 'utf8')) as {
  readonly version: string;
  readonly engines: { readonly node: string };
};
const templates = templatesIn(here('templates'));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(argv);
  if (values.help) {
    console.log(help());
    return 0;
  }
  if (values.version) {
    console.log(version);
    return 0;
  }
  checkNode();
  const given = { directory: positionals[0], template: values.template };
  const wanted = await complete(given);
  if (wanted === null) {
    console.error('\nNothing was laid out.');
    return interrupted;
  }
  const template = templateOf(wanted.template);
  if (/\p{Cc}/u.test(wanted.directory)) {
    throw new Refusal('The name of the directory has control characters. Name another one.');
  }
  if (wanted.directory === '') throw new Refusal('The name of the directory is empty.', 2);
  const cwd = process.cwd();
  const path = resolve(cwd, wanted.directory);
  const { dependencies, devDependencies } = template.manifest;
  const taken = new Set(Object.keys({ ...dependencies, ...devDependencies }));
  const name = packageName(wanted.directory, { cwd, taken });
  // A signal waits until all is there: what follows does not give way.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  layOut(path, (to) => writeTemplate(template, { to, name, version }));
  console.log(nextSteps({ cwd, path, name, template }));
  return 0;
}

function parsed(argv: readonly string[]) {
  const taken = process.env['npm_config_template'];
  if (taken !== undefined && !argv.some((arg) => /^(?:--template|-t)/.test(arg))) {
    throw new Refusal(
      'npm took --template for an option of its own. Write: npm create verdict DIRECTORY -- --template NAME',
      2,
    );
  }
  try {
    const read = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        template: { type: 'string', short: 't' },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    });
    if (read.positionals.length > 1) {
      throw new Error('One directory at most. A name with blanks goes between quotes.');
    }
    return read;
  } catch (error) {
    throw new Refusal(
      `${(error as Error).message.replace(/\. To specify .*/s, '.')}\nTry: npm create verdict -- --help`,
      2,
    );
  }
}

interface Given {
  readonly directory: string | undefined;
  readonly template: string | undefined;
}

/** Asks for what is missing at a terminal; elsewhere the directory must be named. */
async function complete({
  directory,
  template,
}: Given): Promise<{ readonly directory: string; readonly template: string } | null> {
  const hasTerminal = process.stdin.isTTY && process.stdout.isTTY;
  if (directory !== undefined && (template !== undefined || !hasTerminal)) {
    return { directory, template: template ?? usualTemplate };
  }
  if (!hasTerminal) throw new Refusal(`Name a directory.\n\n${help()}`, 2);
  return asking(async (ask) => {
    const where = directory ?? (await ask.directory(usualDirectory));
    const which =
      template ??
      (templates.length > 1 ? await ask.template(templates, usualTemplate) : usualTemplate);
    return { directory: where, template: which };
  });
}

function templateOf(name: string): Template {
  const found = templates.find((template) => template.name === name);
  if (found !== undefined) return found;
  const names = templates.map((template) => template.name).join(', ');
  throw new Refusal(`There is no template ${shown(name)}. There are: ${names}.`, 2);
}

function checkNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [, wantedMajor = 0, wantedMinor = 0] = (/(\d+)\.(\d+)/.exec(engines.node) ?? []).map(
    Number,
  );
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new Refusal(
    `Verdict needs Node ${wantedMajor}.${wantedMinor} or newer, and this is ${process.version}: install a newer one.`,
  );
}

function nextSteps(done: {
  readonly cwd: string;
  readonly path: string;
  readonly name: string;
  readonly template: Template;
}): string {
  const manager = /^(pnpm|yarn)\//.exec(process.env['npm_config_user_agent'] ?? '')?.[1] ?? 'npm';
  const to = relative(done.cwd, done.path);
  const { name: template, manifest } = done.template;
  return [
    `${done.name}: laid out in ${to === '' ? 'this directory' : to}, from the template ${template}.`,
    '',
    'Next:',
    ...(to === '' ? [] : [`  cd ${inShell(to)}`]),
    `  ${manager} install`,
    `  ${manager} test`,
    manifest.scripts?.['dev'] === undefined ? `  ${manager} start` : `  ${manager} run dev`,
    '',
    'README.md there says what is what.',
  ].join('\n');
}

function inShell(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function help(): string {
  const lines = templates.map(({ name, manifest }) => {
    const usual = name === usualTemplate ? ' (default)' : '';
    return `      ${name.padEnd(10)} ${manifest.description}${usual}`;
  });
  return `npm create verdict [DIRECTORY] [-- --template NAME]

Lays out a project that takes part in transactions of Verdict, with its test, in DIRECTORY: a new
one, or an empty one (.git does not count). Its last part is the name of the package; @SCOPE/NAME
is one with a scope. What is not given is asked for at a terminal. Nothing is installed.

  -t, --template NAME
${lines.join('\n')}
  -h, --help
  -v, --version    of this, and of the verdict that the project will have: ${version}`;
}
