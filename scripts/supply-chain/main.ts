/**
 * `npm run supply-chain`: what others made and this package brings along. Checks the lock file and
 * the install scripts, writes the bill of materials into dist, and asks for signatures.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { checkBill, makeBill } from './bill.ts';
import { checkImage } from './image.ts';
import { allowedScripts, checkInstallScripts, checkSources, type LockFile } from './lock.ts';
import { checkSignatures } from './signatures.ts';

const root = process.cwd();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};
const lock = JSON.parse(read('package-lock.json')) as LockFile;

// With it only the bill is made: for a build, which asks no one.
const only = process.argv[2] === '--bill';
const bill = makeBill(root, manifest.name, lock);
mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(join(root, 'dist/sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
const found = checkBill(bill, lock);
let said = `dist/sbom.cdx.json: ${bill.components.length} packages`;
if (!only) {
  const signatures = await checkSignatures(root);
  const allowed = allowedScripts(read('docs/DEPENDENCIES.md'));
  said += `\n${signatures.text}`;
  found.push(
    ...checkSources(lock),
    ...checkInstallScripts(lock, allowed, manifest.allowScripts),
    ...checkImage(read('cluster/Dockerfile'), read('.ci/run'), manifest),
    ...signatures.problems,
  );
}
for (const line of found) console.error(line);
console.log(said);
if (found.length > 0) process.exitCode = 1;
