/** Simulated runs, and what they come to as tables. */
import type { Table } from '../../test/bench/suite/section.ts';
import type { Costs } from './costs.ts';
import type { Deployment } from './deployment.ts';
import { capacityOf } from './model.ts';
import { simulate } from './simulate.ts';
import type { Simulated } from './simulated.ts';
import { rounded } from './tables.ts';

export interface RunOptions {
  readonly seed: number;
  /** Of virtual time. */
  readonly durationMs: number;
}

/** Of what the model says that it can do. */
const steps = [0.25, 0.5, 0.75, 0.9, 1, 1.15, 1.3, 1.5, 2];
/** What is not answered by then piles up. */
const kept = 0.95;
/** In one run: fewer say little of so many processes. */
const leastTransactions = 20_000;
const longestMs = 4_000;

/** The load is raised until something cannot follow. */
export function raise(costs: Costs, deployment: Deployment, options: RunOptions): Table {
  const { perSecond: capacity } = capacityOf(costs, deployment);
  const rows: (string | number)[][] = [];
  for (const step of steps) {
    const perSecond = rounded(capacity * step);
    const durationMs = Math.min(
      longestMs,
      Math.max(options.durationMs, (leastTransactions / perSecond) * 1_000),
    );
    const run = { seed: options.seed, warmUpMs: durationMs / 2, durationMs };
    const simulated = simulate(costs, { ...deployment, perSecond }, run);
    const full = simulated.perSecond < kept * perSecond;
    rows.push(raisedRow(simulated, full));
    if (full) break;
  }
  return {
    title: `${deployment.name}: the load is raised`,
    columns: [
      'offered a second',
      'answered a second',
      'p50 ms',
      'p99 ms',
      'decisions in a write',
      'leader %',
      'etcd %',
      'service %',
      'client %',
      'full',
    ],
    rows,
  };
}

function raisedRow(simulated: Simulated, full: boolean): (string | number)[] {
  const { offered, perSecond, p50Ms, p99Ms, decisionsInBatch, resources } = simulated;
  const busiest = resources.reduce((most, each) => (each.work > most.work ? each : most));
  return [
    offered,
    rounded(perSecond),
    rounded(p50Ms),
    rounded(p99Ms),
    rounded(decisionsInBatch),
    ...resources.map(({ work }) => percent(work)),
    full ? busiest.resource : '',
  ];
}

const percent = (part: number): number => Math.round(part * 100);

export function resourceTable(title: string, { resources }: Simulated): Table {
  return {
    title,
    columns: [
      'resource',
      'work %',
      'work and beginning of turns %',
      'the one that worked most %',
      'wait p50 ms',
      'wait p99 ms',
    ],
    rows: resources.map(({ resource, work, busy, mostWork, waitP50Ms, waitP99Ms }) => [
      resource,
      percent(work),
      percent(busy),
      percent(mostWork),
      rounded(waitP50Ms),
      rounded(waitP99Ms),
    ]),
  };
}

export function latencyTable(
  title: string,
  runs: readonly (readonly [string, Simulated])[],
): Table {
  return {
    title,
    columns: [
      'run',
      'offered a second',
      'answered a second',
      'p50 ms',
      'p99 ms',
      'longest ms',
      'begun again',
      'events',
    ],
    rows: runs.map(([name, run]) => [
      name,
      run.offered,
      rounded(run.perSecond),
      rounded(run.p50Ms),
      rounded(run.p99Ms),
      rounded(run.maxMs),
      run.begunAgain,
      rounded(run.events),
    ]),
  };
}
