/**
 * Everything that must hold before a change is merged, in one command: `npm run verify`. A stage
 * that fails does not hide what the later ones would say.
 *
 * Two lanes: the specification and the simulation compute on one core for minutes, beside the
 * static checks and the tests that wait for no one. They are over before the suites begin that
 * start processes and depend on time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';

interface Result {
  readonly stage: string;
  readonly passed: boolean;
  readonly seconds: number;
}

/** Below the 80 minutes that CI gives to all of it, so that what hangs is named. */
const stageTimeoutMs = 75 * 60_000;
/** npm scripts, the quick ones first. */
const first = [
  'format:check',
  'lint',
  'types',
  'unused',
  'api:check',
  'package',
  'supply-chain',
  'test',
];
const beside = ['spec:verify', 'simulate:verify'];

const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill(signal);
    process.exitCode = 1;
  });
}

const results = (await Promise.all([lane(first, 'at once'), lane(beside, 'at its end')])).flat();

console.log('\n== verify');
for (const { stage, passed, seconds } of results) {
  console.log(
    `${passed ? 'passed' : 'FAILED'} ${stage.padEnd(15)} ${seconds.toFixed(1).padStart(7)} s`,
  );
}
if (results.some(({ passed }) => !passed)) process.exitCode = 1;

/** One stage after the other. */
async function lane(stages: readonly string[], says: 'at once' | 'at its end'): Promise<Result[]> {
  const done: Result[] = [];
  for (const stage of stages) done.push(await run(stage, says));
  return done;
}

function run(stage: string, says: 'at once' | 'at its end'): Promise<Result> {
  const startedMs = performance.now();
  const output: Buffer[] = [];
  if (says === 'at once') console.log(`\n== ${stage}`);
  const child = spawn('npm', ['run', '--silent', stage], {
    stdio: says === 'at once' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    timeout: stageTimeoutMs,
  });
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => output.push(chunk));
  }
  return new Promise((resolve) => {
    const end = (passed: boolean): void => {
      running.delete(child);
      if (says === 'at its end') console.log(`\n== ${stage}\n${Buffer.concat(output).toString()}`);
      const seconds = (performance.now() - startedMs) / 1000;
      console.log(`== ${passed ? 'passed' : 'FAILED'} ${stage}: ${seconds.toFixed(1)} s`);
      resolve({ stage, passed, seconds });
    };
    child.once('error', (error) => {
      console.error(`${stage} was not done: ${error.message}`);
      end(false);
    });
    child.once('close', (code) => end(code === 0));
  });
}
