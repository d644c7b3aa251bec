/** The five of them, by name, and where each keeps what its committed branches did. */
import type { ServiceName } from './paths.ts';
import type { ShopService } from './service.ts';
import { inventory, takenPrefix } from './services/inventory.ts';
import { messagePrefix, notification } from './services/notification.ts';
import { order, orderPrefix } from './services/order.ts';
import { capturePrefix, payment } from './services/payment.ts';
import { shipmentPrefix, shipping } from './services/shipping.ts';

export const services: Readonly<Record<ServiceName, ShopService>> = {
  inventory,
  payment,
  order,
  shipping,
  notification,
};

export const effectPrefixes: Readonly<Record<ServiceName, string>> = {
  inventory: takenPrefix,
  payment: capturePrefix,
  order: orderPrefix,
  shipping: shipmentPrefix,
  notification: messagePrefix,
};
