import { expect, it } from 'vitest';
import { at, costsOf, lineThrough } from '../../../scripts/scaling/costs.ts';
import { exact, measuredOf } from './samples.ts';

it('finds the line that the points are on', () => {
  const line = lineThrough([1, 3, 8].map((x) => ({ x, y: 0.1 + 0.02 * x })));
  expect(line.base).toBeCloseTo(0.1, 10);
  expect(line.slope).toBeCloseTo(0.02, 10);
});

it('has no negative costs', () => {
  const falling = lineThrough([
    { x: 1, y: 2 },
    { x: 8, y: 1 },
  ]);
  expect(falling.slope).toBe(0);
  expect(falling.base).toBeGreaterThan(1);
  expect(falling.base).toBeLessThan(2);
  const throughZero = lineThrough([
    { x: 1, y: 1 },
    { x: 3, y: 4 },
  ]);
  expect(throughZero.base).toBe(0);
  expect(throughZero.slope).toBeGreaterThan(1);
});

it('takes one value of x for a line that is level', () => {
  expect(lineThrough([{ x: 4, y: 2 }])).toEqual({ base: 2, slope: 0 });
});

it('finds the costs from which measurements were made', () => {
  const costs = costsOf(measuredOf(exact));
  expect(at(costs.leader.busyMs, 5)).toBeCloseTo(0.1 + 0.02 * 5);
  expect(costs.leader.wakeMs).toBeCloseTo(0.3);
  expect(at(costs.participants.busyMs, 5)).toBeCloseTo(0.08 * 5);
  expect(costs.participants.wakeMs).toBeCloseTo(0.4);
  expect(costs.client.busyMs.base).toBeCloseTo(0.03);
  expect(costs.client.wakeMs).toBeCloseTo(0.35);
  expect(costs.etcd.writeMs).toBeCloseTo(0.07);
  expect(costs.etcd.transactionMs).toBeCloseTo(0.05);
  expect(costs.etcd.wakeMs).toBeCloseTo(0.33);
  expect(costs.messages.base).toBeCloseTo(3);
  expect(costs.messages.slope).toBeCloseTo(4);
  expect(costs.nodeForEtcdMs.base).toBeCloseTo(8);
  expect(costs.nodeForEtcdMs.slope).toBeCloseTo(0.2);
  expect(costs.etcdForNodeMs.base).toBeCloseTo(4);
  expect(costs.etcdForNodeMs.slope).toBeCloseTo(0.01);
});
