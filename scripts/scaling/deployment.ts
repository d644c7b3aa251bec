/** What is to be looked at: how many of everything, and what is assumed of the place it runs in. */
import { maxShards } from '../../src/core/txid.ts';

/** None of it was measured. */
export interface Place {
  /** Between any two processes, there and back. */
  readonly roundTripMs: number;
  /** Of a disk: etcd's, and those of journals. */
  readonly flushMs: number;
  /** How much faster a core is than the one that was measured on. */
  readonly speed: number;
  readonly networkBytesPerSecond: number;
  /** As much as etcd can use of its machine: it applies what it is given in one thread. */
  readonly etcdCores: number;
  /** How long a decision may wait at etcd for others: so many come together in a write. */
  readonly etcdWaitMs: number;
  readonly etcdQuotaBytes: number;
  /** The longest that etcd keeps its history: twice the retention of its compaction. */
  readonly etcdHistoryS: number;
}

export interface Deployment {
  readonly name: string;
  /** Processes that lead shards: one thread each. */
  readonly nodes: number;
  readonly shards: number;
  /** Clusters of etcd; the shards are spread over them in ranges of one size. */
  readonly etcds: number;
  /** Of these, to how many a node is connected. */
  readonly etcdsOfNode: number;
  readonly services: number;
  /** Of all services together; each has one at least, the rest go by how busy it is. */
  readonly serviceProcesses: number;
  /** How uneven the services are: the n-th is chosen in proportion to n to the minus this. */
  readonly zipf: number;
  readonly clientProcesses: number;
  readonly branches: number;
  readonly perSecond: number;
  readonly place: Place;
}

export const usualPlace: Place = {
  roundTripMs: 0.5,
  flushMs: 1,
  speed: 1,
  networkBytesPerSecond: 1.25e9,
  etcdCores: 2,
  etcdWaitMs: 50,
  etcdQuotaBytes: 8 * 2 ** 30,
  etcdHistoryS: 600,
};

const services = {
  services: 1_000,
  serviceProcesses: 2_000,
  zipf: 1,
  clientProcesses: 1_000,
  branches: 3,
} as const;
const million = 1_000_000;

/** Those of docs/SCALING.md. */
export const deployments: Readonly<Record<'today' | 'ranges' | 'million', Deployment>> = {
  today: {
    ...services,
    name: '100 nodes, one etcd cluster',
    nodes: 100,
    shards: maxShards,
    etcds: 1,
    etcdsOfNode: 1,
    perSecond: million,
    place: usualPlace,
  },
  ranges: {
    ...services,
    name: '100 nodes, 20 etcd clusters',
    nodes: 100,
    shards: maxShards,
    etcds: 20,
    etcdsOfNode: 20,
    perSecond: million,
    place: usualPlace,
  },
  million: {
    ...services,
    name: '300 nodes, 100 etcd clusters',
    nodes: 300,
    shards: 300,
    etcds: 100,
    etcdsOfNode: 4,
    perSecond: million,
    place: usualPlace,
  },
};

/** How the services share the branches: the busiest first; their sum is 1. */
export function sharesOf({
  services: count,
  zipf,
}: Pick<Deployment, 'services' | 'zipf'>): readonly number[] {
  const weights = Array.from({ length: count }, (_, index) => (index + 1) ** -zipf);
  const all = weights.reduce((sum, each) => sum + each, 0);
  return weights.map((each) => each / all);
}

/** How many processes each service has. */
export function processesOf(deployment: Deployment): readonly number[] {
  const { services: count, serviceProcesses } = deployment;
  const spare = Math.max(0, serviceProcesses - count);
  const exact = sharesOf(deployment).map((share) => share * spare);
  const processes = exact.map((each) => 1 + Math.floor(each));
  // What rounding left goes to those that lost most by it.
  const left = spare - exact.reduce((sum, each) => sum + Math.floor(each), 0);
  const byLoss = exact
    .map((each, index) => ({ index, loss: each - Math.floor(each) }))
    .sort((a, b) => b.loss - a.loss);
  for (const { index } of byLoss.slice(0, left)) processes[index] = (processes[index] ?? 0) + 1;
  return processes;
}
