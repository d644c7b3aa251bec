/** The cost model's figures as service times of the simulation. */
import { at, type Costs } from './costs.ts';
import type { Deployment } from './deployment.ts';
import { restingShares } from './model.ts';

/** How a process' work for a transaction falls on its steps. Only the sum was measured. */
const half = 0.5;
const leastLeft = 0.01;
const leaderParts = { request: 0.5, decision: 0.3, move: 0.2 } as const;

/** In milliseconds, for one of each. */
export interface Work {
  readonly request: number;
  readonly vote: number;
  readonly decision: number;
  readonly acknowledgement: number;
  readonly move: number;
  readonly prepare: number;
  readonly commit: number;
  /** For a call, and again for its answer. */
  readonly client: number;
  readonly etcdWrite: number;
  /** For each one in it. */
  readonly etcdTransaction: number;
}

export function workOf(costs: Costs, deployment: Deployment): Work {
  const { branches, place } = deployment;
  const { leader, participants, client, etcd } = costs;
  const on = (ms: number): number => ms / place.speed;
  // What they do at rest goes on, so they are slower by that.
  const resting = restingShares(costs, deployment);
  const leading = (ms: number): number => on(ms) / Math.max(leastLeft, 1 - resting.leader);
  const atEtcd = (ms: number): number =>
    on(ms) / place.etcdCores / Math.max(leastLeft, 1 - resting.etcd);
  const branch = on(at(participants.busyMs, branches) / branches);
  return {
    request: leading(leader.busyMs.base * leaderParts.request),
    decision: leading(leader.busyMs.base * leaderParts.decision),
    move: leading(leader.busyMs.base * leaderParts.move),
    vote: leading(leader.busyMs.slope * half),
    acknowledgement: leading(leader.busyMs.slope * half),
    prepare: branch * half,
    commit: branch * half,
    client: on(at(client.busyMs, branches) * half),
    etcdWrite: atEtcd(etcd.writeMs),
    etcdTransaction: atEtcd(etcd.transactionMs * half),
  };
}
