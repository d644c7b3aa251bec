/** What can be laid out: the directories of `templates`, which build.ts makes of examples/. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Manifest {
  readonly name: string;
  readonly description: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface Template {
  readonly name: string;
  readonly manifest: Manifest;
  readonly directory: string;
}

/** By name. */
export function templatesIn(home: string): readonly Template[] {
  return readdirSync(home)
    .sort()
    .map((name) => {
      const directory = join(home, name);
      const text = readFileSync(join(directory, 'package.json'), 'utf8');
      return { name, directory, manifest: JSON.parse(text) as Manifest };
    });
}

/** `version`: of verdict, exactly; the tool and the package are published together. */
export function writeTemplate(
  { directory, manifest }: Template,
  { to, name, version }: { readonly to: string; readonly name: string; readonly version: string },
): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const target = join(to, dirname(from).slice(directory.length), unpacked(entry.name));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(from, target);
  }
  const dependencies = { ...manifest.dependencies, verdict: version };
  const own = { ...manifest, name, dependencies };
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
}

/** npm leaves some files out of packages whose names begin with a dot, such as .gitignore. */
export function packed(name: string): string {
  if (name.startsWith('_')) throw new Error(`${name}: "_" stands for a dot in templates.`);
  return name.replace(/^\./, '_');
}

function unpacked(name: string): string {
  return name.replace(/^_/, '.');
}
