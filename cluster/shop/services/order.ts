/** Writes the order: `{orderId, account, items: [{sku, quantity}], totalCents}`. */
import type { BranchRef } from '../../../src/participant.ts';
import type { Payload } from '../payload.ts';
import { type BranchWork, type Effect, onceOnly, type ShopService } from '../service.ts';

export const orderPrefix = 'order/';

export interface Order extends Effect {
  readonly orderId: string;
  readonly account: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
  readonly totalCents: number;
}

export const order: ShopService = {
  name: 'order',
  seed: [],
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.id('orderId');
    const account = payload.id('account');
    const items = payload.list('items', 100).map((item) => ({
      sku: item.id('sku'),
      quantity: item.whole('quantity', { min: 1, max: 1_000_000 }),
    }));
    const totalCents = payload.whole('totalCents', { min: 1, max: 1_000_000_000_000 });
    const made: Order = { ...branch, orderId, account, items, totalCents };
    return onceOnly(orderPrefix + orderId, `an order ${orderId}`, made);
  },
};
