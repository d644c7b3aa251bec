/**
 * Compiles examples/shop as its own `npm run build` does, against this clone in place of the
 * package. Types are checked by `npm run types`: here the package is sources, which the example's
 * compiler options would not suit.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fromSource } from '../from-source.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const shop = join(root, 'examples/shop');
const timeoutMs = 120_000;

export async function buildShop(): Promise<void> {
  fromSource(root);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const args = [compiler, '-p', shop, '--noCheck', '--noResolve'];
  await promisify(execFile)(process.execPath, args, { timeout: timeoutMs });
}
