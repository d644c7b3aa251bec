import { expect, it } from 'vitest';
import { type Deployment, processesOf, sharesOf } from '../../../scripts/scaling/deployment.ts';
import {
  capacityOf,
  connectionsOf,
  fullestOf,
  limitsOf,
  loadsOf,
  type ResourceName,
  scaledOut,
} from '../../../scripts/scaling/model.ts';
import { costs, small } from './samples.ts';

const shareOf = (name: ResourceName, deployment: Deployment): number =>
  loadsOf(costs, deployment).find(({ resource }) => resource === name)?.share ?? Number.NaN;

it('counts what the thread of a leader does', () => {
  // 1,000 a second of 0.16 ms; 50 connections; itself, and two etcd clusters of two shards.
  const ms = 1_000 * (0.1 + 3 * 0.02) + 50 * 0.01 + 10 + 2 * (8 + 2 * 0.2);
  expect(connectionsOf(small)).toBe(50);
  expect(shareOf('leader', small)).toBeCloseTo(ms / 1_000);
  const fast = { ...small, place: { ...small.place, speed: 2 } };
  expect(shareOf('leader', fast)).toBeCloseTo(ms / 2_000);
});

it('takes the node that leads most', () => {
  const uneven = { ...small, nodes: 3 };
  const rest = shareOf('leader', { ...uneven, perSecond: 0 });
  expect(shareOf('leader', uneven) - rest).toBeCloseTo(0.32);
});

it('lets decisions of a shard share writes, as many as come in time', () => {
  // 1,000 a second and shard: in 50 ms 50, over four writes under way.
  const ms = 2_000 * (0.05 + (2 / 12.5) * 0.07) + 5 + 4 * (4 + 2 * 0.01);
  expect(shareOf('etcd', small)).toBeCloseTo(ms / 1_000 / small.place.etcdCores);
  // The same load over more shards: fuller etcd.
  const spread = { ...small, nodes: 100, shards: 100 };
  expect(shareOf('etcd', spread)).toBeGreaterThan(shareOf('etcd', small));
});

it('bounds a write at what one carries', () => {
  const per = (perSecond: number): number => {
    const rest = shareOf('etcd', { ...small, perSecond: 0 });
    return (shareOf('etcd', { ...small, perSecond }) - rest) / perSecond;
  };
  expect(per(400_000)).toBeCloseTo(per(40_000), 10);
});

it('counts history and what is kept in the store of etcd', () => {
  // Ten minutes of 1,000 a second are more than the 200,000 that are kept.
  const records = 2 * (200_000 / 2 + 1_000 * small.place.etcdHistoryS);
  expect(shareOf('etcd store', small)).toBeCloseTo((records * 800) / small.place.etcdQuotaBytes);
});

it('gives the busiest service its share, and no transaction two branches at it', () => {
  const even = { ...small, zipf: 0 };
  expect(shareOf('service', even)).toBeCloseTo((4_000 * 3 * 0.08) / 40 / 1_000);
  const one = { ...small, services: 3, serviceProcesses: 3, zipf: 3 };
  expect(shareOf('service', one)).toBeCloseTo((4_000 * 0.08) / 1_000);
});

it('shares processes out, one for each service at least', () => {
  const processes = processesOf(small);
  expect(processes).toHaveLength(20);
  expect(Math.min(...processes)).toBe(1);
  expect(processes.reduce((sum, each) => sum + each, 0)).toBe(40);
  expect(processes[0]).toBe(Math.max(...processes));
  expect(sharesOf(small).reduce((sum, each) => sum + each, 0)).toBeCloseTo(1);
});

it('finds what is full first', () => {
  const { perSecond, first } = capacityOf(costs, small);
  const loads = loadsOf(costs, { ...small, perSecond: perSecond + 1 });
  expect(fullestOf(loads).resource).toBe(first);
  expect(fullestOf(loads).share).toBeGreaterThanOrEqual(1);
  expect(fullestOf(loadsOf(costs, { ...small, perSecond })).share).toBeLessThan(1);
});

it('has no capacity where rest alone fills a node', () => {
  const many = { ...small, nodes: 500, shards: 500, etcds: 500, etcdsOfNode: 500 };
  expect(capacityOf(costs, many)).toEqual({ perSecond: 0, first: 'leader' });
});

it('names the bounds that a deployment would pass', () => {
  const passed = (deployment: Deployment): readonly string[] =>
    limitsOf(deployment)
      .filter(({ wanted, most }) => wanted > most)
      .map(({ what }) => what);
  expect(passed({ ...small, etcds: 1 })).toEqual([]);
  expect(passed(small)).toEqual(['etcd clusters']);
  expect(passed({ ...small, nodes: 300, shards: 101 })).toHaveLength(3);
});

it('expects of more shards the same work, shared out', () => {
  const [one, four] = [1, 4].map((nodes) =>
    scaledOut(costs, { nodes, perSecond: 100 * nodes, branches: 3 }),
  );
  expect(one?.busiestNodeShare).toBe(1);
  expect(four?.busiestNodeShare).toBe(0.25);
  expect(four?.allNodesMessages.least).toBeCloseTo(15);
  expect(four?.allNodesMessages.most).toBeCloseTo(18);
  // Nodes at rest use more where there are more, but the load grows with them.
  expect(one?.allNodesMs.least).toBeCloseTo(0.16 + (10 + 8.2) / 100);
  expect(four?.allNodesMs.least).toBeCloseTo(0.16 + (10 + 8.8) / 100);
});
