/**
 * A service behind a contract, and a client that imports nothing of it but the type. `package`:
 * `verdict`, or `verdict-client`, which has the same types under its own name.
 */
export function contractPrograms(
  package_: 'verdict' | 'verdict-client',
): Readonly<Record<string, string>> {
  const client = package_ === 'verdict' ? 'verdict/client' : 'verdict-client';
  return {
    'service.mts': `
import { defineParticipant, serveParticipant, type StandardSchema, vote } from '${package_}/participant';
import { z } from 'zod';
export const inventory = defineParticipant({
  name: 'inventory',
  payload: z.object({ sku: z.string(), quantity: z.number().default(1) }),
  result: z.object({ at: z.date().transform((date) => date.toISOString()) }),
});
// Of a library that is like the others, and that is not known here.
const byHand: StandardSchema<{ cents: number }, { cents: number | string }> = {
  '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value: value as { cents: number } }) },
};
export const payment = defineParticipant({ name: 'payment', payload: byHand });
const rest = { urls: ['127.0.0.1:7070'], dataDirectory: './data', commit: () => undefined, rollback: () => undefined };
export const served = [
  serveParticipant({ ...inventory, ...rest, prepare: ({ payload }) => {
    const quantity: number = payload.quantity;
    // @ts-expect-error: no such field
    payload.amount;
    return quantity > 0 ? vote.commit({ at: new Date() }) : vote.abort('No quantity.');
  } }),
  // @ts-expect-error: the schema of the result takes a date
  serveParticipant({ ...inventory, ...rest, prepare: () => vote.commit({ at: 5 }) }),
  serveParticipant({ ...payment, ...rest, prepare: ({ payload }) => vote.commit(payload.cents + 1) }),
];
`,
    'client.mts': `
import type { BranchOf, Client, ResultsOf } from '${client}';
import type { inventory, payment } from './service.mts';
export async function order(client: Client): Promise<string | undefined> {
  const lamp: BranchOf<typeof inventory> = { participant: 'inventory', payload: { sku: 'lamp' } };
  const chair: BranchOf<typeof inventory, 'chair'> = { ...lamp, branch: 'chair' };
  const money: BranchOf<typeof payment> = { participant: 'payment', payload: { cents: '5' } };
  // @ts-expect-error: the quantity is a number
  const wrong: BranchOf<typeof inventory> = { participant: 'inventory', payload: { sku: 'lamp', quantity: '1' } };
  // @ts-expect-error: the sku is missing
  const empty: BranchOf<typeof inventory> = { participant: 'inventory', payload: {} };
  // @ts-expect-error: another participant
  const other: BranchOf<typeof inventory> = { participant: 'payment', payload: { sku: 'lamp' } };
  void [wrong, empty, other];
  const outcome = await client.transact({ branches: [lamp, chair, money] });
  if (outcome.outcome !== 'committed') return;
  // @ts-expect-error: they may be null
  outcome.results.inventory;
  // @ts-expect-error: the schema makes text of the date
  outcome.results?.chair.at.getTime();
  // @ts-expect-error: no such branch
  outcome.results?.inventroy;
  await using tx = await client.begin();
  await tx.enlist(lamp);
  const ended = await tx.commit<ResultsOf<[typeof lamp]>>();
  return ended.outcome === 'committed' ? ended.results?.inventory.at : outcome.results?.inventory.at;
}
`,
  };
}
