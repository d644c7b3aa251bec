/**
 * A dialer with a network of its own: what others advertise is reached by another address from
 * here, or not at all.
 */
import type { Dialer } from '../../../src/ports/transport.ts';

/** By `host:port`. What has no route is dialled as it is. */
export function reroutedDialer(dialer: Dialer, routes: Readonly<Record<string, string>>): Dialer {
  return {
    connect: (options, events) => {
      const url = new URL(options.url);
      url.host = routes[url.host] ?? url.host;
      return dialer.connect({ ...options, url: url.href }, events);
    },
  };
}
