/**
 * The shop that `npm create verdict` lays out, compiled by its own build over the packed package:
 * what its user has after `npm install && npm run build`.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { builtClone } from './built-clone.ts';
import { packedInto } from './packed.ts';

const run = promisify(execFile);
const timeoutMs = 120_000;

/** Resolves with its directory, in `parent`. */
export async function laidOutShop(parent: string): Promise<string> {
  const { path } = await builtClone();
  const create = join(path, 'dist/create/create.mjs');
  await run(process.execPath, [create, 'shop', '--template', 'shop'], {
    cwd: parent,
    timeout: timeoutMs,
  });
  const shop = join(parent, 'shop');
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(shop, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
  const own = Object.keys({ ...dependencies, ...devDependencies });
  await packedInto(shop, [...own.filter((name) => name !== 'verdict'), '@typescript']);
  const compiler = join(shop, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [compiler, '-p', '.'], { cwd: shop, timeout: timeoutMs });
  return shop;
}
