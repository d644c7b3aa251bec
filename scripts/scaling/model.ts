/**
 * The cost model: what each resource of a deployment has to do, which of them is full first, and
 * what to do then. Pure; a share is of what the resource can do when it always has more to do.
 */
import { coordinatorOptionTable } from '../../src/core/coordinator-options.ts';
import { maxShards } from '../../src/core/txid.ts';
import { maxBatch, maxInFlight } from '../../src/decision-log/etcd/batches.ts';
import { maxAdvertised } from '../../src/peer/nodes.ts';
import { at, type Costs } from './costs.ts';
import { type Deployment, processesOf, sharesOf } from './deployment.ts';

export const resources = [
  'leader',
  'etcd',
  'etcd store',
  'service',
  'client',
  'network',
  'connections',
] as const;
export type ResourceName = (typeof resources)[number];

/** Of the busiest of its kind. */
export interface Load {
  readonly resource: ResourceName;
  /** Of what it can do: above 1 it cannot. */
  readonly share: number;
}

export interface Limit {
  readonly what: string;
  readonly wanted: number;
  readonly most: number;
}

/** What each is, and what an operator does when it is full. */
export const meanings: Readonly<
  Record<ResourceName, { readonly is: string; readonly remedy: string }>
> = {
  leader: {
    is: 'the thread of the node that leads most shards',
    remedy:
      'More shards and as many nodes more: a shard is one thread. Where the cluster has all the shards that it can have, a second cluster for services that share no transactions.',
  },
  etcd: {
    is: "CPU of an etcd cluster's leader",
    remedy:
      'First fewer shards, so that more decisions share a write, and no more nodes than have to lead. Then more etcd clusters. More members make it slower.',
  },
  'etcd store': {
    is: "etcd's quota: records that are kept, and the history until it is compacted",
    remedy:
      "Compact more often (`--etcd-compact` every 30 s, or a shorter retention of etcd's own), then a larger quota, then fewer shards on each etcd cluster.",
  },
  service: {
    is: 'the thread of the busiest process of a service',
    remedy:
      'More processes of that service: prepares go to each in turn. Past its database, split the service.',
  },
  client: {
    is: 'the thread of a process that begins transactions',
    remedy: 'More processes.',
  },
  network: {
    is: 'the network of a node',
    remedy: 'Smaller payloads, or fewer nodes on one machine.',
  },
  connections: {
    is: 'connections to a node, of `maxConnections`',
    remedy:
      'Raise `maxConnections` (and the limit of open files), or fewer, larger processes of the services: each connects to every node.',
  },
};

const { maxConnections, retentionMs, maxFinished } = coordinatorOptionTable;
/** The request window (2 minutes) and a minute: no record goes earlier. */
const retentionSMin = 180;

export function loadsOf(costs: Costs, deployment: Deployment): readonly Load[] {
  const { nodes, shards, etcds, branches, perSecond, clientProcesses, place } = deployment;
  const perShard = perSecond / shards;
  const shardsOfNode = Math.ceil(shards / nodes);
  const shardsOfEtcd = Math.ceil(shards / etcds);
  const ofNode = perShard * shardsOfNode;
  const ofEtcd = perShard * shardsOfEtcd;
  const connections = connectionsOf(deployment);
  const thread = (ms: number): number => ms / 1_000 / place.speed;
  return [
    {
      resource: 'leader',
      share: thread(
        ofNode * at(costs.leader.busyMs, branches) +
          connections * costs.connection.nodeMs +
          idleOfNode(costs, deployment),
      ),
    },
    {
      resource: 'etcd',
      share:
        thread(ofEtcd * etcdMs(costs, deployment) + idleOfEtcd(costs, deployment)) /
        place.etcdCores,
    },
    { resource: 'etcd store', share: storedBytes(costs, deployment) / place.etcdQuotaBytes },
    {
      resource: 'service',
      share: thread(
        busiestBranches(deployment) * (at(costs.participants.busyMs, branches) / branches),
      ),
    },
    {
      resource: 'client',
      share: thread((perSecond / clientProcesses) * at(costs.client.busyMs, branches)),
    },
    {
      resource: 'network',
      share: (ofNode * at(costs.bytes, branches)) / place.networkBytesPerSecond,
    },
    { resource: 'connections', share: connections / maxConnections.default },
  ];
}

/** For a transaction. The fuller its batches, the less: they fill while it makes them wait. */
function etcdMs({ etcd }: Costs, { perSecond, shards, place }: Deployment): number {
  const inTime = (perSecond / shards) * (place.etcdWaitMs / 1_000);
  const batch = Math.min(maxBatch, Math.max(1, inTime / maxInFlight));
  // One for the decision, and one for the move.
  return etcd.transactionMs + (2 / batch) * etcd.writeMs;
}

type Spread = Pick<Deployment, 'nodes' | 'shards' | 'etcds' | 'etcdsOfNode'>;

/** Every node keeps a lease, and reads who leads, on each etcd cluster it is connected to. */
function idleOfEtcd(costs: Costs, { nodes, shards, etcds, etcdsOfNode }: Spread): number {
  const each = at(costs.etcdForNodeMs, Math.ceil(shards / etcds));
  return costs.etcdAloneMs + ((nodes * etcdsOfNode) / etcds) * each;
}

