/** What the participant `orders` is asked to write. */
import { defineParticipant } from 'verdict/participant';
import { z } from 'zod';

export const orders = defineParticipant({
  name: 'orders',
  payload: z.object({
    id: z.string().max(64),
    account: z.string(),
    sku: z.string(),
    quantity: z.int().positive(),
    cents: z.int().positive(),
  }),
});
