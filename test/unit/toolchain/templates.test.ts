/** What `npm create verdict` lays out installs nothing that the project does not use. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { templateNames } from '../../../scripts/create/list.ts';

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

function manifestIn(directory: string): Package {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Package;
}

/** Imported, or the compiler and its types, or wanted by what is imported. */
function unused(directory: string): string[] {
  const { dependencies = {}, devDependencies = {} } = manifestIn(directory);
  const names = Object.keys({ ...dependencies, ...devDependencies });
  const sources = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('\n');
  const isImported = (name: string) => new RegExp(`'${name}(/[^']*)?'`).test(sources);
  const peers = names
    .filter((name) => name !== 'verdict' && isImported(name))
    .flatMap((name) => Object.keys(manifestIn(join('node_modules', name)).peerDependencies ?? {}));
  const ofCompiler = (name: string) => name === 'typescript' || name.startsWith('@types/');
  return names.filter((name) => !(isImported(name) || ofCompiler(name) || peers.includes(name)));
}

it.each(templateNames)('%s uses each of its dependencies', (name) => {
  expect(unused(join('examples', name))).toEqual([]);
});
