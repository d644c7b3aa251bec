/**
 * Finds a Prometheus to run: the folder that VERDICT_PROMETHEUS_DIR names, else what is on PATH,
 * else Debian's package unpacked into a cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import process from 'node:process';
import { isProgram, unpackDebian } from '../debian/unpack.ts';

export interface PrometheusPrograms {
  readonly prometheus: string;
  /** Checks rules, and tests them. */
  readonly promtool: string;
}

export type FoundPrometheus =
  | { readonly found: PrometheusPrograms }
  /** What was tried, for a person. */
  | { readonly missing: string };

const packages = ['prometheus'];

export async function findPrometheus(): Promise<FoundPrometheus> {
  const named = process.env['VERDICT_PROMETHEUS_DIR'] || null;
  if (named !== null) {
    const found = programsIn(resolve(named));
    if (found !== null) return { found };
    return { missing: `VERDICT_PROMETHEUS_DIR names ${named}, which has no Prometheus that runs.` };
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const found = folder === '' ? null : programsIn(folder);
    if (found !== null) return { found };
  }
  return unpacked();
}

async function unpacked(): Promise<FoundPrometheus> {
  const cache = join(tmpdir(), `verdict-prometheus-${process.getuid?.() ?? 0}`);
  const nowhere = 'VERDICT_PROMETHEUS_DIR is not set, there is no prometheus on PATH, and';
  // Everybody may write to the folder of temporary files.
  if (existsSync(cache) && lstatSync(cache).uid !== process.getuid?.()) {
    return { missing: `${nowhere} ${cache} belongs to another user. Remove it.` };
  }
  const program = 'usr/bin/prometheus';
  if (!isProgram(join(cache, program))) {
    const problem = await unpackDebian({ cache, packages, program });
    if (problem !== null) {
      return { missing: `${nowhere} Debian's package could not be unpacked: ${problem}` };
    }
  }
  const found = programsIn(join(cache, 'usr', 'bin'));
  if (found !== null) return { found };
  return {
    missing: `${nowhere} Debian's does not run here. See: ${join(cache, program)} --version`,
  };
}

function programsIn(folder: string): PrometheusPrograms | null {
  const found = { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
  const run = [found.prometheus, found.promtool].every(
    (program) =>
      isProgram(program) && spawnSync(program, ['--version'], { timeout: 20_000 }).status === 0,
  );
  return run ? found : null;
}
