/**
 * `npm run mutants`: each mutant of the list, in a copy of the sources, must be found by the
 * simulation. One that no longer applies is a failure as well: the code has moved on, and the list
 * has not.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Failure } from '../command/batch.ts';
import { parseFaults } from '../faults.ts';
import type { PlanLimits } from '../plan.ts';
import { type Edit, regressions } from '../regressions.ts';
import { mutants } from './list.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    only: { type: 'string' },
    regressions: { type: 'boolean', default: false },
    anew: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run mutants -- [--seeds N] [--only NAME]

Plants each fault of test/simulation/mutants/list.ts in a copy of the sources and simulates until it is found, N
seeds at most (default 10,000).

  --only NAME     One of them.
  --regressions   Instead, those of test/simulation/regressions.ts: each must be found by its own seed.
  --anew          With --regressions: looks for another seed, from 1 on.`);
} else if (!(Number(values.seeds) >= 1)) {
  console.error(`--seeds takes a number from 1 on, not ${values.seeds}.`);
  process.exitCode = 2;
} else if (values.only !== undefined && !hunts().some(({ name }) => name === values.only)) {
  console.error(`No fault is named ${values.only}. There are:`);
  for (const { name } of hunts()) console.error(`  ${name}`);
  process.exitCode = 2;
} else {
  const chosen = hunts().filter(({ name }) => values.only === undefined || name === values.only);
  const root = mkdtempSync(join(tmpdir(), 'verdict-mutants-'));
  try {
    for (const part of ['src', 'test/simulation', 'package.json', 'tsconfig.json']) {
      cpSync(part, join(root, part), { recursive: true });
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
    const survived = chosen.filter((hunt) => !isFound(root, hunt));
    console.log(`${chosen.length - survived.length} of ${chosen.length} mutants were found.`);
    if (survived.length > 0) process.exitCode = 1;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

interface Hunt {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly from: number;
  readonly seeds: number;
  readonly limits: PlanLimits;
}

function hunts(): readonly Hunt[] {
  const seeds = Number(values.seeds);
  if (!values.regressions) {
    return mutants.map(({ name, file, from, to, faults }) => ({
      name,
      edits: [{ file, from, to }],
      from: 1,
      seeds,
      limits: faults === undefined ? {} : { faults: parseFaults(faults) },
    }));
  }
  return regressions.map(({ seed, limits, planted }) => ({
    name: String(seed),
    edits: planted,
    ...(values.anew ? { from: 1, seeds } : { from: seed, seeds: 1 }),
    limits,
  }));
}

function isFound(root: string, hunt: Hunt): boolean {
  const { name, edits, from, seeds, limits } = hunt;
  const before = new Map<string, string>();
  try {
    for (const edit of edits) {
      const path = join(root, edit.file);
      const source = readFileSync(path, 'utf8');
      if (source.split(edit.from).length !== 2) {
        console.log(`${name.padEnd(36)} NO LONGER APPLIES to ${edit.file}`);
        return false;
      }
      if (!before.has(path)) before.set(path, source);
      writeFileSync(
        path,
        source.replace(edit.from, () => edit.to),
      );
    }
    const startMs = performance.now();
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['test/simulation/mutants/hunt.ts', String(from), String(seeds), JSON.stringify(limits)],
      { cwd: root, encoding: 'utf8', timeout: 20 * 60_000 },
    );
    if (status !== 0) throw new Error(`The hunt for ${name} ended with ${status}: ${stderr}`);
    const found = JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null') as Failure | null;
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    console.log(
      found === null
        ? `${name.padEnd(36)} SURVIVED ${seeds} seeds (${seconds} s)`
        : `${name.padEnd(36)} at seed ${String(found.seed).padStart(5)}: ${found.message.slice(0, 130)}`,
    );
    return found !== null;
  } finally {
    for (const [path, source] of before) writeFileSync(path, source);
  }
}
