/**
 * A lock among processes of one machine: a file that holds its owner's pid. One whose owner is gone
 * is taken over. Dependency-free.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const paceMs = 250;

/**
 * Runs `work` while this process holds the lock. `toError` makes the error for a wait that was too
 * long.
 */
export async function withLock({ path, maxWaitMs, onWait, toError }, work) {
  mkdirSync(dirname(path), { recursive: true });
  const startedMs = performance.now();
  let told = false;
  while (!tryTake(path)) {
    const owner = readOwner(path);
    if (owner !== undefined && !isAlive(owner)) {
      removeAbandoned(path, owner);
      continue;
    }
    if (performance.now() - startedMs > maxWaitMs) {
      throw toError(
        `Another set-up (process ${owner ?? 'unknown'}) has held ${path} for too long. If no such process runs, remove this file and try again.`,
      );
    }
    if (!told && owner !== undefined) {
      told = true;
      onWait(owner);
    }
    await new Promise((resolve) => setTimeout(resolve, paceMs));
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * By a link, which appears with its content or not at all: no one ever reads a lock without an
 * owner.
 */
function tryTake(path) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid}`);
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function readOwner(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Two may find the same dead owner, and the slower one must not take away what the quicker one has
 * since put there: so it is moved aside first and, if it turns out to be somebody's, put back.
 */
function removeAbandoned(path, owner) {
  const aside = `${path}.${process.pid}.abandoned`;
  try {
    renameSync(path, aside);
    if (readOwner(aside) !== owner) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
