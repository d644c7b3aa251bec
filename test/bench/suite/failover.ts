/** How fast a cluster over etcd is back, however its leader goes, and how long doubts last. */
import { etcdsToTest, TestEtcd } from '../../support/etcd/etcd.ts';
import { EtcdCluster } from '../../support/nodes/etcd-cluster.ts';
import { afterKill, afterStop } from '../failover-times.ts';
import { type Figure, tableOfFigures, targetsOfFigures } from '../figure.ts';
import { inDoubt } from '../in-doubt.ts';
import { noEtcd } from '../rig/bench-cluster.ts';
import { afterVanishing } from '../vanished-host.ts';
import type { Section, SectionGiven } from './section.ts';

const leaseTtlMs = 3_000;
/** For each round. */
const kills = 5;
const quickKills = 2;
const doubts = 1;

export const failover: Section = {
  name: 'failover',
  title: 'Failover',
  about:
    'Three nodes over one etcd, three participants with stores of their own, and clients that ' +
    'commit all the time; from the end of the leader to the first commit that its successor ' +
    `acknowledges, with a lease of ${leaseTtlMs} ms. A host that vanishes neither answers nor ` +
    'refuses. A participant is in doubt from its vote until it knows the outcome. For each round ' +
    `${kills} kills, one stop, one vanished host and one cut.`,
  run: async (given) => {
    const figures = await measured(given);
    return {
      tables: [tableOfFigures('Failover', figures)],
      charts: [],
      targets: targetsOfFigures(figures),
    };
  },
};

async function measured({ rounds, quick, progress }: SectionGiven): Promise<readonly Figure[]> {
  const [programs] = await etcdsToTest();
  if (programs === undefined) throw new Error(noEtcd);
  const given = { times: rounds, leaseTtlMs, progress };
  const figures: Figure[] = [];
  const etcd = await TestEtcd.start(programs);
  try {
    const cluster = await EtcdCluster.started({ etcd, leaseTtlMs, options: {} });
    try {
      figures.push(
        ...(await afterKill({ ...given, cluster, times: rounds * (quick ? quickKills : kills) })),
      );
      figures.push(...(await afterStop({ ...given, cluster })));
    } finally {
      await cluster.remove();
    }
  } finally {
    await etcd.dispose();
  }
  figures.push(...(await afterVanishing({ ...given, etcd: programs })));
  figures.push(...(await inDoubt({ etcd: programs, times: rounds * doubts, progress })));
  return figures;
}
