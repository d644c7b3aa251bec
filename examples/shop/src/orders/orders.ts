/** Places orders: each is one transaction over three services, and has its effect once. */
import { Injectable, UnprocessableEntityException } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import { type BranchOf, currentTransaction } from 'verdict/client';
import { TransactionAbortedError, Transactional } from 'verdict/nestjs';
import type { payment } from '../payment/contract.ts';
import { PostgresqlDatabase } from '../shared/postgresql-database.ts';
import { readable } from '../shared/readable.ts';
import type { stock } from '../stock/contract.ts';
import { orders } from './contract.ts';
import { prices, type Wanted } from './order-requests.ts';
import { type Order, placed } from './tables.ts';

export interface Answer {
  readonly order: Order;
  /** It had been placed before. */
  readonly replayed: boolean;
}

@Injectable()
export class Orders {
  constructor(private readonly database: PostgresqlDatabase) {}

  /** Null: there is none. */
  async find(id: string): Promise<Order | null> {
    const query = this.database.db.select().from(placed).where(eq(placed.id, id));
    const [order] = await readable('Orders', query);
    return order ?? null;
  }

  /** Whoever repeats a request gets the order that the first one placed. */
  async placeOnce(id: string, wanted: Wanted): Promise<Answer> {
    const before = await this.find(id);
    if (before !== null) return replayed(before, wanted);
    try {
      return { order: await this.place(id, wanted), replayed: false };
    } catch (error) {
      // Another request with the same key has been placed meanwhile, perhaps by another replica.
      const winner = error instanceof TransactionAbortedError ? await this.find(id) : null;
      if (winner === null) throw error;
      return replayed(winner, wanted);
    }
  }

  /** `applied`: whoever has the answer finds the order, whichever replica is asked. */
  @Transactional({ answer: 'applied', timeoutMs: 5_000 })
  async place(id: string, { account, sku, quantity }: Wanted): Promise<Order> {
    const tx = currentTransaction();
    const cents = (prices[sku] ?? 0) * quantity;
    const removal: BranchOf<typeof stock> = {
      participant: 'stock',
      payload: { order: id, sku, quantity },
    };
    const charge: BranchOf<typeof payment> = {
      participant: 'payment',
      payload: { order: id, account, cents },
    };
    // The services prepare at the same time. Two orders of one lamp by one customer would take the
    // lamp and the account in either order, and wait for each other. So they queue up here.
    await tx.lock([`order/${id}`, `sku/${sku}`, `account/${account}`]);
    await tx.enlist(orders.branch({ id, account, sku, quantity, cents }));
    await tx.enlist(removal);
    await tx.enlist(charge);
    return { id, account, sku, quantity, cents, transaction: tx.txid };
  }
}

function replayed(order: Order, wanted: Wanted): Answer {
  const { account, sku, quantity } = order;
  if (account === wanted.account && sku === wanted.sku && quantity === wanted.quantity) {
    return { order, replayed: true };
  }
  throw new UnprocessableEntityException('This Idempotency-Key belongs to another order.');
}
