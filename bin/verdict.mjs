#!/usr/bin/env node
/**
 * The `verdict` command. Installed as a package it runs `dist`; in a clone it runs the sources, or
 * `dist` where that is newer. A clone brings its own Node for machines whose Node is too old.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
// Not by name: Node 20, which only hands over, has no compile cache.
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (isNewEnough(process.versions.node)) {
  // A start is mostly reading code. What was compiled is kept where only this account writes;
  // nothing is, where that is not so. NODE_COMPILE_CACHE names another place, and
  // NODE_DISABLE_COMPILE_CACHE=1 keeps nothing.
  module.enableCompileCache(cachePlace());
  const { main } = await import(pathToFileURL(entry()).href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(own)) {
    const { handOver } = await import('./hand-over.mjs');
    process.exitCode = await handOver(own, [...process.execArgv, ...process.argv.slice(1)]);
  } else {
    const remedy = existsSync(join(root, 'src'))
      ? 'Run npm ci in the clone, which brings a newer one along, or install Node 22.18 or newer.'
      : 'Install Node 22.18 or newer.';
    process.stderr.write(
      `Verdict needs Node 22.18 or newer; this is ${process.version}. ${remedy}\n`,
    );
    process.exitCode = 1;
  }
}

/** 22.18 is the first that runs TypeScript by itself, which the clone needs. */
function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** Beside the packages, as build tools have it: of a clone its own, else of who installed it. */
function cachePlace() {
  const packages = existsSync(join(root, 'src')) ? join(root, 'node_modules') : dirname(root);
  return join(packages, '.cache', 'verdict');
}

function entry() {
  const built = join(root, 'dist', 'cli', 'main.js');
  const source = join(root, 'src', 'cli', 'main.ts');
  if (!existsSync(source)) return built;
  return existsSync(built) && statSync(built).mtimeMs > newestMs(join(root, 'src'))
    ? built
    : source;
}

function newestMs(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  const inside = readdirSync(path).map((name) => newestMs(join(path, name)));
  return Math.max(status.mtimeMs, ...inside);
}
