/** How fast a cluster over etcd is back, however its leader goes, and how long doubts last. */
import { etcdsToTest, TestEtcd } from '../../support/etcd/etcd.ts';
import { EtcdCluster } from '../../support/nodes/etcd-cluster.ts';
import { afterKill, afterStop, figuresOfKills } from '../failover-times.ts';
import { type Figure, tableOfFigures, targetsOfFigures } from '../figure.ts';
import { inDoubt } from '../in-doubt.ts';
import { noEtcd } from '../rig/bench-cluster.ts';
import { figuresOfRolling, rollingRestarts } from '../rolling-restart.ts';
import { afterVanishing } from '../vanished-host.ts';
import type { Chart, Section, SectionGiven } from './section.ts';

const leaseTtlMs = 3_000;
/** For each round. */
const doubts = 1;

export const failover: Section = {
  name: 'failover',
  title: 'Failover',
  about:
    'Three nodes over one etcd, three participants with stores of their own, and clients that ' +
    'commit all the time; from the end of the leader to the first commit that its successor ' +
    `acknowledges, with a lease of ${leaseTtlMs} ms. A host that vanishes neither answers nor ` +
    'refuses. A participant is in doubt from its vote until it knows the outcome. Who was killed is ' +
    'started again at once, and the next leader is killed up to a second later, by chance: so a ' +
    'standby may have just started. For each round one stop, one vanished host, one cut and one ' +
    'rolling restart, in which clients commit under request ids.',
  run: async (given) => {
    const { figures, killsMs } = await measured(given);
    return {
      tables: [tableOfFigures('Failover', figures)],
      charts: [spreadOf(killsMs)],
      targets: targetsOfFigures(figures),
    };
  },
};

interface Measured {
  readonly figures: readonly Figure[];
  /** Of each kill. */
  readonly killsMs: readonly number[];
}

async function measured({ rounds, kills, progress }: SectionGiven): Promise<Measured> {
  const [programs] = await etcdsToTest();
  if (programs === undefined) throw new Error(noEtcd);
  const given = { times: rounds, leaseTtlMs, progress };
  const figures: Figure[] = [];
  const killsMs: number[] = [];
  const etcd = await TestEtcd.start(programs);
  try {
    const cluster = await EtcdCluster.started({ etcd, leaseTtlMs, options: {} });
    try {
      killsMs.push(...(await afterKill({ ...given, cluster, times: kills })));
      figures.push(...figuresOfKills(killsMs));
      figures.push(...(await afterStop({ ...given, cluster })));
      figures.push(...figuresOfRolling(await rollingRestarts({ cluster, rounds, progress })));
    } finally {
      await cluster.remove();
    }
  } finally {
    await etcd.dispose();
  }
  figures.push(...(await afterVanishing({ ...given, etcd: programs })));
  figures.push(...(await inDoubt({ etcd: programs, times: rounds * doubts, progress })));
  return { figures, killsMs };
}

/** How many are back within so many milliseconds. */
function spreadOf(killsMs: readonly number[]): Chart {
  const sorted = [...killsMs].sort((a, b) => a - b);
  return {
    name: 'failover',
    title: `Back after kill -9 of the leader, of ${killsMs.length}`,
    x: { title: 'ms', scale: 'logarithmic' },
    y: { title: '%', scale: 'linear' },
    lines: [
      {
        name: 'back',
        points: sorted.map((x, at) => ({ x, y: ((at + 1) / sorted.length) * 100 })),
      },
    ],
  };
}
