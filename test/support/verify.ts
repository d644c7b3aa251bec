/**
 * Everything that must hold before a change is merged, in one command: `npm run verify`. A stage that fails
 * does not hide what the later ones would say.
 */
import { spawnSync } from 'node:child_process';

const stageTimeoutMs = 35 * 60_000;
/** npm scripts, the quick ones first. */
const stages = [
  ...['format:check', 'lint', 'types', 'unused', 'package'],
  ...['spec:verify', 'simulate:verify', 'test'],
];

const results = stages.map((stage) => {
  console.log(`\n== ${stage}`);
  const startedMs = performance.now();
  const { status, error } = spawnSync('npm', ['run', '--silent', stage], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: stageTimeoutMs,
  });
  if (error !== undefined) console.error(`${stage} was not done: ${error.message}`);
  return { stage, passed: status === 0, seconds: (performance.now() - startedMs) / 1000 };
});

console.log('\n== verify');
for (const { stage, passed, seconds } of results) {
  console.log(
    `${passed ? 'passed' : 'FAILED'} ${stage.padEnd(14)} ${seconds.toFixed(1).padStart(7)} s`,
  );
}
if (results.some(({ passed }) => !passed)) process.exitCode = 1;
