/** `npm run example`: runs one of examples/ on this machine, with all that it needs. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const home = fileURLToPath(new URL('../../examples/', import.meta.url));
const names = readdirSync(home).filter((name) => existsSync(join(home, name, 'start.ts')));
const [name = '--help', ...args] = process.argv.slice(2);

if (name === '--help') {
  console.log('npm run example -- NAME\n\nRuns one of the examples, on temporary data:\n');
  for (const each of names) console.log(`  ${each.padEnd(20)} ${aboutOf(each)}`);
} else if (!names.includes(name)) {
  console.error(`There is no example "${name}". There are: ${names.join(', ')}.`);
  process.exitCode = 2;
} else {
  const child = spawn(process.execPath, [join(home, name, 'start.ts'), ...args], {
    stdio: 'inherit',
  });
  // The terminal sends Ctrl-C to both. It ends what it has started, and then itself.
  process.on('SIGINT', () => undefined);
  process.once('SIGTERM', () => child.kill('SIGTERM'));
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

/** The first sentence of its README. */
function aboutOf(example: string): string {
  const text = readFileSync(join(home, example, 'README.md'), 'utf8');
  const [, first = ''] = text.split('\n\n');
  return first.replaceAll('\n', ' ').replace(/^(.*?[.:]) .*$/, '$1');
}
