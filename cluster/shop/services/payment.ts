/** Captures money: `{orderId?, account, amountCents, version?}`. */
import type { BranchRef } from '../../../src/participant.ts';
import { type Payload, versionOf } from '../payload.ts';
import { type Account, accountPrefix, paymentSeed } from '../seed.ts';
import {
  type BranchWork,
  type Effect,
  effectKey,
  type Plan,
  type ShopService,
} from '../service.ts';

export const capturePrefix = 'capture/';

/**
 * An entry in the shop's till. The till is its entries, not a sum in one record: every order would
 * have to wait for that record.
 */
export interface Capture extends Effect {
  readonly account: string;
  readonly amountCents: number;
}

const maxAmountCents = 1_000_000_000_000;

export const payment: ShopService = {
  name: 'payment',
  seed: paymentSeed,
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.optional('orderId', (given) => given.id('orderId'));
    const account = payload.id('account');
    const amountCents = payload.whole('amountCents', { min: 1, max: maxAmountCents });
    const version = versionOf(payload);
    const key = accountPrefix + account;
    const effect = effectKey(capturePrefix, branch);
    return {
      keys: [key, effect],
      versions: new Map(version === null ? [] : [[key, version]]),
      plan: (read) => {
        const found = read(key)?.value as Account | undefined;
        if (found === undefined) return declined(`there is no account ${account}.`);
        const { balanceCents, status } = found;
        if (status !== 'open') return declined(`the account ${account} is ${status}.`);
        if (balanceCents < amountCents) {
          return declined(`${account} has ${balanceCents} cents of the ${amountCents} wanted.`);
        }
        return {
          writes: new Map<string, Account | Capture>([
            [key, { ...found, balanceCents: balanceCents - amountCents }],
            [effect, { ...branch, orderId, account, amountCents }],
          ]),
        };
      },
    };
  },
};

function declined(why: string): Plan {
  return { refused: { message: `Card declined: ${why}` } };
}
