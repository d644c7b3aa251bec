/**
 * Lets `import 'verdict/...'` in examples/ find the sources of this clone: a package of its own,
 * whose `src` leads there. Node runs TypeScript as it is, but not below node_modules; the link's
 * target is not.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function fromSource(root: string): void {
  const place = join(root, 'examples/node_modules/verdict');
  mkdirSync(place, { recursive: true });
  const { version, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
    exports: Readonly<Record<string, unknown>>;
  };
  const entries = Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => [entry, `./src/${entry === '.' ? 'index' : entry.slice(2)}.ts`]);
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({
      name: 'verdict',
      version,
      type: 'module',
      exports: { ...Object.fromEntries(entries), './package.json': './package.json' },
    }),
  );
  for (const name of ['src', 'bin']) {
    rmSync(join(place, name), { force: true });
    symlinkSync(join(root, name), join(place, name), 'dir');
  }
}
