/**
 * Seeds one after the other: what each worker does. Some are run twice, and must come to the same.
 */
import { drawPlan, type PlanLimits } from '../plan.ts';
import { type RunResult, runPlan } from '../run.ts';

/** One seed of so many is run a second time. */
const twiceEvery = 50;

export interface BatchReport {
  readonly seeds: number;
  readonly events: number;
  readonly checks: number;
  readonly simulatedMs: number;
  readonly twice: number;
  readonly calls: Readonly<Record<string, number>>;
  readonly cells: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly seed: number;
  readonly message: string;
}

export function runBatch(from: number, count: number, limits: PlanLimits = {}): BatchReport {
  // Making stacks takes longer than the run that they are for; a failure is run again, with stacks.
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const failures: Failure[] = [];
  const calls: Record<string, number> = {};
  const cells: Record<string, number> = {};
  const sums = { events: 0, checks: 0, simulatedMs: 0, twice: 0 };
  try {
    for (let seed = from; seed < from + count; seed += 1) {
      const result = runPlan(drawPlan(seed, limits));
      sums.events += result.events;
      sums.checks += result.checks;
      sums.simulatedMs += result.simulatedMs;
      for (const { ended } of result.calls) add(calls, String(ended), 1);
      for (const [cell, times] of result.cells) add(cells, cell, times);
      const failure = failureOf(result);
      if (failure !== null) failures.push(failure);
      else if (seed % twiceEvery === 0) {
        sums.twice += 1;
        const again = runPlan(drawPlan(seed, limits));
        if (again.hash !== result.hash) failures.push({ seed, message: 'Two runs of it differ.' });
      }
    }
  } finally {
    Error.stackTraceLimit = before;
  }
  return { ...sums, seeds: count, calls, cells, failures };
}

export function failureOf({ seed, violation }: RunResult): Failure | null {
  return violation === null ? null : { seed, message: violation.message };
}

export function add(counts: Record<string, number>, name: string, times: number): void {
  counts[name] = (counts[name] ?? 0) + times;
}
