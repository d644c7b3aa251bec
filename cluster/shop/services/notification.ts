/** Queues a message, to be sent exactly if the order commits: `{orderId, to, text}`. */
import type { BranchRef } from '../../../src/ports/resource.ts';
import type { Payload } from '../payload.ts';
import { type BranchWork, type Effect, onceOnly, type ShopService } from '../service.ts';

export const messagePrefix = 'message/';

export interface QueuedMessage extends Effect {
  readonly orderId: string;
  readonly to: string;
  readonly text: string;
}

export const notification: ShopService = {
  name: 'notification',
  seed: [],
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.id('orderId');
    const to = payload.text('to');
    const text = payload.text('text', 2_000);
    const made: QueuedMessage = { ...branch, orderId, to, text };
    return onceOnly(messagePrefix + orderId, `a message about ${orderId}`, made);
  },
};
