/** What stock is asked for. Callers import the type alone. */
import { defineParticipant } from 'verdict/participant';
import { z } from 'zod';

export const stock = defineParticipant({
  name: 'stock',
  payload: z.object({
    order: z.string().max(64),
    sku: z.string().max(64),
    quantity: z.int().positive(),
  }),
  result: z.object({ left: z.int() }),
});
