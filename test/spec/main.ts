/**
 * `npm run spec`: the executable specification is explored at random, must hold, and must reach its
 * good ends; then each mutant of it must be caught.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { momentsOf } from './itf.ts';
import { type Model, models } from './models.ts';
import { type Mutant, mutants } from './mutants.ts';
import { itfOf } from './quint.ts';
import { maxSteps, mutated, specified, type Violation, violationIn } from './specification.ts';

const { values } = parseArgs({
  options: {
    traces: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run spec -- [--traces N] [--seed S]

Explores N traces (default 20000) of the specification in test/spec, half of them with every fault and half in
scenarios with fewer; every invariant must hold and every good end must be met. Then every mutant must be caught,
each under its own fixed seed. The same seed gives the same traces; without one it is drawn, and told.`);
  process.exit(0);
}
const traces = Number(values.traces);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
if (!(Number.isInteger(traces) && traces > 0) || !(Number.isInteger(seed) && seed >= 0)) {
  console.error('--traces and --seed are whole numbers, --traces above 0.');
  process.exit(2);
}

const samplesPerBatch = 100;
/**
 * Quint's generator counts on from its seed: batches start far enough apart that none meets
 * another's numbers.
 */
const batchStride = 2n ** 40n;
/** Each model has its own seeds: a scenario more in one changes nothing in the others. */
const modelStride = 2n ** 50n;
const startMs = performance.now();
let failed = false;
let progressed = 0;

console.log(`Specification: ${traces} traces of up to ${maxSteps} steps, seed ${seed}.`);
for (const [at, model] of models.entries())
  if (!failed) explore(model, BigInt(seed) + BigInt(at) * modelStride);
for (const mutant of mutants) hunt(mutant);
console.log(
  `${failed ? 'FAILED' : 'passed'}: ${traces} traces, ${mutants.length} mutants, ${seconds()} s. Again: npm run spec -- --traces ${traces} --seed ${seed}`,
);
if (failed) process.exitCode = 1;

function explore(model: Model, firstSeed: bigint): void {
  let batches = 0;
  const specification = specified(model);
  const { invariants, witnesses } = model;
  const met = witnesses.map(() => 0);
  for (const [step, part] of model.steps) {
    const wanted = Math.ceil(traces * part);
    for (let done = 0; done < wanted; ) {
      const samples = Math.min(samplesPerBatch, wanted - done);
      const simulation = {
        step,
        invariant: 'invariants',
        witnesses,
        samples,
        steps: maxSteps,
        seed: firstSeed + BigInt(batches) * batchStride,
      };
      batches += 1;
      const found = specification.simulate(simulation);
      const violation = violationIn({ specification, model }, simulation, found);
      if (violation !== null) {
        tell(model, violation);
        fail(
          `${model.file} breaks ${violation.broken.join(', ')} in ${step}, seed ${violation.seed}.`,
        );
        return;
      }
      for (const [index, count] of found.witnessed.entries())
        met[index] = (met[index] ?? 0) + count;
      done += samples;
      progress(`${model.file}, ${step}, ${done} of ${wanted} traces, ${seconds()} s`);
    }
  }
  console.log(`${model.file}: ${invariants.length} invariants held.`);
  for (const [index, name] of witnesses.entries()) {
    console.log(`  ${String(met[index]).padStart(6)} traces met ${name}`);
    if (met[index] === 0) fail(`No trace met ${name}: explore more of them, or the model is idle.`);
  }
}

function hunt(mutant: Mutant): void {
  const specification = mutated(mutant);
  const { model, step, invariant, budget: samples } = mutant;
  const simulation = { step, invariant, samples, steps: maxSteps, seed: mutant.seed };
  const found = specification.simulate(simulation);
  const violation = violationIn({ specification, model }, simulation, found);
  if (violation === null) {
    fail(`Not caught in ${samples} traces: ${mutant.name}. ${mutant.why}`);
    return;
  }
  const { length } = violation.states;
  console.log(
    `  caught ${mutant.name}: ${violation.broken.join(', ')}, trace ${found.samples}, step ${length - 1}`,
  );
}

function tell({ variables }: Model, { states }: Violation): void {
  for (const { event } of momentsOf(itfOf([...variables], states))) {
    console.log(`  ${event.act} (term ${event.nonce}, transaction ${event.txid}, ${event.p})`);
  }
}

function fail(text: string): void {
  failed = true;
  console.error(text);
}

function seconds(): string {
  return ((performance.now() - startMs) / 1_000).toFixed(0);
}

/** One line that is written over at a terminal; elsewhere now and then a line. */
function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${text.padEnd(70)}\r`);
  else if (progressed % 10 === 0) console.log(text);
  progressed += 1;
}
