/** The participant `inventory`: what it is asked, and what it does with it. */
import {
  defineParticipant,
  type ParticipantContract,
  type ParticipantHandle,
  serveParticipant,
  vote,
} from 'verdict/participant';
import type { VersionedStore } from 'verdict/versioned-store';
import { z } from 'zod';

export interface Order {
  readonly sku: string;
  readonly quantity: number;
}

/** What a client gets back. */
export interface Left {
  readonly left: number;
}

/** For the service and for its clients: what is sent is checked on its way in, and the result. */
export const inventory: ParticipantContract<'inventory', Order, Order, Left> = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string().min(1), quantity: z.int().positive() }),
  result: z.object({ left: z.int() }),
});

/** What a test hands in otherwise than `service.ts` does. */
export interface Connection {
  readonly urls: readonly string[];
  readonly dataDirectory?: string;
}

export function startInventory(
  store: VersionedStore,
  connection: Connection,
): Promise<ParticipantHandle> {
  // What is written here is seen by others once the transaction is committed, everywhere.
  const resource = store.resource<Order, Left>(async (tx, { payload: { sku, quantity } }) => {
    const stock = (await tx.readForUpdate<number>(sku))?.value ?? 0;
    const left = stock - quantity;
    if (left < 0) return vote.abort(`Only ${stock} of ${sku} left.`);
    await tx.write(sku, left);
    return vote.commit({ left });
  });
  return serveParticipant({ ...inventory, resource, ...connection });
}
