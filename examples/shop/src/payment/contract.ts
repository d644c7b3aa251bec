/** What payment is asked for. Callers import the type alone. */
import { defineParticipant } from 'verdict/participant';
import { z } from 'zod';

export const payment = defineParticipant({
  name: 'payment',
  payload: z.object({
    order: z.string().max(64),
    account: z.string().max(64),
    cents: z.int().positive(),
  }),
});
