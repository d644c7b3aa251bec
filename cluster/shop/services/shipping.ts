/** Books a shipment: `{orderId, address}`. */
import type { BranchRef } from '../../../src/participant.ts';
import type { Payload } from '../payload.ts';
import { type BranchWork, type Effect, onceOnly, type ShopService } from '../service.ts';

export const shipmentPrefix = 'shipment/';

export interface Shipment extends Effect {
  readonly orderId: string;
  readonly address: string;
}

export const shipping: ShopService = {
  name: 'shipping',
  seed: [],
  work(payload: Payload, branch: BranchRef): BranchWork {
    const orderId = payload.id('orderId');
    const address = payload.text('address', 500);
    const made: Shipment = { ...branch, orderId, address };
    return onceOnly(shipmentPrefix + orderId, `a shipment of ${orderId}`, made);
  },
};
