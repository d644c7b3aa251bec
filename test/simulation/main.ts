/**
 * `npm run simulate`: the production code in worlds drawn from seeds, where everything goes wrong
 * that can.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { runCampaign, type Totals } from './command/campaign.ts';
import { coverageReport } from './command/coverage-report.ts';
import {
  currentSources,
  type Progress,
  readProgress,
  seedOfCommit,
  writeProgress,
} from './command/progress-file.ts';
import { commandFor, shrinkRun } from './command/shrink.ts';
import { faultNames, formatFaults, parseFaults } from './faults.ts';
import { drawPlan, type PlanLimits } from './plan.ts';
import { runPlan } from './run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string', default: '1' },
    faults: { type: 'string' },
    jobs: { type: 'string' },
    trace: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const help = `npm run simulate -- [--seeds N] [--seed S] [--minutes M] [--workers W] [--coverage]

Runs the node, the client and the participant in simulated worlds, one for each seed, and checks after
every event what docs/PROTOCOL.md promises. Without --seed it goes on where the last campaign ended.

  --seeds N      How many. Default: 1,000; without a limit where --minutes is given.
  --seed S       The first one. 'commit': one that changes with the commit.
  --minutes M    Stop after this time.
  --workers W    Threads. Default: 1; this machine runs ${availableParallelism()} at once.
  --coverage     Print which phases of a transaction met which faults.

For one seed (--seeds 1):
  --faults F     Instead of those drawn: NAME=INTENSITY,... or none. There are
                 ${faultNames.join(' ')}
  --jobs N       Only its first N calls.
  --trace        Print what happened.`;

const traceShown = 150;
/** How much of a campaign that is killed is lost. */
const keepEveryMs = 10_000;

if (values.help) console.log(help);
else if (values.seeds === '1' && values.seed !== undefined) setImmediate(() => runOne());
else await campaign();

function runOne(): void {
  const seed = seedOf(values.seed);
  const limits: PlanLimits = {
    ...(values.faults === undefined
      ? {}
      : { faults: values.faults === 'none' ? {} : parseFaults(values.faults) }),
    ...(values.jobs === undefined ? {} : { jobs: Number(values.jobs) }),
  };
  const plan = drawPlan(seed, limits);
  const result = runPlan(plan, { trace: values.trace });
  for (const line of result.trace) console.log(line);
  console.log(
    `Seed ${seed}: ${plan.nodes} nodes, ${plan.participants.length} participants, ${plan.clients} clients, ${plan.jobs.length} jobs; faults ${formatFaults(plan.faults) || 'none'}.`,
  );
  console.log(
    `${result.events} events in ${(result.simulatedMs / 1_000).toFixed(1)} simulated seconds, ${result.checks} checks, hash ${result.hash}.`,
  );
  if (result.violation === null) return;
  process.exitCode = 1;
  if (!values.trace) explain(seed, limits);
  else console.log(`\n${result.violation.stack}`);
}

async function campaign(): Promise<void> {
  const progress = readProgress();
  const from = values.seed === undefined ? progress.next : seedOf(values.seed);
  const seeds =
    values.seeds === undefined
      ? values.minutes === undefined
        ? 1_000
        : null
      : Number(values.seeds);
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  const workers = Number(values.workers);
  if (
    !(workers >= 1) ||
    Number.isNaN(from) ||
    Number.isNaN(seeds ?? 0) ||
    Number.isNaN(minutes ?? 0)
  ) {
    console.error('--seeds, --seed, --minutes and --workers are numbers.');
    process.exitCode = 2;
    return;
  }
  let keepAtMs = performance.now() + keepEveryMs;
  console.log(`Simulating from seed ${from}, sources ${currentSources()}.`);
  const totals = await runCampaign({
    from,
    seeds,
    minutes,
    workers,
    maxFailures: 5,
    progress: (so) => {
      showProgress(so);
      if (values.seed === undefined && performance.now() >= keepAtMs) {
        keepAtMs = performance.now() + keepEveryMs;
        keep(progress, so);
      }
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  summarize(totals);
  if (values.seed === undefined) {
    const { clean } = keep(progress, totals);
    console.log(
      `${clean} clean seeds in a row with these sources; the next campaign begins at ${totals.next}.`,
    );
  }
  if (values.coverage) for (const line of coverageReport(totals.cells)) console.log(line);
  const [first] = totals.failures;
  if (first === undefined) return;
  process.exitCode = 1;
  for (const { seed, message } of totals.failures)
    console.log(`Seed ${seed}: ${message.slice(0, 300)}`);
  setImmediate(() => explain(first.seed));
}

/**
 * What the campaigns before had done, and this one has. One that is killed goes on where it was.
 */
function keep(before: Progress, totals: Totals): Progress {
  const failed = totals.failures.map(({ seed }) => seed);
  const after = {
    sources: before.sources,
    next: totals.next,
    clean: failed.length === 0 ? before.clean + totals.next - totals.from : 0,
    failed: [...before.failed, ...failed],
  };
  writeProgress(after);
  return after;
}

function showProgress(totals: Totals): void {
  if (!process.stderr.isTTY) return;
  const perMinute = Math.round((totals.seeds / totals.elapsedMs) * 60_000);
  process.stderr.write(
    `\r${totals.seeds} seeds, ${perMinute} a minute, ${totals.failures.length} failed, next ${totals.next} `,
  );
}

function summarize(totals: Totals): void {
  const { seeds, events, checks, simulatedMs, cpuMs, elapsedMs, twice, calls } = totals;
  const each = (sum: number): string => (sum / seeds).toFixed(0);
  console.log(
    `${seeds} seeds in ${(elapsedMs / 1_000).toFixed(1)} s: ${Math.round((seeds / elapsedMs) * 60_000)} a minute, ${Math.round((seeds / cpuMs) * 60_000)} a minute of one core's time.`,
  );
  console.log(
    `A seed has ${each(events)} events, ${each(checks)} checks and ${(simulatedMs / seeds / 1_000).toFixed(1)} simulated seconds; ${twice} were run twice.`,
  );
  const told = Object.entries(calls).map(([ended, times]) => `${times} ${ended}`);
  console.log(`Calls: ${told.join(', ')}. ${totals.failures.length} seeds failed.`);
}

/** Runs it again, as small as it fails, with all that there is to see. */
function explain(seed: number, given: PlanLimits = {}): void {
  const failed = runPlan(drawPlan(seed, given));
  if (failed.violation === null) {
    console.log(
      `\nSeed ${seed} does not fail when it is run again: the simulation is not deterministic.`,
    );
    return;
  }
  console.log(`\nSeed ${seed} draws ${formatFaults(drawPlan(seed, given).faults) || 'no faults'}.`);
  const { limits, runs } = shrinkRun(seed, failed, given);
  const smallest = runPlan(drawPlan(seed, limits), { trace: true });
  console.log(
    `After ${runs} runs it still fails with ${formatFaults(limits.faults ?? {}) || 'no faults'} and ${limits.jobs} jobs.`,
  );
  const path = `.cache/simulation/seed-${seed}.txt`;
  mkdirSync('.cache/simulation', { recursive: true });
  writeFileSync(path, `${smallest.trace.join('\n')}\n`);
  console.log(smallest.trace.slice(-traceShown).join('\n'));
  console.log(
    `\n${smallest.violation?.stack}\n\nThe whole trace is in ${path}. Again: ${commandFor(seed, limits)}`,
  );
}

function seedOf(text: string | undefined): number {
  return text === 'commit' ? seedOfCommit() : Number(text);
}
