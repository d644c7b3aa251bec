/**
 * Runs seeds until one fails, and prints it: what `npm run mutants` starts in its copy. Arguments:
 * the first, how many, limits as JSON.
 */
import { runBatch } from '../command/batch.ts';
import type { PlanLimits } from '../plan.ts';

const first = Number(process.argv[2] ?? 1);
const seeds = Number(process.argv[3] ?? 1_000);
const limits: PlanLimits = JSON.parse(process.argv[4] ?? '{}');
const step = Math.min(seeds, 10);

function hunt(from: number): void {
  const { failures } = runBatch(from, step, limits);
  const [failure] = failures;
  if (failure !== undefined || from + step >= first + seeds) {
    console.log(JSON.stringify(failure ?? null));
    return;
  }
  setImmediate(() => hunt(from + step));
}

setImmediate(() => hunt(first));
