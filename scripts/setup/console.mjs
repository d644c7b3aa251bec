/**
 * Builds the console into dist/console where it is missing, or older than its sources. Run by the
 * set-up of the clone, and by a node of the clone whose console is opened. Dependency-free itself;
 * what it runs is there after `npm ci`.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

const buildTimeoutMs = 2 * 60_000;

export async function ensureConsole(root) {
  const isThere = existsSync(join(root, 'src', 'console'));
  if (!isThere || isBuilt(root)) return;
  const options = {
    path: join(root, '.cache', 'console.lock'),
    maxWaitMs: buildTimeoutMs + 10_000,
    onWait: () => undefined,
    toError: (text) => new Error(text),
  };
  await withLock(options, async () => {
    if (!isBuilt(root)) await build(root);
  });
}

function isBuilt(root) {
  const page = join(root, 'dist', 'console', 'index.html');
  return existsSync(page) && statSync(page).mtimeMs >= newestMs(join(root, 'src', 'console'));
}

function newestMs(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(...readdirSync(path).map((name) => newestMs(join(path, name))));
}

function build(root) {
  const builder = join(root, 'scripts', 'console', 'build.ts');
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  return new Promise((resolve, reject) => {
    const options = { cwd: root, timeout: buildTimeoutMs, maxBuffer: 4 * 1024 * 1024 };
    const node = existsSync(own) ? own : process.execPath;
    execFile(node, [builder], options, (error, stdout, stderr) => {
      if (error === null) resolve();
      else
        reject(new Error(`The console could not be built: ${stderr || stdout || error.message}`));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await ensureConsole(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
}
