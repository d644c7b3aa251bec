/** Runs seeds until one fails, and prints it: what `npm run mutants` starts in its copy. */
import { runBatch } from '../command/batch.ts';
import { parseFaults } from '../faults.ts';

const seeds = Number(process.argv[2] ?? 1_000);
const faults = process.argv[3] === undefined ? undefined : parseFaults(process.argv[3]);
const step = 10;

function hunt(from: number): void {
  const { failures } = runBatch(from, step, faults === undefined ? {} : { faults });
  const [first] = failures;
  if (first !== undefined || from + step > seeds) {
    console.log(JSON.stringify(first ?? null));
    return;
  }
  setImmediate(() => hunt(from + step));
}

setImmediate(() => hunt(1));
