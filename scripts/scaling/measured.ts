/** What was measured for the cost model: docs/bench/scaling.json, and where it is kept. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const measuredPath: string = fileURLToPath(
  new URL('../../docs/bench/scaling.json', import.meta.url),
);

/** For a transaction, one node on one etcd of one member. Times are CPU. */
export interface MeasuredRow {
  readonly branches: number;
  readonly inFlight: number;
  /** How many were counted. */
  readonly transactions: number;
  readonly leaderMs: number;
  /** Of the process of all participants. */
  readonly participantsMs: number;
  readonly clientMs: number;
  readonly etcdMs: number;
  /** Transactions of etcd: batches of decisions, and of records that move. */
  readonly etcdWrites: number;
  readonly etcdPuts: number;
  readonly etcdDeletes: number;
  readonly etcdFlushes: number;
  /** Written to storage by etcd. */
  readonly etcdBytes: number;
  /** By which its store grew, in use, with nothing compacted. */
  readonly etcdStoreBytes: number;
  /** Sent and received by the leader, clients and participants together. */
  readonly messages: number;
  readonly frames: number;
  readonly bytes: number;
}

/** CPU of etcd for one put, of 200 bytes, with so many under way. */
export interface MeasuredPuts {
  readonly inFlight: number;
  readonly etcdMs: number;
}

/** For a second in which nothing is asked for. */
export interface MeasuredIdle {
  readonly nodes: number;
  readonly shards: number;
  /** Of one of the nodes, on average. */
  readonly nodeMs: number;
  readonly etcdMs: number;
}

export interface MeasuredConnections {
  readonly connections: number;
  /** CPU of the node for a second, for one connection more. */
  readonly nodeMs: number;
  /** Held by the node for one connection more. */
  readonly bytes: number;
}

/** As the bench's section `scale-out` has it: for a transaction of the whole cluster. */
export interface MeasuredScaleOut {
  readonly nodes: number;
  readonly perSecond: number;
  readonly busiestNodeMs: number;
  readonly allNodesMs: number;
  readonly busiestNodeMessages: number;
  readonly allNodesMessages: number;
  readonly etcdMs: number;
  readonly etcdPuts: number;
}

export interface Measured {
  readonly command: string;
  /** ISO 8601. */
  readonly at: string;
  readonly machine: string;
  readonly rows: readonly MeasuredRow[];
  readonly puts: readonly MeasuredPuts[];
  /** Of a node on its own store, for a second in which nothing is asked for. */
  readonly idleAloneMs: number;
  readonly idle: readonly MeasuredIdle[];
  readonly connections: MeasuredConnections;
  readonly scaleOut: readonly MeasuredScaleOut[];
}

export function readMeasured(): Measured {
  return JSON.parse(readFileSync(measuredPath, 'utf8')) as Measured;
}
