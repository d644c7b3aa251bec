import { describe, expect, it } from 'vitest';
import { demoOrders, type Expectation, orderLine } from '../../../cluster/demo/orders.ts';
import { serviceNames } from '../../../cluster/shop/paths.ts';
import { hotSku, hotStock } from '../../../cluster/shop/seed.ts';

function count(orders: ReturnType<typeof demoOrders>, expected: Expectation): number {
  return orders.filter((order) => order.expected === expected).length;
}

describe('the orders of the demo', () => {
  it('are the same every time, and as many as wanted, each with an id of its own', () => {
    for (const wanted of [50, 200, 1_000, 5_000]) {
      const orders = demoOrders(wanted);
      expect(orders).toEqual(demoOrders(wanted));
      expect(new Set(orders.map(({ orderId }) => orderId)).size).toBe(wanted);
    }
  });

  it('have some that must fail, of every kind, and more of the rare article wanted than there is', () => {
    for (const wanted of [50, 1_000]) {
      const orders = demoOrders(wanted);
      expect(count(orders, 'declined')).toBeGreaterThanOrEqual(5);
      expect(count(orders, 'stale')).toBeGreaterThanOrEqual(5);
      expect(count(orders, 'reader')).toBeGreaterThanOrEqual(5);
      const rare = orders.filter(({ items }) => items.some(({ sku }) => sku === hotSku));
      expect(rare.length).toBe(count(orders, 'hot'));
      expect(rare.length).toBeGreaterThan(hotStock);
      expect(count(orders, 'commits')).toBeGreaterThan(0);
    }
  });

  it('never have two of one customer close to each other: they could wait for each other', () => {
    const orders = demoOrders(5_000);
    const last = new Map<string, number>();
    for (const [index, { account, expected }] of orders.entries()) {
      if (expected === 'declined') continue;
      expect(index - (last.get(account) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(256);
      last.set(account, index);
    }
  });

  it('become lines that submit takes, one branch for each service', () => {
    for (const order of demoOrders(100)) {
      const line = JSON.parse(orderLine(order, 5_000));
      expect(line).toMatchObject({ requestId: order.orderId, timeoutMs: 5_000 });
      expect(Object.keys(line.participants)).toEqual([...serviceNames]);
    }
  });
});
