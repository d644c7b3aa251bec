/** Runs sections one after the other. One that fails says so, and the others go on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '../../support/process/child.ts';
import type { Failure, Machine, Measurement, Results } from './results.ts';
import type { Section, Table } from './section.ts';

export interface RunOptions {
  readonly sections: readonly Section[];
  readonly durationMs: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly soakMs: number;
  readonly kills: number;
  readonly machine: Machine;
  /** Each section gets a folder in it, and it is removed afterwards. */
  readonly directory: string;
  /** '' for nothing. */
  readonly progress: (text: string) => void;
  /** Told as soon as a section is over. */
  readonly measured?: (measurement: Measurement) => void;
  readonly failed?: (failure: Failure) => void;
  /** How long a section may take. Default: `timeoutMsOf`. */
  readonly timeoutMs?: number;
  /** All that there is after each: a run may be long, and ended by hand. */
  readonly keep?: (results: Results) => Promise<void>;
}

export async function runSections(options: RunOptions): Promise<Results> {
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  for (const section of options.sections) {
    const { name, title } = section;
    let hangs = false;
    try {
      const measurement = await measure(section, options);
      measurements.push(measurement);
      options.measured?.(measurement);
    } catch (error) {
      hangs = error instanceof SectionHangsError;
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const failure = { name, title, error: why };
      failures.push(failure);
      options.failed?.(failure);
    }
    await options.keep?.({ measurements, failures });
    // What it started still runs, and would be in the figures of those that follow.
    if (hangs) break;
  }
  return { measurements, failures };
}

/** It is still at it: nothing can be measured beside it. */
export class SectionHangsError extends Error {
  override readonly name = 'SectionHangsError';
}

/** A killed node starts again, and a lease may have to run out. */
const killMs = 10_000;

/** Several times what the longest section takes. */
export function timeoutMsOf(
  given: Pick<RunOptions, 'durationMs' | 'rounds' | 'soakMs' | 'kills'>,
): number {
  const { durationMs, rounds, soakMs, kills } = given;
  return 15 * 60_000 + durationMs * rounds * 500 + soakMs * 2 + kills * killMs;
}

async function measure(
  { name, title, about, run }: Section,
  options: RunOptions,
): Promise<Measurement> {
  const { durationMs, rounds, quick, soakMs, kills, machine, progress } = options;
  const { timeoutMs = timeoutMsOf(options) } = options;
  const directory = await mkdtemp(join(options.directory, `${name}-`));
  const startedMs = performance.now();
  try {
    let last = 'starting';
    progress(`${name}: ${last}`);
    const running = run({
      durationMs,
      rounds,
      quick,
      soakMs,
      kills,
      directory,
      progress: (text) => {
        if (text !== '') last = text;
        progress(text === '' ? '' : `${name}: ${text}`);
      },
    });
    const findings = await within(running, '', timeoutMs).catch((error: unknown) => {
      if (performance.now() - startedMs < timeoutMs) throw error;
      throw new SectionHangsError(`It did not end in ${timeoutMs} ms. At last: ${last}.`);
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
