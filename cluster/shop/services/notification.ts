/**
 * Sends a message exactly if the order commits: `{orderId, to, text}`. It goes by an outbox:
 * notices.ts.
 */
import type { BranchRef } from '../../../src/participant.ts';
import type { Payload } from '../payload.ts';
import type { BranchWork, Effect, ShopService } from '../service.ts';

export const messagePrefix = 'message/';

export interface QueuedMessage extends Effect {
  readonly orderId: string;
  readonly to: string;
  readonly text: string;
}

export const notification: ShopService = {
  name: 'notification',
  seed: [],
  /**
   * What it writes is what it sends. That there is one for an order is the order service's care.
   */
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.id('orderId');
    const to = payload.text('to');
    const text = payload.text('text', 2_000);
    const made: QueuedMessage = { ...branch, orderId, to, text };
    const key = messagePrefix + orderId;
    return { keys: [key], versions: new Map(), plan: () => ({ writes: new Map([[key, made]]) }) };
  },
};
