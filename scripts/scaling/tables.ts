/** What the model says, as tables. */
import type { Table } from '../../test/bench/suite/section.ts';
import type { Costs, ProcessCost } from './costs.ts';
import type { Deployment } from './deployment.ts';
import type { Measured } from './measured.ts';
import { capacityOf, limitsOf, loadsOf, meanings, restingShares, scaledOut } from './model.ts';

export function costTable(costs: Costs): Table {
  const processRow = (
    name: string,
    { busyMs, lightMs, wakeMs }: ProcessCost,
  ): readonly (string | number)[] => [
    name,
    busyMs.base,
    busyMs.slope,
    lightMs.base,
    lightMs.slope,
    wakeMs,
  ];
  return {
    title: 'CPU for a transaction, ms',
    columns: [
      'process',
      'busy',
      'for each branch',
      'one in flight',
      'for each branch, one in flight',
      'to begin a turn',
    ],
    rows: [
      processRow('leader', costs.leader),
      processRow('participants', costs.participants),
      processRow('client', costs.client),
    ],
  };
}

export function otherCosts(costs: Costs): Table {
  const { etcd, messages, bytes, connection } = costs;
  const rows: readonly (readonly [string, number])[] = [
    ['etcd: CPU for a transaction, busy, ms', etcd.transactionMs],
    ['etcd: CPU for a write, which carries up to 64 of them, busy, ms', etcd.writeMs],
    ['etcd: CPU that a write costs more where it finds etcd at rest, ms', etcd.wakeMs],
    ['etcd: puts for a transaction', costs.etcdPuts],
    [
      'etcd: bytes by which its store grows for a transaction, nothing compacted',
      costs.etcdStoreBytes,
    ],
    ['leader: messages for a transaction', messages.base],
    ['leader: messages for each branch', messages.slope],
    ['leader: bytes for a transaction', bytes.base],
    ['leader: bytes for each branch', bytes.slope],
    ['node: CPU for a connection at rest, ms a second', connection.nodeMs],
    ['node: bytes held for a connection', connection.bytes],
    ['node: CPU at rest on its own store, ms a second', costs.nodeAloneMs],
    ['node: CPU for an etcd cluster of one shard, at rest, ms a second', costs.nodeForEtcdMs.base],
    ['node: the same for each shard more', costs.nodeForEtcdMs.slope],
    ['etcd: CPU at rest, ms a second', costs.etcdAloneMs],
    ['etcd: CPU for each node, at rest, ms a second', costs.etcdForNodeMs.base],
    ['etcd: the same for each shard', costs.etcdForNodeMs.slope],
  ];
  return { title: 'What else was measured', columns: ['what', 'measured'], rows };
}

/** Its resources, the fullest first. */
export function loadTable(costs: Costs, deployment: Deployment): Table {
  const loads = [...loadsOf(costs, deployment)].sort((a, b) => b.share - a.share);
  return {
    title: `${deployment.name}, at ${deployment.perSecond.toLocaleString('en')} transactions a second`,
    columns: ['resource', 'used %'],
    rows: loads.map(({ resource, share }) => [
      `${resource}: ${meanings[resource].is}`,
      percent(share),
    ]),
  };
}

export function capacityTable(costs: Costs, all: readonly Deployment[]): Table {
  return {
    title: 'What is full first',
    columns: ['deployment', 'transactions a second', 'full then'],
    rows: all.map((deployment) => {
      const { perSecond, first } = capacityOf(costs, deployment);
      return [deployment.name, rounded(perSecond), first];
    }),
  };
}

/** More etcd clusters, with every node connected to all of them. */
export function etcdTable(costs: Costs, deployment: Deployment, counts: readonly number[]): Table {
  return {
    title: `${deployment.nodes} nodes, each connected to every etcd cluster`,
    columns: ['etcd clusters', 'transactions a second', 'full then', 'node at rest: CPU %'],
    rows: counts.map((etcds) => {
      const given = { ...deployment, etcds, etcdsOfNode: etcds };
      const { perSecond, first } = capacityOf(costs, given);
      return [etcds, rounded(perSecond), first, percent(restingShares(costs, given).leader)];
    }),
  };
}

/** As many nodes as shards, on one etcd cluster. */
export function shardTable(costs: Costs, deployment: Deployment, counts: readonly number[]): Table {
  return {
    title: 'One etcd cluster, as many nodes as shards',
    columns: ['shards', 'transactions a second', 'full then', 'etcd at rest: CPU %'],
    rows: counts.map((shards) => {
      const given = { ...deployment, shards, nodes: shards };
      const { perSecond, first } = capacityOf(costs, given);
      return [shards, rounded(perSecond), first, percent(restingShares(costs, given).etcd)];
    }),
  };
}

export function limitTable(all: readonly Deployment[]): Table {
  const limits = limitsOf(all[0] as Deployment);
  return {
    title: 'Bounds of the program',
    columns: ['what', 'at most', ...all.map(({ name }) => name)],
    rows: limits.map(({ what, most }, index) => [
      what,
      most,
      ...all.map((deployment) => limitsOf(deployment)[index]?.wanted ?? null),
    ]),
  };
}

/** Beside what the bench measured, for a transaction of the whole cluster. */
export function checkTable(costs: Costs, { scaleOut }: Measured): Table {
  const range = ({ least, most }: { readonly least: number; readonly most: number }): string =>
    `${least.toFixed(2)} to ${most.toFixed(2)}`;
  return {
    title: 'Three branches, one etcd, as many shards as nodes',
    columns: ['shards', 'what', 'model', 'measured'],
    rows: scaleOut.flatMap((measured) => {
      const { nodes, allNodesMs, busiestNodeMessages, allNodesMessages } = measured;
      const expected = scaledOut(costs, { ...measured, branches: 3 });
      const rows: readonly (readonly [string, string, string])[] = [
        ['CPU of all nodes, ms', range(expected.allNodesMs), allNodesMs.toFixed(2)],
        [
          'the busiest node, of all messages',
          `${percent(expected.busiestNodeShare)}%`,
          `${percent(busiestNodeMessages / allNodesMessages)}%`,
        ],
        ['messages of all nodes', range(expected.allNodesMessages), allNodesMessages.toFixed(2)],
        ['CPU of etcd, ms', range(expected.etcdMs), measured.etcdMs.toFixed(2)],
        ['puts', expected.etcdPuts.toFixed(2), measured.etcdPuts.toFixed(2)],
      ];
      return rows.map((row) => [nodes, ...row]);
    }),
  };
}

const percent = (part: number): number => Math.round(part * 100);

/** Two digits: more is not known. */
export function rounded(value: number): number {
  return Number(value.toPrecision(2));
}
