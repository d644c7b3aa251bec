/** Costs that are round, what would be measured of them, and a small deployment. */
import { at, type Costs, costsOf, type Line } from '../../../scripts/scaling/costs.ts';
import { type Deployment, usualPlace } from '../../../scripts/scaling/deployment.ts';
import type { Measured } from '../../../scripts/scaling/measured.ts';

interface Exact {
  readonly leader: Line;
  readonly participants: Line;
  readonly client: Line;
  readonly etcd: { readonly transactionMs: number; readonly writeMs: number };
}

export const exact: Exact = {
  leader: { base: 0.1, slope: 0.02 },
  participants: { base: 0, slope: 0.08 },
  client: { base: 0.03, slope: 0 },
  etcd: { transactionMs: 0.05, writeMs: 0.07 },
};
/** Of the leader: the request, the decision, the move; two for each branch. And so on. */
const wakes = {
  leader: (branches: number) => 0.3 * (3 + 2 * branches),
  participants: (branches: number) => 0.4 * 3 * branches,
  client: () => 0.35 * 2,
};

export function measuredOf({ leader, participants, client, etcd }: Exact): Measured {
  const rows = [1, 3, 8].flatMap((branches) =>
    [1, 128].map((inFlight) => {
      const etcdWrites = inFlight === 1 ? 2 : 0.05;
      const woken = inFlight === 1 ? 1 : 0;
      return {
        branches,
        inFlight,
        transactions: 1_000,
        leaderMs: at(leader, branches) + woken * wakes.leader(branches),
        participantsMs: at(participants, branches) + woken * wakes.participants(branches),
        clientMs: at(client, branches) + woken * wakes.client(),
        etcdMs: etcd.transactionMs + etcdWrites * etcd.writeMs,
        etcdWrites,
        etcdPuts: 2,
        etcdDeletes: 1,
        etcdFlushes: etcdWrites,
        etcdBytes: 2_000,
        etcdStoreBytes: 800,
        messages: 3 + 4 * branches,
        frames: 1,
        bytes: 300 + 500 * branches,
      };
    }),
  );
  const idle = [
    { nodes: 0, shards: 0, nodeMs: 0, etcdMs: 5 },
    ...[1, 25, 100].map((shards) => ({
      nodes: 1,
      shards,
      nodeMs: 10 + 8 + 0.2 * shards,
      etcdMs: 5 + 4 + 0.01 * shards,
    })),
  ];
  return {
    command: 'none',
    at: '2026-01-01T00:00:00.000Z',
    machine: 'none',
    rows,
    puts: [
      { inFlight: 1, etcdMs: 0.4 },
      { inFlight: 64, etcdMs: etcd.writeMs },
    ],
    idleAloneMs: 10,
    idle,
    connections: { connections: 1_000, nodeMs: 0.01, bytes: 8_000 },
    scaleOut: [],
  };
}

export const costs: Costs = costsOf(measuredOf(exact));

export const small: Deployment = {
  name: 'small',
  nodes: 4,
  shards: 4,
  etcds: 2,
  etcdsOfNode: 2,
  services: 20,
  serviceProcesses: 40,
  zipf: 1,
  clientProcesses: 10,
  branches: 3,
  perSecond: 4_000,
  place: usualPlace,
};
