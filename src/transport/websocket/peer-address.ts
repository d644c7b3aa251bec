/**
 * Where a peer connects from. Behind a proxy it is the address that the proxy forwards, if the
 * proxy is one that the node was told of: anyone can send such a header.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { unmapped } from '../../core/access/address-share.ts';
import { subnetIn } from '../../system/subnet.ts';

export class PeerAddresses {
  readonly #proxies = new BlockList();

  /** Addresses, and subnets such as `10.0.0.0/8`. Throws a TypeError for what is neither. */
  constructor(trustedProxies: readonly string[] = []) {
    for (const text of trustedProxies) {
      const subnet = subnetIn(text);
      if (subnet === null) {
        throw new TypeError(`"${text}" is no address and no subnet. Write 10.0.0.7 or 10.0.0.0/8.`);
      }
      this.#proxies.addSubnet(subnet.address, subnet.bits, subnet.family);
    }
  }

  isProxy(address: string): boolean {
    const plain = unmapped(address);
    return isIP(plain) !== 0 && this.#proxies.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
  }

  /** The nearest one that is no trusted proxy: what stands before it in the header is hearsay. */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    const direct = unmapped(socket.remoteAddress ?? '');
    if (!this.isProxy(direct)) return direct;
    const header = headers['x-forwarded-for'];
    const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',');
    let nearest = direct;
    for (const hop of hops.reverse()) {
      const address = addressIn(hop.trim());
      if (isIP(address) === 0) break;
      nearest = address;
      if (!this.isProxy(address)) break;
    }
    return nearest;
  }
}

/** Some proxies add a port: `198.51.100.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(hop: string): string {
  const parts = /^\[([^\]]+)\](?::\d+)?$/.exec(hop) ?? /^([\d.]+):\d+$/.exec(hop);
  return unmapped(parts?.[1] ?? hop);
}
