/** A leader that comes back to a log full of decisions that no one has acknowledged. */
import { join } from 'node:path';
import { type Recovered, recoveryOf, timeoutMs } from '../recovering.ts';
import { logKinds } from '../rig/bench-cluster.ts';
import type { Section, Table, Target } from './section.ts';

const usualDecisions = 100_000;
const quickDecisions = 10_000;
const branchCounts = [1, 3];
const quickBranchCounts = [1];
const mostMs = 3_000;

export const recovery: Section = {
  name: 'recovery',
  title: 'Recovery of a full log',
  about:
    `The log holds ${usualDecisions.toLocaleString('en')} commits, and the journals of three ` +
    'participants the votes for them: of one branch each, in turn, or of three. The participants ' +
    'run and look for the leader; its process is started, and the clock with it. It leads when it ' +
    'says that it is ready. A client comes with it and commits. All is read when every decision ' +
    'is in its memory, acknowledged when it waits for no one any more, and finished when the last ' +
    'decision has moved. CPU is that of the leader, and of the one process of the participants, ' +
    'until then. Measured once each.',
  run: async ({ directory, quick, progress }) => {
    const all: Recovered[] = [];
    const decisions = quick ? quickDecisions : usualDecisions;
    for (const log of logKinds) {
      for (const branches of quick ? quickBranchCounts : branchCounts) {
        const own = join(directory, `${log}-${branches}`);
        all.push(await recoveryOf({ log, decisions, branches }, { directory: own, progress }));
      }
    }
    return { tables: [tableOf(all)], charts: [], targets: all.map(targetOf) };
  },
};

function tableOf(all: readonly Recovered[]): Table {
  return {
    title: 'Unacknowledged decisions',
    columns: [
      'log',
      'decisions',
      'branches each',
      'leads s',
      'first commit s',
      'all read s',
      'acknowledged s',
      'finished s',
      'leader CPU s',
      'participants CPU s',
    ],
    rows: all.map((one) => [
      one.log,
      one.decisions,
      one.branches,
      seconds(one.leadsMs),
      seconds(one.firstCommitMs),
      seconds(one.readMs),
      seconds(one.acknowledgedMs),
      seconds(one.finishedMs),
      seconds(one.leaderCpuMs),
      seconds(one.participantsCpuMs),
    ]),
  };
}

/** Blank where it was given up. */
const seconds = (ms: number): number | null => (Number.isFinite(ms) ? ms / 1_000 : null);

function targetOf({ log, decisions, branches, finishedMs }: Recovered): Target {
  const enough = decisions >= usualDecisions;
  const took = Number.isNaN(finishedMs)
    ? `not in ${timeoutMs / 1_000} s`
    : `${(finishedMs / 1_000).toFixed(1)} s`;
  const named = branches === 1 ? '1 branch' : `${branches} branches`;
  return {
    what: `${decisions.toLocaleString('en')} decisions of ${named} recovered, ${log}`,
    aim: `< ${mostMs / 1_000} s for ${usualDecisions.toLocaleString('en')}`,
    measured: `${took}${enough ? '' : ', too few to tell'}`,
    met: enough && finishedMs < mostMs,
  };
}
