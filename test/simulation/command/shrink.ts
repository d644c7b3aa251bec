/**
 * Makes a failing run smaller: switches its faults off one after the other, then leaves away calls,
 * as long as the same invariant breaks. The fewer there are, the sooner somebody sees why.
 */
import { type FaultName, type Faults, formatFaults } from '../faults.ts';
import { drawPlan, type PlanLimits } from '../plan.ts';
import { type RunResult, runPlan } from '../run.ts';

export interface Shrunk {
  readonly limits: PlanLimits;
  readonly runs: number;
}

export function shrinkRun(seed: number, failed: RunResult, given: PlanLimits = {}): Shrunk {
  const wanted = kindOf(failed);
  const { faults, jobs } = drawPlan(seed, given);
  return shrink(
    { faults, jobs: jobs.length },
    (limits) => kindOf(runPlan(drawPlan(seed, limits))) === wanted,
  );
}

export function shrink(
  whole: Required<PlanLimits>,
  stillFails: (limits: PlanLimits) => boolean,
): Shrunk {
  let { faults, jobs } = whole;
  let runs = 0;
  const fails = (limits: PlanLimits): boolean => {
    runs += 1;
    return stillFails(limits);
  };
  for (let again = true; again; ) {
    again = false;
    for (const name of Object.keys(faults) as FaultName[]) {
      const fewer = without(faults, name);
      if (!fails({ faults: fewer, jobs })) continue;
      faults = fewer;
      again = true;
    }
    for (let step = Math.ceil(jobs / 2); step > 0 && jobs > 1; step = Math.floor(step / 2)) {
      while (jobs - step >= 1 && fails({ faults, jobs: jobs - step })) {
        jobs -= step;
        again = true;
      }
    }
  }
  return { limits: { faults, jobs }, runs };
}

/**
 * Which invariant broke; null: none. Two that break the same one may do so for different reasons.
 */
function kindOf({ violation }: RunResult): string | null {
  return violation === null ? null : (violation.message.split(':')[0] ?? '');
}

function without(faults: Faults, name: FaultName): Faults {
  const { [name]: _gone, ...rest } = faults;
  return rest;
}

export function commandFor(seed: number, limits: PlanLimits): string {
  const faults =
    limits.faults === undefined ? '' : ` --faults ${formatFaults(limits.faults) || 'none'}`;
  const jobs = limits.jobs === undefined ? '' : ` --jobs ${limits.jobs}`;
  return `npm run simulate -- --seed ${seed} --seeds 1${faults}${jobs} --trace`;
}
