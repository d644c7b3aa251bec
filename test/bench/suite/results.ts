/** What a run of the bench leaves: the JSON, of which the report and the page are made. */
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import process from 'node:process';
import type { Findings, Section } from './section.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** How many processes wanted a core before the run, on average over a minute. */
  readonly loadBefore: number;
}

export interface Measurement {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** ISO 8601, when it ended. */
  readonly at: string;
  readonly tookMs: number;
  /** As it was asked for. */
  readonly durationMs: number;
  readonly rounds: number;
  readonly machine: Machine;
  readonly findings: Findings;
}

export interface Failure {
  readonly name: string;
  readonly title: string;
  readonly error: string;
}

export interface Results {
  readonly measurements: readonly Measurement[];
  readonly failures: readonly Failure[];
}

export function thisMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${arch()}`,
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** Others work on it: its figures are worth little. */
export function isBusy({ cores, loadBefore }: Machine): boolean {
  return loadBefore > cores / 2;
}

/**
 * What is kept: of each section the newest measurement, in the sections' order. One that failed, or
 * was not run, leaves what was measured before; one that is no more goes.
 */
export function newest(
  sections: readonly Pick<Section, 'name'>[],
  ...runs: readonly (readonly Measurement[])[]
): readonly Measurement[] {
  const byName = new Map(runs.flat().map((measurement) => [measurement.name, measurement]));
  return sections.flatMap(({ name }) => byName.get(name) ?? []);
}
