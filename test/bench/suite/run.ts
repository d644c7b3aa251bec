/** Runs sections one after the other. One that fails says so, and the others go on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Failure, Machine, Measurement, Results } from './results.ts';
import type { Section, Table } from './section.ts';

export interface RunOptions {
  readonly sections: readonly Section[];
  readonly durationMs: number;
  readonly rounds: number;
  readonly machine: Machine;
  /** Each section gets a folder in it, and it is removed afterwards. */
  readonly directory: string;
  /** '' for nothing. */
  readonly progress: (text: string) => void;
  /** Told as soon as a section is over. */
  readonly measured?: (measurement: Measurement) => void;
  readonly failed?: (failure: Failure) => void;
  /** All that there is after each: a run may be long, and ended by hand. */
  readonly keep?: (results: Results) => Promise<void>;
}

export async function runSections(options: RunOptions): Promise<Results> {
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  for (const section of options.sections) {
    const { name, title } = section;
    try {
      const measurement = await measure(section, options);
      measurements.push(measurement);
      options.measured?.(measurement);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const failure = { name, title, error: why };
      failures.push(failure);
      options.failed?.(failure);
    }
    await options.keep?.({ measurements, failures });
  }
  return { measurements, failures };
}

async function measure(
  { name, title, about, run }: Section,
  { durationMs, rounds, machine, progress, ...within }: RunOptions,
): Promise<Measurement> {
  const directory = await mkdtemp(join(within.directory, `${name}-`));
  const startedMs = performance.now();
  try {
    const findings = await run({
      durationMs,
      rounds,
      directory,
      progress: (text) => progress(text === '' ? '' : `${name}: ${text}`),
    });
    findings.tables.forEach(assertWhole);
    const tookMs = Math.round(performance.now() - startedMs);
    const at = new Date().toISOString();
    return { name, title, about, at, tookMs, durationMs, rounds, machine, findings };
  } finally {
    progress('');
    await rm(directory, { recursive: true, force: true });
  }
}

/** Cells that are missing, or too many, would put all that follow below another's heading. */
function assertWhole({ title, columns, rows }: Table): void {
  const odd = rows.find((row) => row.length !== columns.length);
  if (odd === undefined) return;
  throw new Error(
    `The table "${title}" has ${columns.length} columns and a row of ${odd.length}: ${odd.join(', ')}`,
  );
}
