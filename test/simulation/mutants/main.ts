/**
 * `npm run mutants`: each mutant of the list, in a copy of the sources, must be found by the simulation. One that no
 * longer applies is a failure as well: the code has moved on, and the list has not.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Failure } from '../command/batch.ts';
import { type Mutant, mutants } from './list.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run mutants -- [--seeds N] [--only NAME]

Plants each fault of test/simulation/mutants/list.ts in a copy of the sources and simulates until it is found, N
seeds at most (default 10,000).`);
} else if (!(Number(values.seeds) >= 1)) {
  console.error(`--seeds takes a number from 1 on, not ${values.seeds}.`);
  process.exitCode = 2;
} else if (values.only !== undefined && !mutants.some(({ name }) => name === values.only)) {
  console.error(`No fault is named ${values.only}. There are:`);
  for (const { name } of mutants) console.error(`  ${name}`);
  process.exitCode = 2;
} else {
  const chosen = mutants.filter(({ name }) => values.only === undefined || name === values.only);
  const root = mkdtempSync(join(tmpdir(), 'verdict-mutants-'));
  try {
    for (const part of ['src', 'test/simulation', 'package.json', 'tsconfig.json']) {
      cpSync(part, join(root, part), { recursive: true });
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
    const survived = chosen.filter((mutant) => !isFound(root, mutant));
    console.log(`${chosen.length - survived.length} of ${chosen.length} mutants were found.`);
    if (survived.length > 0) process.exitCode = 1;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function isFound(root: string, { name, file, from, to, faults }: Mutant): boolean {
  const path = join(root, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2) {
    console.log(`${name.padEnd(36)} NO LONGER APPLIES to ${file}`);
    return false;
  }
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  const startMs = performance.now();
  try {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['test/simulation/mutants/hunt.ts', values.seeds, ...(faults === undefined ? [] : [faults])],
      { cwd: root, encoding: 'utf8', timeout: 20 * 60_000 },
    );
    if (status !== 0) throw new Error(`The hunt for ${name} ended with ${status}: ${stderr}`);
    const found = JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null') as Failure | null;
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    console.log(
      found === null
        ? `${name.padEnd(36)} SURVIVED ${values.seeds} seeds (${seconds} s)`
        : `${name.padEnd(36)} after ${String(found.seed).padStart(5)} seeds: ${found.message.slice(0, 130)}`,
    );
    return found !== null;
  } finally {
    writeFileSync(path, source);
  }
}
