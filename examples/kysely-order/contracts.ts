/** What the services and their clients agree on: names, payloads, results. */
import { defineParticipant } from 'verdict/participant';
import { z } from 'zod';

export const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.int().positive() }),
  result: z.object({ left: z.int() }),
});

export const payment = defineParticipant({
  name: 'payment',
  payload: z.object({ order: z.string(), account: z.string(), cents: z.int().positive() }),
  result: z.object({ balance: z.int() }),
});
