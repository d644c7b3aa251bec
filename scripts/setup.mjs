/**
 * Runs a command of this clone, installing first what it needs:
 *
 *     node scripts/setup.mjs COMMAND [ARGUMENT...]
 *
 * The machine needs only Node 18 or newer and npm: the clone's own, newer Node comes with `npm ci`.
 * Therefore nothing here imports a package or is written in TypeScript. Whatever this has to say
 * goes to standard error, and nothing where there is nothing to do: standard output is the
 * command's alone.
 */
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { handOver } from '../bin/hand-over.mjs';
import { ensureConsole } from './setup/console.mjs';
import { ensureInstalled, SetupError } from './setup/install.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [command, ...args] = process.argv.slice(2);

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

async function run() {
  if (command === undefined)
    throw new SetupError('Usage: node scripts/setup.mjs COMMAND [ARGUMENT...]');
  if (process.platform === 'win32') {
    throw new SetupError(
      'This clone runs on Linux and macOS. On Windows use WSL: clone the repository inside it and run the same command there.',
    );
  }
  if (Number(process.versions.node.split('.')[0]) < 18) {
    throw new SetupError(
      `Node 18 or newer is needed to set up this clone (20 is better); this is ${process.version}. Install a newer Node and run the command again.`,
    );
  }
  await ensureInstalled(root);
  await tried(() => ensureConsole(root));
  const programs = join(root, 'node_modules', '.bin');
  const environment = {
    // What is compiled is kept: tests and demo start hundreds of processes.
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'verdict'),
    ...process.env,
    PATH: `${programs}${delimiter}${process.env.PATH ?? ''}`,
  };
  try {
    return await handOver(command, args, environment);
  } catch (error) {
    throw new SetupError(
      `${command} cannot be started (${error.message}). Remove node_modules and run the command again.`,
    );
  }
}

/** Without the page all else works: it is said, and no command fails for it. */
async function tried(make) {
  try {
    await make();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
  }
}
