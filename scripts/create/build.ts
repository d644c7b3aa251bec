/**
 * Part of the build: `dist/create`, the package `create-verdict`, by which `npm create verdict`
 * lays out a project: the tool in one file, and directories of examples/ as its templates.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { templateNames } from './list.ts';
import { packed } from './templates.ts';

/** At its top: start.ts runs the example in the clone, and the others are what a run leaves. */
const leftOut = ['start.ts', 'node_modules', 'package-lock.json', 'data', 'dist', '.env'];
/** For a template without one. */
const gitignore = 'node_modules\ndata\ndist\n.env\n';

const root = fileURLToPath(new URL('../../', import.meta.url));
const create = join(root, 'dist/create');
const program = 'create.mjs';
const { version, license, engines } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as { readonly version: string; readonly license: string; readonly engines: object };

rmSync(create, { recursive: true, force: true });
for (const name of templateNames) {
  const to = join(create, 'templates', name);
  copyTemplate(join(root, 'examples', name), to, leftOut);
  const ignored = join(to, packed('.gitignore'));
  if (!existsSync(ignored)) writeFileSync(ignored, gitignore);
}
await build({
  absWorkingDir: root,
  entryPoints: [join(root, 'scripts/create/main.ts')],
  outfile: join(create, program),
  bundle: true,
  platform: 'node',
  format: 'esm',
  // Older than what Verdict needs, to be able to say so.
  target: 'node18',
  banner: { js: '#!/usr/bin/env node' },
  logLevel: 'warning',
});
chmodSync(join(create, program), 0o755);
cpSync(join(root, 'LICENSE'), join(create, 'LICENSE'));
writeFileSync(join(create, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
writeFileSync(join(create, 'README.md'), readme());

function copyTemplate(from: string, to: string, without: readonly string[] = []): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (without.includes(entry.name)) continue;
    const source = join(from, entry.name);
    const target = join(to, packed(entry.name));
    if (entry.isDirectory()) copyTemplate(source, join(to, entry.name));
    else if (entry.name === 'README.md') writeFileSync(target, readmeOf(source));
    else cpSync(source, target);
  }
}

/** The project has the documentation in the package. */
function readmeOf(source: string): string {
  return readFileSync(source, 'utf8').replaceAll('](../../docs/', '](node_modules/verdict/docs/');
}

function manifest(): object {
  return {
    name: 'create-verdict',
    version,
    description: 'Lays out a service that takes part in transactions of Verdict, with its test.',
    license,
    type: 'module',
    engines,
    bin: { 'create-verdict': program },
    files: [program, 'templates'],
  };
}

function readme(): string {
  return `# create-verdict

\`npm create verdict DIRECTORY\` lays out a service that takes part in transactions of Verdict, with
its test. \`npm create verdict -- --help\` says which templates there are. It installs nothing, and
asks no network; the project depends on the package \`verdict\` in the same version.
`;
}
