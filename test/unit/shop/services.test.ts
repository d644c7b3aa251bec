import { describe, expect, it } from 'vitest';
import { type ServiceName, serviceNames } from '../../../cluster/shop/paths.ts';
import { Payload } from '../../../cluster/shop/payload.ts';
import { hotSku, hotStock } from '../../../cluster/shop/seed.ts';
import type { Plan } from '../../../cluster/shop/service.ts';
import { services } from '../../../cluster/shop/services.ts';
import { epochZero } from '../../../src/core/txid.ts';
import type { StoredRecord } from '../../../src/versioned-store.ts';
import { txidAt } from '../../support/logs/stores.ts';

const ref = { txid: txidAt(epochZero, 1), branch: 'b' };

/** What the service plans on the records that the shop opens with. */
function planOf(
  name: ServiceName,
  payload: unknown,
  more: readonly (readonly [string, StoredRecord])[] = [],
): Plan {
  const records = new Map<string, StoredRecord>([...services[name].seed, ...more]);
  const work = services[name].work(new Payload(payload), ref);
  const plan = work.plan((key) => records.get(key) ?? null);
  if ('writes' in plan) for (const key of plan.writes.keys()) expect(work.keys).toContain(key);
  return plan;
}

function refusalOf(plan: Plan): string {
  return 'refused' in plan ? plan.refused.message : 'not refused';
}

const order = {
  orderId: 'o-1',
  account: 'customer-001',
  items: [{ sku: 'sku-001', quantity: 2 }],
  totalCents: 300,
};

describe('the services of the shop', () => {
  it('take stock, and note what was taken', () => {
    const payload = { orderId: 'o-1', items: [{ sku: 'sku-001', quantity: 2 }] };
    expect(planOf('inventory', payload)).toEqual({
      writes: new Map<string, unknown>([
        ['sku/sku-001', { stock: 999_998 }],
        [`taken/${ref.txid}/b`, { ...ref, orderId: 'o-1', items: payload.items }],
      ]),
    });
  });

  it('sell the last one, and not one more', () => {
    expect(planOf('inventory', { items: [{ sku: hotSku, quantity: hotStock }] })).toHaveProperty(
      'writes',
    );
    const one = planOf('inventory', { items: [{ sku: hotSku, quantity: hotStock + 1 }] });
    expect(refusalOf(one)).toMatch(/^Too little stock of sku-hot: 11 wanted, 10 left/);
    expect(refusalOf(planOf('inventory', { items: [{ sku: 'none', quantity: 1 }] }))).toMatch(
      'There is no none',
    );
  });

  it('compare the versions that a client gives, of each article and of the account', () => {
    const items = [
      { sku: 'sku-001', quantity: 1, version: 2 },
      { sku: 'sku-002', quantity: 1 },
    ];
    const stock = services.inventory.work(new Payload({ items }), ref);
    expect(stock.versions).toEqual(new Map([['sku/sku-001', 2]]));
    const payload = { account: 'customer-001', amountCents: 1, version: 7 };
    const money = services.payment.work(new Payload(payload), ref);
    expect(money.versions).toEqual(new Map([['account/customer-001', 7]]));
  });

  it('move money to the till, to the last cent of an open account', () => {
    const all = { account: 'customer-001', amountCents: 100_000_000 };
    expect(planOf('payment', all)).toEqual({
      writes: new Map<string, unknown>([
        ['account/customer-001', { balanceCents: 0, status: 'open' }],
        [`capture/${ref.txid}/b`, { ...ref, orderId: null, ...all }],
      ]),
    });
    for (const payload of [
      { ...all, amountCents: 100_000_001 },
      { ...all, account: 'blocked-001' },
      { ...all, account: 'nobody' },
    ]) {
      expect(refusalOf(planOf('payment', payload))).toMatch(/^Card declined: /);
    }
  });

  it.each([
    ['order', 'order/o-1', order],
    ['shipping', 'shipment/o-1', { orderId: 'o-1', address: 'Road 1' }],
  ] as const)('make one %s record for an order, never a second', (name, key, payload) => {
    expect(planOf(name, payload)).toEqual({ writes: new Map([[key, { ...ref, ...payload }]]) });
    const there = [[key, { value: {}, version: 1 }]] as const;
    expect(refusalOf(planOf(name, payload, there))).toMatch(/already/);
  });

  it('send one message for an order', () => {
    const notice = { orderId: 'o-1', to: 'me', text: 'Thanks.' };
    expect(planOf('notification', notice)).toEqual({
      writes: new Map([['message/o-1', { ...ref, ...notice }]]),
    });
  });

  it.each(serviceNames)('say which field is wrong: %s', (name) => {
    for (const payload of [null, 7, 'text', [], {}, { orderId: 7, items: 7, account: {} }]) {
      expect(() => new Payload(payload) && planOf(name, payload)).toThrow(/^payload/);
    }
  });

  it.each([
    ['inventory', { items: [{ sku: 'a', quantity: 0 }] }, 'payload.items[0].quantity'],
    ['inventory', { items: [{ sku: '../a', quantity: 1 }] }, 'payload.items[0].sku'],
    ['inventory', { items: [{ sku: 'a', quantity: 1, version: -1 }] }, 'payload.items[0].version'],
    ['payment', { account: 'a', amountCents: 1.5 }, 'payload.amountCents'],
    ['payment', { account: 'a'.repeat(129), amountCents: 1 }, 'payload.account'],
    ['order', { ...order, totalCents: -1 }, 'payload.totalCents'],
    ['shipping', { orderId: 'o', address: '' }, 'payload.address'],
    ['notification', { orderId: 'o', to: 'me', text: 'x'.repeat(2_001) }, 'payload.text'],
  ] as const)('refuse what is out of bounds: %s %j', (name, payload, field) => {
    expect(() => planOf(name, payload)).toThrow(`${field} must be`);
  });

  it('refuse an article that is named twice: one lock, one write', () => {
    const item = { sku: 'sku-001', quantity: 1 };
    expect(() => planOf('inventory', { items: [item, item] })).toThrow('each sku once');
  });
});