function idleOfNode(costs: Costs, { shards, etcds, etcdsOfNode }: Spread): number {
  return costs.nodeAloneMs + etcdsOfNode * at(costs.nodeForEtcdMs, Math.ceil(shards / etcds));
}

/** What the thread of a node, and an etcd cluster, do when nothing is asked for. */
export function restingShares(
  costs: Costs,
  deployment: Deployment,
): { readonly leader: number; readonly etcd: number } {
  const loads = loadsOf(costs, { ...deployment, perSecond: 0 });
  const of = (name: ResourceName): number =>
    loads.find(({ resource }) => resource === name)?.share ?? Number.NaN;
  return { leader: of('leader'), etcd: of('etcd') };
}

/** A participant connects to every node, a client to as many as lead, up to its bound. */
export function connectionsOf({ nodes, serviceProcesses, clientProcesses }: Deployment): number {
  return serviceProcesses + (clientProcesses * Math.min(nodes, maxAdvertised.leaders)) / nodes;
}

/** In the fullest etcd cluster. */
export function storedBytes(costs: Costs, { perSecond, shards, etcds, place }: Deployment): number {
  const shardsOfEtcd = Math.ceil(shards / etcds);
  const perShard = perSecond / shards;
  const kept = Math.max(
    Math.min((perShard * retentionMs.default) / 1_000, maxFinished.default),
    perShard * retentionSMin,
  );
  // The history holds a decision and its move; of what is kept, only what it was moved to.
  const history = perShard * place.etcdHistoryS;
  return shardsOfEtcd * costs.etcdStoreBytes * (kept / 2 + history);
}

/** For a second, at the busiest process of any service. */
function busiestBranches(deployment: Deployment): number {
  const { perSecond, branches } = deployment;
  const processes = processesOf(deployment);
  return Math.max(
    ...sharesOf(deployment).map(
      // No transaction has two branches at one service here.
      (share, index) => (perSecond * Math.min(1, share * branches)) / (processes[index] ?? 1),
    ),
  );
}

export function fullestOf(loads: readonly Load[]): Load {
  return loads.reduce((most, load) => (load.share > most.share ? load : most));
}

/** The most transactions a second before something is full, and what that is. */
export function capacityOf(
  costs: Costs,
  deployment: Deployment,
): { readonly perSecond: number; readonly first: ResourceName } {
  const fullest = (perSecond: number): Load =>
    fullestOf(loadsOf(costs, { ...deployment, perSecond }));
  let [low, high] = [0, 1];
  while (fullest(high).share < 1) high *= 2;
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (fullest(middle).share < 1) low = middle;
    else high = middle;
  }
  return { perSecond: Math.floor(low), first: fullest(high).resource };
}

/** What the program itself sets a bound to, whatever the machines are. */
export function limitsOf({ nodes, shards, etcds }: Deployment): readonly Limit[] {
  return [
    { what: 'shards of a cluster', wanted: shards, most: maxShards },
    { what: 'nodes that a participant connects to', wanted: nodes, most: maxAdvertised.every },
    { what: 'etcd clusters', wanted: etcds, most: 1 },
  ];
}

/** What every change of a leader has a node send: the whole topology, to every peer. */
export function announcementBytes(deployment: Deployment): number {
  const { nodes, shards } = deployment;
  return connectionsOf(deployment) * (shards * leaderBytes + nodes * nodeBytes);
}

/** Of one in `topology`, with names and addresses of some twenty characters: not measured. */
const leaderBytes = 110;
const nodeBytes = 50;

/**
 * What is expected of the bench's section on scale-out, for a transaction of the whole cluster. Its
 * load is light: CPU is between that of a busy process and that of one which each message wakes.
 */
export function scaledOut(
  costs: Costs,
  { nodes, perSecond, branches }: Pick<Deployment, 'nodes' | 'perSecond' | 'branches'>,
): Expected {
  const spread = { nodes, shards: nodes, etcds: 1, etcdsOfNode: 1 };
  const idleMs = (nodes * idleOfNode(costs, spread)) / perSecond;
  const etcdIdleMs = idleOfEtcd(costs, spread) / perSecond;
  const { transactionMs, writeMs, wakeMs } = costs.etcd;
  const messages = at(costs.messages, branches);
  return {
    allNodesMs: {
      least: idleMs + at(costs.leader.busyMs, branches),
      most: idleMs + at(costs.leader.lightMs, branches),
    },
    busiestNodeShare: 1 / nodes,
    // With a `forget` for each branch, where each is sent by itself.
    allNodesMessages: { least: messages, most: messages + branches },
    etcdMs: {
      least: etcdIdleMs + transactionMs,
      most: etcdIdleMs + transactionMs + 2 * (writeMs + wakeMs),
    },
    etcdPuts: costs.etcdPuts,
  };
}

interface Range {
  readonly least: number;
  readonly most: number;
}

export interface Expected {
  readonly allNodesMs: Range;
  readonly busiestNodeShare: number;
  readonly allNodesMessages: Range;
  readonly etcdMs: Range;
  readonly etcdPuts: number;
}
