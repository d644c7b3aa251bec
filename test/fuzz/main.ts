/** `npm run fuzz`: frames that no honest peer sends, against the code in this process. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzzInProcess } from './in-process.ts';

const { values } = parseArgs({
  options: {
    frames: { type: 'string' },
    seed: { type: 'string' },
    'in-process': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run fuzz -- --in-process [--frames N] [--seed S]`);
  process.exit(0);
}
const frames = Number(values.frames ?? 1_000_000);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const startedMs = performance.now();
console.log(`seed ${seed}`);
const result = await fuzzInProcess({
  frames,
  seed,
  progress: (done) => {
    if (done % 50_000 === 0) console.log(done, Math.round((performance.now() - startedMs) / 1000));
  },
});
console.log(result);
process.exitCode = result.faults.length === 0 ? 0 : 1;
