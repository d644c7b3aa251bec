/**
 * Everything about a run that its seed decides before it begins: how large, how configured, what is
 * asked, what goes wrong.
 */
import type { CoordinatorOptions } from '../../src/core/coordinator-options.ts';
import type { ParticipantOptions } from '../../src/core/participant-options.ts';
import { drawFaults, type Faults } from './faults.ts';
import { drawCoordinator, drawParticipant, retentionMs } from './options.ts';
import { drawJobs, type Job, type WorkloadOptions } from './workload.ts';
import { Chance } from './world/chance.ts';

export interface Plan {
  readonly seed: number;
  readonly nodes: number;
  readonly participants: readonly string[];
  readonly clients: number;
  readonly shards: number;
  readonly durationMs: number;
  /** The longest that a machine sleeps. */
  readonly maxAsleepMs: number;
  readonly requestWindowMs: number;
  readonly leaseTtlMs: number;
  readonly coordinator: Partial<CoordinatorOptions>;
  readonly participant: Partial<ParticipantOptions>;
  /** Of each participant: whether its application lists what it holds, and its access to etcd. */
  readonly traits: readonly {
    readonly lists: boolean;
    readonly direct: 'none' | 'read' | 'resolve';
  }[];
  readonly jobs: readonly Job[];
  readonly faults: Faults;
  readonly ending: Ending;
}

/**
 * What is left when the faults end, before everything is mended. `one-node`: participants reach one
 * node alone, and the others live on. `no-node`: every node is gone, etcd is there. By I11 whoever
 * is in doubt learns its outcome all the same, in the second case if it may read etcd.
 */
export type Ending = 'whole' | 'one-node' | 'no-node';

const longWindowMs = 1_000;

/** What a shrunken run leaves away. */
export interface PlanLimits {
  readonly faults?: Faults;
  readonly jobs?: number;
}

export function drawPlan(seed: number, limits: PlanLimits = {}): Plan {
  const chance = new Chance(seed, 'plan');
  const faults = limits.faults ?? drawFaults(new Chance(seed, 'faults'));
  const nodes = chance.pick([1, 2, 2, 3, 3, 3, 5]);
  const participants = Array.from(
    { length: chance.pick([2, 2, 3, 3, 4, 6, 10]) },
    (_, index) => `p${index + 1}`,
  );
  const clients = chance.whole(1, 3);
  const shards = chance.pick([1, 1, 1, 2]);
  // Long enough for records to be collected, in a few of them.
  const drawnLong = chance.happens(0.04);
  const sleepsLong = faults.suspend !== undefined && new Chance(seed, 'asleep').happens(0.08);
  const isLeftLong =
    faults['left-to-sibling'] !== undefined && new Chance(seed, 'left').happens(0.25);
  const isSettledLong =
    faults['settled-by-hand'] !== undefined && new Chance(seed, 'settled').happens(0.25);
  const isLong = drawnLong || sleepsLong || isLeftLong || isSettledLong;
  // Longer than the patience with etcd, and with the reading after it, in a few others.
  const activeMs = chance.happens(0.06)
    ? chance.between(14_000, 25_000)
    : chance.logarithmic(1_500, 9_000);
  const durationMs = isLong ? activeMs + 75_000 : activeMs;
  const tickMs = isLong ? 4_000 : chance.whole(300, 2_000);
  const maxJobs = chance.whole(4, 16);
  const workload: WorkloadOptions = {
    jobs: maxJobs,
    clients,
    participants,
    durationMs: isLong ? activeMs : durationMs,
    refuses: (faults.refuses ?? 0) * 0.4,
    slow: (faults['slow-prepare'] ?? 0) * 0.5,
    repeatsAfterMs: isLong ? retentionMs + longWindowMs : 0,
  };
  const jobs = [
    ...drawJobs({ jobs: new Chance(seed, 'jobs'), locks: new Chance(seed, 'locks') }, workload),
    ...(isLong ? lateJobs(seed, { ...workload, durationMs }) : []),
  ];
  const repeated =
    faults['options-differ'] === undefined ? jobs : repeatedLater(jobs, new Chance(seed, 'later'));
  const fitness = new Chance(seed, 'fitness');
  return {
    seed,
    nodes,
    participants,
    clients,
    shards,
    durationMs,
    // Until the records of what was under way as it fell asleep are collected, where they are.
    maxAsleepMs: isLong ? 1.4 * retentionMs : 20_000,
    requestWindowMs: isLong ? longWindowMs : Math.round(chance.logarithmic(2_000, 120_000)),
    leaseTtlMs: chance.pick([2_000, 3_000]),
    coordinator: drawCoordinator({ chance, fitness, retentionMs, tickMs }),
    participant: drawParticipant(chance),
    traits: participants.map(() => ({
      lists: chance.happens(0.5),
      direct: chance.pick(['none', 'none', 'none', 'read', 'resolve'] as const),
    })),
    jobs: limits.jobs === undefined ? repeated : repeated.slice(0, limits.jobs),
    faults,
    ending: new Chance(seed, 'ending').pick(['whole', 'whole', 'whole', 'one-node', 'no-node']),
  };
}

/**
 * Requests that somebody sends once more when another leads, with other options, and most windows
 * are still open.
 */
function repeatedLater(jobs: readonly Job[], chance: Chance): readonly Job[] {
  return jobs.map((job) => {
    if (job.kind !== 'request' || chance.happens(0.4)) return job;
    const atMs = job.firstAtMs + chance.logarithmic(1_500, 12_000);
    return { ...job, callers: [...job.callers, { ...chance.pick(job.callers), atMs }] };
  });
}

/** Those that are under way while the records of the first ones are collected. */
function lateJobs(seed: number, workload: WorkloadOptions): readonly Job[] {
  const chance = new Chance(seed, 'late');
  return drawJobs(
    { jobs: chance, locks: new Chance(seed, 'late-locks') },
    {
      ...workload,
      jobs: chance.whole(3, 8),
      drawn: workload.jobs,
      fromMs: retentionMs,
      repeatsAfterMs: 0,
    },
  );
}
