/** What an order is, for whichever framework takes it. */
import type { BranchRequest } from 'verdict/client';
import type { StatusOf } from 'verdict/fastify';

const centsEach = 4_900;

/** The same branches for the same request, or its repetition would be another request. */
export function branchesOf(body: unknown): readonly BranchRequest[] {
  const { lamps, account } = body as { readonly lamps: number; readonly account: string };
  return [
    { participant: 'inventory', payload: { of: 'lamp', amount: lamps } },
    { participant: 'payment', payload: { of: account, amount: lamps * centsEach } },
  ];
}

/** What an abort is in this shop. */
export const statusOf: StatusOf = ({ code, participant }) => {
  if (code !== 'VOTED_ABORT') return undefined;
  return participant === 'payment' ? 402 : { status: 409, title: 'Out of stock' };
};
