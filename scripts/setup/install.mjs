/**
 * `npm ci` where it is due: quietly, with progress, with a limit, and one at a time.
 * Dependency-free.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { startProgress } from './progress.mjs';

/** Told to the person as it is, without a stack. */
export class SetupError extends Error {}

const installTimeoutMs = 15 * 60_000;
const maxTailLines = 25;
const maxTailBytes = 64 * 1024;

/** The package whose install script fetches the clone's own Node: the sign that the scripts ran. */
const ownNode = 'node_modules/node/bin/node';

export async function ensureInstalled(root) {
  if (isInstalled(root)) return;
  await checkNpm();
  const lock = join(root, '.cache', 'setup.lock');
  const onWait = (pid) => say(`Another set-up is running here (process ${pid}): waiting for it.`);
  await withLock(
    { path: lock, maxWaitMs: installTimeoutMs + 60_000, onWait, toError },
    async () => {
      // The one that held the lock before us may have done it all.
      if (!isInstalled(root)) await install(root);
    },
  );
}

/**
 * npm writes node_modules/.package-lock.json when an installation is complete, so it is the stamp:
 * one that is missing or older than the lock file means that there is something to do.
 */
function isInstalled(root) {
  const modules = lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false });
  // Somebody else's folder, linked in: theirs to keep up to date, and `npm ci` would empty it.
  if (modules?.isSymbolicLink()) return true;
  const stamp = statSync(join(root, 'node_modules', '.package-lock.json'), {
    throwIfNoEntry: false,
  });
  if (stamp === undefined || !existsSync(join(root, ownNode))) return false;
  return stamp.mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

async function checkNpm() {
  const version = await new Promise((resolve) => {
    execFile('npm', ['--version'], { timeout: 30_000 }, (error, stdout) =>
      resolve(error === null ? stdout.trim() : undefined),
    );
  });
  if (version === undefined) {
    throw new SetupError(
      'npm does not answer to "npm --version". It comes with Node; install it and run the command again.',
    );
  }
  if (Number(version.split('.')[0]) < 9) {
    throw new SetupError(
      `npm 9 or newer is needed to set up this clone; this is ${version}. Update Node, or run: npm install --global npm@10`,
    );
  }
}

async function install(root) {
  const progress = startProgress('Setting up: installing what this clone needs (npm ci)');
  const { code, tail, timedOut, interrupted } = await runNpm(root);
  progress.stop();
  if (interrupted !== undefined) {
    throw new SetupError(
      `The installation was interrupted by ${interrupted}. Run the command again.`,
    );
  }
  if (code !== 0 || timedOut) throw new SetupError(explain({ code, tail, timedOut }));
  if (!existsSync(join(root, ownNode))) {
    throw new SetupError(
      'npm ci ended well, but the install scripts did not run: the clone has no Node of its own. See "npm config get ignore-scripts", which must be false here, and run the command again.',
    );
  }
  say(`Set up in ${progress.seconds()} s.`);
}

/**
 * npm's warnings, such as those about the machine's older Node, are kept back: they matter only if
 * it fails.
 */
function runNpm(root) {
  return new Promise((resolve) => {
    let npm;
    let timedOut = false;
    let interrupted;
    const end = (signal) => {
      try {
        process.kill(-npm.pid, signal);
      } catch (error) {
        // Gone by itself in this moment.
        if (error.code !== 'ESRCH') throw error;
      }
    };
    // Before npm is there: it runs while the lines below have yet to, and a signal in that moment
    // left it behind alone.
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const onSignal = (signal) => {
      interrupted = signal;
      end(signal);
    };
    for (const signal of signals) process.on(signal, onSignal);
    // A process group of its own, so that the time-out ends the install scripts, too.
    npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--no-progress'], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => {
      timedOut = true;
      end('SIGKILL');
    }, installTimeoutMs);
    let output = '';
    const collect = (chunk) => {
      output = (output + chunk).slice(-maxTailBytes);
    };
    npm.stdout.setEncoding('utf8').on('data', collect);
    npm.stderr.setEncoding('utf8').on('data', collect);

    const finish = (code) => {
      clearTimeout(timer);
      for (const signal of signals) process.removeListener(signal, onSignal);
      resolve({ code, tail: lastLines(output), timedOut, interrupted });
    };
    npm.on('error', (error) => {
      collect(error.message);
      finish(1);
    });
    npm.on('close', finish);
  });
}

function lastLines(output) {
  return output.trimEnd().split('\n').slice(-maxTailLines).join('\n');
}

function explain({ code, tail, timedOut }) {
  const what = timedOut
    ? `npm ci was not done after ${installTimeoutMs / 60_000} minutes.`
    : `npm ci failed (exit code ${code}).`;
  return `${what} Its last lines:\n\n${tail}\n\n${remedy(tail, timedOut)}`;
}

function remedy(tail, timedOut) {
  if (/EUSAGE/.test(tail)) {
    return 'package.json and package-lock.json do not belong together. Discard your changes to them (git checkout package.json package-lock.json), or run npm install, and try again.';
  }
  if (/EACCES|EPERM|EROFS/.test(tail)) {
    return 'This user may not write here or to the npm cache. Correct the owner of the clone and of ~/.npm, and try again.';
  }
  if (/ENOSPC/.test(tail)) return 'The disk is full. Make room (some 600 MB) and try again.';
  if (timedOut || /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/.test(tail)) {
    return 'The package registry cannot be reached. Check the network, a proxy (npm config get proxy) and the registry (npm config get registry), and try again.';
  }
  return 'Run npm ci by hand to see all of it; when it succeeds, run the command again.';
}

function toError(message) {
  return new SetupError(message);
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
