/** Takes stock: `{orderId?, items: [{sku, quantity, version?}]}`. */
import type { BranchRef } from '../../../src/participant.ts';
import type { Payload } from '../payload.ts';
import { PayloadError, versionOf } from '../payload.ts';
import { inventorySeed, type Stock, stockPrefix } from '../seed.ts';
import {
  type BranchWork,
  type Effect,
  effectKey,
  type Plan,
  type ShopService,
} from '../service.ts';

export const takenPrefix = 'taken/';

/** What one branch took: stock and everything taken add up to what the shop began with. */
export interface Taken extends Effect {
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
}

interface Item {
  readonly sku: string;
  readonly key: string;
  readonly quantity: number;
  readonly version: number | null;
}

const maxItems = 100;
const maxQuantity = 1_000_000;

export const inventory: ShopService = {
  name: 'inventory',
  seed: inventorySeed,
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.optional('orderId', (given) => given.id('orderId'));
    const items = payload.list('items', maxItems).map(readItem);
    if (new Set(items.map(({ sku }) => sku)).size !== items.length) {
      throw new PayloadError('payload.items must name each sku once.');
    }
    const effect = effectKey(takenPrefix, branch);
    return {
      keys: [...items.map(({ key }) => key), effect],
      versions: new Map(
        items.flatMap(({ key, version }) => (version === null ? [] : [[key, version]])),
      ),
      plan: (read) => {
        const writes = new Map<string, Stock | Taken>();
        for (const { sku, key, quantity } of items) {
          const stock = (read(key)?.value as Stock | undefined)?.stock;
          if (stock === undefined) return refused(`There is no ${sku}.`);
          if (stock < quantity) {
            return refused(`Too little stock of ${sku}: ${quantity} wanted, ${stock} left.`);
          }
          writes.set(key, { stock: stock - quantity });
        }
        const lines = items.map(({ sku, quantity }) => ({ sku, quantity }));
        writes.set(effect, { ...branch, orderId, items: lines });
        return { writes };
      },
    };
  },
};

function readItem(payload: Payload): Item {
  const sku = payload.id('sku');
  const quantity = payload.whole('quantity', { min: 1, max: maxQuantity });
  return { sku, key: stockPrefix + sku, quantity, version: versionOf(payload) };
}

function refused(message: string): Plan {
  return { refused: { message } };
}
