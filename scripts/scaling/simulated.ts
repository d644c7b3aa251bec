/** What a simulated run comes to. */
import type { Deployment } from './deployment.ts';
import type { Servers } from './servers.ts';
import { busiestService } from './services.ts';

export interface SimulatedResource {
  readonly resource: 'leader' | 'etcd' | 'service' | 'client';
  /** Of its time, spent on work: those of its kind that have most to do, on average. */
  readonly work: number;
  /** With what beginning a turn costs. */
  readonly busy: number;
  /** The one that worked most. */
  readonly mostWork: number;
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
}

export interface Simulated {
  readonly offered: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly decisionsInBatch: number;
  readonly begunAgain: number;
  readonly events: number;
  readonly resources: readonly SimulatedResource[];
}

/** Of each kind, all there are. */
export interface AllServers {
  readonly leaders: Servers;
  readonly etcds: Servers;
  readonly participants: Servers;
  readonly clients: Servers;
}

export function simulatedResources(
  all: AllServers,
  deployment: Deployment,
  durationMs: number,
): readonly SimulatedResource[] {
  const { nodes, shards, etcds, clientProcesses } = deployment;
  const busiest = (count: number, placeOf: (shard: number) => number): readonly number[] => {
    const led = Array.from({ length: count }, () => 0);
    for (let shard = 0; shard < shards; shard += 1) {
      const place = placeOf(shard);
      led[place] = (led[place] ?? 0) + 1;
    }
    const most = Math.max(...led);
    return [...led.keys()].filter((place) => led[place] === most);
  };
  const of = (
    resource: SimulatedResource['resource'],
    servers: Servers,
    some: readonly number[],
  ): SimulatedResource => ({
    resource,
    ...servers.shares(some, durationMs),
    mostWork: servers.mostWork(durationMs),
    waitP50Ms: servers.waits.percentile(0.5),
    waitP99Ms: servers.waits.percentile(0.99),
  });
  return [
    of(
      'leader',
      all.leaders,
      busiest(nodes, (shard) => shard % nodes),
    ),
    of(
      'etcd',
      all.etcds,
      busiest(etcds, (shard) => Math.floor((shard * etcds) / shards)),
    ),
    of('service', all.participants, busiestService(deployment)),
    of('client', all.clients, [...Array(clientProcesses).keys()]),
  ];
}
