/**
 * The oldest Node that package.json allows, as a program: from npm, once for a clone. Not a
 * development dependency: it would put a second `node` into node_modules/.bin.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const timeoutMs = 150_000;

/** `22.18.0`, of an `engines` that says `>=22.18`. */
export const oldestVersion: string = (() => {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  const [, version] = /^>=(\d+\.\d+)$/.exec(engines.node) ?? [];
  if (version === undefined) throw new Error(`engines.node is ${engines.node}`);
  return `${version}.0`;
})();

/** Null where it cannot be had, such as without a network. On CI that is a failure. */
export async function oldestNode(): Promise<string | null> {
  const directory = join(root, '.cache', `node-${oldestVersion}`);
  const { platform, arch } = process;
  const name = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`;
  const program = join(directory, 'node_modules', name, 'bin', 'node');
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{"private":true}');
    const args = ['install', '--no-save', '--no-audit', '--no-fund', `${name}@${oldestVersion}`];
    try {
      await promisify(execFile)('npm', args, { cwd: directory, timeout: timeoutMs });
    } catch (error) {
      if (process.env['CI'] !== undefined) throw error;
      return null;
    }
  }
  return program;
}
